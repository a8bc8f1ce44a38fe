"""Resources, datasets, edges: what one commit holds."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any


class Kind(StrEnum):
    """What is deployed and rolled back on its own."""

    DAG = "airflow.dag"
    MODEL = "dbt.model"
    SEED = "dbt.seed"
    SNAPSHOT = "dbt.snapshot"
    BATCH = "spark.batch"
    STREAM = "spark.stream"

    @property
    def engine(self) -> str:
        """The adapter that deploys this kind: ``airflow``, ``dbt``, ``spark_batch`` or ``spark_stream``."""
        return {"airflow": "airflow", "dbt": "dbt"}.get(self.value.split(".")[0], self.value.replace(".", "_"))


def key_of(kind: Kind, name: str) -> str:
    """The resource key, ``kind:name``."""
    return f"{kind.value}:{name}"


def kind_of(key: str) -> Kind:
    """The kind that a resource key names; ``ValueError`` if it names none."""
    return Kind(key.partition(":")[0])


@dataclass(frozen=True)
class Resource:
    """One deployable thing.

    ``path`` is the file that defines it and ``files`` its whole closure (``path`` included), relative to the project.
    ``fingerprint`` is a hash of what it does, ``parts`` the hash of each ingredient, so that a plan can say *why* it
    changed. ``settings`` is what its adapter needs later (schedule, materialisation, unique key ...), JSON only.
    """

    key: str
    path: str
    files: tuple[str, ...] = ()
    fingerprint: str = ""
    parts: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    owner: str = ""
    line: int = 0

    @property
    def kind(self) -> Kind:
        return kind_of(self.key)

    @property
    def name(self) -> str:
        return self.key.partition(":")[2]


@dataclass(frozen=True)
class Edge:
    """``source`` must come before ``target``: both are resource keys or dataset names.

    ``why`` is one of ``reads``, ``writes``, ``runs``, ``tests``, ``ref``, ``waits``, ``triggers``, ``updates``.
    """

    source: str
    target: str
    why: str


@dataclass(frozen=True)
class Unknown:
    """Something that could not be resolved, and why: said, never guessed."""

    subject: str
    path: str
    line: int
    why: str


@dataclass(frozen=True)
class Catalog:
    """Resources, dataset edges and unknowns of one commit; ``edges`` run from upstream to downstream."""

    project: str
    resources: tuple[Resource, ...]
    edges: tuple[Edge, ...] = ()
    unknowns: tuple[Unknown, ...] = ()
    runtimes: dict[str, str] = field(default_factory=dict)

    @cached_property
    def by_key(self) -> dict[str, Resource]:
        """Resources by key."""
        return {r.key: r for r in self.resources}

    @cached_property
    def _down(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for edge in self.edges:
            found.setdefault(edge.source, []).append(edge.target)
        return found

    @cached_property
    def _up(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for edge in self.edges:
            found.setdefault(edge.target, []).append(edge.source)
        return found

    def downstream(self, node: str) -> tuple[str, ...]:
        """Everything that ``node`` reaches, nearest first, without ``node``."""
        return _reach(node, self._down)

    def upstream(self, node: str) -> tuple[str, ...]:
        """Everything that reaches ``node``, nearest first, without ``node``."""
        return _reach(node, self._up)


def _reach(start: str, links: dict[str, list[str]]) -> tuple[str, ...]:
    seen: dict[str, None] = {}
    queue = [start]
    for node in queue:
        for other in links.get(node, ()):
            if other not in seen and other != start:
                seen[other] = None
                queue.append(other)
    return tuple(seen)
