"""Cohorts and value of customers, when the facts were refreshed."""

from airflow.models.dag import DAG
from payments_common.dbt import dbt_task
from payments_common.settings import dag_defaults
from payments_common.tables import FCT_PAYMENTS

with DAG("customer_growth", schedule=[FCT_PAYMENTS], tags=["growth"], **dag_defaults()) as dag:
    cohorts = dbt_task("cohorts", select="mart_customer_cohorts", inlets=[FCT_PAYMENTS])
    value = dbt_task("value", select="mart_customer_value")
    cohorts >> value
