"""Builds one DAG for each partner that `config/partners.yaml` names."""

from datetime import timedelta
from pathlib import Path

import yaml
from airflow.models.dag import DAG
from airflow.operators.python import PythonOperator

from payments_common.dbt import dbt_task
from payments_common.landing import require_rows, take_over
from payments_common.settings import dag_defaults
from payments_common.tables import table

PARTNERS_FILE = Path(__file__).resolve().parent.parent / "config" / "partners.yaml"


def partners():
    """The partners as the file lists them: name, schedule, files, minimum number of rows."""
    return yaml.safe_load(PARTNERS_FILE.read_text(encoding="utf-8"))["partners"]


def partner_dag(partner):
    """The DAG of one partner: take its files over, check them, refresh what finance reads."""
    name = partner["name"]
    with DAG(
        f"partner_feed_{name}",
        schedule=partner["schedule"],
        tags=["partners", name],
        **dag_defaults(dagrun_timeout=timedelta(hours=partner.get("hours", 2))),
    ) as dag:
        taken = PythonOperator(
            task_id="take_over",
            python_callable=take_over,
            op_kwargs={"source": f"partner_{name}"},
            outlets=[table("raw", f"partner_{name}")],
        )
        checked = PythonOperator(
            task_id="require_rows",
            python_callable=require_rows,
            op_kwargs={"source": f"partner_{name}", "minimum": partner["minimum_rows"]},
        )
        taken >> checked
        if partner.get("refresh"):
            checked >> dbt_task("refresh", select=partner["refresh"])
    return dag
