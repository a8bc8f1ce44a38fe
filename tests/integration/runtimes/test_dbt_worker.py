"""dbt's own runner with a manifest changed in memory, on a real DuckDB."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from interlock.model.errors import WorkerError
from interlock.runtimes.environments import WORKERS, Runtime
from interlock.runtimes.worker import Worker

pytestmark = pytest.mark.engine

PROJECT = {
    "dbt_project.yml": (
        "name: shop\nversion: '1.0'\nprofile: shop\nmodel-paths: [models]\nseed-paths: [seeds]\n"
        "snapshot-paths: [snapshots]\non-run-start: 'create table if not exists hook_ran (x int)'\n"
    ),
    "profiles.yml": (
        "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: \"{{ env_var('SHOP_DB') }}\", threads: 2}\n"
    ),
    "seeds/raw.csv": "id,amount\n1,10\n2,20\n3,30\n",
    "models/stg.sql": "select id, amount from {{ ref('raw') }}",
    "models/fct.sql": (
        "{{ config(materialized='incremental', unique_key='id') }}\nselect id, amount * 2 as amount from {{ ref('stg') }}\n"
        "{% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}"
    ),
    "models/mart.sql": "{{ config(materialized='table') }} select sum(amount) as total from {{ ref('fct') }}",
    "models/asks.sql": "{% set r = run_query('select 1') %} select {{ r.columns[0][0] if execute else 1 }} as one",
    "models/schema.yml": "version: 2\nmodels:\n  - name: fct\n    columns: [{name: id, tests: [unique, not_null]}]\n",
    "snapshots/snap.sql": (
        "{% snapshot snap %}{{ config(target_schema='main', unique_key='id', strategy='check', check_cols=['amount']) }}\n"
        "select * from {{ ref('stg') }}{% endsnapshot %}"
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    for path, text in PROJECT.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("warehouse") / "shop.duckdb"


@pytest.fixture(scope="module")
def worker(runtime_python: Callable[[str], Path], project: Path, database: Path) -> Iterator[Worker]:
    runtime = Runtime("dbt", runtime_python("dbt"), "")
    with Worker(runtime, "dbt_worker.py", env={"SHOP_DB": str(database)}) as one:
        answer = one.request("parse", project_dir=str(project))
        assert answer["errors"] == []
        assert Path(answer["manifest_path"]).is_file()
        yield one


@pytest.fixture(scope="module")
def compiled(worker: Worker, database: Path) -> dict[str, Any]:
    answer = worker.request("compile")
    assert not database.exists()
    return answer


@pytest.fixture(scope="module")
def production(worker: Worker, compiled: dict[str, Any]) -> list[dict[str, Any]]:
    """The project as it stands is live; returns the events of building it."""
    events: list[dict[str, Any]] = []
    answer = worker.request("build", on_event=events.append)
    assert answer["success"], answer
    return events


def rows(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.sql(sql).fetchall()


def test_models_compile_without_a_warehouse(compiled: dict[str, Any]) -> None:
    assert compiled["sql"]["model.shop.stg"].endswith('."main"."raw"')
    assert "where" not in compiled["sql"]["model.shop.fct"]
    assert "where id > (select max(id)" in compiled["incremental_sql"]["model.shop.fct"]
    assert set(compiled["incremental_sql"]) == {"model.shop.fct"}


def test_model_that_asks_the_warehouse_is_said_to_be_unknown(compiled: dict[str, Any]) -> None:
    assert set(compiled["failed"]) == {"model.shop.asks"}


def test_progress_names_every_node(production: list[dict[str, Any]]) -> None:
    assert {"kind": "node", "unique_id": "model.shop.mart", "status": "success"} in production


def test_warehouse_is_free_after_a_build(production: list[dict[str, Any]], database: Path) -> None:
    with duckdb.connect(str(database)) as connection:
        connection.sql("create table held (x int)")
        connection.sql("drop table held")


def test_candidate_is_built_beside_production(worker: Worker, production: list[dict[str, Any]], database: Path) -> None:
    overrides = {"model.shop.fct": {"schema": "cand", "alias": "fct__r1"}, "model.shop.mart": {"schema": "cand"}}
    with duckdb.connect(str(database)) as connection:
        connection.sql("drop table hook_ran")
    answer = worker.request("build", select=list(overrides), overrides=overrides, hooks=False)
    assert answer["success"], answer
    assert {one["unique_id"]: one["status"] for one in answer["results"]} == {
        "model.shop.fct": "success",
        "model.shop.mart": "success",
        "test.shop.unique_fct_id.b17ca094e5": "pass",
        "test.shop.not_null_fct_id.32930a35e7": "pass",
    }
    tables = rows(database, "select table_schema, table_name from information_schema.tables")
    assert {("cand", "fct__r1"), ("cand", "mart"), ("main", "fct"), ("main", "mart")} <= set(tables)
    # Without hooks nothing but the candidate was touched.
    assert ("main", "hook_ran") not in tables
    assert rows(database, "select total from cand.mart") == [(120,)]


def test_override_is_forgotten_after_the_build(
    worker: Worker, production: list[dict[str, Any]], database: Path
) -> None:
    worker.request("build", select=["model.shop.mart"], overrides={"model.shop.mart": {"schema": "elsewhere"}})
    before = rows(database, "select count(*) from information_schema.tables")
    assert worker.request("build", select=["model.shop.mart"])["success"]
    assert rows(database, "select count(*) from information_schema.tables") == before


def test_snapshot_and_seed_can_be_moved_too(worker: Worker, production: list[dict[str, Any]], database: Path) -> None:
    overrides = {"snapshot.shop.snap": {"schema": "moved"}, "seed.shop.raw": {"schema": "moved", "alias": "raw_2"}}
    assert worker.request("build", select=list(overrides), overrides=overrides)["success"]
    assert (
        rows(database, "select count(*) from moved.snap")
        == rows(database, "select count(*) from moved.raw_2")
        == [(3,)]
    )


def test_failing_test_is_counted(runtime_python: Callable[[str], Path], project: Path, tmp_path: Path) -> None:
    for path, text in PROJECT.items():
        (tmp_path / "p" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / path).write_text(text)
    (tmp_path / "p/models/stg.sql").write_text("select 1 as id, amount from {{ ref('raw') }}")
    env = {"SHOP_DB": str(tmp_path / "x.duckdb")}
    with Worker(Runtime("dbt", runtime_python("dbt"), ""), "dbt_worker.py", env=env) as one:
        one.request("parse", project_dir=str(tmp_path / "p"))
        answer = one.request("build", select=["+fct"])
    assert not answer["success"]
    failed = {result["unique_id"]: result["failures"] for result in answer["results"] if result["status"] == "fail"}
    assert failed == {"test.shop.unique_fct_id.b17ca094e5": 1}


def test_project_that_does_not_parse_names_the_file(worker: Worker, tmp_path: Path) -> None:
    for path, text in PROJECT.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "models" / "mart.sql").write_text("select *\nfrom {{ ref('nobody') }}")
    with Worker(worker.runtime, "dbt_worker.py", env={"SHOP_DB": str(tmp_path / "x.duckdb")}) as one:
        answer = one.request("parse", project_dir=str(tmp_path))
        assert answer["errors"][0]["file"] == "models/mart.sql"
        assert "nobody" in answer["errors"][0]["message"]
        with pytest.raises(WorkerError, match="no project was parsed"):
            one.request("compile")


def test_unknown_node_is_refused(worker: Worker) -> None:
    with pytest.raises(WorkerError, match=r"model\.shop\.nobody"):
        worker.request("build", overrides={"model.shop.nobody": {"schema": "x"}})


def test_warehouse_that_is_not_there_is_an_error_and_not_the_end(
    runtime_python: Callable[[str], Path], project: Path, tmp_path: Path
) -> None:
    env = {"SHOP_DB": str(tmp_path / "no" / "such" / "folder" / "x.duckdb")}
    with Worker(Runtime("dbt", runtime_python("dbt"), ""), "dbt_worker.py", env=env) as one:
        one.request("parse", project_dir=str(project))
        answer = one.request("build")
        assert not answer["success"]
        assert answer["errors"] or answer["results"][0]["message"]
        assert one.request("hello")["engine"] == "dbt"


def _manifest(path: Path) -> dict[str, Any]:
    """A manifest without what differs from run to run."""

    def settled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: settled(one) for key, one in value.items() if key not in {"created_at", "metadata"}}
        return [settled(one) for one in value] if isinstance(value, list) else value

    found: dict[str, Any] = settled(json.loads(path.read_text()))
    return found


def test_manifest_is_that_of_plain_dbt(
    runtime_python: Callable[[str], Path], worker: Worker, project: Path, database: Path, tmp_path: Path
) -> None:
    env = {**os.environ, "SHOP_DB": str(database), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    command = [runtime_python("dbt").with_name("dbt"), "--quiet", "parse", "--profiles-dir", project]
    subprocess.run([*command, "--target-path", tmp_path / "plain"], cwd=project, env=env, check=True)
    ours = worker.request("parse", project_dir=str(project))["manifest_path"]
    assert _manifest(Path(ours)) == _manifest(tmp_path / "plain" / "manifest.json")


_SCHEMAS = """
import json, os, sys
import _interlock_dbtsooner as sooner
from dbt_common.dataclass_schema import dbtClassMixin
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.artifacts.resources import TestConfig
from dbt.contracts.graph.nodes import ModelNode

