"""Rules about how models are built: incremental models, snapshots, contracts and what is read past dbt."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dbt_names import ON_SCHEMA_CHANGE, STRATEGIES
from interlock.rules.dbt_project import DbtProject, Node, on_both_sides, projects
from interlock.rules.dbt_queries import queries
from interlock.rules.inspection import Inspection
from interlock.rules.nearest import nearest
from interlock.rules.rule import Family, Needs, Rule
from interlock.rules.rule_dbt_yaml import effective

_REPLACING = ("merge", "delete+insert", "delete_insert")
# Where a run that names every column of the table fails without one. Spark may do without, as may DuckDB's merge.
_BY_LIST = frozenset(("postgres", "redshift", "snowflake", "bigquery", "duckdb"))
_STRATEGIES_BY_LIST = (None, "default", "append", "delete+insert", "merge")
_TABLE = ("alias", "schema", "database")
# By what a project decides itself how an incremental run treats the columns of its table.
_OWN_RUNS = re.compile(
    r"\bmaterialization\s+incremental\b|\bmacro\s+\w*(?:process_schema_changes|sync_column_schemas|"
    r"check_for_schema_changes|incremental_validate_on_schema_change|get_incremental_\w+_sql|get_\w*merge_sql)\b"
)


def incremental_configs(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS012, ILK-DS014 and ILK-DS015: configs of incremental models that do not do what they say."""
    for project in projects(inspection).own:
        for node in _nodes(project, "model"):
            if (
                "incremental_strategy" in node.config
                or "on_schema_change" in node.config
                or _said_elsewhere(project, node)
            ):
                yield from _incremental(project, node, inspection)


def _said_elsewhere(project: DbtProject, node: Node) -> bool:
    _, entry = project.entry_of.get(("models", node.name), ("", None))
    return bool(entry and {"incremental_strategy", "on_schema_change"} & entry["config"].keys())


def _incremental(project: DbtProject, node: Node, inspection: Inspection) -> Iterator[Finding]:
    config, where, opened = effective(project, node)
    if "*" in opened or {"materialized"} & opened:
        return
    incremental = config.get("materialized") == "incremental"
    strategy, change = config.get("incremental_strategy"), config.get("on_schema_change")
    dialect = inspection.layout.dialect
    read_by_dbt = inspection.reading is not None  # then ILK-DB002 says it
    replaces = incremental and strategy in _REPLACING and "incremental_strategy" not in opened
    if replaces and not read_by_dbt and not config.get("unique_key") and "unique_key" not in opened:
        yield Finding(
                "ILK-DS012", Severity.WARNING, _place(where["incremental_strategy"]),
                f"'{node.name}' replaces rows by '{strategy}' without a unique_key, so rows that come again double",
                "Set unique_key, or choose incremental_strategy='append'.",
            )  # fmt: skip
    if isinstance(change, str) and "on_schema_change" not in opened and change not in ON_SCHEMA_CHANGE:
        closest = nearest(change, ON_SCHEMA_CHANGE, 0.5)
        yield Finding(
            "ILK-DS014", Severity.ERROR, _place(where["on_schema_change"]),
            f"on_schema_change of '{node.name}' is '{change}', which dbt does not know and treats as 'ignore'",
            f"Write '{closest}'." if closest else f"Choose one of {', '.join(ON_SCHEMA_CHANGE)}.",
        )  # fmt: skip
    known = STRATEGIES.get(dialect)
    if incremental and known and isinstance(strategy, str) and "incremental_strategy" not in opened:
        own = f"get_incremental_{strategy.replace('+', '_')}_sql"
        if strategy not in known and strategy != "default" and own not in project.macros:
            closest = nearest(strategy, known, 0.6)
            yield Finding(
                "ILK-DS015", Severity.WARNING, _place(where["incremental_strategy"]),
                f"'{node.name}' asks for the strategy '{strategy}', which dbt's adapter for {dialect} does not have",
                f"Write '{closest}'." if closest else f"Choose one of {', '.join(sorted(known))}.",
            )  # fmt: skip


