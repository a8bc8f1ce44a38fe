"""Revenue by region and tier for the board, on the first of the month."""

from airflow.models.dag import DAG
from airflow.operators.bash import BashOperator
from airflow.utils.task_group import TaskGroup
from payments_common.dbt import dbt_task
from payments_common.settings import dag_defaults
from payments_common.tables import MART_REVENUE_MONTHLY

with DAG("revenue_report", schedule="0 8 1 * *", tags=["finance"], **dag_defaults()) as dag:
    with TaskGroup("figures") as figures:
        dbt_task("revenue", select="+mart_revenue_monthly", outlets=[MART_REVENUE_MONTHLY])
        dbt_task("fees", select="mart_fee_income")
    publish = BashOperator(
        task_id="publish",
        bash_command="echo 'revenue report of {{ ds }} is ready'",
        inlets=[MART_REVENUE_MONTHLY],
    )
    figures >> publish
