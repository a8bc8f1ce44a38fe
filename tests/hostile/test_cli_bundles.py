"""A release in the store that was tampered with, cut short, or made to hold ``../x``: found, refused, nothing deployed."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.model.canonical import canonical_json, digest_bytes
from tests.hostile.cli_project import (
    DONE,
    NO,
    USAGE,
    Said,
    build,
    copy_of,
    deploy,
    interlock,
    live_job,
    live_spark,
    spark_files,
    unharmed,
    write,
)


class Stored:
    """A project of which version 1 is live and version 2 is built, and the files of version 2 in the store."""

    def __init__(self, root: Path, live: str, release: str) -> None:
        self.root, self.live, self.release = root, live, release

    @property
    def manifest(self) -> Path:
        return self.root / ".interlock/artifacts/manifests" / f"{self.release}.json"

    def blob(self, path: str) -> Path:
        [digest] = [f["digest"] for f in json.loads(self.manifest.read_bytes())["files"] if f["path"] == path]
        return self.root / ".interlock/artifacts/blobs" / digest[:2] / digest

    def overwrite(self, path: Path, content: bytes) -> None:
        path.chmod(0o644)
        path.write_bytes(content)

    def with_path(self, name: str) -> str:
        """A release whose manifest is right in itself, except that one file's path is ``name``; its id."""
        document = json.loads(self.manifest.read_bytes())
        document["files"][0]["path"] = name
        content = canonical_json(document)
        self.release = digest_bytes(content)
        self.manifest.write_bytes(content)
        return self.release


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    root = live_spark(tmp_path_factory.mktemp("bundles") / "project")
    live = str(interlock(root, "release", "show").body["release"])
    write(root, spark_files(version=2))
    return Stored(root, live, build(root))


@pytest.fixture
def stored(made: Stored, tmp_path: Path) -> Stored:
    return Stored(copy_of(made.root, tmp_path / "project"), made.live, made.release)


def not_deployed(stored: Stored, *named: str) -> Said:
    """The deployment says no and names it; what was live is live."""
    said = interlock(stored.root, "deploy", "prod", stored.release, "--yes")
    assert said.code == NO, said
    if said.body["kind"] == "error":
        said.about(*named)
    else:
        assert said.body["outcome"] == "turned" and said.body["remedy"], said
        assert all(name in said.body["cause"] for name in named), said
    unharmed(stored.root, stored.live)
    assert "settle 1" in live_job(stored.root)
    return said


DAMAGES: dict[str, Callable[[Stored, Path], None]] = {
    "changed": lambda stored, blob: stored.overwrite(blob, blob.read_bytes().replace(b"settle 2", b"settle 9")),
    "truncated": lambda stored, blob: os.truncate(blob, 5),
    "emptied": lambda stored, blob: os.truncate(blob, 0),
    "missing": lambda stored, blob: blob.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_file_of_a_release_that_was_harmed_in_the_store_is_found_and_never_deployed(
    stored: Stored, damage: str
) -> None:
    blob = stored.blob("jobs/settle.py")
    DAMAGES[damage](stored, blob)
    verified = interlock(stored.root, "release", "verify")
    assert verified.code == NO, verified
    verified.about("jobs/settle.py", blob.name[:12])
    not_deployed(stored, blob.name[:12])
    # The remedy is to build again: that repairs the store, and then it is deployed.
    assert build(stored.root) == stored.release
    assert digest_bytes(blob.read_bytes()) == blob.name
    if damage == "changed":
        deploy(stored.root)
        assert "settle 2" in live_job(stored.root)


def test_manifest_that_was_changed_is_refused(stored: Stored) -> None:
    stored.overwrite(stored.manifest, stored.manifest.read_bytes().replace(b"settle", b"sattle"))
    refused(stored, "manifest", stored.release[:12])
    not_deployed(stored, "manifest")


def test_manifest_that_was_cut_short_is_refused(stored: Stored) -> None:
    stored.manifest.chmod(0o644)
    os.truncate(stored.manifest, 100)
    refused(stored, "manifest", stored.release[:12])
    not_deployed(stored, "manifest")


@pytest.mark.parametrize("name", ["../x", "/etc/cron.d/x", "jobs\\..\\x"])
def test_release_that_holds_a_path_to_elsewhere_is_refused_even_with_the_right_digest(
    stored: Stored, name: str
) -> None:
    stored.with_path(name)
    said = interlock(stored.root, "release", "verify", stored.release)
    assert said.code == NO, said
    said.about(repr(name))
    said = interlock(stored.root, "deploy", "prod", stored.release, "--yes")
    assert said.code == NO
    said.about(repr(name))
    assert "settle 1" in live_job(stored.root)
    assert not [path for path in stored.root.parent.rglob("x") if path.name == "x"]


def refused(stored: Stored, *named: str) -> None:
    """``release verify`` and ``release show`` say no, and name it."""
    for verb in ("verify", "show"):
        said = interlock(stored.root, "release", verb, stored.release)
        assert said.code == NO, said
        said.about(*named)


def test_archive_that_was_changed_cut_short_or_is_something_else_is_not_imported(stored: Stored) -> None:
    target = stored.root.parent / "release.tar"
    assert interlock(stored.root, "release", "export", str(target)).code == DONE
    content = target.read_bytes()
    stored.manifest.unlink()
    for harmed in (content.replace(b"settle 2", b"settle 9"), content[:-700], b"", os.urandom(4096)):
        target.write_bytes(harmed)
        said = interlock(stored.root, "release", "import", str(target))
        assert said.code == NO, said
        said.about("archive")
    for name in ("../x", "/tmp/x"):
        target.write_bytes(renamed(content, name))
        said = interlock(stored.root, "release", "import", str(target))
        assert said.code == NO, said
        said.about(name)
    missing = interlock(stored.root, "release", "import", str(target) + ".gone")
    assert missing.code == USAGE
    missing.about("release.tar.gone")
    unharmed(stored.root, stored.live)
    target.write_bytes(content)
    assert interlock(stored.root, "release", "import", str(target)).body["release"] == stored.release
    deploy(stored.root)
    assert "settle 2" in live_job(stored.root)


def renamed(archive: bytes, name: str) -> bytes:
    """The archive with its first blob under another name, and every check sum right."""
    changed = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=changed, mode="w") as new:
        for number, member in enumerate(old.getmembers()):
            content = old.extractfile(member)
            member.name = name if number == 1 else member.name
            new.addfile(member, content)
    return changed.getvalue()


def test_saved_plan_that_was_changed_is_not_carried_out(stored: Stored) -> None:
    plan = stored.root.parent / "plan.json"
    assert interlock(stored.root, "plan", "prod", "--out", str(plan)).code == DONE
    whole = plan.read_bytes()
    for harmed in (whole[:200], b"{}", b"\xff\xfe", b"[]", b"null"):
        plan.write_bytes(harmed)
        said = interlock(stored.root, "deploy", "prod", "--plan", str(plan))
        assert said.code == USAGE, said
        said.about("plan.json")
    unharmed(stored.root, stored.live)
    plan.write_bytes(whole)
    assert interlock(stored.root, "deploy", "prod", "--plan", str(plan)).body["outcome"] == "succeeded"
    assert "settle 2" in live_job(stored.root)
