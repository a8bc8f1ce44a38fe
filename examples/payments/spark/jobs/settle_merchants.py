"""What each merchant is owed for a day, by currency.

spark-submit settle_merchants.py --input lake/payments --output lake/settlements/2026-11-20 --day 2026-11-20
"""

import argparse
from pathlib import Path

from payments_spark.money import is_earned, major
from payments_spark.session import session
from payments_spark.tables import read, write
from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def settle(payments: DataFrame, day: str | None) -> DataFrame:
    """One row for each merchant, day and currency; all days where `day` is None."""
    payments = payments.withColumn("settlement_date", F.to_date("created_at"))
    if day:
        payments = payments.where(F.col("settlement_date") == F.to_date(F.lit(day)))
    return (
        payments.where(is_earned(F.col("status")))
        .groupBy("merchant_id", "settlement_date", "currency")
        .agg(
            F.count("*").alias("payments"),
            F.sum("amount_minor").alias("gross_minor"),
        )
        .withColumn("gross", major(F.col("gross_minor"), F.col("currency")))
        .orderBy("merchant_id", "settlement_date", "currency")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What each merchant is owed.")
    parser.add_argument("--input", required=True, help="folder of the payments, or of the lake that holds them")
    parser.add_argument("--output", required=True)
    parser.add_argument("--day", help="YYYY-MM-DD; every day where it is left out")
    args = parser.parse_args()
    lake = Path(args.input)
    lake = lake.parent if lake.name == "payments" else lake
    spark = session("settle_merchants")
    rows = write(settle(read(spark, str(lake), "payments"), args.day), args.output)
    print(f"settle_merchants: {rows} rows")
    spark.stop()


if __name__ == "__main__":
    main()
