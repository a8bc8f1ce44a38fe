"""``check --against``: what is live cannot be reached, was tampered with, is another release here than there, is half
switched. It never compares with less than it says."""

import json
from pathlib import Path

import pytest

from interlock.model.canonical import digest_bytes
from interlock.model.release import manifest_from_json
from interlock.release.store_folder import FolderStore
from tests.hostile.cli_project import (
    DONE,
    NO,
    UNREACHABLE,
    USAGE,
    Said,
    build,
    copy_of,
    deploy,
    interlock,
    spark_files,
    write,
)
from tests.hostile.held import Held
from tests.support.git import git

AVRO = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}%s]}\n'
ADDED = ', {"name": "note", "type": "%s", "default": %s}'
TEXT, NUMBER = AVRO % (ADDED % ("string", '""')), AVRO % (ADDED % ("int", "0"))
STREAM = """\
import os
from pyspark.sql import SparkSession

ROOT = os.environ["LAKE_ROOT"]
paid = SparkSession.builder.getOrCreate().readStream.format("kafka").option("subscribe", "paid").load()
once = paid.withWatermark("timestamp", "1 hour").dropDuplicates(["%s", "timestamp"])
once.writeStream.format("delta").option("checkpointLocation", f"{ROOT}/checkpoints/paid").start("/lake/paid")
"""


