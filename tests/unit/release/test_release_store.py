import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from interlock.model.canonical import digest_bytes
from interlock.model.errors import ConfigError, TamperedError, UnreachableError, UsageError
from interlock.model.progress import Progress
from interlock.release.build import publish
from interlock.release.store import MissingError, choose
from interlock.release.store_folder import FolderStore
from interlock.release.store_s3 import S3Store
from interlock.release.stores import open_store
from interlock.release.verify import verify
from tests.unit.release.sample import built, published, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "project")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def blob_path(store: FolderStore, digest: str) -> Path:
    return store.folder / "blobs" / digest[:2] / digest


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_urls_name_stores(tmp_path: Path) -> None:
    assert open_store(".interlock/artifacts", tmp_path).folder == tmp_path / ".interlock/artifacts"  # type: ignore[attr-defined]
    assert open_store(f"file://{tmp_path}/x", Path("/")).folder == tmp_path / "x"  # type: ignore[attr-defined]
    found = open_store("s3://bucket/a/b/", tmp_path)
    assert isinstance(found, S3Store) and (found.bucket, found.prefix) == ("bucket", "a/b/")
    for wrong in ("gs://bucket", "s3://", "s3:///x"):
        with pytest.raises(ConfigError) as refused:
            open_store(wrong, tmp_path)
        assert "s3://bucket/prefix" in refused.value.remedy


def test_a_release_is_read_back(root: Path, store: FolderStore) -> None:
    seen: list[Progress] = []
    manifest, blobs = built(root)
    publish(store, manifest, blobs, seen.append)
    assert seen and seen[-1].done == seen[-1].total
    assert store.manifest(manifest.id) == store.manifest(manifest.id[:6].upper()) == manifest
    assert store.list() == (manifest.id,)
    assert all(store.has(f.digest) and digest_bytes(store.read(f.digest)) == f.digest for f in manifest.files)
    assert verify(store, manifest.id) == []
    assert list((store.folder / "tmp").iterdir()) == []


def test_releases_are_listed_newest_first(root: Path, store: FolderStore) -> None:
    first = published(root, store).id
    os.utime(store.folder / "manifests" / f"{first}.json", (1, 1))
    write(root, {"dags/more.py": b"x"})
    second = published(root, store).id
    (store.folder / "manifests" / "notes.txt").write_text("not a release")
    assert store.list() == (second, first)


def test_an_unknown_short_or_ambiguous_release_is_a_usage_error(root: Path, store: FolderStore) -> None:
    with pytest.raises(UsageError) as refused:
        store.manifest("abcdef")
    assert "interlock build" in refused.value.remedy
    release = published(root, store).id
    for wrong in ("abc", "0" * 64, "../../etc", "", "zzzz"):
        with pytest.raises(UsageError) as refused:
            store.manifest(wrong)
        assert release[:12] in refused.value.remedy
    with pytest.raises(UsageError, match="2 releases start with"):
        choose("aaaa", ("aaaa1" * 12, "aaaa2" * 12, "b" * 60))


def test_a_digest_cannot_lead_out_of_the_store(store: FolderStore) -> None:
    for wrong in ("../../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "\n"):
        with pytest.raises(UsageError):
            store.read(wrong)
        with pytest.raises(UsageError):
            store.has(wrong)


def test_changed_and_missing_blobs_are_found_and_a_new_build_heals_them(root: Path, store: FolderStore) -> None:
    manifest = published(root, store)
    helper, shared = manifest.by_path["dags/helper.py"].digest, manifest.by_path["interlock.yaml"].digest
    overwrite(blob_path(store, helper), b"X = 9\n")
    blob_path(store, shared).unlink()
    with pytest.raises(TamperedError, match="was changed"):
        store.read(helper)
    with pytest.raises(MissingError) as refused:
        store.read(shared)
    assert not refused.value.transient and refused.value.exit_code == 5
    problems = verify(store, manifest.id)
    assert [p.subject for p in problems] == ["dags/helper.py", "interlock.yaml"]
    assert all(p.remedy for p in problems)
    published(root, store)
    assert verify(store, manifest.id) == []


def test_a_changed_manifest_is_refused(root: Path, store: FolderStore) -> None:
    manifest = published(root, store)
    path = store.folder / "manifests" / f"{manifest.id}.json"
    overwrite(path, path.read_bytes().replace(b"c0ffee", b"c0ffef"))
    with pytest.raises(TamperedError) as refused:
        store.manifest(manifest.id)
    assert refused.value.exit_code == 1 and refused.value.remedy
    assert [p.subject for p in verify(store, manifest.id)] == ["manifest"]


def test_many_writers_at_once_get_along(root: Path, tmp_path: Path) -> None:
    manifest, blobs = built(root)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                assert publish(FolderStore(tmp_path / "store"), manifest, blobs) == manifest.id
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert verify(FolderStore(tmp_path / "store"), manifest.id) == []


LIMITED = """
import signal, sys
from pathlib import Path
from interlock.model.errors import UnreachableError
from interlock.release.store_folder import FolderStore
store = FolderStore(Path(sys.argv[1]))
try:
    for number in range(200):
        store.put_blob(bytes([number]) * 50_000)
except UnreachableError as error:
    print(error.summary, "|", error.remedy)
"""


def test_a_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "s")],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "is full | Free some space" in done.stdout
    assert [p for p in (tmp_path / "s").rglob("*") if p.is_file()] == []


