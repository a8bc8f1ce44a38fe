"""Archives and manifests that somebody tampered with: each is refused, with a remedy, and nothing is taken in."""

import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.model.canonical import canonical_json, digest_bytes
from interlock.model.errors import ConfigError, TamperedError, UnreachableError
from interlock.model.release import Manifest
from interlock.release.archive import export, import_
from interlock.release.manifest import parse_manifest
from interlock.release.store_folder import FolderStore
from interlock.release.verify import verify
from tests.unit.release.sample import published, write


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def manifest(tmp_path: Path, store: FolderStore) -> Manifest:
    return published(write(tmp_path / "project"), store)


@pytest.fixture
def archive(tmp_path: Path, store: FolderStore, manifest: Manifest) -> Path:
    return export(store, manifest.id, tmp_path)


@pytest.fixture
def empty(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "empty")


def refused(archive: Path, empty: FolderStore, said: str | None = None) -> None:
    with pytest.raises(TamperedError, match=said) as error:
        import_(empty, archive)
    assert error.value.exit_code == 1 and error.value.remedy
    assert empty.list() == ()


def members(archive: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(archive) as tar:
        return [(m, tar.extractfile(m).read()) for m in tar.getmembers()]  # type: ignore[union-attr]


def rewritten(archive: Path, found: list[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(archive, "w", format=form) as tar:
        for info, data in found:
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))
    return archive


def test_an_archive_is_a_plain_tar_and_comes_back_whole(
    archive: Path, manifest: Manifest, empty: FolderStore, store: FolderStore, tmp_path: Path
) -> None:
    assert archive.name == f"{manifest.id}.tar"
    assert members(archive)[0][0].name == "manifest.json"
    assert import_(empty, archive, manifest.id) == manifest.id
    assert verify(empty, manifest.id) == []
    assert import_(empty, archive) == manifest.id
    again = export(empty, manifest.id[:8], tmp_path / "again.tar")
    assert again.read_bytes() == archive.read_bytes()


def test_another_release_than_the_expected_one_is_refused(archive: Path, empty: FolderStore) -> None:
    with pytest.raises(TamperedError):
        import_(empty, archive, "0" * 64)
    assert empty.list() == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../x", "leaves its folder"),
        ("blobs/../../x", "leaves its folder"),
        ("..\\x", "leaves its folder"),
        ("/etc/cron.d/x", "absolute path"),
        ("C:/x", "absolute path"),
        ("blobs/ok", "stands where"),
    ],
)
def test_members_that_lead_elsewhere_are_refused(archive: Path, empty: FolderStore, name: str, said: str) -> None:
    found = members(archive)
    found[2][0].name = name
    refused(rewritten(archive, found), empty, said)
    assert sorted(p.name for p in archive.parent.iterdir() if p.name == "x") == []


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.DIRTYPE, "not a regular file"),
        (tarfile.CHRTYPE, "not a regular file"),
        (tarfile.BLKTYPE, "not a regular file"),
        (tarfile.FIFOTYPE, "not a regular file"),
        (tarfile.CONTTYPE, "not a regular file"),
    ],
)
def test_links_devices_and_folders_are_refused(archive: Path, empty: FolderStore, kind: bytes, said: str) -> None:
    found = members(archive)
    found[1][0].type, found[1][0].linkname = kind, "/etc/passwd"
    refused(rewritten(archive, found), empty, said)


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.insert(2, found[2]),
        lambda found: found.append(found[-1]),
        lambda found: found.pop(),
        lambda found: found.pop(1),
        lambda found: found.pop(0),
        lambda found: found.reverse(),
        lambda found: found.append((tarfile.TarInfo("blobs/" + "0" * 64), b"")),
        lambda found: found.clear(),
        lambda found: setattr(found[1][0], "mode", 0o4755),
        lambda found: setattr(found[1][0], "mtime", 1),
        lambda found: setattr(found[1][0], "uname", "root"),
        lambda found: found.__setitem__(1, (found[1][0], found[1][1] + b"x")),
        lambda found: found.__setitem__(1, (found[1][0], found[1][1][:-1])),
        lambda found: found.__setitem__(1, (found[1][0], bytes(len(found[1][1])))),
    ],
)
def test_added_missing_doubled_and_altered_members_are_refused(
    archive: Path, empty: FolderStore, change: Callable[[list[Any]], Any]
) -> None:
    found = members(archive)
    assert found[1][1], "the blob that is altered has bytes"
    change(found)
    refused(rewritten(archive, found), empty)


def test_extended_headers_are_refused(archive: Path, empty: FolderStore) -> None:
    found = members(archive)
    found[1][0].pax_headers = {"path": "../x"}
    refused(rewritten(archive, found, tarfile.PAX_FORMAT), empty, "not a regular file")


