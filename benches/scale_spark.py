"""The Spark part of a scale project: a shared package, and one file a batch job."""

from collections.abc import Iterator

from scale_outline import Project

_SPARK_LIB = {
    "__init__.py": '"""What all Spark jobs of this project share."""\n',
    "session.py": '''\
"""One way to start a session."""

from pyspark.sql import SparkSession


def session(name: str) -> SparkSession:
    return SparkSession.builder.appName(name).config("spark.sql.session.timeZone", "UTC").getOrCreate()
''',
    "paths.py": '''\
"""Where a day's data lies."""


def day_path(root: str, day: str) -> str:
    return f"{root.rstrip('/')}/day={day}"
''',
    "cleaning.py": '''\
"""Steps that most jobs begin with."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def newest_per_key(frame: DataFrame, key: str, order: str) -> DataFrame:
    newest = frame.groupBy(key).agg(F.max(order).alias(order))
    return frame.join(newest, [key, order], "left_semi")


def without_failed(frame: DataFrame) -> DataFrame:
    return frame.where(F.col("status") != "failed")
''',
    "money.py": '''\
"""Amounts in minor units."""

from pyspark.sql import Column
from pyspark.sql import functions as F


def major(column: str) -> Column:
    return F.round(F.col(column) / 100, 2)
''',
    "job.py": '''\
"""The command line that all jobs have."""

import argparse


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--day", required=True)
    return parser.parse_args()
''',
}


def spark_files(project: Project) -> Iterator[tuple[str, str]]:
    """Each file below `spark/`: its path and its text."""
    for name, text in _SPARK_LIB.items():
        yield f"spark/lib/scale_spark/{name}", text
    for number, job in enumerate(project.jobs):
        yield f"spark/jobs/{job}.py", _job(job, number)


def _job(job: str, number: int) -> str:
    cleaned = "without_failed(raw)" if number % 2 else 'newest_per_key(raw, "id", "loaded_at")'
    cleaner = "without_failed" if number % 2 else "newest_per_key"
    group = ("customer_id", "currency", "status")[number % 3]
    return f'''\
"""Sums a day's amounts by {group}."""

from pyspark.sql import functions as F
from scale_spark.cleaning import {cleaner}
from scale_spark.job import arguments
from scale_spark.money import major
from scale_spark.paths import day_path
from scale_spark.session import session


def main() -> None:
    args = arguments()
    spark = session("{job}")
    raw = spark.read.option("header", True).csv(args.input)
    cleaned = {cleaned}
    totals = cleaned.groupBy("{group}").agg(
        F.count("*").alias("movements"),
        F.sum(major("amount_minor")).alias("total"),
    )
    kept = totals.where(F.col("movements") >= {number % 5 + 1})
    kept.write.mode("overwrite").parquet(day_path(args.output, args.day))
    spark.stop()


if __name__ == "__main__":
    main()
'''
