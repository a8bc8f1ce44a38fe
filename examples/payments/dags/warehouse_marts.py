"""The marts, each morning: core first, then finance, risk and growth side by side."""

from airflow.models.dag import DAG
from airflow.operators.empty import EmptyOperator
from airflow.utils.task_group import TaskGroup
from payments_common.dbt import dbt_task
from payments_common.settings import dag_defaults
from payments_common.tables import FCT_PAYMENTS, MART_REVENUE_MONTHLY, MART_SETTLEMENT_DAILY

with DAG("warehouse_marts", schedule="0 6 * * *", tags=["warehouse"], **dag_defaults()) as dag:
    with TaskGroup("core") as core:
        intermediate = dbt_task("intermediate", select="path:models/intermediate")
        intermediate >> dbt_task("facts", select="tag:core", outlets=[FCT_PAYMENTS])

    with TaskGroup("areas") as areas:
        dbt_task("finance", select="tag:finance", outlets=[MART_SETTLEMENT_DAILY, MART_REVENUE_MONTHLY])
        dbt_task("risk", select="tag:risk")
        dbt_task("growth", select="tag:growth")

    core >> areas >> EmptyOperator(task_id="ready")
