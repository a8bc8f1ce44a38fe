"""Payments and their events, every quarter of an hour."""

from airflow.models.dag import DAG
from airflow.operators.python import PythonOperator
from airflow.utils.task_group import TaskGroup
from payments_common.landing import require_rows, take_over
from payments_common.settings import dag_defaults
from payments_common.tables import RAW_PAYMENT_EVENTS, RAW_PAYMENTS

with DAG("ingest_payments", schedule="*/15 * * * *", tags=["ingest"], **dag_defaults()) as dag:
    for source, dataset in (("payments", RAW_PAYMENTS), ("payment_events", RAW_PAYMENT_EVENTS)):
        with TaskGroup(source):
            taken = PythonOperator(task_id="take_over", python_callable=take_over, op_args=[source])
            checked = PythonOperator(
                task_id="require_rows", python_callable=require_rows, op_args=[source], outlets=[dataset]
            )
            taken >> checked
