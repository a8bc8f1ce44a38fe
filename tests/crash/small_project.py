"""A project of one job, one DAG and three models, small enough to be deployed again and again."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "examples" / "payments" / "runtimes"

CONFIG = """\
version: 1
project: small
spark: {runtime: spark, jobs: [jobs/*.py]}
PARTSruntimes:
  spark: {python: "3.11", lock: runtimes/spark.lock}
  airflow: {python: "3.11", lock: runtimes/airflow.lock}
  dbt: {python: "3.11", lock: runtimes/dbt.lock}
environments:
  prod:
    spark: {root: .interlock/env/prod/spark}
    airflow: {root: .interlock/env/prod/airflow}
    dbt: {root: .interlock/env/prod/dbt}
    warehouse: {type: duckdb, path: .interlock/env/prod/warehouse.duckdb}
"""

PROFILE = """\
small:
  target: prod
  outputs:
    prod: {type: duckdb, path: "{{ env_var('ILK_WAREHOUSE_PATH') }}", schema: analytics, threads: 1}
"""

DAG = """\
import datetime
from airflow.decorators import dag, task

@dag(schedule=None, start_date=datetime.datetime(2026, 1, 1), tags=["VERSION"])
def nightly():
    @task
    def work():
        return "VERSION"
    work()

nightly()
"""


def write(root: Path, version: int, *, engines: bool) -> None:
    """The project's files in this version; with ``engines`` a DAG and dbt models too, else only the job."""
    parts = "airflow: {dags: dags, runtime: airflow}\ndbt: {project: dbt, runtime: dbt}\n" if engines else ""
    files = {
        "interlock.yaml": CONFIG.replace("PARTS", parts),
        "jobs/settle.py": f"print('settle {version}')\n",
    }
    if engines:
        files |= {
            "dags/nightly.py": DAG.replace("VERSION", f"v{version}"),
            "dbt/dbt_project.yml": "name: small\nversion: '1.0'\nprofile: small\nmodels: {small: {+materialized: table}}\n",
            "dbt/profiles.yml": PROFILE,
            "dbt/models/one.sql": f"select i as id, i * {version} as amount from range(100) t(i)\n",
            "dbt/models/two.sql": "select id, amount from {{ ref('one') }} where id < 50\n",
            "dbt/models/three.sql": "{{ config(materialized='view') }} select count(*) as n from {{ ref('two') }}\n",
        }
    for name in ("spark", "airflow", "dbt"):
        files[f"runtimes/{name}.lock"] = (LOCKS / f"{name}.lock").read_text()
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
