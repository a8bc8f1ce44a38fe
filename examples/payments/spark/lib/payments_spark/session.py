"""The Spark session of every job."""

from pyspark.sql import SparkSession


def session(name: str) -> SparkSession:
    """A session in UTC whose number of shuffle partitions suits data of this size."""
    return (
        SparkSession.builder.appName(name)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
