"""Reading a project: three readers at once, then the edges between what they found."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from interlock.catalog.airflow_reader import read_airflow
from interlock.catalog.dbt_reader import read_dbt
from interlock.catalog.fingerprint import FingerprintCache
from interlock.catalog.lineage import Lineage
from interlock.catalog.python_imports import PythonFiles
from interlock.catalog.reading import Context, EngineReading, ProjectReading, RuntimeFor
from interlock.catalog.sources import Sources
from interlock.catalog.spark_reader import read_spark
from interlock.catalog.store import ReadingCache
from interlock.config import ProjectConfig
from interlock.model.progress import OnProgress, silent
from interlock.model.resources import Catalog

_READERS: dict[str, Callable[[Context], EngineReading]] = {
    "airflow": read_airflow,
    "dbt": read_dbt,
    "spark": read_spark,
}


def read_project(
    sources: Sources, config: ProjectConfig, runtime_for: RuntimeFor, cache: Path, on_progress: OnProgress = silent
) -> ProjectReading:
    """The catalog of the files as ``sources`` sees them, with everything that is wrong or unknown about them.

    ``runtime_for`` builds or finds a runtime by its name; ``cache`` is a folder of ours. What did not change since the
    last reading is taken from there, and an engine whose part did not change is not started. Raises ConfigError,
    RuntimeBuildError, and WorkerError when an engine itself cannot be run.
    """
    begun = time.perf_counter()
    cache = cache.absolute()
    store = ReadingCache(cache)
    with FingerprintCache(cache / "fingerprints.db") as prints:
        python = PythonFiles(sources, store)
        context = Context(sources.root, config, sources, store, python, prints, runtime_for, on_progress, cache)
        timings: dict[str, float] = {}

        def timed(name: str) -> EngineReading:
            started = time.perf_counter()
            reading = _READERS[name](context)
            timings[name] = time.perf_counter() - started
            return reading

        with ThreadPoolExecutor(len(_READERS), thread_name_prefix="reader") as pool:
            futures = {name: pool.submit(timed, name) for name in _READERS}
            readings = {name: future.result() for name, future in futures.items()}
        python.save()
        started = time.perf_counter()
        reading = _joined(config.project, readings, context)
        timings["lineage"] = time.perf_counter() - started
    timings["total"] = time.perf_counter() - begun
    return ProjectReading(
        reading.catalog, reading.findings, reading.not_checked, timings, {n: r.parsed for n, r in readings.items()},
        any(one.fleeting for one in readings.values()), readings["airflow"].templates, readings["dbt"].unit_tests,
        readings["spark"].absent,
    )  # fmt: skip


def _joined(project: str, readings: dict[str, EngineReading], context: Context) -> ProjectReading:
    parts = list(readings.values())
    resources = sorted((one for part in parts for one in part.resources), key=lambda one: one.key)
    across, unresolved = Lineage(readings["airflow"].facts, resources, readings["dbt"].facts).edges()
    edges = {edge: None for part in parts for edge in part.edges} | dict.fromkeys(across)
    unknowns = {one: None for part in parts for one in part.unknowns} | dict.fromkeys(unresolved)
    runtimes = {name: digest for part in parts for name, digest in part.runtime.items()}
    catalog = Catalog(
        project=project,
        resources=tuple(resources),
        edges=tuple(sorted(edges, key=lambda one: (one.source, one.target, one.why))),
        unknowns=tuple(sorted(unknowns, key=lambda one: (one.path, one.line, one.subject, one.why))),
        runtimes=dict(sorted(runtimes.items())),
    )
    findings = {one: None for part in parts for one in part.findings}
    not_checked = {one: None for part in parts for one in part.not_checked} | dict.fromkeys(context.sources.said())
    return ProjectReading(
        catalog,
        tuple(sorted(findings, key=lambda one: (one.place.path, one.place.line, one.rule, one.summary))),
        tuple(not_checked),
        {},
    )
