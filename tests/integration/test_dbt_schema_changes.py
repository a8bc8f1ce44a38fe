"""What ILK-DS027 says of ``on_schema_change`` is what the real dbt does: each value, strategy and change, on two warehouses."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from interlock.model.findings import Finding, Severity
from interlock.runtimes.environments import Runtime
from interlock.runtimes.worker import Worker
from tests.regressions.case import check_files

pytestmark = pytest.mark.engine

PROJECT = b"name: shop\nversion: '1.0'\nprofile: shop\n"
PROFILES = """
shop:
  target: duckdb
  outputs:
    duckdb: {type: duckdb, path: "{{ env_var('SHOP_PATH') }}", threads: 1}
    postgres:
      type: postgres
      threads: 1
      schema: shop
      host: "{{ env_var('SHOP_HOST') }}"
      port: "{{ env_var('SHOP_PORT') | as_number }}"
      user: "{{ env_var('SHOP_USER') }}"
      password: "{{ env_var('SHOP_PASSWORD') }}"
      dbname: "{{ env_var('SHOP_DATABASE') }}"
"""
CHANGES = {"added": "1 as id, 2 as amount, 3 as tax", "removed": "1 as id", "both": "1 as id, 3 as total"}
VALUES = ("", "ignore", "fail", "append_new_columns", "sync_all_columns")
STRATEGIES = ("append", "delete+insert", "merge")
MODELS = {
    "_".join((change, value or "unset", strategy.replace("+", "_"))): (change, value, strategy)
    for change, value, strategy in product(CHANGES, VALUES, STRATEGIES)
}


def text(columns: str, value: str, strategy: str) -> bytes:
    told = f", on_schema_change='{value}'" if value else ""
    config = f"materialized='incremental', unique_key='id', incremental_strategy='{strategy}'{told}"
    return f"{{{{ config({config}) }}}}\nselect {columns}\n".encode()


BEFORE, AFTER = (
    {"dbt_project.yml": PROJECT}
    | {
        f"models/{name}.sql": text(CHANGES[change] if changed else "1 as id, 2 as amount", value, strategy)
        for name, (change, value, strategy) in MODELS.items()
    }
    for changed in (False, True)
)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def warehouse(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, str], Callable[[str], set[str]]]]:
    """Its name, the environment by which dbt reaches it, and what tells the columns of a table."""
    path = tmp_path_factory.mktemp("warehouse") / "shop.duckdb"
    query = "select column_name from information_schema.columns where table_name = '{}'"
    if request.param == "duckdb":

        def columns(table: str) -> set[str]:
            with duckdb.connect(str(path), read_only=True) as connection:
                return {one for (one,) in connection.sql(query.format(table)).fetchall()}

        yield "duckdb", {"SHOP_PATH": str(path)}, columns
        return
    server = request.getfixturevalue("postgres")
    dsn = server.create_database("schema_changes")

    def columns_there(table: str) -> set[str]:
        with psycopg.connect(dsn) as connection:
            return {one for (one,) in connection.execute(query.format(table)).fetchall()}

    told = conninfo_to_dict(dsn)
    env = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "DATABASE": "dbname"}
    yield "postgres", {"SHOP_PATH": "", **{f"SHOP_{key}": str(told[name]) for key, name in env.items()}}, columns_there
    server.drop_database("schema_changes")


def built(root: Path, files: dict[str, bytes], python: Path, target: str, env: dict[str, str]) -> dict[str, Any]:
    """What dbt says of each model."""
    (root / "models").mkdir(parents=True, exist_ok=True)
    for path, data in files.items():
        (root / path).write_bytes(data)
    (root / "profiles.yml").write_text(PROFILES.replace("target: duckdb", f"target: {target}"))
    with Worker(Runtime("dbt", python, ""), "dbt_worker.py", env=env, network=True) as one:
        assert one.request("parse", project_dir=str(root))["errors"] == []
        answer = one.request("build")
    assert answer["results"], answer["errors"]
    return {result["unique_id"].rpartition(".")[2]: result["status"] for result in answer["results"]}


def test_next_run_does_what_the_finding_says(
    warehouse: tuple[str, dict[str, str], Callable[[str], set[str]]],
    runtime_python: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    name, env, columns_of = warehouse
    python = runtime_python("dbt")
    assert set(built(tmp_path, BEFORE, python, name, env).values()) == {"success"}
    ended = built(tmp_path, AFTER, python, name, env)
    found = {
        Path(one.place.path).stem: one for one in check_files(AFTER, BEFORE, dialect=name) if one.rule == "ILK-DS027"
    }
    assert ended.keys() == MODELS.keys() >= found.keys()
    wrong = {
        model: (ended[model], columns_of(model), found.get(model))
        for model, (change, _, _) in MODELS.items()
        if not is_true(found.get(model), ended[model] == "success", columns_of(model), change)
    }
    assert not wrong


def is_true(said: Finding | None, succeeded: bool, columns: set[str], change: str) -> bool:
    """Whether a finding, or that there is none, is what came of a run."""
    new = {"added": {"tax"}, "removed": set[str](), "both": {"total"}}[change]
    if said is None:
        return succeeded and new <= columns
    if said.severity is Severity.ERROR:
        return not succeeded and columns == {"id", "amount"}
    if said.summary.endswith("never gets that"):
        return succeeded and columns == {"id", "amount"}
    return said.summary.endswith("the columns that it has") and columns == {"id", "amount"}
