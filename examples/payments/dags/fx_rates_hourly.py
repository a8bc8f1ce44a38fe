"""Exchange rates, each hour; what is open in foreign currency follows."""

from airflow.models.dag import DAG
from airflow.operators.python import PythonOperator
from payments_common.dbt import dbt_task
from payments_common.landing import take_over
from payments_common.settings import dag_defaults
from payments_common.tables import RAW_FX_RATES

with DAG("fx_rates_hourly", schedule="5 * * * *", tags=["ingest", "finance"], **dag_defaults()) as dag:
    rates = PythonOperator(
        task_id="take_over_rates", python_callable=take_over, op_args=["fx_rates"], outlets=[RAW_FX_RATES]
    )
    rates >> dbt_task("exposure", select="int_fx_daily mart_fx_exposure")
