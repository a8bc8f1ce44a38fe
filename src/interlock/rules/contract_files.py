"""What data contracts promise, read from YAML with places: ODCS 2.2 to 3.0, and dbt models with a contract."""

from collections.abc import Iterator
from typing import Any

import yaml

from interlock.rules.files import SourceFile

_DEEPEST = 12
_BOUNDS = {
    "mustBeGreaterThan": "lower", "mustBeGreaterOrEqualTo": "lower", "mustBeGreaterThanOrEqualTo": "lower",
    "mustBeLessThan": "upper", "mustBeLessOrEqualTo": "upper", "mustBeLessThanOrEqualTo": "upper",
    "mustBe": "exact", "mustBeBetween": "range",
}  # fmt: skip


def entries(node: Any) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Keys and values of a YAML mapping by key; empty for anything else."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def items(node: Any) -> list[yaml.Node]:
    """Items of a YAML sequence; empty for anything else."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def scalar(node: Any, key: str) -> str:
    """The text of a scalar in a mapping; "" where there is none, or where Jinja makes it."""
    found = entries(node).get(key)
    if found is None or not isinstance(found[1], yaml.ScalarNode) or found[1].tag.endswith(":null"):
        return ""
    return "" if "{{" in found[1].value or "{%" in found[1].value else str(found[1].value)


def flag(node: Any, key: str) -> bool | None:
    """A boolean in a mapping; None where it is absent or none."""
    found = scalar(node, key).lower()
    return True if found in ("true", "yes", "on") else False if found in ("false", "no", "off") else None


def span(node: yaml.Node) -> tuple[int, int]:
    """First and last line of a node."""
    first = int(node.start_mark.line) + 1
    last = int(node.end_mark.line) + 1
    return first, max(first, last - 1 if node.end_mark.column == 0 else last)


def odcs_contract(file: SourceFile) -> dict[str, Any] | None:
    """An ODCS contract: version, status, and by table its columns and quality rules; None for other files."""
    if b"DataContract" not in file.source and b"datasetName" not in file.source:
        return None
    documents = file.documents
    if not documents or len(documents) != 1:
        return None
    root = documents[0]
    if scalar(root, "kind") != "DataContract" or not scalar(root, "apiVersion"):
        return None
    version = entries(root).get("version")
    found: dict[str, Any] = {
        "version": scalar(root, "version"), "line": span(version[0])[0] if version else 1,
        "status": scalar(root, "status"), "id": scalar(root, "id"), "tables": {},
    }  # fmt: skip
    for key, columns, name in (("schema", "properties", "name"), ("dataset", "columns", "table")):
        for table in items(entries(root).get(key, (None, None))[1]):
            called = scalar(table, name)
            if called and called not in found["tables"]:
                found["tables"][called] = _table(table, columns)
    quality = entries(root).get("quality", (None, None))[1]
    found["quality"] = list(_quality(quality, ""))
    return found


def _table(node: yaml.Node, columns: str) -> dict[str, Any]:
    first, last = span(node)
    rules = list(_quality(entries(node).get("quality", (None, None))[1], ""))
    found: list[list[Any]] = []
    _columns(entries(node).get(columns, (None, None))[1], "", found, rules, 0)
    return {
        "line": first, "end": last, "physical": scalar(node, "physicalName"), "columns": found, "quality": rules,
    }  # fmt: skip


def _columns(node: Any, prefix: str, into: list[list[Any]], rules: list[Any], depth: int) -> None:
    """Appends [name, physical name, logical type, physical type, nullable, key, line, last line] for each column."""
    for one in items(node) if depth < _DEEPEST else ():
        called = scalar(one, "name") or scalar(one, "column")
        if not called:
            continue
        name = f"{prefix}{called}"
        required, nullable = flag(one, "required"), flag(one, "isNullable")
        may = nullable if nullable is not None else not required
        key = bool(flag(one, "primaryKey") or flag(one, "isPrimaryKey"))
        logical, physical = scalar(one, "logicalType"), scalar(one, "physicalType")
        into.append([name, scalar(one, "physicalName"), logical, physical, may, key, *span(one)])
        rules += _quality(entries(one).get("quality", (None, None))[1], name)
        _columns(entries(one).get("properties", (None, None))[1], f"{name}.", into, rules, depth + 1)


def _quality(node: Any, column: str) -> Iterator[list[Any]]:
    """[identity, name to tell, {bound: numbers}, line] for each quality rule."""
    for one in items(node):
        told = [scalar(one, key) for key in ("type", "rule", "metric", "code", "engine", "column", "query")]
        name = scalar(one, "name") or scalar(one, "id") or scalar(one, "rule") or scalar(one, "metric")
        identity = scalar(one, "name") or scalar(one, "id") or " ".join(told)
        if not identity.strip():
            continue
        bounds: dict[str, list[float]] = {}
        for key, (_, value) in entries(one).items():
            if key in _BOUNDS:
                numbers = [_number(item) for item in (items(value) or [value])]
                if None not in numbers:
                    bounds[key] = [number for number in numbers if number is not None]
        label = " of ".join(part for part in (name or scalar(one, "type"), column) if part)
        yield [f"{column}|{identity}", label, bounds, span(one)[0]]


def _number(node: yaml.Node) -> float | None:
    try:
        return float(node.value) if isinstance(node, yaml.ScalarNode) else None
    except ValueError:
        return None


def loosened(old: dict[str, list[float]], new: dict[str, list[float]]) -> bool:
    """Whether the bounds of a quality rule admit more than they did."""
    for key, before in old.items():
        after = new.get(key)
        if after is None:
            # A bound that is told by another key may be as strict.
            if not new:
                return True
        elif _admits_more(_BOUNDS[key], before, after):
            return True
    return False


def _admits_more(kind: str, old: list[float], new: list[float]) -> bool:
    if kind == "lower":
        return new < old
    if kind == "upper":
        return new > old
    return kind == "range" and len(old) == len(new) == 2 and (new[0] < old[0] or new[1] > old[1])


def dbt_models(file: SourceFile) -> dict[str, Any] | None:
    """Models of a dbt properties file with their contracts and columns, by name; None for other files.

    ``enforced`` is None where the file does not say. ``columns``: [name, type, nullable, line, last line].
    """
    if b"models:" not in file.source or file.layout.dbt_project(file.path) is None:
        return None
    if file.path.endswith(("dbt_project.yml", "dbt_project.yaml")):
        return None
    found: dict[str, Any] = {}
    for document in file.documents or ():
        for model in items(entries(document).get("models", (None, None))[1]):
            name = scalar(model, "name")
            if not name or name in found:
                continue
            found[name] = _model(model)
    return found or None


def _model(node: yaml.Node) -> dict[str, Any]:
    config = entries(node).get("config", (None, None))[1]
    enforced = None
    for holder in (config, node):
        told = flag(entries(holder).get("contract", (None, None))[1], "enforced")
        enforced = told if enforced is None else enforced
    first, last = span(node)
    columns = []
    for one in items(entries(node).get("columns", (None, None))[1]):
        name = scalar(one, "name")
        if name:
            columns.append([name, scalar(one, "data_type"), not _is_not_null(one), *span(one)])
    listed = len(items(entries(node).get("columns", (None, None))[1]))
    return {
        "enforced": enforced, "versioned": "versions" in entries(node), "alias": scalar(config, "alias"),
        "line": first, "end": last, "columns": columns if len(columns) == listed else [],
    }  # fmt: skip


def _is_not_null(column: yaml.Node) -> bool:
    constraints = items(entries(column).get("constraints", (None, None))[1])
    return any(scalar(one, "type").lower() in ("not_null", "primary_key") for one in constraints)
