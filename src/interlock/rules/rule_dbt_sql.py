"""Rules about the SQL of dbt models: the rules for all SQL on what rendering makes of them, and columns across models.

What a model's columns are follows from those of the models and seeds that it reads, down to where somebody else's table
begins: of a source nobody has recorded what it holds. A model whose branches only running it decides says nothing.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from typing import Any

from interlock.model.canonical import digest_of
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dbt_project import DbtProject, projects
from interlock.rules.dbt_rendered import rendered_models
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Rule
from interlock.rules.sql_findings import SqlKind, SqlProblem, findings_of

_SPACE = "dbt-sql"
_KINDS = ("model", "snapshot", "test")
_TESTED = "dbt_subquery"
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


def check_models(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SQ for every model, and ILK-DQ001 and ILK-DQ002 for what its YAML says of its columns."""
    models = {
        key: one for key, one in rendered_models(inspection).items()
        if one["complete"] and one["kind"] in _KINDS and _enabled(one)
    }  # fmt: skip
    look = _Look(inspection, models)
    told = inspection.kept(_SPACE, {key: look.digest(key) for key in models}, look.compute, look.waves)
    for key, model in models.items():
        answer = told.get(key)
        if not answer:
            continue
        yield from _problems(model, answer)
        if model["kind"] == "model" and answer["columns"] is not None:
            yield from _declared(model, answer["columns"])
    columns = {
        (model["project"], model["name"]): told[key]["columns"]
        for key, model in models.items()
        if model["kind"] == "model" and told.get(key)
    }
    for project in projects(inspection).own:
        # A project with a macro of its own for it may put anything into where.
        if project.certain and not any(name.endswith("get_where_subquery") for name in project.macros):
            yield from _conditions(project, columns, inspection.layout.dialect)


def _conditions(
    project: DbtProject, columns: Mapping[tuple[str, str], list[str] | None], dialect: str
) -> Iterator[Finding]:
    """ILK-SQ for the ``where`` of tests, over the columns of the model that is tested."""
    from interlock.rules.sql_text import problems

    for path, told in project.yaml.items():
        for test in told.get("tests", ()):
            where, (kind, name) = test.get("where"), test["owner"]
            if not isinstance(where, str) or "{" in where or not where.strip():
                continue
            nodes = project.nodes.get(name, [])
            if kind != "sources" and not any(one.enabled is True for one in nodes):
                continue
            known = columns.get((project.folder, name)) if kind == "models" and len(nodes) == 1 else None
            said = problems(f"select * from {_TESTED} where {where}", dialect, {_TESTED: known}, table=False)
            lines = [int(test["line"])]
            for one in findings_of(said, path, partial(_line, lines)):
                yield replace(one, summary=f"in the where of the test '{test['name']}' of {name}, {one.summary}")


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
            later: list[SqlProblem] = []
            if model["incremental_sql"] and model["materialized"] in ("", "incremental"):
                opaque |= set(model["incremental_opaque"])
                later = problems(
                    self._named(model, "incremental_sql"), self._dialect, relations, opaque=opaque, table=table
                )
            unsure = model["project"] in self._renamed or any(r[0] == "source" for r in model["relations"].values())
            found[key] = {
                "problems": [_told(_weighed(one, unsure)) for one in said],
                "later": [_told(_weighed(one, unsure)) for one in later],
                "columns": self._columns(model, sql, relations),
            }  # fmt: skip
        return found

    def _columns(self, model: Model, sql: str, relations: Mapping[str, list[str] | None]) -> list[str] | None:
        """The columns of a model, lower case and in order; None where not all are known."""
        from interlock.rules.sql_text import output_columns

        if model["materialized"] not in _AS_SELECTED:
            return None
        return output_columns(sql, self._dialect, relations, opaque=set(model["opaque"]))

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


def _problems(model: Model, answer: Mapping[str, Any]) -> Iterator[Finding]:
    seen = set()
    for said, lines in ((answer["problems"], model["lines"]), (answer["later"], model["incremental_lines"])):
        for one in findings_of(map(_heard, said), model["path"], partial(_line, lines)):
            if (one.rule, one.summary) not in seen:
                seen.add((one.rule, one.summary))
                yield one


def _line(lines: Sequence[int], line: int) -> int:
    return lines[line - 1] if 0 < line <= len(lines) else (lines[-1] if lines else 1)


def _declared(model: Model, columns: Sequence[str]) -> Iterator[Finding]:
    # A name with a dot describes a part of a column.
    declared = {
        name.strip('"`[]').lower(): (name, line) for name, line in model["columns"].items() if "." not in name
    }  # fmt: skip
    missing = [name for name in declared if name not in columns]
    if missing and not model["contract"]:
        yield _undone(
            model, [declared[name][0] for name in missing], declared[missing[0]][1], columns, Severity.WARNING
        )
    for name in missing if model["contract"] else ():
        yield _undone(model, [declared[name][0]], declared[name][1], columns, Severity.ERROR)
    for name in columns if model["contract"] and declared else ():
        if name not in declared:
            summary = f"'{model['name']}' selects '{name}', which its enforced contract does not declare"
            yield Finding(
                "ILK-DQ002", Severity.ERROR, Place(model["path"], 1, 1), summary,
                f"Declare '{name}' with its data_type, or leave it out of the SELECT.",
            )  # fmt: skip


def _undone(model: Model, names: Sequence[str], line: int, columns: Sequence[str], weight: Severity) -> Finding:
    near = get_close_matches(names[0].lower(), columns, n=1, cutoff=0.75)
    shown = ", ".join(f"'{name}'" for name in names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    one = len(names) == 1
    said = f"the column {shown} is declared" if one else f"the columns {shown} are declared"
    remedy = f"Declare '{near[0]}', or select it under this name." if near else "Select it, or remove the entry."
    return Finding(
        "ILK-DQ001", weight, Place(model["columns_path"], line, line),
        f"{said} for '{model['name']}', which does not select {'it' if one else 'them'}", remedy,
    )  # fmt: skip


FAMILY = Family(
    "dbt sql",
    (
        Rule(
            "ILK-DQ001", "declared-column-missing", "a model's YAML declares a column that its SELECT does not produce"
        ),
        Rule("ILK-DQ002", "column-outside-contract", "a model selects a column that its enforced contract lacks"),
    ),
    project_checks=(check_models,),
)
