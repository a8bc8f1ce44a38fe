"""The set-up of a company, whole: ledger and warehouse on PostgreSQL, releases in S3, DAGs served by a real Airflow."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.crash.small_project import DAG
from tests.support.airflow import AirflowService
from tests.support.moto import S3Server
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

LOCKS = Path(__file__).resolve().parents[2] / "examples" / "payments" / "runtimes"

CONFIG = """\
version: 1
project: company
airflow: {{dags: dags, runtime: airflow}}
dbt: {{project: dbt, runtime: dbt}}
spark: {{runtime: spark, jobs: [jobs/*.py]}}
runtimes:
  airflow: {{python: "3.11", lock: runtimes/airflow.lock}}
  dbt: {{python: "3.11", lock: runtimes/dbt.lock}}
  spark: {{python: "3.11", lock: runtimes/spark.lock}}
ledger: {ledger}
artifacts: {artifacts}
environments:
  prod:
    airflow: {{root: live/airflow, api: {{url: "{airflow}", timeout: 120s}}}}
    spark: {{root: live/spark}}
    dbt: {{root: live/dbt, target: prod}}
    warehouse: {{type: postgres, host: 127.0.0.1, port: {port}, database: {database}, user: {user},
                 schema: analytics, password_env: WAREHOUSE_PASSWORD}}
gates:
  "dbt.model:company.orders": {{key: [id], compare: {{max_removed: 0.01, max_changed: 1.0}}}}
"""

PROFILE = """\
company:
  target: prod
  outputs:
    prod:
      type: postgres
      host: "{{ env_var('ILK_WAREHOUSE_HOST') }}"
      port: "{{ env_var('ILK_WAREHOUSE_PORT') | as_number }}"
      user: "{{ env_var('ILK_WAREHOUSE_USER') }}"
      password: "{{ env_var('ILK_WAREHOUSE_PASSWORD') }}"
      dbname: "{{ env_var('ILK_WAREHOUSE_DATABASE') }}"
      schema: analytics
      threads: 2
"""

ORDERS = "select i as id, i * {factor} as amount from generate_series(1, {rows}) t(i)\n"
TOTALS = "select count(*) as orders, sum(amount) as amount from {{ ref('orders') }}\n"


class Company:
    """The project in its repository, and what its consumers see."""

    def __init__(self, root: Path, config: str, warehouse: str, airflow: AirflowService, env: dict[str, str]) -> None:
        self.root, self.airflow, self.env, self._warehouse = root, airflow, env, warehouse
        for name in ("airflow", "dbt", "spark"):
            self.write(f"runtimes/{name}.lock", (LOCKS / f"{name}.lock").read_text())
        self.write("interlock.yaml", config)
        self.write("dbt/dbt_project.yml", "name: company\nversion: '1.0'\nprofile: company\n")
        self.write("dbt/profiles.yml", PROFILE)
        self.write("dbt/models/totals.sql", TOTALS)
        self.version("v1", factor=1)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def version(self, name: str, *, factor: int, rows: int = 1000) -> None:
        self.write("dags/nightly.py", DAG.replace("VERSION", name))
        self.write(
            "dbt/models/orders.sql",
            "{{ config(materialized='table') }}\n" + ORDERS.format(factor=factor, rows=rows),
        )
        self.write("jobs/settle.py", f"print('settle {name}')\n")

    def run(self, *arguments: str, code: int = 0, env: dict[str, str] | None = None) -> dict:
        done = subprocess.run(
            [sys.executable, "-m", "interlock", *arguments, "--json"],
            cwd=self.root, capture_output=True, text=True, env={**os.environ, **self.env, **(env or {})},
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return json.loads(done.stdout)

    def seen(self) -> tuple[str, int, str]:
        """(version that Airflow serves, total that dashboards show, version that a job starts)."""
        source = self.airflow.source("nightly")
        with psycopg.connect(self._warehouse) as connection:
            (amount,) = connection.execute("select amount from analytics.totals").fetchone()
        pointer = json.loads((self.root / "live/spark/batch/current/settle.json").read_text())
        script = self.root / "live/spark/batch/versions/settle/views" / pointer["version"] / pointer["path"]
        job = script.read_text().partition("settle ")[2][:2]
        served = "v2" if '"v2"' in source else "v1" if '"v1"' in source else "?"
        assert served == job
        return served, int(amount), job


@pytest.fixture(scope="module")
def company(
    postgres: PostgresServer,
    s3_server: S3Server,
    airflow_service: Callable[..., AirflowService],
    tmp_path_factory: pytest.TempPathFactory,
) -> Company:
    root = tmp_path_factory.mktemp("company")
    # As a company would: Airflow runs already, and looks at a folder that the first deployment fills.
    airflow = airflow_service(root / "live/airflow/current/dags")
    ledger, warehouse = f"ledger_{uuid4().hex[:8]}", f"warehouse_{uuid4().hex[:8]}"
    config = CONFIG.format(
        ledger=postgres.create_database(ledger),
        artifacts=f"s3://{s3_server.bucket}/{uuid4().hex[:8]}",
        airflow=airflow.url,
        port=postgres.port,
        database=warehouse,
        user=postgres.user,
    )
    env = {
        **s3_server.environment,
        "AIRFLOW_API_USER": airflow.auth[0],
        "AIRFLOW_API_PASSWORD": airflow.auth[1],
        "WAREHOUSE_PASSWORD": postgres.password,
    }
    return Company(root, config, postgres.create_database(warehouse), airflow, env)


def test_release_gate_and_rollback_where_every_part_is_a_server(company: Company) -> None:
    company.run("build")
    first = company.run("deploy", "prod", "--yes")
    assert first["outcome"] == "succeeded"
    assert company.seen() == ("v1", 500500, "v1")

    company.version("v2", factor=2)
    company.run("build")
    assert company.run("deploy", "prod", "--yes")["outcome"] == "succeeded"
    assert company.seen() == ("v2", 1001000, "v2")

    # Valid SQL, and a tenth of the orders is gone: the gate says no, and nobody saw anything, neither table nor DAG.
    company.version("v3", factor=2, rows=900)
    company.run("build")
    turned = company.run("deploy", "prod", "--yes", code=1)
    assert (turned["outcome"], "row_count" in turned["cause"]) == ("turned", True)
    assert company.seen() == ("v2", 1001000, "v2")

    # The way back, with repository, releases and package index gone.
    for folder in ("dags", "dbt", "jobs", "runtimes"):
        shutil.rmtree(company.root / folder)
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "UV_INDEX_URL": "http://127.0.0.1:9", "UV_OFFLINE": "1",
               "INTERLOCK_CACHE": str(company.root / "no-runtimes")}  # fmt: skip
    back = company.run("rollback", "prod", "--yes", env=nowhere)
    assert (back["outcome"], back["release"]) == ("succeeded", first["release"])
    confirmed = [gate for gate in back["gates"] if gate["gate"] == "airflow.live"]
    assert {gate["outcome"] for gate in confirmed} == {"pass"}
    assert "airflow.dag:nightly" in {gate["resource"] for gate in confirmed}
    # Its answer is proof: it served the earlier source when it came back.
    assert company.seen() == ("v1", 500500, "v1")
    assert company.run("audit", "verify", env=nowhere)["problems"] == []


def test_a_rollback_stands_when_airflow_does_not_answer(company: Company) -> None:
    history = company.run("history", "prod")["deployments"]
    assert history[0]["intent"] == "rollback"
    away = company.root / "interlock.yaml"
    text = away.read_text()
    away.write_text(text.replace(company.airflow.url, "http://127.0.0.1:9").replace("timeout: 120s", "timeout: 2s"))
    try:
        back = company.run("rollback", "prod", "--yes")
    finally:
        away.write_text(text)
    assert back["outcome"] == "succeeded"
    unknown = [gate for gate in back["gates"] if gate["outcome"] == "unknown"]
    assert unknown and all("not confirmed" in gate["summary"] for gate in unknown)
    assert not (company.root / "live/airflow/current").exists() or not list(
        (company.root / "live/airflow/current/dags").glob("nightly.py")
    )
