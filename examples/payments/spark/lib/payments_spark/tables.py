"""The files that the jobs read and write, with their types."""

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

SCHEMAS = {
    "payments": (
        "payment_id string, merchant_id string, customer_id string, amount_minor bigint, currency string, "
        "status string, method string, created_at timestamp, updated_at timestamp, loaded_at timestamp"
    ),
    "merchants": (
        "merchant_id string, merchant_name string, country_code string, category_code string, tier string, "
        "is_active boolean, onboarded_at timestamp, updated_at timestamp, loaded_at timestamp"
    ),
    "refunds": (
        "refund_id string, payment_id string, amount_minor bigint, currency string, reason string, "
        "created_at timestamp, loaded_at timestamp"
    ),
    "chargebacks": (
        "chargeback_id string, payment_id string, amount_minor bigint, currency string, reason string, "
        "outcome string, opened_at timestamp, loaded_at timestamp"
    ),
}
STREAM_SCHEMA = (
    "payment_id string, merchant_id string, amount_minor bigint, currency string, status string, event_time timestamp"
)


def read(spark: SparkSession, lake: str, name: str) -> DataFrame:
    """The table `name` below the folder `lake`; CSV with a header line."""
    return spark.read.csv(str(Path(lake) / name), schema=SCHEMAS[name], header=True)


def write(frame: DataFrame, output: str) -> int:
    """Replace the folder `output` by the frame as one CSV file; returns the number of rows."""
    frame = frame.cache()
    frame.coalesce(1).write.mode("overwrite").csv(output, header=True)
    return frame.count()
