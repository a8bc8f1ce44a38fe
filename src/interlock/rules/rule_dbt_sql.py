"""Rules about the SQL of dbt models: the rules for all SQL on what rendering makes of them, and columns across models.

What a model's columns are follows from those of the models and seeds that it reads, down to where somebody else's table
begins: of a source nobody has recorded what it holds. A model whose branches only running it decides says nothing.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any

from interlock.model.canonical import digest_of
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dbt_project import projects
from interlock.rules.dbt_rendered import rendered_models
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Rule
from interlock.rules.sql_findings import SqlKind, SqlProblem, findings_of

_SPACE = "dbt-sql"
_DEEPEST = 200
_KINDS = ("model", "snapshot", "test")

Model = Mapping[str, Any]


def check_models(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SQ for every model, and ILK-DQ001 and ILK-DQ002 for what its YAML says of its columns."""
    models = {
        key: one for key, one in rendered_models(inspection).items()
        if one["complete"] and one["enabled"] is not False and one["kind"] in _KINDS
    }  # fmt: skip
    look = _Look(inspection, models)
    told = inspection.kept(_SPACE, {key: look.digest(key) for key in models}, look.compute)
    for key, model in models.items():
        answer = told.get(key)
        if not answer:
            continue
        yield from _problems(model, answer)
        if model["kind"] == "model" and answer["columns"] is not None:
            yield from _declared(model, answer["columns"])


class _Look:
    """The models of an inspection, each looked at once, parents first."""

    def __init__(self, inspection: Inspection, models: Mapping[str, Model]) -> None:
        self._inspection = inspection
        self._models = models
        self._dialect = inspection.layout.dialect
        self._digests: dict[str, str] = {}
        self._columns: dict[str, list[str] | None] = {}
        self._by_name: dict[tuple[str, str], list[str]] = {}
        for key, one in models.items():
            if one["kind"] == "model":
                self._by_name.setdefault((one["project"], one["name"]), []).append(key)
        self._seeds = _seeds(inspection)

    def digest(self, key: str) -> str:
        """Of the text and of everything that it reads."""
        if key not in self._digests:
            self._digests[key] = "circle"
            model = self._models[key]
            read = [self._digest_of(relation, model) for _, relation in sorted(model["relations"].items())]
            parts = [self._dialect, model["sql"], model["incremental_sql"], sorted(model["opaque"]), read]
            self._digests[key] = digest_of(parts)[:32]
        return self._digests[key]

    def _digest_of(self, relation: Sequence[Any], model: Model) -> str:
        key, seed = self._target(relation, model)
        if key and len(self._digests) < _DEEPEST * len(self._models):
            return self.digest(key)
        return digest_of(seed) if seed is not None else ""

    def compute(self, keys: Sequence[str]) -> Mapping[str, Any]:
        """What is wrong with each, and its columns, as JSON."""
        from interlock.rules.sql_text import problems

        found = {}
        for key in keys:
            model = self._models[key]
            relations = self._relations(model)
            opaque = set(model["opaque"])
            said = problems(model["sql"], self._dialect, relations, opaque=opaque)
            later: list[SqlProblem] = []
            if model["incremental_sql"]:
                later = problems(
                    model["incremental_sql"], self._dialect, relations, opaque=opaque | set(model["incremental_opaque"])
                )
            found[key] = {
                "problems": [_told(one) for one in said], "later": [_told(one) for one in later],
                "columns": self.columns(key),
            }  # fmt: skip
        return found

    def columns(self, key: str) -> list[str] | None:
        """The columns of a model, lower case and in order; None where not all are known."""
        from interlock.rules.sql_text import output_columns

        if key not in self._columns:
            self._columns[key] = None
            model = self._models[key]
            opaque = set(model["opaque"])
            self._columns[key] = output_columns(model["sql"], self._dialect, self._relations(model), opaque=opaque)
        return self._columns[key]

    def _relations(self, model: Model) -> dict[str, list[str] | None]:
        found: dict[str, list[str] | None] = {}
        for identifier, relation in model["relations"].items():
            key, seed = self._target(relation, model)
            found[identifier.lower()] = self.columns(key) if key else seed
        return found

    def _target(self, relation: Sequence[Any], model: Model) -> tuple[str, list[str] | None]:
        """(the model that is read, None), or ("", columns of the seed that is)."""
        if relation[0] != "ref" or relation[1] or any(relation[3:4]):
            return "", None
        names = self._by_name.get((model["project"], relation[2]), [])
        if len(names) == 1:
            return names[0], None
        return "", self._seeds.get((model["project"], relation[2])) if not names else None


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
    declared = {name.strip('"`[]').lower(): (name, line) for name, line in model["columns"].items()}
    missing = [name for name in declared if name not in columns]
    weight = Severity.ERROR if model["contract"] else Severity.WARNING
    for name in missing:
        near = get_close_matches(name, columns, n=1, cutoff=0.75)
        remedy = f"Declare '{near[0]}', or select it under this name." if near else "Select it, or remove the entry."
        place = Place(model["columns_path"], declared[name][1], declared[name][1])
        summary = f"the column '{declared[name][0]}' is declared for '{model['name']}', which does not select it"
        yield Finding("ILK-DQ001", weight, place, summary, remedy)
    if model["contract"] and declared:
        for name in columns:
            if name not in declared:
                summary = f"'{model['name']}' selects '{name}', which its enforced contract does not declare"
                yield Finding(
                    "ILK-DQ002", Severity.ERROR, Place(model["path"], 1, 1), summary,
                    f"Declare '{name}' with its data_type, or leave it out of the SELECT.",
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
