"""Rules about the SQL of dbt models: the rules for all SQL on what rendering makes of them, and declared columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dbt_project import DbtProject, projects
from interlock.rules.dbt_queries import Model, Query, queries
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Rule
from interlock.rules.sql_findings import findings_of

_TESTED = "dbt_subquery"


def check_models(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SQ for every model, and ILK-DQ001 and ILK-DQ002 for what its YAML says of its columns."""
    columns = {}
    for query in queries(inspection).values():
        yield from _problems(query)
        if query.model["kind"] == "model":
            columns[query.model["project"], query.model["name"]] = query.columns
            if query.columns is not None:
                yield from _declared(query.model, query.columns)
    for project in projects(inspection).own:
        # A project with a macro of its own for it may put anything into where.
        if project.certain and not any(name.endswith("get_where_subquery") for name in project.macros):
            yield from _conditions(project, columns, inspection.layout.dialect)


def _conditions(
    project: DbtProject, columns: Mapping[tuple[str, str], tuple[str, ...] | None], dialect: str
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


def _problems(query: Query) -> Iterator[Finding]:
    seen = set()
    model = query.model
    for said, lines in ((query.problems, model["lines"]), (query.later, model["incremental_lines"])):
        for one in findings_of(said, model["path"], partial(_line, lines)):
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
