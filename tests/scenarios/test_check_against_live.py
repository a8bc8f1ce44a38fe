"""A change that was merged and never deployed: the base commit has it, and what is live does not.

The trunk is clean, so that a plain check has nothing to compare with. ``--against prod`` finds what the next deployment
would break there. Built by the project's own dbt, deployed to DuckDB.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.cli_project import DBT, Said, build, dbt_files, deploy, interlock, write
from tests.support.git import git

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

AVRO = '{"type": "record", "name": "Order", "fields": [\n  {"name": "id", "type": "string"}%s\n]}\n'
PROTO = 'syntax = "proto3";\npackage shop;\n\nmessage Paid {\n  %s amount = 1;\n}\n'
ODCS = """\
apiVersion: v3.0.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: id, logicalType: string, required: true}
"""
SUITE = {
    "name": "orders",
    "expectations": [
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "amount"}},
    ],
}
MODELS = """\
models:
  - name: orders
    config: {contract: {enforced: true}}
    columns:
      - {name: id, data_type: bigint, data_tests: [unique]}
      - {name: amount, data_type: bigint}
"""
STREAM = """\
import os
from pyspark.sql import SparkSession

ROOT = os.environ["LAKE_ROOT"]
spark = SparkSession.builder.getOrCreate()
paid = spark.readStream.format("kafka").option("subscribe", "paid").load()
once = paid.withWatermark("timestamp", "1 hour").dropDuplicates(["%s", "timestamp"])
once.writeStream.format("delta").option("checkpointLocation", f"{ROOT}/checkpoints/paid").start("/lake/paid")
"""
STORE = 'resource "aws_s3_bucket" "lake" {\n  bucket = "lake"\n}\n'


def project() -> dict[str, str | bytes]:
    """Something of every kind that is compared; two kinds lie where only their content tells what they are."""
    files = dbt_files({"orders.sql": "select i as id, i as amount from range(10) t(i)\n", "models.yml": MODELS})
    streams = "spark: {runtime: spark, streams: [streams/*.py]}\n"
    files["interlock.yaml"] = str(files["interlock.yaml"]).replace(DBT, DBT + streams)
    return files | {
        "topics/orders-value.avsc": AVRO % "",
        "schemas/paid.proto": PROTO % "int32",
        "promises/orders.odcs.yaml": ODCS,
        "expectations/orders.json": json.dumps(SUITE, indent=1),
        "streams/paid.py": STREAM % "key",
        "terraform/lake.tf": STORE + 'resource "aws_s3_bucket" "cold" {\n  bucket = "cold"\n}\n',
    }


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in its repository; its first commit is live in prod."""
    root = tmp_path_factory.mktemp("live") / "shop"
    write(root, project() | {".gitignore": "warehouse.duckdb\nlive\n.interlock\ndbt/target\ndbt/logs\n"})
    import duckdb

    duckdb.connect(str(root / "warehouse.duckdb")).close()
    git(root, "init", "-q", "-b", "main")
    merge(root, {})
    build(root)
    deploy(root)
    return root


@pytest.fixture
def root(live: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return shutil.copytree(live, tmp_path / "shop", symlinks=True)


def merge(root: Path, files: dict[str, str | bytes]) -> None:
    """The files are on the trunk."""
    write(root, files)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "change", "--allow-empty")


def told(said: Said) -> set[tuple[str, str, str]]:
    """What was told by something that is live: severity, rule and file."""
    return {(one["severity"], one["rule"], one["path"]) for one in said.body["findings"] if one["against"]}


