"""What each merchant is owed, each day, once the marts are there."""

from datetime import timedelta

from airflow.models.dag import DAG
from airflow.sensors.external_task import ExternalTaskSensor
from payments_common.dbt import dbt_task
from payments_common.operators import SparkJobOperator
from payments_common.settings import LAKE, dag_defaults
from payments_common.tables import FCT_PAYMENTS, MART_SETTLEMENT_DAILY, SETTLEMENT_FILES

with DAG("settle_merchants", schedule="0 7 * * *", tags=["settlement"], **dag_defaults()) as dag:
    marts_ready = ExternalTaskSensor(
        task_id="marts_ready",
        external_dag_id="warehouse_marts",
        external_task_id="ready",
        execution_delta=timedelta(hours=1),
        mode="reschedule",
    )
    settle = SparkJobOperator(
        task_id="settle",
        job="settle_merchants",
        args=["--input", f"{LAKE}/payments", "--output", LAKE + "/settlements/{{ ds }}", "--day", "{{ ds }}"],
        inlets=[FCT_PAYMENTS],
        outlets=[SETTLEMENT_FILES],
    )
    mart = dbt_task("settlement_mart", select="mart_settlement_daily", outlets=[MART_SETTLEMENT_DAILY])
    marts_ready >> settle >> mart