def late_rows(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS013: rows of an event time that is not newer than the newest row are never taken."""
    for project in projects(inspection).own:
        for path, told in project.sql.items():
            if told.get("late") and project.roles.get(path) == "model":
                column, line = told["late"]
                yield Finding(
                    "ILK-DS013", Severity.INFO, Place(path, line, line),
                    f"the incremental filter takes what has a newer {column} than the newest, so late rows are lost",
                    "Look back some days and set unique_key, or filter by the time at which rows were loaded.",
                )  # fmt: skip


def snapshot_configs(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS016: snapshots that lack what their strategy needs; dbt refuses them when it parses or runs."""
    for project in projects(inspection).certain:
        if project.unread:
            continue
        for node in _nodes(project, "snapshot"):
            config, _, opened = effective(project, node)
            if "*" in opened or node.enabled is not True:
                continue
            lacking = [key for key in ("unique_key", "strategy") if not config.get(key)]
            if config.get("strategy") == "timestamp" and not config.get("updated_at"):
                lacking.append("updated_at")
            if config.get("strategy") == "check" and not config.get("check_cols"):
                lacking.append("check_cols")
            for key in lacking:
                if key not in opened:
                    yield Finding(
                        "ILK-DS016", Severity.ERROR, Place(node.path, node.line, node.line),
                        f"the snapshot '{node.name}' has no {key}", f"Set {key} in its config.",
                    )  # fmt: skip


def snapshots_changed(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS017: another key or strategy compares new rows with a history that was written by other rules."""
    if inspection.base is None:
        return
    for project, old_project in on_both_sides(inspection, inspection.base):
        old = {one.name: one for one in _nodes(old_project, "snapshot")}
        for node in _nodes(project, "snapshot"):
            if node.name not in old:
                continue
            now, where, opened = effective(project, node)
            then, _, was_open = effective(old_project, old[node.name])
            for key in ("unique_key", "strategy"):
                if {key, "*"} & (opened | was_open) or not now.get(key) or not then.get(key):
                    continue
                if _listed(now[key]) != _listed(then[key]):
                    yield Finding(
                        "ILK-DS017", Severity.WARNING, _place(where[key]),
                        f"the {key} of the snapshot '{node.name}' changed from {_told(then[key])} to {_told(now[key])}",
                        "Start a new snapshot under another name, or migrate the rows that are there.",
                        detail="The rows in the table were written by the old one: history splits or doubles.",
                    )  # fmt: skip


def schema_changes_unmet(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS027: what the next run does to a table with other columns; ``on_schema_change`` says it.

    Only where all columns are known on both sides, for a first run and a later one alike, and it is the same table.
    """
    if inspection.base is None:
        return
    for project, old_project in on_both_sides(inspection, inspection.base):
        if not (project.certain and old_project.certain):
            continue
        old = {(one.path, one.name): one for one in _nodes(old_project, "model")}
        for node in _nodes(project, "model"):
            then = old.get((node.path, node.name))
            now_config, was_config = _of_table(project, node), then and _of_table(old_project, then)
            if now_config is None or not was_config or any(now_config.get(k) != was_config.get(k) for k in _TABLE):
                continue
            now, was = _columns_of(inspection, node), _columns_of(inspection.base, node)
            if now is None or was is None or now_config.get("full_refresh") is True:
                continue
            added = [one for one in now if one not in was]
            removed = [one for one in was if one not in now]
            if (added or removed) and not _runs_its_own_way(project, inspection):
                line = project.sql[node.path].get("config_line") or node.line
                yield from _unmet(node, line, now_config, added, removed, inspection.layout.dialect)


def _of_table(project: DbtProject, node: Node) -> dict[str, Any] | None:
    """The configs of an incremental model; None for others, and where one that decides about its table is computed."""
    config, _, opened = effective(project, node)
    decide = {"*", "materialized", "on_schema_change", "full_refresh", "incremental_strategy", *_TABLE}
    known = node.enabled is True and not node.versions and not decide & opened
    return config if known and config.get("materialized") == "incremental" else None


def _runs_its_own_way(project: DbtProject, inspection: Inspection) -> bool:
    """Whether a macro of the project takes the place of one by which dbt runs incremental models."""
    macros = (path for path, role in project.roles.items() if role == "macro" and path in project.sql)
    return any(_OWN_RUNS.search(inspection.file(path).text) for path in macros)


def _columns_of(inspection: Inspection, node: Node) -> tuple[str, ...] | None:
    """What each run of a model gives; None where that is not known, or a first run gives other columns than later."""
    query = queries(inspection).get(node.path)
    if query is None or query.columns is None or query.later_columns is None:
        return None
    return query.columns if set(query.columns) == set(query.later_columns) else None


def _unmet(
    node: Node, line: int, config: dict[str, Any], added: Sequence[str], removed: Sequence[str], dialect: str
) -> Iterator[Finding]:
    told, strategy = config.get("on_schema_change"), config.get("incremental_strategy")
    change = told or "ignore"
    by_name = dialect == "duckdb" and strategy == "merge"
    by_list = dialect in _BY_LIST and strategy in _STRATEGIES_BY_LIST and not by_name
    if change == "fail" or (change == "ignore" and removed and by_list):
        severity, then = Severity.ERROR, "the next run fails"
    elif change != "ignore":
        return
    elif removed or by_name:
        severity, then = Severity.WARNING, "the next run fails, or its table keeps the columns that it has"
    else:
        severity, then = Severity.WARNING, "its table never gets that"
    said = [f"selects {_named(added)} now"] if added else []
    said += [f"does not select {_named(removed)} any more"] if removed else []
    keeps = "to keep what is not selected any more, 'sync_all_columns' to drop it"
    remedy = f"Set on_schema_change='append_new_columns'{' ' + keeps if removed else ''}"
    rebuilt = "" if config.get("full_refresh") is False else f", or run 'dbt run --full-refresh -s {node.name}'"
    yield Finding(
        "ILK-DS027", severity, Place(node.path, line, line),
        f"'{node.name}' {' and '.join(said)}: with on_schema_change='{change}' {then}", f"{remedy}{rebuilt}.",
        detail="" if told else "on_schema_change is not set: dbt takes that for 'ignore'.",
    )  # fmt: skip


def _named(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - 4} more" if len(columns) > 4 else ""
    return ", ".join(f"'{one}'" for one in columns[:4]) + more


def stars_under_contract(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS020: a column added upstream makes the next build of the model fail."""
    for project in projects(inspection).own:
        for _, entry in project.entries:
            if entry["kind"] != "models":
                continue
            for node in project.nodes.get(entry["name"], ()):
                contract = node.config.get("contract")
                enforced = entry["contract"] or (isinstance(contract, dict) and contract.get("enforced") is True)
                line = project.sql.get(node.path, {}).get("star")
                if enforced and line and node.kind == "model":
                    yield Finding(
                        "ILK-DS020", Severity.WARNING, Place(node.path, line, line),
                        f"'{node.name}' has an enforced contract and selects every column of what it reads",
                        "Name the columns of the contract.",
                    )  # fmt: skip


def read_past_dbt(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS019 and ILK-DS021: sources whose age nobody watches, tables that dbt does not know of."""
    for project in projects(inspection).own:
        for path, told in project.yaml.items():
            for source in told.get("sources", ()):
                tables = [one for one in source["tables"] if not one[3]]
                if tables and not any(one[2] for one in tables):
                    yield Finding(
                        "ILK-DS019", Severity.INFO, Place(path, source["line"], source["line"]),
                        f"the source '{source['name']}' has no freshness, so nobody notices when it stops",
                        "Set loaded_at_field and freshness.",
                    )  # fmt: skip
        for path, told in project.sql.items():
            if project.roles.get(path) in ("model", "snapshot"):
                for table, line in dict(reversed(told.get("tables", ()))).items():
                    yield Finding(
                        "ILK-DS021", Severity.INFO, Place(path, line, line),
                        f"the table {table} is named as such, so lineage and environments do not know of it",
                        "Declare it as a source and write source(...), or ref(...) for a model.",
                    )  # fmt: skip


def _nodes(project: DbtProject, kind: str) -> list[Node]:
    return [one for named in project.nodes.values() for one in named if one.kind == kind]


def _place(at: tuple[str, int]) -> Place:
    return Place(at[0], at[1], at[1])


def _listed(value: Any) -> list[str]:
    return [str(one).strip().lower() for one in value] if isinstance(value, list) else [str(value).strip().lower()]


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else f"'{value}'"


FAMILY = Family(
    "dbt-config",
    (
        Rule("ILK-DS012", "replaces-without-key", "an incremental model that replaces has no key", Severity.WARNING),
        Rule("ILK-DS013", "late-rows-lost", "an incremental filter never takes late rows", Severity.INFO),
        Rule("ILK-DS014", "unknown-schema-change", "on_schema_change has a value that dbt ignores"),
        Rule("ILK-DS015", "strategy-of-another", "the adapter lacks an incremental strategy", Severity.WARNING),
        Rule("ILK-DS016", "incomplete-snapshot", "a snapshot lacks what its strategy needs"),
        Rule("ILK-DS017", "snapshot-key-changed", "a snapshot's key or strategy changed", Severity.WARNING, Needs.BASE),
        Rule("ILK-DS019", "source-without-freshness", "nobody notices when a source stops", Severity.INFO),
        Rule("ILK-DS020", "star-under-contract", "a model with a contract selects every column", Severity.WARNING),
        Rule(
            "ILK-DS027", "schema-change-unmet", "the columns changed, and on_schema_change contradicts it",
            needs=Needs.BASE,
        ),
        Rule("ILK-DS021", "hard-coded-table", "a table is named without ref or source", Severity.INFO),
    ),
    project_checks=(incremental_configs, late_rows, snapshot_configs, stars_under_contract, read_past_dbt),
    comparisons=(snapshots_changed, schema_changes_unmet),
)  # fmt: skip
