"""Payout instructions for the bank, on days on which banks settle."""

from datetime import date, timedelta

from airflow.models.dag import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.python import ShortCircuitOperator
from airflow.sensors.external_task import ExternalTaskSensor
from payments_common.dbt import dbt_task
from payments_common.settings import LAKE, dag_defaults
from payments_common.tables import RAW_PAYOUTS, SETTLEMENT_FILES
from payments_tools.settlement_days import is_settlement_day


def banks_are_open(ds):
    """Whether money can move on the run's day."""
    return is_settlement_day(date.fromisoformat(ds))


with DAG("merchant_payouts", schedule="0 9 * * *", tags=["settlement"], **dag_defaults()) as dag:
    settled = ExternalTaskSensor(
        task_id="settled",
        external_dag_id="settle_merchants",
        external_task_id="settle",
        execution_delta=timedelta(hours=2),
        mode="reschedule",
    )
    open_today = ShortCircuitOperator(task_id="banks_are_open", python_callable=banks_are_open)
    instructions = BashOperator(
        task_id="write_instructions",
        bash_command=f'cat "{LAKE}"/settlements/{{{{ ds }}}}/*.csv > "{LAKE}/instructions-{{{{ ds }}}}.csv"',
        inlets=[SETTLEMENT_FILES],
        outlets=[RAW_PAYOUTS],
    )
    settled >> open_today >> instructions >> dbt_task("reconcile", select="mart_payout_reconciliation")
