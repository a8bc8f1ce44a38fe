"""A score in [0, 1] for each payment, from its size beside its merchant's usual one, its method and its hour.

spark-submit score_fraud.py --input lake --output lake/fraud_scores/latest
"""

import argparse

from payments_spark.money import major
from payments_spark.session import session
from payments_spark.tables import read, write
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

METHOD_WEIGHT = {"card": 0.10, "wallet": 0.05, "bank_transfer": 0.02, "instalments": 0.20}
MODEL_VERSION = "v4"


def score(payments: DataFrame) -> DataFrame:
    """One row for each payment."""
    by_merchant = Window.partitionBy("merchant_id", "currency")
    amount = major(F.col("amount_minor"), F.col("currency")).cast("double")
    spread = F.coalesce(F.stddev("amount").over(by_merchant), F.lit(0.0))
    distance = F.when(spread > 0, (F.col("amount") - F.avg("amount").over(by_merchant)) / spread).otherwise(F.lit(0.0))
    weights = F.create_map(*[F.lit(item) for pair in METHOD_WEIGHT.items() for item in pair])
    night = F.when(F.hour("created_at").between(0, 4), 0.15).otherwise(0.0)
    raw = 0.4 * F.least(F.greatest(distance, F.lit(0.0)) / 3.0, F.lit(1.0)) + weights[F.col("method")] + night
    model = F.lit(MODEL_VERSION).alias("model_version")
    return (
        payments.withColumn("amount", amount)
        .withColumn("score", F.round(F.least(raw, F.lit(1.0)), 4))
        .select("payment_id", "score", model, F.col("created_at").alias("scored_at"))
        .orderBy("payment_id")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Score payments for fraud.")
    parser.add_argument("--input", required=True, help="folder of the lake")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    spark = session("score_fraud")
    rows = write(score(read(spark, args.input, "payments")), args.output)
    print(f"score_fraud: {rows} rows")
    spark.stop()


if __name__ == "__main__":
    main()