def settled(value):
    # Python remembers either of two unions that differ in order alone, whichever was made first.
    if isinstance(value, dict):
        return {key: settled(one) for key, one in value.items()}
    return sorted(map(settled, value), key=repr) if isinstance(value, list) else value


def name(one):
    return one.__module__ + "." + one.__qualname__


derive = dbtClassMixin.json_schema.__func__
classes = [*sooner.validated(), DuckDBCredentials]
kept = sooner.kept_schemas()
assert {name(one): settled(kept.get(name(one))) for one in classes} == {name(one): settled(derive(one)) for one in classes}
unknown = set().union(*sooner._VALIDATED.values()) - {one.__name__ for one in classes}
assert not unknown, unknown
place = os.path.join(sys.argv[1], "interlock", "dbt-schemas.json")
os.makedirs(os.path.dirname(place))
with open(place, "w") as file:
    json.dump({"dbt.contracts.graph.nodes.ModelNode": {"kept": True}}, file)
sys.prefix = sys.argv[1]
sooner.hasten()
assert ModelNode.json_schema() == {"kept": True}
assert TestConfig.json_schema()["title"] == "TestConfig"
os._exit(0)
"""


def test_schemas_are_kept_with_the_runtime(runtime_python: Callable[[str], Path], tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(WORKERS)}
    done = subprocess.run(
        [runtime_python("dbt"), "-c", _SCHEMAS, tmp_path], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
