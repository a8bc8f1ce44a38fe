"""Rules about Spark.

========= ======== ==================================================================================================
ILK-SP001 error    a script or a module that it imports is not valid Python (reader)
ILK-SP002 error    two scripts make the same job (reader)
ILK-SP003 info     no DAG of the project runs a batch job
========= ======== ==================================================================================================
"""

from collections.abc import Iterator

from interlock.catalog.reading import ProjectReading
from interlock.config import ProjectConfig
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Kind


def never_run(reading: ProjectReading, config: ProjectConfig) -> Iterator[Finding]:
    """ILK-SP003: said only where every DAG could be read and none hides which job it runs."""
    if config.airflow is None or any(one.rule.startswith("ILK-AF") for one in reading.findings):
        return
    if any("Spark job" in one.why for one in reading.catalog.unknowns):
        return
    run = {edge.target for edge in reading.catalog.edges if edge.why == "runs"}
    for job in reading.catalog.resources:
        if job.kind is Kind.BATCH and job.key not in run:
            yield Finding(
                "ILK-SP003", Severity.INFO, Place(job.path), "no DAG of this project runs this job",
                "Run it from a DAG, or remove it if nothing else does.", job.key,
            )  # fmt: skip
