"""Features of each merchant that the fraud model reads: volume, refunds, chargebacks, share of failures.

spark-submit build_merchant_features.py --input lake --output lake/merchant_features
"""

import argparse

from payments_spark.session import session
from payments_spark.tables import read, write
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def features(payments: DataFrame, merchants: DataFrame, refunds: DataFrame, chargebacks: DataFrame) -> DataFrame:
    """One row for each merchant of the registry, with zeros where it has no payment."""
    facts = (
        payments.join(refunds.select("payment_id", F.lit(1).alias("refunded")), "payment_id", "left")
        .join(chargebacks.select("payment_id", F.lit(1).alias("disputed")), "payment_id", "left")
        .groupBy("merchant_id")
        .agg(
            F.count("*").alias("payments"),
            F.countDistinct("customer_id").alias("customers"),
            F.sum(F.coalesce("refunded", F.lit(0))).alias("refunds"),
            F.sum(F.coalesce("disputed", F.lit(0))).alias("chargebacks"),
            F.round(F.avg((F.col("status") == "failed").cast("int")), 6).alias("failure_share"),
        )
    )
    known = merchants.select("merchant_id", "tier", "category_code", "is_active")
    return known.join(facts, "merchant_id", "left").fillna(0).orderBy("merchant_id")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the fraud model's merchant features.")
    parser.add_argument("--input", required=True, help="folder of the lake")
    parser.add_argument("--output", required=True)
    args = parser.parse_args()
    spark = session("build_merchant_features")
    tables = {name: read(spark, args.input, name) for name in ("payments", "merchants", "refunds", "chargebacks")}
    rows = write(features(**tables), args.output)
    print(f"build_merchant_features: {rows} rows")
    spark.stop()


if __name__ == "__main__":
    main()
