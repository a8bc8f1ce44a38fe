"""The S3 store against a real HTTP endpoint."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.model.canonical import digest_bytes
from interlock.model.errors import ConfigError, TamperedError, UnreachableError, UsageError
from interlock.model.progress import Progress
from interlock.release.archive import export, import_
from interlock.release.build import publish
from interlock.release.store import MissingError
from interlock.release.store_folder import FolderStore
from interlock.release.store_s3 import S3Store
from interlock.release.stores import open_store
from interlock.release.verify import verify
from tests.support.moto import S3Server
from tests.unit.release.sample import built, published, write

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as running:
        yield running


@pytest.fixture
def store(server: S3Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> S3Store:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    found = open_store(server.url(f"team/{request.node.name[:60]}"), Path("/"))
    assert isinstance(found, S3Store)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "project")


def test_a_release_is_the_same_in_a_folder_and_in_s3(root: Path, store: S3Store, tmp_path: Path) -> None:
    seen: list[Progress] = []
    manifest, blobs = built(root)
    publish(store, manifest, blobs, seen.append)
    assert seen[-1].done == seen[-1].total == len(blobs)
    publish(store, manifest, blobs)
    assert store.manifest(manifest.id) == store.manifest(manifest.id[:8]) == manifest
    assert store.list() == (manifest.id,)
    assert verify(store, manifest.id) == []
    folder = FolderStore(tmp_path / "store")
    assert import_(folder, export(store, manifest.id, tmp_path)) == manifest.id
    assert verify(folder, manifest.id) == []


def test_nothing_written_is_ever_replaced_by_other_bytes(root: Path, store: S3Store, server: S3Server) -> None:
    published(root, store)
    key = f"{store.prefix}blobs/{digest_bytes(b'x')[:2]}/{digest_bytes(b'x')}"
    store.put_blob(b"x")
    before = server.client().head_object(Bucket=server.bucket, Key=key)["LastModified"]
    store.put_blob(b"x")
    assert server.client().head_object(Bucket=server.bucket, Key=key)["LastModified"] == before


def test_changed_and_missing_objects_are_found_and_a_new_build_heals_them(
    root: Path, store: S3Store, server: S3Server
) -> None:
    manifest = published(root, store)
    helper, shared = manifest.by_path["dags/helper.py"].digest, manifest.by_path["interlock.yaml"].digest
    keys = {d: f"{store.prefix}blobs/{d[:2]}/{d}" for d in (helper, shared)}
    server.client().put_object(Bucket=server.bucket, Key=keys[helper], Body=b"other bytes")
    server.client().delete_object(Bucket=server.bucket, Key=keys[shared])
    with pytest.raises(TamperedError):
        store.read(helper)
    with pytest.raises(MissingError):
        store.read(shared)
    assert store.has(helper) and not store.has(shared)
    assert [p.subject for p in verify(store, manifest.id)] == ["dags/helper.py", "interlock.yaml"]
    published(root, store)
    assert verify(store, manifest.id) == []


def test_a_changed_manifest_is_refused(root: Path, store: S3Store, server: S3Server) -> None:
    manifest = published(root, store)
    server.client().put_object(Bucket=server.bucket, Key=f"{store.prefix}manifests/{manifest.id}.json", Body=b"{}")
    with pytest.raises(TamperedError):
        store.manifest(manifest.id)


def test_an_unknown_release_is_a_usage_error(store: S3Store) -> None:
    for wrong in ("abcdef", "0" * 64, "../.."):
        with pytest.raises(UsageError):
            store.manifest(wrong)
    assert store.list() == ()


def test_many_writers_at_once_get_along(root: Path, store: S3Store) -> None:
    manifest, blobs = built(root)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            publish(S3Store(store.bucket, store.prefix.strip("/")), manifest, blobs)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and verify(store, manifest.id) == []


def test_a_bucket_that_is_not_there_is_a_configuration_error(store: S3Store, root: Path) -> None:
    elsewhere = S3Store("no-such-bucket")
    manifest, blobs = built(root)
    for attempt in (
        lambda: elsewhere.list(),
        lambda: elsewhere.put_blob(b"x"),
        lambda: publish(elsewhere, manifest, blobs),
    ):
        with pytest.raises(ConfigError, match="no-such-bucket does not exist") as refused:
            attempt()
        assert "interlock.yaml" in refused.value.remedy


def test_an_endpoint_that_does_not_answer_is_unreachable(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(UnreachableError, match="did not answer") as refused:
        S3Store(store.bucket).read("0" * 64)
    assert refused.value.exit_code == 5 and refused.value.transient and "AWS_ENDPOINT_URL" in refused.value.remedy
    assert time.monotonic() - started < 30


def test_missing_credentials_are_said_and_none_is_shown(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigError, match="no AWS credentials") as refused:
        S3Store(store.bucket).list()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match="no AWS credentials") as refused:
        S3Store(store.bucket).list()
    assert "AWS_PROFILE" in refused.value.remedy
    assert "testing" not in refused.value.summary + refused.value.detail + refused.value.remedy


def test_a_server_that_dies_in_the_middle_leaves_no_release(
    root: Path, monkeypatch: pytest.MonkeyPatch, store: S3Store
) -> None:
    with S3Server() as mortal:
        monkeypatch.setenv("AWS_ENDPOINT_URL", mortal.endpoint)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", mortal.endpoint)
        short_lived = S3Store(mortal.bucket, "x")
        manifest, blobs = built(root)
        short_lived.put_files(blobs)
        mortal.stop()
        with pytest.raises(UnreachableError):
            short_lived.put_manifest(manifest)
        with pytest.raises(UnreachableError):
            verify(short_lived, manifest.id)
