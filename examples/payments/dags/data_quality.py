"""Freshness of the sources and all data tests, in the evening."""

from airflow.models.dag import DAG
from airflow.operators.bash import BashOperator
from payments_common.dbt import PLACES, TARGET, dbt_task
from payments_common.settings import dag_defaults

with DAG("data_quality", schedule="0 19 * * *", tags=["quality"], **dag_defaults()) as dag:
    freshness = BashOperator(
        task_id="source_freshness",
        bash_command=f"dbt source freshness {PLACES} {TARGET}",
        append_env=True,
    )
    freshness >> dbt_task("tests", select="path:models/marts", command="test")
