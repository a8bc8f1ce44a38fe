"""Data contracts: what a producer promised at the base commit and does not any more, and what it cannot keep."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules import compat_tables
from interlock.rules.compat import Change
from interlock.rules.compat_tables import Column, Table, column_type
from interlock.rules.contract_files import dbt_models, loosened, odcs_contract
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, FileFacts, Held, Needs, Rule
from interlock.rules.schema_files import is_sample

_ODCS, _DBT = "odcs-contract", "dbt-model-contracts"
_YAML = ("*.yml", "*.yaml")
# Changes of a table that break whoever reads it by its contract, and those that only might.
_BREAKING = {"dropped", "renamed", "type", "scale", "narrowed", "nullable", "key"}
_DOUBTFUL = {"widened", "not-null"}
_NOT_PROMISED_YET = {"proposed", "draft", "in development", "development", "in progress"}
_GROUPS = {
    "integer": "number", "float": "number", "decimal": "number", "text": "text", "char": "text", "uuid": "text",
    "json": "text", "date": "time", "timestamp": "time", "time": "time", "boolean": "boolean", "binary": "binary",
}  # fmt: skip
_REMEDIES = {
    "dropped": "Keep the column until no reader names it, or raise the contract's major version.",
    "renamed": "Keep the column under its old name as well, and take it away in a later major version.",
    "nullable": "Keep it NOT NULL, or raise the contract's major version.",
    "key": "Keep the key, or publish the new grain as another table.",
}
_REMEDY = "Add a column with the new type beside it, and take the old one away in a later major version."


def check_odcs(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CT001, ILK-CT002 and ILK-CT004 for ODCS contracts."""
    if inspection.base is None:
        return
    before, after = inspection.base.of(_ODCS), inspection.of(_ODCS)
    for path in sorted(inspection.changed):
        if path not in before or path not in after or is_sample(path):
            continue
        old, new = before[path], after[path]
        if old["id"] == new["id"]:
            yield from _odcs(path, old, new, inspection.layout.dialect)


def _odcs(path: str, old: Mapping[str, Any], new: Mapping[str, Any], dialect: str) -> Iterator[Finding]:
    early = old["status"].lower() in _NOT_PROMISED_YET
    announced = early or _major_raised(old["version"], new["version"])
    broken: list[str] = []
    cause = f"contract:{path}"
    for name, table in old["tables"].items():
        other = new["tables"].get(name)
        if other is None:
            broken.append(name)
            what = f"table {name} is no longer in the contract"
            severity = Severity.INFO if announced else Severity.ERROR
            remedy = "Keep the table until nobody reads it, or raise the contract's major version."
            place = Place(path, new["line"], new["line"])
            yield Finding("ILK-CT001", severity, place, what, remedy, cause=cause)
            continue
        for change, line, end in _differences(table, other, dialect):
            severity = Severity.ERROR if change.kind in _BREAKING else Severity.WARNING
            broken += [f"{name}.{change.path}".rstrip(".")] if severity is Severity.ERROR else []
            what = f"the contract for {name} breaks its readers: {change.what}"
            yield Finding(
                "ILK-CT001", Severity.INFO if announced else severity, Place(path, line, end), what,
                _REMEDIES.get(change.kind, _REMEDY), cause=cause if severity is Severity.ERROR else "",
            )  # fmt: skip
    if broken and not announced and new["version"]:
        told = ", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else "")
        stays = "stays" if old["version"] == new["version"] else f"went from {old['version']} to"
        what = f"the contract's version {stays} {new['version']}, although its readers break ({told})"
        place = Place(path, new["line"], new["line"])
        yield Finding("ILK-CT002", Severity.ERROR, place, what, _next_major(old["version"]), cause=cause)
    if not early:
        yield from _quality(path, old, new)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], dialect: str) -> Iterator[tuple[Change, int, int]]:
    """Breaking and doubtful changes between two tables of contracts, each with its place in the new one."""
    types = _types(old["columns"], new["columns"])
    tables = [
        Table(
            [Column(one[0], types[one[0]][side], one[4], True) for one in table["columns"]],
            _keys(table),
            dialect=dialect,
        )
        for side, table in enumerate((old, new))
    ]
    lines = {one[0].lower(): (one[6], one[7]) for one in new["columns"]}
    found = compat_tables.changes(tables[0], tables[1])
    gone = {one.path for one in found if one.kind in ("dropped", "renamed")}
    # A key where none was told promises more, and one whose column is gone is no second break.
    kept = [one for one in found if one.kind != "key" or (tables[0].keys and not gone & set(tables[0].keys))]
    yield from _weighed(kept, lines, (new["line"], new["end"]))


