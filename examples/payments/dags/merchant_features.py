"""Features of merchants for the fraud model, each night."""

from airflow.models.dag import DAG
from payments_common.operators import SparkJobOperator
from payments_common.settings import LAKE, dag_defaults
from payments_common.tables import MERCHANT_FEATURES, RAW_CHARGEBACKS, RAW_MERCHANTS, RAW_PAYMENTS

with DAG("merchant_features", schedule="30 2 * * *", tags=["risk"], **dag_defaults()) as dag:
    SparkJobOperator(
        task_id="build_features",
        job="build_merchant_features",
        args=["--input", LAKE, "--output", f"{LAKE}/merchant_features"],
        inlets=[RAW_PAYMENTS, RAW_MERCHANTS, RAW_CHARGEBACKS],
        outlets=[MERCHANT_FEATURES],
    )
