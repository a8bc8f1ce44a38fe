"""Chargebacks of the card schemes, each night."""

from airflow.models.dag import DAG
from airflow.operators.python import PythonOperator
from payments_common.dbt import dbt_task
from payments_common.landing import take_over
from payments_common.settings import dag_defaults
from payments_common.tables import RAW_CHARGEBACKS

with DAG("chargebacks_intake", schedule="40 1 * * *", tags=["ingest", "risk"], **dag_defaults()) as dag:
    taken = PythonOperator(
        task_id="take_over", python_callable=take_over, op_args=["chargebacks"], outlets=[RAW_CHARGEBACKS]
    )
    taken >> dbt_task("chargeback_rates", select="+mart_chargeback_rates")
