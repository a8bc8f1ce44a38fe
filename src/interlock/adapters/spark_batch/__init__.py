"""Spark batch jobs: versioned artifacts and a launcher that pins each run to one version."""

from interlock.adapters.spark_batch.adapter import SparkBatchAdapter

__all__ = ["SparkBatchAdapter"]