def _weighed(
    changes: Sequence[Change], lines: Mapping[str, tuple[int, int]], around: tuple[int, int]
) -> Iterator[tuple[Change, int, int]]:
    for change in changes:
        if change.kind in _BREAKING | _DOUBTFUL:
            renamed = change.what.rpartition(" ")[2].lower() if change.kind == "renamed" else change.path.lower()
            line, end = lines.get(renamed, (around[0], around[0]))
            yield change, line, end


def _keys(table: Mapping[str, Any]) -> list[str]:
    return [one[0] for one in table["columns"] if one[5]]


def _types(old: Sequence[Sequence[Any]], new: Sequence[Sequence[Any]]) -> dict[str, tuple[str, str]]:
    """By column the types to compare: physical ones where both sides tell them, else logical ones."""
    before, after = {one[0].lower(): one for one in old}, {one[0].lower(): one for one in new}
    found = {}
    for one in (*old, *new):
        name = one[0].lower()
        left, right = before.get(name, one), after.get(name, one)
        at = 3 if left[3] and right[3] else 2
        found[one[0]] = (left[at], right[at])
    return found


def _major_raised(old: str, new: str) -> bool:
    """Whether a version says that something breaks; below 1.0.0 the second number says so."""
    numbers = [re.findall(r"\d+", one)[:2] for one in (old, new)]
    if not numbers[0] or not numbers[1]:
        return old != new
    before, after = [tuple(map(int, one)) for one in numbers]
    return after > before if before[0] == 0 else after[0] > before[0]


def _next_major(version: str) -> str:
    match = re.match(r"(v?)(\d+)", version)
    return f"Write version: {match[1]}{int(match[2]) + 1}.0.0" if match else "Raise the major version."


def _quality(path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Finding]:
    pairs = [("", old["quality"], new["quality"], new["line"])]
    for name, table in old["tables"].items():
        if name in new["tables"]:
            other = new["tables"][name]
            pairs.append((name, table["quality"], other["quality"], other["line"]))
    for name, before, after, line in pairs:
        columns = {one[0] for one in new["tables"].get(name, {"columns": ()})["columns"]}
        yield from _rules(path, f", for {name}" if name else "", before, after, columns | {""}, line)


def _rules(
    path: str, of: str, before: Sequence[Any], after: Sequence[Any], columns: set[str], line: int
) -> Iterator[Finding]:
    """What became of the quality rules of one table, or of a whole contract."""
    left, changed, lost = list(after), [], []
    for rule in before:
        twin = next((one for one in left if one[:3] == rule[:3]), None)
        if twin is None:
            changed.append(rule)
        else:
            left.remove(twin)
    for rule in changed:
        twin = next((one for one in left if one[0] == rule[0]), None)
        if twin is None:
            lost.append(rule)
            continue
        left.remove(twin)
        if loosened(rule[2], twin[2]):
            what = f"a quality rule admits more than before: {rule[1]}{of}"
            place = Place(path, twin[3], twin[3])
            yield Finding("ILK-CT004", Severity.WARNING, place, what, "Restore its bounds, or tell its readers.")
    for rule in lost:
        column = rule[0].partition("|")[0]
        other = next((one for one in left if one[0].partition("|")[0] == column), None)
        if other is not None:
            left.remove(other)  # another rule took its place, which may be as strict
        elif column in columns:  # that a column is gone is said elsewhere
            what = f"a quality rule was removed: {rule[1]}{of}"
            remedy = "Put the rule back, or tell its readers that it is not checked any more."
            yield Finding("ILK-CT004", Severity.WARNING, Place(path, line, line), what, remedy)


def _models(inspection: Inspection) -> dict[tuple[str, str], tuple[str, Mapping[str, Any]]]:
    """Every dbt model with its file, by project and name; those that are described twice are left out."""
    found: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}
    twice = set()
    for path, models in inspection.of(_DBT).items():
        project = inspection.layout.dbt_project(path) or ""
        for name, model in models.items():
            if (project, name) in found:
                twice.add((project, name))
            found[project, name] = (path, model)
    return {key: value for key, value in found.items() if key not in twice}


