"""The Spark batch adapter: the next run of a job uses the new version, a run in progress keeps its own."""

from typing import ClassVar

from interlock.adapters.spark_common import SparkAdapter
from interlock.model.resources import Kind


class SparkBatchAdapter(SparkAdapter):
    """Scripts of ``spark.jobs``; see ``spark_common``."""

    engine = "spark_batch"
    kind: ClassVar[Kind] = Kind.BATCH
    folder: ClassVar[str] = "batch"
    noun: ClassVar[str] = "batch job"
    after_switch: ClassVar[str] = "a run in progress keeps the version that it started with"