def released(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = interlock(root, "status").body["environments"][0]
    return found


BREAKS: dict[str, str | bytes] = {
    "topics/orders-value.avsc": AVRO % ',\n  {"name": "amount", "type": "long"}',
    "schemas/paid.proto": PROTO % "string",
    "promises/orders.odcs.yaml": ODCS.replace("name: id, logicalType: string", "name: id, logicalType: integer"),
    "expectations/orders.json": json.dumps(SUITE | {"expectations": SUITE["expectations"][:1]}, indent=1),
    "streams/paid.py": STREAM % "value",
    "terraform/lake.tf": STORE,
    "dbt/models/models.yml": MODELS.replace("bigint, data_tests: [unique]", "varchar"),
}


def test_what_was_merged_and_breaks_what_is_live_is_found_though_the_base_has_it(root: Path) -> None:
    merge(root, BREAKS)
    plain = interlock(root, "check", "--static")
    assert (plain.code, plain.body["compared_with"], told(plain)) == (0, [], set())
    said = interlock(root, "check", "--static", "--against", "prod")
    assert said.code == 1
    assert told(said) == {
        ("error", "ILK-SC007", "topics/orders-value.avsc"),
        ("error", "ILK-SC007", "schemas/paid.proto"),
        ("error", "ILK-CT001", "promises/orders.odcs.yaml"),
        ("error", "ILK-CT002", "promises/orders.odcs.yaml"),
        ("warning", "ILK-CT005", "expectations/orders.json"),
        ("error", "ILK-SS007", "streams/paid.py"),
        ("warning", "ILK-TF020", "terraform/lake.tf"),
        ("error", "ILK-CT001", "dbt/models/models.yml"),
        ("warning", "ILK-DS018", "dbt/models/models.yml"),
    }
    release = released(root)["release"]
    history = interlock(root, "history", "prod").body["deployments"][0]
    expected = [{"environment": "prod", "release": release, "commit": git(root, "rev-parse", "HEAD~1"), "until": ""}]
    compared = said.body["compared_with"]
    assert [{name: one[name] for name in expected[0]} for one in compared] == expected
    assert compared[0]["since"] == history["finished"]
    assert all(one["against"] == compared for one in said.body["findings"] if one["against"])
    assert all(one["new"] for one in said.body["findings"] if one["against"])


def test_what_is_live_breaks_nothing_and_what_fits_it_breaks_nothing(root: Path) -> None:
    assert told(interlock(root, "check", "--static", "--against", "prod")) == set()
    optional = AVRO % ',\n  {"name": "amount", "type": ["null", "long"], "default": null}'
    merge(root, {"topics/orders-value.avsc": optional, "streams/paid.py": STREAM % "key" + "# the same query\n"})
    said = interlock(root, "check", "--static", "--against", "prod")
    assert said.code == 0 and not [one for one in told(said) if one[0] != "info"]


def test_the_engines_own_reading_is_compared_too(root: Path) -> None:
    merge(root, {"dbt/models/models.yml": BREAKS["dbt/models/models.yml"]})
    said = interlock(root, "check", "--against", "prod")
    assert ("error", "ILK-CT001", "dbt/models/models.yml") in told(said)
    assert said.code == 1 and not said.body["static"]


def test_a_branch_hears_of_the_base_and_of_what_is_live_once(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    merge(root, {"topics/orders-value.avsc": BREAKS["topics/orders-value.avsc"]})
    said = interlock(root, "check", "--static", "--against", "prod")
    found = [one for one in said.body["findings"] if one["rule"] == "ILK-SC007"]
    assert len(found) == 1 and [one["environment"] for one in found[0]["against"]] == ["prod"]
    assert [one["environment"] for one in said.body["compared_with"]] == ["", "prod"]
    assert said.body["compared_with"][0]["commit"] == said.body["base"] == git(root, "rev-parse", "main")


def test_another_schema_alone_is_live_once_it_was_deployed_and_the_next_change_is_compared_with_it(root: Path) -> None:
    before = released(root)["release"]
    first = AVRO % ',\n  {"name": "note", "type": "string", "default": ""}'
    merge(root, {"topics/orders-value.avsc": first})
    release = build(root)
    plan = interlock(root, "plan", "prod").body
    assert plan["empty"] and "topics/orders-value.avsc" in plan["document"]["notes"][0]
    deploy(root)
    assert released(root)["release"] == release != before
    assert interlock(root, "deploy", "prod", "--yes").body["outcome"] == "nothing"
    merge(root, {"topics/orders-value.avsc": AVRO % ',\n  {"name": "note", "type": "int", "default": 0}'})
    found = [
        one for one in interlock(root, "check", "--static", "--against", "prod").body["findings"] if one["against"]
    ]
    assert [(one["severity"], one["against"][0]["release"]) for one in found] == [("error", release)]
    assert "note: type string became int" in found[0]["summary"]


def test_a_transitive_schema_is_compared_with_every_version_that_was_live_and_with_the_trunk(root: Path) -> None:
    config = (root / "interlock.yaml").read_text() + "schemas: {subjects: {orders-value: BACKWARD_TRANSITIVE}}\n"
    merge(root, {"interlock.yaml": config})
    first = released(root)["release"]
    merge(root, {"topics/orders-value.avsc": AVRO % ',\n  {"name": "note", "type": "string", "default": ""}'})
    build(root)
    deploy(root)
    git(root, "checkout", "-q", "-b", "feature")
    # Readable with what is live, and not with what was live before.
    merge(root, {"topics/orders-value.avsc": AVRO % ',\n  {"name": "note", "type": "string"}'})
    said = interlock(root, "check", "--static", "--against", "prod")
    found = [one for one in said.body["findings"] if one["rule"] == "ILK-SC007" and one["severity"] == "error"]
    assert said.code == 1 and len(found) == 1
    commit, release = sorted(found[0]["against"], key=lambda one: one["release"])
    assert (commit["environment"], commit["commit"]) == ("", git(root, "rev-list", "--max-parents=0", "HEAD"))
    assert (release["environment"], release["release"]) == ("prod", first)
    assert release["until"] == interlock(root, "history", "prod").body["deployments"][0]["finished"]
    git(root, "checkout", "-q", "main")
    merge(root, {"interlock.yaml": config.replace("_TRANSITIVE", "")})
    git(root, "checkout", "-q", "feature", "--", "topics")
    said = interlock(root, "check", "--static", "--against", "prod")
    assert not [one for one in said.body["findings"] if one["rule"] == "ILK-SC007" and one["severity"] == "error"]