def check_dbt(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CT001 and ILK-CT004 for dbt models with an enforced contract."""
    base = inspection.base
    if base is None or not any(path in base.of(_DBT) for path in inspection.changed):
        return
    after = _models(inspection)
    for key, (path, old) in _models(base).items():
        if path not in inspection.changed or old["enforced"] is not True or key not in after or old["versioned"]:
            continue
        where, new = after[key]
        if new["versioned"]:
            continue
        if new["enforced"] is True:
            yield from _dbt(key[1], where, old, new, inspection.layout.dialect)
        elif new["enforced"] is False or not _says_elsewhere(inspection, key[0]):
            what = f"the contract of model {key[1]} is no longer enforced"
            remedy = "Write config: {contract: {enforced: true}} again, or tell its readers."
            yield Finding("ILK-CT004", Severity.WARNING, Place(where, new["line"], new["line"]), what, remedy)


def _says_elsewhere(inspection: Inspection, project: str) -> bool:
    """Whether a project's own file speaks of contracts for its models."""
    path = f"{project}/dbt_project.yml".removeprefix("./")
    return not inspection.exists(path) or "contract" in inspection.file(path).text


def _dbt(name: str, path: str, old: Mapping[str, Any], new: Mapping[str, Any], dialect: str) -> Iterator[Finding]:
    if not old["columns"] or not new["columns"]:
        return
    tables = [
        Table([Column(one[0], one[1], one[2], True) for one in side["columns"]], dialect=dialect) for side in (old, new)
    ]
    lines = {one[0].lower(): (one[3], one[4]) for one in new["columns"]}
    changes = compat_tables.changes(tables[0], tables[1])
    for change, line, end in _weighed(changes, lines, (new["line"], new["end"])):
        severity = Severity.ERROR if change.kind in _BREAKING else Severity.WARNING
        what = f"the contract of model {name} breaks its readers: {change.what}"
        remedy = "Add a new version of the model (versions:), and keep this one until nobody reads it."
        yield Finding("ILK-CT001", severity, Place(path, line, end), what, remedy)


def check_agreement(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CT003: a contract promises columns that the enforced contract of its dbt model does not have."""
    contracts = inspection.of(_ODCS)
    if not contracts:
        return
    models: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for (_, name), (path, model) in _models(inspection).items():
        models.setdefault((model["alias"] or name).lower(), []).append((path, model))
    for path, contract in contracts.items():
        for name, table in contract["tables"].items() if not is_sample(path) else ():
            called = (table["physical"] or name).rpartition(".")[2].strip('"`').lower()
            known = models.get(called, [])
            if len(known) == 1 and known[0][1]["enforced"] is True and not known[0][1]["versioned"]:
                yield from _disagreements(path, name, called, table, known[0])


def _disagreements(
    path: str, table: str, model: str, promised: Mapping[str, Any], known: tuple[str, Mapping[str, Any]]
) -> Iterator[Finding]:
    where, declared = known
    columns = {one[0].strip('"`').lower(): one for one in declared["columns"]}
    names = [(one[1] or one[0]).strip('"`').lower() for one in promised["columns"] if "." not in one[0]]
    # Where most names differ, the contract is about another table that is called the same.
    if not columns or 2 * sum(name in columns for name in names) < len(names):
        return
    for name, physical, _, kind, _, _, line, end in promised["columns"]:
        called = (physical or name).strip('"`').lower()
        if "." in name:
            continue
        column = columns.get(called)
        if column is None and name.lower() not in columns:
            what = f"the contract promises the column {name} of {table}, which the model {model} does not have"
            remedy = f"Add {physical or name} to the model and to its columns in {where}, or take it from the contract."
            yield Finding("ILK-CT003", Severity.ERROR, Place(path, line, end), what, remedy)
        elif column is not None and _is_other(kind, column[1]):
            what = f"the contract promises {name} of {table} as {kind}, but the model {model} declares {column[1]}"
            remedy = f"Write physicalType: {column[1]}, or change the model in {where}."
            yield Finding("ILK-CT003", Severity.ERROR, Place(path, line, end), what, remedy)


def _is_other(promised: str, declared: str) -> bool:
    """Whether two types are of different kinds for certain, in whatever dialect."""
    types = [column_type(one) for one in (promised, declared)]
    if types[0] is None or types[1] is None:
        return False
    groups = [_GROUPS.get(one.family) for one in types if one is not None]
    return None not in groups and groups[0] != groups[1]


FAMILY = Family(
    "contracts",
    (
        Rule("ILK-CT001", "breaking-contract-change", "a contract's change breaks its readers", needs=Needs.BASE),
        Rule("ILK-CT002", "break-without-major-version", "a contract breaks under the same version", needs=Needs.BASE),
        Rule("ILK-CT003", "contract-against-model", "a contract promises what its model does not have"),
        Rule(
            "ILK-CT004", "weaker-contract", "a contract's checks were removed or loosened",
            Severity.WARNING, Needs.BASE,
        ),
    ),
    facts=(FileFacts(_ODCS, _YAML, odcs_contract, Held.EVERYWHERE), FileFacts(_DBT, _YAML, dbt_models)),
    project_checks=(check_agreement,),
    comparisons=(check_odcs, check_dbt),
)  # fmt: skip
