"""The Spark stream adapter: the next start of a query uses the new version. A running query is left alone."""

from typing import ClassVar

from interlock.adapters.spark_common import SparkAdapter
from interlock.model.resources import Kind


class SparkStreamAdapter(SparkAdapter):
    """Scripts of ``spark.streams``; see ``spark_common``."""

    engine = "spark_stream"
    kind: ClassVar[Kind] = Kind.STREAM
    folder: ClassVar[str] = "stream"
    noun: ClassVar[str] = "stream"
    after_switch: ClassVar[str] = "a running query keeps its version until you restart it (no handover is done for you)"