def test_truncated_anywhere_it_is_refused(archive: Path, empty: FolderStore) -> None:
    whole = archive.read_bytes()
    for size in (0, 1, 511, 512, 513, 1024, len(whole) // 2, *(len(whole) - n for n in (1025, 1024, 512, 1))):
        archive.write_bytes(whole[:size])
        refused(archive, empty)


def test_bytes_behind_the_end_are_refused(archive: Path, empty: FolderStore) -> None:
    archive.write_bytes(archive.read_bytes() + b"\0")
    refused(archive, empty, "does not end where it should")


def test_any_flipped_byte_is_refused(archive: Path, empty: FolderStore) -> None:
    whole = archive.read_bytes()
    chosen = random.Random(5)
    first = whole[:512]
    size = tarfile.TarInfo.frombuf(first, "utf-8", "strict").size
    for _ in range(400):
        at = chosen.randrange(len(whole))
        changed = bytearray(whole)
        changed[at] ^= 1 << chosen.randrange(8)
        archive.write_bytes(changed)
        if 512 <= at < 512 + size:
            # The manifest's own bytes: it may be another valid manifest, and then it has another id.
            try:
                assert import_(empty, archive) != archive.stem
            except TamperedError:
                continue
        else:
            with pytest.raises(TamperedError):
                import_(empty, archive)
        assert archive.stem not in empty.list()


def test_what_is_no_archive_is_refused(tmp_path: Path, empty: FolderStore) -> None:
    for data in (b"", b"hello", b"\x1f\x8b" + bytes(5000), bytes(10240), random.Random(1).randbytes(20_000)):
        (tmp_path / "x.tar").write_bytes(data)
        refused(tmp_path / "x.tar", empty)
    with pytest.raises(ConfigError, match="could not be read"):
        import_(empty, tmp_path / "missing.tar")


def test_a_manifest_that_claims_to_be_huge_does_not_fill_the_memory(archive: Path, empty: FolderStore) -> None:
    info = tarfile.TarInfo("manifest.json")
    info.size, info.mode = 8 * 2**30, 0o644
    archive.write_bytes(info.tobuf(format=tarfile.GNU_FORMAT))
    refused(archive, empty)
    info.size = 8 * 2**30 - 1
    archive.write_bytes(info.tobuf(format=tarfile.USTAR_FORMAT))
    refused(archive, empty, "too large")


def test_a_tampered_store_is_not_exported(store: FolderStore, manifest: Manifest, tmp_path: Path) -> None:
    digest = manifest.by_path["dags/helper.py"].digest
    path = store.folder / "blobs" / digest[:2] / digest
    path.chmod(0o644)
    path.write_bytes(b"other")
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(TamperedError):
        export(store, manifest.id, target)
    assert list(target.iterdir()) == []
    with pytest.raises(UnreachableError, match="could not be written"):
        export(store, manifest.id, tmp_path / "no" / "such" / "folder.tar")


def entry(**other: Any) -> dict[str, Any]:
    return {"path": "dags/a.py", "digest": "0" * 64, "size": 1, "executable": False} | other


@pytest.mark.parametrize(
    "files",
    [
        [entry(path="../x")],
        [entry(path="/etc/passwd")],
        [entry(path="a//b")],
        [entry(path="./a")],
        [entry(path="a\\b")],
        [entry(path="a\nb")],
        [entry(path="C:x")],
        [entry(path="e\u0301.py")],
        [entry(path="")],
        [entry(path="x" * 2000)],
        [entry(path=5)],
        [entry(digest="../../x")],
        [entry(digest="A" * 64)],
        [entry(size=-1)],
        [entry(size=10**12)],
        [entry(size="1")],
        [entry(size=True)],
        [entry(executable="yes")],
        [entry(), entry()],
        [entry(path="b"), entry(path="a")],
        [entry(path="a"), entry(path="a/b")],
        [entry(path="a"), entry(path="a.b"), entry(path="a/b")],
        [entry(path="a"), entry(path="b", size=2)],
        [entry(more=1)],
        [5],
        {"path": "x"},
        None,
    ],
)
def test_a_manifest_with_hostile_files_is_refused_though_its_digest_is_right(manifest: Manifest, files: Any) -> None:
    content = json.loads(canonical_json(manifest)) | {"files": files}
    data = canonical_json(content)
    with pytest.raises(TamperedError) as error:
        parse_manifest(data, digest_bytes(data))
    assert error.value.remedy


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"[" * 100_000, b'{"project": NaN}', b"\xff\xfe", b'{"format": 1}', b"1" * 5000],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(TamperedError):
        parse_manifest(data)


def test_doubled_keys_spaces_and_later_formats_are_refused(manifest: Manifest) -> None:
    data = canonical_json(manifest)
    with pytest.raises(TamperedError, match="canonical"):
        parse_manifest(data.replace(b'{"catalog"', b'{"commit":"x","catalog"', 1))
    with pytest.raises(TamperedError, match="canonical"):
        parse_manifest(data + b" ")
    with pytest.raises(TamperedError, match="format 2"):
        parse_manifest(canonical_json(json.loads(data) | {"format": 2}))
