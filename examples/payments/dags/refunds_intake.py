"""Refunds as they come; breaks between refunds and payments are written down for the finance team."""

from airflow.models.dag import DAG
from airflow.operators.python import PythonOperator
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from payments_common.dbt import dbt_task
from payments_common.landing import take_over
from payments_common.settings import dag_defaults
from payments_common.tables import FCT_REFUNDS, RAW_REFUNDS

FIND_BREAKS = """
insert into ops.refund_breaks (refund_id, payment_id, excess_minor, found_on)
select refunds.refund_id, refunds.payment_id, refunds.refund_minor - payments.amount_minor, date '{{ ds }}'
from marts.fct_refunds as refunds
inner join marts.fct_payments as payments on refunds.payment_id = payments.payment_id
where refunds.refund_minor > payments.amount_minor
"""

with DAG("refunds_intake", schedule="20 * * * *", tags=["ingest", "finance"], **dag_defaults()) as dag:
    taken = PythonOperator(task_id="take_over", python_callable=take_over, op_args=["refunds"], outlets=[RAW_REFUNDS])
    refunds = dbt_task("refunds", select="stg_refunds+ --exclude fct_payments+", outlets=[FCT_REFUNDS])
    breaks = SQLExecuteQueryOperator(task_id="find_breaks", conn_id="warehouse", sql=FIND_BREAKS)
    taken >> refunds >> breaks
