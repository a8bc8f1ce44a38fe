"""The staging layer, as soon as new payments, merchants and customers are there."""

from airflow.models.dag import DAG
from payments_common.dbt import dbt_task
from payments_common.settings import dag_defaults
from payments_common.tables import RAW_CUSTOMERS, RAW_MERCHANTS, RAW_PAYMENTS

with DAG(
    "warehouse_staging",
    schedule=[RAW_PAYMENTS, RAW_MERCHANTS, RAW_CUSTOMERS],
    tags=["warehouse"],
    **dag_defaults(),
) as dag:
    seeds = dbt_task("seeds", select="path:seeds", command="seed")
    staging = dbt_task("staging", select="path:models/staging", inlets=[RAW_PAYMENTS, RAW_MERCHANTS, RAW_CUSTOMERS])
    history = dbt_task("history", select="snap_merchants", command="snapshot")
    seeds >> staging >> history
