"""Scores of new payments, each hour, and how well they did."""

from airflow.models.dag import DAG
from airflow.operators.bash import BashOperator
from payments_common.dbt import dbt_task
from payments_common.settings import LAKE, SPARK_ROOT, dag_defaults
from payments_common.tables import MERCHANT_FEATURES, RAW_FRAUD_SCORES, RAW_PAYMENTS

with DAG("fraud_scoring", schedule="50 * * * *", tags=["risk"], **dag_defaults()) as dag:
    score = BashOperator(
        task_id="score",
        bash_command=(
            f'PAYMENTS_SPARK_ROOT="{SPARK_ROOT}" interlock-spark-submit score_fraud'
            f' --input "{LAKE}" --output "{LAKE}/fraud_scores/{{{{ ts_nodash }}}}"'
        ),
        append_env=True,
        inlets=[RAW_PAYMENTS, MERCHANT_FEATURES],
        outlets=[RAW_FRAUD_SCORES],
    )
    score >> dbt_task("performance", select="fct_fraud_scores mart_fraud_performance")
