"""What looking into the SQL of each dbt model tells: its problems, and its columns.

What a model's columns are follows from those of the models and seeds that it reads, down to where somebody else's table
begins: of a source nobody has recorded what it holds. A model whose branches only running it decides says nothing.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from typing import Any

from interlock.model.canonical import digest_of
from interlock.model.findings import Severity
from interlock.rules.dbt_project import projects
from interlock.rules.dbt_rendered import rendered_models
from interlock.rules.inspection import Inspection
from interlock.rules.sql_findings import SqlKind, SqlProblem

_SPACE = "dbt-sql"
_KINDS = ("model", "snapshot", "test")
_IDENTIFIER = re.compile(r"(\w??)(__(?:ref|source)__\w+)")
_PLAIN = re.compile(r"[A-Za-z_]\w*")

# Materializations that have the columns of the SELECT; what a project's own makes of it nobody knows.
_AS_SELECTED = frozenset(
    ("", "view", "table", "incremental", "ephemeral", "materialized_view", "dynamic_table", "streaming_table",
     "materialized view", "external", "snapshot")
)  # fmt: skip
# Adapters that put the query of a table, and of these also that of a view, into parentheses.
_WRAP_TABLES = frozenset(("postgres", "redshift", "snowflake", "duckdb", "bigquery", "trino"))
_WRAP_VIEWS = frozenset(("postgres", "redshift", "snowflake", "duckdb"))

Model = Mapping[str, Any]


@dataclass(frozen=True)
class Query:
    """A rendered model, and what its SQL tells of a first run; ``later`` and ``later_columns``: of a later one.

    Columns are in lower case and in order; None where not all are known.
    """

    model: Model
    problems: tuple[SqlProblem, ...]
    later: tuple[SqlProblem, ...]
    columns: tuple[str, ...] | None
    later_columns: tuple[str, ...] | None

    @classmethod
    def of(cls, model: Model, told: Mapping[str, Any]) -> "Query":
        """From JSON."""
        columns, later_columns = (
            None if one is None else tuple(one) for one in (told["columns"], told["later_columns"])
        )
        return cls(
            model, tuple(map(_heard, told["problems"])), tuple(map(_heard, told["later"])), columns, later_columns
        )


def queries(inspection: Inspection) -> dict[str, Query]:
    """The models, snapshots and singular tests whose SQL is all there and switched on, by the keys of
    ``rendered_models``. Computed once for an inspection."""
    return inspection.once("dbt queries", lambda: _queries(inspection))


def _queries(inspection: Inspection) -> dict[str, Query]:
    models = {
        key: one for key, one in rendered_models(inspection).items()
        if one["complete"] and one["kind"] in _KINDS and _enabled(one)
    }  # fmt: skip
    look = _Look(inspection, models)
    told = inspection.kept(_SPACE, {key: look.digest(key) for key in models}, look.compute, look.waves)
    return {key: Query.of(model, told[key]) for key, model in models.items() if told.get(key)}


def _enabled(model: Model) -> bool:
    """Whether dbt would look at it; what its own text computes counts as rendering made it."""
    return model["enabled"] is not False and str(model["config"].get("enabled", True)).lower() not in ("false", "0", "")


def _is_wrapped(model: Model, dialect: str) -> bool:
    """Whether dbt certainly puts the query into parentheses."""
    if model["kind"] != "model" or model["materialized"] == "ephemeral":
        return True
    if model["materialized"] in ("table", "incremental"):
        return dialect in _WRAP_TABLES
    return model["materialized"] == "view" and dialect in _WRAP_VIEWS


class _Look:
    """The models of an inspection, each looked at once, parents first."""

    def __init__(self, inspection: Inspection, models: Mapping[str, Model]) -> None:
        self._inspection = inspection
        self._models = models
        self._dialect = inspection.layout.dialect
        self._told: Mapping[str, Any] = {}
        self._by_name: dict[tuple[str, str], list[str]] = {}
        for key, one in models.items():
            if one["kind"] == "model":
                self._by_name.setdefault((one["project"], one["name"]), []).append(key)
        self._seeds = _seeds(inspection)
        # A project that names its relations by a macro of its own may call them anything.
        self._renamed = {one.folder for one in projects(inspection).own if "generate_alias_name" in one.macros}
        self._waves, self._circling = _in_waves({key: self._parents(one) for key, one in models.items()})
        self._digests: dict[str, str] = {}
        for key in chain(*self._waves):
            self._digests[key] = self._digest(models[key])

    def digest(self, key: str) -> str:
        """Of the text and of everything that it reads."""
        return self._digests[key]

    def _parents(self, model: Model) -> list[str]:
        return [key for one in model["relations"].values() if (key := self._target(one, model)[0])]

    def _digest(self, model: Model) -> str:
        read = []
        for _, relation in sorted(model["relations"].items()):
            key, seed = self._target(relation, model)
            read.append(self._digests.get(key, "circle") if key else seed)
        texts = [model["sql"], model["incremental_sql"], model["materialized"]]
        return digest_of([self._dialect, texts, sorted(model["opaque"]), read])[:32]

    def waves(self, keys: Sequence[str], told: Mapping[str, Any]) -> list[list[str]]:
        """The models in groups, each behind those that it reads from; ``told`` is asked for the columns of these."""
        self._told = told
        asked = set(keys)
        return [found for wave in self._waves if (found := [key for key in wave if key in asked])]

    def compute(self, keys: Sequence[str]) -> Mapping[str, Any]:
        """What is wrong with each, and its columns, as JSON."""
        from interlock.rules.sql_text import problems, stray_semicolon

        found = {}
        for key in keys:
            model = self._models[key]
            relations = self._relations(model)
            opaque = set(model["opaque"])
            table = model["kind"] == "model"
            sql = self._named(model, "sql")
            said = problems(sql, self._dialect, relations, opaque=opaque, table=table)
            if _is_wrapped(model, self._dialect) and (stray := stray_semicolon(model["sql"], self._dialect)):
                said = [*said, stray]
            columns = later_columns = self._columns(model, sql, relations, opaque)
            later: list[SqlProblem] = []
            if model["incremental_sql"] and model["materialized"] in ("", "incremental"):
                opaque |= set(model["incremental_opaque"])
                sql = self._named(model, "incremental_sql")
                later = problems(sql, self._dialect, relations, opaque=opaque, table=table)
                later_columns = self._columns(model, sql, relations, opaque)
            unsure = model["project"] in self._renamed or any(r[0] == "source" for r in model["relations"].values())
            found[key] = {
                "problems": [_told(_weighed(one, unsure)) for one in said],
                "later": [_told(_weighed(one, unsure)) for one in later],
                "columns": columns, "later_columns": later_columns,
            }  # fmt: skip
        return found

    def _columns(
        self, model: Model, sql: str, relations: Mapping[str, list[str] | None], opaque: set[str]
    ) -> list[str] | None:
        """The columns of a model, lower case and in order; None where not all are known."""
        from interlock.rules.sql_text import output_columns

        if model["materialized"] not in _AS_SELECTED:
            return None
        return output_columns(sql, self._dialect, relations, opaque=opaque)

    def _relations(self, model: Model) -> dict[str, list[str] | None]:
        found: dict[str, list[str] | None] = {}
        for identifier, relation in model["relations"].items():
            key, seed = self._target(relation, model)
            known = key and key not in self._circling
            columns = self._told.get(key, {}).get("columns") if known else seed
            found[self._relation(identifier, relation, model).lower()] = columns
        return found

    def _named(self, model: Model, text: str) -> str:
        """A text in which every relation has the name that its columns are qualified with, as in the warehouse."""
        relations = model["relations"]

        def named(found: re.Match[str]) -> str:
            before, identifier = found.groups()
            if identifier not in relations:
                return found[0]
            # Quoted names, as dbt writes them, need no space before them.
            return f"{before} {self._relation(identifier, relations[identifier], model)}".removeprefix(" ")

        return _IDENTIFIER.sub(named, model[text])

    def _relation(self, identifier: str, relation: Sequence[Any], model: Model) -> str:
        """``__ref__orders.orders`` for ``__ref__orders``: what a query calls ``orders``. Other names stay as they are.

        Models of several schemas may share an alias, so that what stands before it tells them apart.
        """
        kind = relation[0]
        name = relation[2] if kind in ("ref", "source") and len(relation) > 2 else ""
        if kind == "ref":
            key, _ = self._target(relation, model)
            name = self._models[key]["config"].get("alias", name) if key else name
        versioned = kind == "ref" and any(relation[3:4])
        return f"{identifier}.{name}" if name and not versioned and _PLAIN.fullmatch(str(name)) else identifier

    def _target(self, relation: Sequence[Any], model: Model) -> tuple[str, list[str] | None]:
        """(the model that is read, None), or ("", columns of the seed that is)."""
        if relation[0] != "ref" or relation[1] or any(relation[3:4]):
            return "", None
        names = self._by_name.get((model["project"], relation[2]), [])
        if len(names) == 1:
            return names[0], None
        return "", self._seeds.get((model["project"], relation[2])) if not names else None


def _in_waves(read: Mapping[str, Sequence[str]]) -> tuple[list[list[str]], frozenset[str]]:
    """The keys in groups, each behind those that it reads; the last group, told again, stands in or behind a circle."""
    order = TopologicalSorter(read)
    with suppress(CycleError):
        order.prepare()
    waves = []
    while ready := order.get_ready():
        waves.append(list(ready))
        order.done(*ready)
    placed = set(chain(*waves))
    circling = [key for key in read if key not in placed]
    return [*waves, circling], frozenset(circling)


def _seeds(inspection: Inspection) -> dict[tuple[str, str], list[str]]:
    """The columns of seeds by project and name: the first line of their files."""
    found = {}
    for project in projects(inspection).own:
        for nodes in project.nodes.values():
            for node in nodes:
                if node.kind == "seed" and node.path.endswith(".csv") and "delimiter" not in node.config:
                    head = inspection.read(node.path).partition(b"\n")[0].decode("utf-8-sig", "replace")
                    row = next(csv.reader(io.StringIO(head.strip())), [])
                    if row and all(name.strip() for name in row):
                        found[project.folder, node.name] = [name.strip().lower() for name in row]
    return found


def _weighed(problem: SqlProblem, unsure: bool) -> SqlProblem:
    """A warning where a table may have another name in the warehouse than the project calls it by."""
    if unsure and problem.kind is SqlKind.COLUMN and problem.detail.startswith("no table of this FROM"):
        return replace(problem, severity=Severity.WARNING)
    return problem


def _told(problem: SqlProblem) -> list[Any]:
    return [
        problem.kind.value, problem.line, problem.end_line, problem.column, problem.name, problem.detail, problem.near,
        problem.severity.value,
    ]  # fmt: skip


def _heard(told: Sequence[Any]) -> SqlProblem:
    kind, line, end_line, column, name, detail, near, severity = told
    return SqlProblem(SqlKind(kind), line, end_line, column, name, detail, near, Severity(severity))