def files() -> dict[str, str | bytes]:
    """Jobs, a stream, and a schema outside of any folder that is named for such; two environments."""
    found = spark_files()
    found["interlock.yaml"] = (
        str(found["interlock.yaml"]).replace("jobs: [jobs/*.py],", "jobs: [jobs/*.py], streams: [streams/*.py],")
        + "  qa:\n    spark: {root: live/qa}\n"
    )
    return found | {"topics/orders.avsc": AVRO % "", "streams/paid.py": STREAM % "key"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose first version is live in prod."""
    root = tmp_path_factory.mktemp("live") / "small"
    write(root, files())
    build(root)
    deploy(root)
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known from the check before."""
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(live: Path, tmp_path: Path) -> Path:
    return copy_of(live, tmp_path / "small")


def against(root: Path, *environments: str) -> Said:
    """What the check says; asked again, where much is known from the first time, it says the same."""
    named = [word for one in environments or ("prod",) for word in ("--against", one)]
    said, again = (interlock(root, "check", "--static", *named) for _ in range(2))
    assert said.code == again.code
    assert {**said.body, "timings": {}} == {**again.body, "timings": {}}
    return said


def told(said: Said) -> list[tuple[str, str, list[str]]]:
    """Rule, file and environments of what was told by something live, but for what only informs."""
    found = [one for one in said.body["findings"] if one["against"] and one["severity"] != "info"]
    return [(one["rule"], one["path"], [live["environment"] for live in one["against"]]) for one in found]


def store(root: Path) -> FolderStore:
    return FolderStore(root / ".interlock/artifacts")


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def release_of(root: Path, environment: str = "prod") -> str:
    environments = interlock(root, "status").body["environments"]
    return next(str(one["release"]) for one in environments if one["environment"] == environment)


def test_tampered_blob_is_refused_and_named(root: Path) -> None:
    digest = digest_bytes((AVRO % "").encode())
    overwrite(store(root).folder / "blobs" / digest[:2] / digest, TEXT.encode())
    write(root, {"topics/orders.avsc": NUMBER})
    said = against(root)
    assert (said.code, said.body["error"]["type"]) == (NO, "TamperedError")
    said.about("topics/orders.avsc", "live in prod", release_of(root)[:12])


def test_missing_blob_cannot_be_compared_with(root: Path) -> None:
    digest = digest_bytes((AVRO % "").encode())
    (store(root).folder / "blobs" / digest[:2] / digest).unlink()
    write(root, {"topics/orders.avsc": NUMBER})
    said = against(root)
    assert said.code == UNREACHABLE
    said.about("topics/orders.avsc", "live in prod", digest[:12])
    write(root, {"topics/orders.avsc": AVRO % ""})
    assert against(root).code == DONE, "the file is the one that is live"


def test_tampered_manifest_is_refused(root: Path) -> None:
    path = store(root).folder / "manifests" / f"{release_of(root)}.json"
    overwrite(path, path.read_bytes().replace(b"topics/orders.avsc", b"topics/others.avsc"))
    said = against(root)
    assert (said.code, said.body["error"]["type"]) == (NO, "TamperedError")


@pytest.mark.parametrize("known", [False, True], ids=["cold", "known from the check before"])
def test_release_that_is_gone_from_the_store_cannot_be_compared_with(root: Path, known: bool) -> None:
    release = release_of(root)
    if known:
        assert against(root).code == DONE
    (store(root).folder / "manifests" / f"{release}.json").unlink()
    said = against(root)
    assert said.code == UNREACHABLE
    said.about(release[:12], "live in prod", "artifact store")
    assert against(root, "qa").code == DONE
    assert interlock(root, "check", "--static").code == DONE


def test_ledger_that_does_not_answer_is_said(root: Path) -> None:
    config = (root / "interlock.yaml").read_text()
    write(root, {"interlock.yaml": config + "ledger: postgresql://nobody@127.0.0.1:1/none\n"})
    assert against(root).code == UNREACHABLE
    assert interlock(root, "check", "--static").code == DONE


def test_ledger_that_was_never_there_is_said_and_not_made(tmp_path: Path) -> None:
    root = tmp_path / "fresh"
    write(root, files())
    assert against(root).code == USAGE
    assert not (root / ".interlock").exists()


def test_environment_or_configuration_that_is_not_there_is_refused(root: Path, tmp_path: Path) -> None:
    against(root, "prod", "production").about("production")
    (tmp_path / "bare").mkdir()
    assert against(tmp_path / "bare").code == USAGE
    assert against(root, "production").code == USAGE


def test_nothing_of_the_project_is_written(root: Path) -> None:
    def everything() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    write(root, {"topics/orders.avsc": NUMBER})
    before = everything()
    assert against(root).code == DONE
    assert everything() == before


def test_two_environments_are_each_compared_with_their_own_release(root: Path) -> None:
    write(root, {"topics/orders.avsc": TEXT})
    build(root)
    assert interlock(root, "deploy", "qa", "--yes").code == DONE
    write(root, {"topics/orders.avsc": NUMBER, "streams/paid.py": STREAM % "value"})
    said = against(root, "prod", "qa", "prod")
    assert [one["environment"] for one in said.body["compared_with"]] == ["prod", "qa"]
    assert len({one["release"] for one in said.body["compared_with"]}) == 2
    assert told(said) == [
        ("ILK-SS007", "streams/paid.py", ["prod", "qa"]),
        ("ILK-SC007", "topics/orders.avsc", ["qa"]),
    ]


def test_environment_without_a_deployment_is_said_to_have_nothing(root: Path) -> None:
    write(root, {"topics/orders.avsc": NUMBER})
    said = against(root, "qa")
    assert (said.code, told(said)) == (DONE, [])
    assert "nothing is live there yet" in said.not_checked


def test_release_of_an_older_interlock_is_compared_as_far_as_it_goes_and_that_is_said(root: Path) -> None:
    """Such a release held schemas in folders of that name alone, and its configuration told nothing of them."""
    there = store(root)
    document = json.loads(there.manifest(release_of(root)).encoded)
    document["config"].pop("schemas")
    document["files"] = [one for one in document["files"] if not one["path"].startswith("topics/")]
    old = there.put_manifest(manifest_from_json(document))
    assert interlock(root, "deploy", "qa", old, "--yes").code == DONE
    write(root, {"topics/orders.avsc": NUMBER, "streams/paid.py": STREAM % "value"})
    said = against(root, "qa")
    assert told(said) == [("ILK-SS007", "streams/paid.py", ["qa"])]
    lacking = [one for one in said.body["not_checked"] if "topics/orders.avsc" in one["what"]]
    assert len(lacking) == 1 and old[:12] in lacking[0]["why"]


def test_link_in_a_release_is_not_called_removed(root: Path) -> None:
    git(root, "init", "-q")
    (root / "schemas").mkdir()
    (root / "schemas/linked.avsc").symlink_to("../topics/orders.avsc")
    write(root, {"lib/shared/reader.py": "SCHEMA = 'schemas/linked.avsc'\n"})
    build(root)
    deploy(root)
    assert told(against(root)) == []
    (root / "schemas/linked.avsc").unlink()
    assert told(against(root)) == [("ILK-SC010", "lib/shared/reader.py", ["prod"])]


def test_stream_without_a_target_is_not_live_there(root: Path) -> None:
    config = (root / "interlock.yaml").read_text()
    write(root, {"interlock.yaml": config + "  lab:\n    retention: 1d\n"})
    build(root)
    assert interlock(root, "deploy", "lab", "--yes").body["outcome"] == "succeeded"
    write(root, {"topics/orders.avsc": AVRO.replace("string", "int") % "", "streams/paid.py": STREAM % "value"})
    assert told(against(root, "lab")) == [("ILK-SC007", "topics/orders.avsc", ["lab"])]


def test_resource_that_went_back_alone_is_compared_with_what_it_went_back_to(root: Path) -> None:
    first = release_of(root)
    write(root, {"streams/paid.py": STREAM % "value", "jobs/report.py": "print('report 2')\n"})
    build(root)
    deploy(root)
    assert interlock(root, "rollback", "prod", "--only", "spark.stream:paid", "--yes").code == DONE
    said = against(root)
    assert told(said) == [("ILK-SS007", "streams/paid.py", ["prod"])]
    finding = next(one for one in said.body["findings"] if one["rule"] == "ILK-SS007")
    assert finding["against"][0]["release"] == first != said.body["compared_with"][0]["release"]


def test_rollback_moves_what_is_compared_with(root: Path) -> None:
    write(root, {"topics/orders.avsc": TEXT, "jobs/settle.py": "print('settle 2')\n"})
    build(root)
    deploy(root)
    write(root, {"topics/orders.avsc": NUMBER})
    assert told(against(root)) == [("ILK-SC007", "topics/orders.avsc", ["prod"])]
    assert interlock(root, "rollback", "prod", "--yes").code == DONE
    assert told(against(root)) == []


def test_deployment_that_is_under_way_is_said(root: Path) -> None:
    before = release_of(root)
    write(root, {"topics/orders.avsc": TEXT, "jobs/settle.py": "print('settle 2')\n"})
    release = build(root)
    with Held(root, "jobs/settle.py"):
        write(root, {"topics/orders.avsc": NUMBER})
        said = against(root)
    assert (told(said), said.body["compared_with"][0]["release"]) == ([], before)
    assert f"release {release[:12]} in prod" in said.not_checked and "is under way there" in said.not_checked
