"""Payment events, each once, summed up by merchant and quarter of an hour.

State: the identifiers of the last hour (to drop repeated events) and the open windows. Both live in the checkpoint, so
a changed window, key or watermark needs a new checkpoint.

    spark-submit enrich_payments.py --input lake/payment_stream --output lake/enriched --checkpoint lake/checkpoint
"""

import argparse

from payments_spark.money import is_earned, major
from payments_spark.session import session
from payments_spark.tables import STREAM_SCHEMA
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

WATERMARK = "1 hour"
WINDOW = "15 minutes"


def enrich(events: DataFrame) -> DataFrame:
    """One row for each merchant, currency and window, written when the watermark has passed the window's end."""
    return (
        events.withWatermark("event_time", WATERMARK)
        .dropDuplicatesWithinWatermark(["payment_id"])
        .withColumn("amount", major(F.col("amount_minor"), F.col("currency")))
        .groupBy(F.window("event_time", WINDOW).alias("period"), "merchant_id", "currency")
        .agg(
            F.count("*").alias("events"),
            F.sum("amount").alias("amount"),
            F.sum(F.when(is_earned(F.col("status")), F.col("amount")).otherwise(F.lit(0))).alias("earned"),
        )
        .select(
            F.col("period.start").alias("window_start"),
            F.col("period.end").alias("window_end"),
            "merchant_id",
            "currency",
            "events",
            "amount",
            "earned",
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Enrich the stream of payment events.")
    parser.add_argument("--input", required=True, help="folder into which files of JSON lines arrive")
    parser.add_argument("--output", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--trigger", default="available-now", help="available-now, or an interval as '30 seconds'")
    args = parser.parse_args()
    spark = session("enrich_payments")
    events = spark.readStream.schema(STREAM_SCHEMA).option("maxFilesPerTrigger", 1).json(args.input)
    writer = (
        enrich(events)
        .writeStream.queryName("enrich_payments")
        .outputMode("append")
        .format("parquet")
        .option("path", args.output)
        .option("checkpointLocation", args.checkpoint)
    )
    if args.trigger == "available-now":
        writer = writer.trigger(availableNow=True)
    else:
        writer = writer.trigger(processingTime=args.trigger)
    query = writer.start()
    query.awaitTermination()
    spark.stop()


if __name__ == "__main__":
    main()
