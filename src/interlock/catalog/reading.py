"""What the readers share, and what each hands back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interlock.catalog.fingerprint import FingerprintCache
from interlock.catalog.python_imports import PythonFiles
from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache
from interlock.config import ProjectConfig
from interlock.model.findings import Finding, NotChecked
from interlock.model.progress import OnProgress
from interlock.model.resources import Catalog, Edge, Resource, Unknown
from interlock.runtimes.environments import Runtime

RuntimeFor = Callable[[str], Runtime]


@dataclass(frozen=True)
class Context:
    """The project, its files, and what earlier readings left in the cache."""

    root: Path
    config: ProjectConfig
    sources: Sources
    cache: ReadingCache
    python: PythonFiles
    prints: FingerprintCache
    runtime_for: RuntimeFor
    on_progress: OnProgress
    folder: Path

    def data_part(self, path: str) -> str:
        """What a file that is no module contributes to a fingerprint."""
        return self.prints.file(path, self.sources.read(path), self.sources.digest(path))


def unsteady(paths: Iterable[str]) -> tuple[NotChecked, ...]:
    """What is said of files of which nobody knows what an engine read."""
    return tuple(NotChecked(path, "it was changed while it was read: check again") for path in paths)


@dataclass(frozen=True)
class UnitTest:
    """A unit test of dbt's. ``key`` is the model's, ``path`` the file that defines it.

    ``fingerprint``: of itself, its model and all that lies upstream, down to the columns that sources declare.
    ``files``: where all of that stands. ``untyped``: sources upstream of which no column has a data type.
    """

    unique_id: str
    name: str
    key: str
    path: str
    fingerprint: str
    files: tuple[str, ...]
    untyped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Absent:
    """A top-level module that neither the project nor a runtime has, where it is imported without a condition.

    ``jobs``: keys of those that surely run this import, sorted.
    """

    module: str
    path: str
    line: int
    runtime: str
    jobs: tuple[str, ...]


@dataclass(frozen=True)
class EngineReading:
    """What one reader found. ``facts`` is what lineage joins across engines, by resource key.

    ``fleeting``, ``templates``, ``absent``: see ``ProjectReading``.
    """

    resources: tuple[Resource, ...] = ()
    edges: tuple[Edge, ...] = ()
    unknowns: tuple[Unknown, ...] = ()
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    runtime: dict[str, str] = field(default_factory=dict)
    parsed: int = 0
    fleeting: bool = False
    templates: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    unit_tests: tuple[UnitTest, ...] = ()
    absent: tuple[Absent, ...] = ()


@dataclass(frozen=True)
class ProjectReading:
    """One commit as it was read: its catalog, what is wrong with it, what was not looked at, and where time went.

    ``timings`` are seconds by step; ``parsed`` counts what had to be read anew, by engine (0: all of it was known).
    ``fleeting``: the same files may be read otherwise the next time, since the machine's load had a part in it.
    ``templates``: of each DAG file without an error what Airflow says of its tasks' templates, by DAG: ``dag``,
    ``tasks``, ``fine`` (by task, digests of the templates in which nothing is wrong), ``names`` (whether that holds for
    variables), and ``problems`` as ``runtimes.workers._interlock_templates`` finds them, with ``path`` and ``line``.
    ``absent``: what Spark jobs import and do not find.
    """

    catalog: Catalog
    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    timings: dict[str, float]
    parsed: dict[str, int] = field(default_factory=dict)
    fleeting: bool = False
    templates: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    unit_tests: tuple[UnitTest, ...] = ()
    absent: tuple[Absent, ...] = ()
