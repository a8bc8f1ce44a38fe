"""Old review notes leave the warehouse after the retention that the law asks for."""

from airflow.models.dag import DAG
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from payments_common.settings import dag_defaults

with DAG("warehouse_upkeep", schedule="0 3 * * 0", tags=["warehouse"], **dag_defaults()) as dag:
    SQLExecuteQueryOperator(
        task_id="forget_old_breaks",
        conn_id="warehouse",
        sql="delete from ops.refund_breaks where found_on < date '{{ ds }}' - interval '400 day'",
    )
