"""DAGs and tasks as they can be read from a file's syntax tree, without running it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from interlock.rules.dag_source import DagSource, Function, Origin, Site, Where, read_dag_source
from interlock.rules.dag_tables import (
    DAG_CLASSES,
    DAG_DECORATORS,
    GROUP_CLASSES,
    OPERATOR_MODULES,
    TASK_DECORATORS,
)
from interlock.rules.files import SourceFile

_OPERATOR = re.compile(r"(Operator|Sensor|SensorAsync|Marker)$")


@dataclass(frozen=True)
class Dag:
    """``id`` is None where it is computed. ``site`` is None for a decorator without parentheses; ``function`` is what
    the decorator stands on, and ``called`` how often the module's own code calls it."""

    node: ast.expr
    where: Where
    id: str | None
    site: Site | None
    function: Function | None = None
    sdk: bool = False

    @property
    def arguments(self) -> dict[str, ast.expr]:
        return self.site.keywords if self.site else {}

    @property
    def line(self) -> int:
        return self.function.lineno if self.function else self.node.lineno


@dataclass(frozen=True)
class Task:
    """A classic operator. ``kind`` is the class's name, ``origin`` its full one where Airflow's own, else ""."""

    site: Site
    kind: str
    origin: str
    id: str | None


@dataclass(frozen=True)
class DagModel:
    """Every DAG and task of a file, in its order."""

    source: DagSource
    dags: tuple[Dag, ...]
    tasks: tuple[Task, ...]


@lru_cache(maxsize=4)
def read_dag_model(file: SourceFile) -> DagModel | None:
    """What a file defines; None where it has nothing to do with Airflow."""
    source = read_dag_source(file)
    if source is None or not _imports_airflow(source):
        return None
    return DagModel(source, tuple(_dags(source)), tuple(_tasks(source)))


def _imports_airflow(source: DagSource) -> bool:
    return any(
        isinstance(one, Origin) and (one.name == "airflow" or one.name.startswith("airflow."))
        for values in source.bound.values()
        for one in values
    )


def _dags(source: DagSource) -> Iterator[Dag]:
    decorators = {id(one) for function, _ in source.functions for one in function.decorator_list}
    for site in source.sites:
        origins = source.origins(site.call.func, site.where.scope)
        if origins and origins <= DAG_CLASSES and id(site.call) not in decorators:
            first = site.call.args[0] if site.call.args else site.keywords.get("dag_id")
            name = source.text(first, site.where.scope) if first is not None else None
            yield Dag(site.call, site.where, name, site, sdk=origins == {"airflow.sdk.DAG"})
    for function, where in source.functions:
        for one in function.decorator_list:
            origins = source.origins(one.func if isinstance(one, ast.Call) else one, where.scope)
            if origins and origins <= DAG_DECORATORS:
                given = Site(one, where) if isinstance(one, ast.Call) else None
                named = _decorated_id(source, given, function)
                yield Dag(one, where, named, given, function, origins == {"airflow.sdk.dag"})


def _decorated_id(source: DagSource, site: Site | None, function: Function) -> str | None:
    if site is None:
        return function.name
    given = site.call.args[0] if site.call.args else site.keywords.get("dag_id")
    if given is not None:
        return source.text(given, site.where.scope)
    return None if site.open else function.name


def _tasks(source: DagSource) -> Iterator[Task]:
    for site in source.sites:
        function = site.call.func
        if isinstance(function, ast.Attribute) and function.attr == "partial":
            function = function.value
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        origins = source.origins(function, site.where.scope)
        if origins:
            lasts = {one.rpartition(".")[2] for one in origins}
            name = lasts.pop() if len(lasts) == 1 else ""
        keywords = site.keywords
        if not _OPERATOR.search(name) and "task_id" not in keywords:
            continue
        # Airflow's providers have helpers that take a task_id too: only the name tells an operator.
        official = bool(origins and _OPERATOR.search(name)) and all(one.startswith(OPERATOR_MODULES) for one in origins)
        given = keywords.get("task_id")
        yield Task(
            site, name, min(origins) if official else "", source.text(given, site.where.scope) if given else None
        )


def decorator_origins(source: DagSource, function: Function, where: Where) -> list[frozenset[str]]:
    """Of each decorator, from above, the full names it may have; empty where they are not known."""
    return [
        source.origins(one.func if isinstance(one, ast.Call) else one, where.scope) for one in function.decorator_list
    ]


def is_task_decorator(origins: frozenset[str]) -> bool:
    """``@task``, ``@task.bash``, ``@task.branch``..."""
    return bool(origins) and all(
        one == task or one.startswith(f"{task}.") for one in origins for task in TASK_DECORATORS if one.startswith(task)
    ) and all(one.startswith(TASK_DECORATORS) for one in origins)  # fmt: skip


def is_group(source: DagSource, expr: ast.expr, where: Where) -> bool:
    """``TaskGroup(...)``."""
    if not isinstance(expr, ast.Call):
        return False
    origins = source.origins(expr.func, where.scope)
    return bool(origins) and origins <= GROUP_CLASSES