def test_a_full_disk_is_said_and_leaves_nothing_half(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=1m tmpfs "$1" || exit 77; "$2" -c "$3" "$1/s"; find "$1/s" -type f -size -49k; true'
    )
    unshare = shutil.which("unshare")
    if not unshare:
        pytest.skip("no unshare here")
    command = [unshare, "--mount", "--map-root-user", "sh", "-c", script, "sh", str(disk), sys.executable, LIMITED]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no private mount here: {done.stderr[:200]}")
    assert "is full | Free some space" in done.stdout
    assert len(done.stdout.splitlines()) == 1  # no half blob, nothing in tmp/


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(UnreachableError, match="could not be used"):
        FolderStore(tmp_path / "store").put_blob(b"x")
    with pytest.raises(UnreachableError, match="could not be used"):
        FolderStore(tmp_path / "store").list()


KILLED = """
import os, sys
from pathlib import Path
from tests.unit.release.sample import published
from interlock.release.store_folder import FolderStore
left = int(sys.argv[3])
def count(event, arguments):
    global left
    if event in ("open", "os.rename", "os.mkdir", "os.chmod") and sys.argv[2] in str(arguments[0]):
        left -= 1
        if left < 0:
            os._exit(9)
sys.addaudithook(count)
published(Path(sys.argv[1]), FolderStore(Path(sys.argv[2])))
"""


def test_killed_at_any_file_operation_a_publish_leaves_no_half_release(root: Path, tmp_path: Path) -> None:
    manifest = built(root)[0]
    # 40-odd operations; a spread of them keeps this quick
    for operation in (0, 1, 2, 3, 5, 8, 13, 21, 30, 34, 38, 42):
        folder = tmp_path / f"store{operation}"
        command = [sys.executable, "-c", KILLED, str(root), str(folder), str(operation)]
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())}, capture_output=True, text=True)
        assert done.returncode in (0, 9), done.stderr
        store = FolderStore(folder)
        if store.list():
            assert verify(store, manifest.id) == []
        published(root, store)
        assert verify(store, manifest.id) == []


def test_what_dead_writers_left_is_swept(root: Path, store: FolderStore) -> None:
    published(root, store)
    old, fresh = store.folder / "tmp/old", store.folder / "tmp/fresh"
    old.write_bytes(b"")
    fresh.write_bytes(b"")
    os.utime(old, (1, 1))
    published(root, store)
    assert fresh.exists() and not old.exists()


def test_2500_small_files_are_stored_quickly(tmp_path: Path) -> None:
    blobs: dict[str, Path] = {}
    for number in range(2500):
        path = tmp_path / "files" / str(number)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(str(number).encode() * 400)
        blobs[digest_bytes(path.read_bytes())] = path
    store = FolderStore(tmp_path / "store")
    manifest = built(write(tmp_path / "project"))[0]
    started = time.process_time()
    store.put_files(blobs)
    store.put_manifest(manifest)
    cold = time.process_time() - started
    started = time.process_time()
    store.put_files(blobs)
    warm = time.process_time() - started
    print(f"2,500 files: {cold:.2f} s into an empty store, {warm:.2f} s when they are there")
    assert cold < 10 and warm < 3  # some 0.6 s and 0.15 s on an idle machine of two cores
