"""Rules about Spark jobs as the reader found them."""

import sys
from collections.abc import Iterator

from interlock.catalog.reading import Absent
from interlock.config import ProjectConfig
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Kind
from interlock.rules.inspection import Inspection
from interlock.rules.package_names import distribution_of
from interlock.rules.python_around import ignored_by_git
from interlock.rules.rule import Family, FileFacts, Needs, Rule
from interlock.rules.spark_brought import FACTS, PATTERNS, Brought, brought

# What platforms that run Spark put on the import path, and no index has.
_OF_PLATFORMS = frozenset({"awsglue", "dbruntime", "dbutils", "dlt", "mssparkutils", "notebookutils"})


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


def missing_packages(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SP004: what the reader did not find anywhere, less what may come in a way that only running shows."""
    reading, config = inspection.reading, inspection.config
    if reading is None or config is None or not reading.absent:
        return
    files = {one.key: one.files for one in reading.catalog.resources if one.kind in (Kind.BATCH, Kind.STREAM)}
    ways = Brought(inspection, frozenset(path for paths in files.values() for path in paths))
    hidden = {name.removesuffix(".py") for name in ignored_by_git(inspection)}
    for one in reading.absent:
        distribution = distribution_of(one.module)
        jobs = tuple(key for key in one.jobs if not ways.may_have(one.module, distribution, files[key]))
        if jobs and one.module not in _OF_PLATFORMS | hidden and not _is_elsewhere(one.module, inspection):
            yield Finding(
                "ILK-SP004", Severity.ERROR, Place(one.path, one.line),
                f"'{one.module}' is imported, and neither runtime '{one.runtime}' nor the job's package has it",
                _remedy(one, distribution, config), jobs[0], affected=jobs, cause=f"module:{one.module}",
            )  # fmt: skip


def _is_elsewhere(module: str, inspection: Inspection) -> bool:
    """Whether some folder of the project, now or at the base, has such a module: it may be put on the import path."""
    before = inspection.base.paths if inspection.base is not None else ()
    return any(
        module in path.removesuffix(".py").split("/") for path in (*inspection.paths, *before) if path.endswith(".py")
    )


def _remedy(one: Absent, distribution: str, config: ProjectConfig) -> str:
    if one.module in sys.stdlib_module_names and not distribution:
        return f"The Python of runtime '{one.runtime}' has no such module: use one that it has, or another Python."
    what = f"'{distribution}'" if distribution else "the distribution that has it"
    runtime = config.runtimes[one.runtime]
    if runtime.interpreter is not None:
        return f"Install {what} beside the interpreter of runtime '{one.runtime}'."
    where = runtime.requirements or f"the requirements of runtime '{one.runtime}'"
    return f"Add {what} to {where}, then run 'interlock lock {one.runtime}'."


FAMILY = Family(
    "spark",
    (
        Rule("ILK-SP001", "spark-syntax", "a Spark script or a module of it is not valid Python", needs=Needs.CATALOG),
        Rule("ILK-SP002", "duplicate-job", "two scripts make the same job", needs=Needs.CATALOG),
        Rule("ILK-SP003", "job-never-run", "no DAG of the project runs a batch job", Severity.INFO, Needs.CATALOG),
        Rule(
            "ILK-SP004",
            "missing-package",
            "a Spark job imports what its runtime does not have",
            needs=Needs.SPARK_RUNTIME,
        ),
    ),
    facts=(FileFacts(FACTS, PATTERNS, brought),),
    project_checks=(never_run, missing_packages),
)
