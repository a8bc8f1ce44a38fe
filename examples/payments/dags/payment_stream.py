"""Keeps the enrichment stream running: an ended query starts again from its checkpoint."""

from datetime import timedelta

from airflow.models.dag import DAG
from payments_common.operators import SparkJobOperator
from payments_common.settings import LAKE, dag_defaults
from payments_common.tables import RAW_PAYMENT_EVENTS

with DAG(
    "payment_stream", schedule="@continuous", tags=["stream"], **dag_defaults(dagrun_timeout=timedelta(days=30))
) as dag:
    SparkJobOperator(
        task_id="enrich",
        job="enrich_payments",
        args=[
            *("--input", f"{LAKE}/payment_stream"),
            *("--output", f"{LAKE}/enriched"),
            *("--checkpoint", f"{LAKE}/checkpoints/enrich"),
        ],
        inlets=[RAW_PAYMENT_EVENTS],
        execution_timeout=timedelta(days=30),
    )
