"""interlock.yaml: what is right is read, what is wrong is named with its line."""

from pathlib import Path

import pytest

from interlock.config import load_config
from interlock.config.load import json_schema
from interlock.model.errors import ConfigError

GOOD = """\
version: 1
project: shop
airflow:
  dags: dags
runtimes:
  airflow: {python: "3.11", lock: runtimes/airflow.lock}
environments:
  dev:
    airflow: {root: .interlock/env/dev/airflow}
    values: {bucket: dev-bucket, executors: 2, token: "env:TOKEN"}
  prod:
    after: dev
    warehouse: {type: duckdb, path: w.duckdb}
    values: {bucket: prod-bucket, executors: 20, token: "env:TOKEN"}
values:
  bucket: {type: string}
  executors: {type: integer, min: 1, max: 100}
  token: {type: secret}
gates:
  defaults: {row_count: {max_drop: 0.05}}
  dbt.model:shop.orders: {key: [order_id]}
"""


def load(tmp_path: Path, text: str | bytes):
    (tmp_path / "interlock.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config(tmp_path)


def test_quarantine_that_lacks_something_is_read_and_left_to_the_rules(tmp_path):
    text = GOOD + "tests: {quarantine: [{test: x}, {test: y, owner: a, reason: b, until: 2027-01-31}]}\n"
    first, second = load(tmp_path, text).tests.quarantine
    assert first.until is None and second.until.isoformat() == "2027-01-31"


def test_a_good_file_is_read(tmp_path):
    config = load(tmp_path, GOOD)
    assert config.environments["prod"].after == "dev"
    gates = config.gates_for("dbt.model:shop.orders")
    assert gates.key == ("order_id",)
    assert gates.row_count.max_drop == 0.05


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("  dags: dags", "  dagz: dags"), ["interlock.yaml:4", "airflow.dagz", "did you mean 'dags'"]),
        (("    after: dev", "    after: dv"), ["interlock.yaml:12", "no environment 'dv'", "did you mean 'dev'"]),
        (("executors: 20", "executors: many"), ["interlock.yaml:14", "executors", "integer was expected"]),
        (("executors: 20", "executors: 200"), ["interlock.yaml:14", "at most 100"]),
        (('token: "env:TOKEN"}\n  prod', "token: hunter2}\n  prod"), ["interlock.yaml:10", "reference"]),
        (("bucket: prod-bucket, ", ""), ["bucket", "not set here"]),
        (("dags: dags", "dags: ../outside"), ["interlock.yaml:4", "inside the project"]),
        (("dags: dags", "dags: /etc"), ["inside the project"]),
        (
            ("values:\n  bucket", "tests: {pytest: [{runtime: airfow, paths: [t]}]}\nvalues:\n  bucket"),
            ["interlock.yaml:15", "tests.pytest.0.runtime", "did you mean 'airflow'"],
        ),
        (
            ("values:\n  bucket", "tests: {pytest: [{runtime: airflow, paths: []}]}\nvalues:\n  bucket"),
            ["interlock.yaml:15", "at least 1 item"],
        ),
        (("values:\n  bucket", "tests: {dbt: true}\nvalues:\n  bucket"), ["interlock.yaml:15", "no section 'dbt'"]),
        (
            ("values:\n  bucket", "tests: {quarantine: [{test: x, until: soon}]}\nvalues:\n  bucket"),
            ["interlock.yaml:15", "until"],
        ),
        (("type: duckdb", "type: duckdbb"), ["interlock.yaml:13", "warehouse"]),
        (("version: 1", "version: 2"), ["interlock.yaml:1", "version"]),
        (("  airflow: {python", "  airfow: {python"), ["no runtime 'airflow'", "did you mean 'airfow'"]),
        (("    after: dev", "    after: prod"), ["circle"]),
        (("max_drop: 0.05", "max_drp: 0.05"), ["interlock.yaml:20", "did you mean 'max_drop'"]),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_nearest_valid_name(tmp_path, change, expected):
    assert change[0] in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(*change))
    said = "\n".join(caught.value.problems)
    assert all(part in said for part in expected), said
    assert caught.value.exit_code == 2
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\n b: 2\n", "not valid YAML"),
        ("version: 1\nversion: 1\n", "twice"),
        ("a: &x [1]\nb: *x\n", "aliases"),
        (b"project: caf\xe9\n", "not UTF-8"),
        ("- 1\n", "no mapping"),
        ("", "no mapping"),
        ("a: " + "[" * 5000, "not valid YAML"),
        ("version: !!python/object:os.system {}\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_with_a_remedy(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert said in caught.value.summary
    assert caught.value.remedy


def test_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path)
    assert "interlock init" in caught.value.remedy


def test_the_json_schema_knows_every_section():
    assert {"airflow", "dbt", "spark", "environments"} <= set(json_schema()["properties"])
