"""Rules about Spark jobs as the reader found them."""

from collections.abc import Iterator

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Kind
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule


def never_run(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SP003: said only where every DAG could be read and none hides which job it runs."""
    reading, config = inspection.reading, inspection.config
    if reading is None or config is None or config.airflow is None:
        return
    if any(one.rule.startswith("ILK-AF") for one in reading.findings):
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


FAMILY = Family(
    "spark",
    (
        Rule("ILK-SP001", "spark-syntax", "a Spark script or a module of it is not valid Python", needs=Needs.CATALOG),
        Rule("ILK-SP002", "duplicate-job", "two scripts make the same job", needs=Needs.CATALOG),
        Rule("ILK-SP003", "job-never-run", "no DAG of the project runs a batch job", Severity.INFO, Needs.CATALOG),
    ),
    project_checks=(never_run,),
)
