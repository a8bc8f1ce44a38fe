"""``template_fields`` of a project's own operators: names that stand twice, or that no instance has."""

import ast
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dag_source import DagSource, Scope, read_dag_source
from interlock.rules.dag_tables import TASK_ARGUMENTS
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, FileFacts, Rule

_FACTS = "operator-classes"
_DEEPEST = 10
_ROOTS = ("BaseOperator", "BaseSensorOperator")
# Of Airflow's own operators, fields that every version renders.
_KNOWN = {
    "BaseOperator": (),
    "BaseSensorOperator": (),
    "BashOperator": ("bash_command", "env"),
    "PythonOperator": ("templates_dict", "op_args", "op_kwargs"),
    "EmailOperator": ("to", "subject", "html_content"),
    "SQLExecuteQueryOperator": ("sql",),
    "PostgresOperator": ("sql",),
    "SnowflakeOperator": ("sql",),
    "SimpleHttpOperator": ("endpoint", "data", "headers"),
    "HttpOperator": ("endpoint", "data", "headers"),
    "TriggerDagRunOperator": ("trigger_dag_id", "conf"),
}
_FORBIDDEN = TASK_ARGUMENTS - {"email", "retry_policy", "executor", "schedule_interval", "subdag"}
# What a BaseOperator has besides its arguments.
_INHERITED = TASK_ARGUMENTS | {"log", "dag_id", "label", "output", "priority_weight_total", "operator_name"}


def operator_classes(file: SourceFile) -> dict[str, Any] | None:
    """The classes of a file that imports airflow, by name.

    Each has ``line``, ``bases`` (full dotted names, "" where not known), ``attributes`` that it sets, ``open`` where it
    may set more, and ``fields``: [line, last line, parts, whether it is one text], a part being [text] or [base, ""].
    """
    source = read_dag_source(file)
    if source is None:
        return None
    found = {}
    for one, where in source.classes:
        if where.scope is source.tree:
            found[one.name] = _class(source, one)
    return {name: told for name, told in found.items() if told["bases"]} or None


def _class(source: DagSource, one: ast.ClassDef) -> dict[str, Any]:
    bases = [_dotted(source, base, source.tree) for base in one.bases]
    attributes = set()
    is_open = bool(one.decorator_list or one.keywords)
    for node in ast.walk(one):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            attributes.add(node.attr)
        is_open = is_open or _sets_unseen(node)
    for node in one.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            attributes.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        attributes |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {
        "line": one.lineno, "bases": bases, "attributes": sorted(attributes), "open": is_open,
        "fields": _fields(source, one),
    }  # fmt: skip


def _sets_unseen(node: ast.AST) -> bool:
    """Whether an instance may get attributes by this that no assignment shows."""
    if isinstance(node, ast.Name):
        return node.id in ("setattr", "vars")
    if isinstance(node, ast.Attribute):
        return node.attr == "__dict__"
    return isinstance(node, ast.FunctionDef) and node.name in ("__getattr__", "__getattribute__", "__new__")


def _dotted(source: DagSource, base: ast.expr, scope: Scope) -> str:
    origins = source.origins(base, scope)
    if len(origins) == 1:
        return min(origins)
    lasts = {one.rpartition(".")[2] for one in origins}
    if origins and len(lasts) == 1 and all(one.startswith("airflow.") for one in origins):
        return min(origins)
    if isinstance(base, ast.Name) and isinstance(source.value(scope, base.id), ast.ClassDef):
        return base.id
    return ""


def _fields(source: DagSource, one: ast.ClassDef) -> list[Any] | None:
    given = [
        node
        for node in one.body
        if (isinstance(node, ast.Assign) and any(_is_fields(target) for target in node.targets))
        or (isinstance(node, ast.AnnAssign) and _is_fields(node.target) and node.value is not None)
    ]
    if len(given) != 1 or given[0].value is None:
        return None
    value = given[0].value
    line, last = given[0].lineno, given[0].end_lineno or given[0].lineno
    if isinstance(value, ast.Constant):
        return [line, last, [[value.value]], True] if isinstance(value.value, str) else None
    parts: list[list[str]] = []
    todo: list[ast.expr] = [value]
    while todo and len(parts) < 500:
        node = todo.pop()
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            todo += [node.right, node.left]
        elif isinstance(node, ast.Tuple | ast.List):
            todo += reversed(node.elts)
        elif isinstance(node, ast.Starred):
            todo.append(node.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts.append([node.value])
        elif isinstance(node, ast.Attribute) and _is_fields(node):
            parts.append([_dotted(source, node.value, source.tree), ""])
        elif _is_plain_copy(node):
            assert isinstance(node, ast.Call)
            todo += node.args
        else:
            return None
    return [line, last, parts, False]


def _is_plain_copy(node: ast.expr) -> bool:
    """``tuple(...)`` and ``list(...)``; ``set(...)`` takes doubles out."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("tuple", "list")


def _is_fields(node: ast.expr) -> bool:
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name == "template_fields"


class _Classes:
    """Classes of all files, found again by the dotted name that an import gives."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = facts
        self._by_last: dict[str, list[tuple[str, str]]] = {}
        for path in facts:
            dotted = path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
            self._by_last.setdefault(dotted.rpartition(".")[2], []).append((dotted, path))

    def find(self, path: str, dotted: str) -> tuple[str, dict[str, Any]] | None:
        """The one class that ``dotted`` names in the file ``path``; None where it is elsewhere or not certain."""
        module, _, name = dotted.rpartition(".")
        if not module:
            told = self.facts[path].get(name)
            return (path, told) if told else None
        bare = module.lstrip(".")
        if not bare:
            return None
        found = [
            other
            for full, other in self._by_last.get(bare.rpartition(".")[2], ())
            if (full == bare or full.endswith(f".{bare}")) and name in self.facts[other]
        ]
        return (found[0], self.facts[found[0]][name]) if len(found) == 1 else None


def check_template_fields(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DG012 and ILK-DG013."""
    classes = _Classes(inspection.of(_FACTS))
    for path, told in classes.facts.items():
        for name, one in told.items():
            if one["fields"] is not None:
                yield from _check_class(classes, path, name, one)


def _check_class(classes: _Classes, path: str, name: str, one: dict[str, Any]) -> Iterator[Finding]:
    line, last, parts, is_text = one["fields"]
    place = Place(path, line, last)
    if is_text:
        yield Finding(
            "ILK-DG013", Severity.WARNING, place, f"template_fields of {name} is one text, not a tuple of names",
            f"Write a comma: template_fields = ('{parts[0][0]}',)", cause=f"template-fields:{path}:{name}",
        )  # fmt: skip
        return
    origin: dict[str, str] = {}
    for part in parts:
        given = [part[0]] if len(part) == 1 else _names(classes, path, part[0], 0)
        for field in given:
            own = len(part) == 1
            before = origin.get(field)
            if before is not None:
                of = before or ("" if own else part[0].rpartition(".")[2])
                where = f"{of}.template_fields has it already" if of else "it stands there already"
                # Two bases that overlap are mostly meant to be put together, and Airflow bears it.
                severity = Severity.ERROR if own or not before else Severity.WARNING
                yield Finding(
                    "ILK-DG012", severity, place, f"template_fields of {name} names '{field}' twice: {where}",
                    f"Leave '{field}' out.", cause=f"template-fields:{path}:{name}",
                    detail="Airflow renders the field a second time, on what the first time gave.",
                )  # fmt: skip
            else:
                origin[field] = "" if own else part[0].rpartition(".")[2]
    attributes = _attributes(classes, path, one, 0)
    for (field,) in (part for part in parts if len(part) == 1):
        if field in _FORBIDDEN and field not in one["attributes"]:
            yield Finding(
                "ILK-DG013", Severity.WARNING, place,
                f"template_fields of {name} names '{field}', an argument of BaseOperator: Airflow 2.6 and newer "
                "refuse to render it",
                f"Leave '{field}' out.",
            )  # fmt: skip
        elif attributes is not None and field not in attributes:
            near = get_close_matches(field, attributes - _INHERITED, n=1, cutoff=0.6)
            yield Finding(
                "ILK-DG013", Severity.ERROR, place,
                f"template_fields of {name} names '{field}', but {name} never sets self.{field}: tasks fail when "
                "they are rendered",
                f"Name '{near[0]}', or set self.{field} in __init__." if near else f"Set self.{field} in __init__.",
            )  # fmt: skip


def _names(classes: _Classes, path: str, dotted: str, depth: int) -> list[str]:
    """Fields that a class surely has; there may be more."""
    found = classes.find(path, dotted) if dotted and depth < _DEEPEST else None
    if found is None:
        return list(_KNOWN.get(dotted.rpartition(".")[2], ())) if dotted.startswith("airflow.") else []
    there, one = found
    if one["fields"] is None:
        first = one["bases"][0] if one["bases"] and "template_fields" not in one["attributes"] else ""
        return _names(classes, there, first, depth + 1) if first else []
    names: dict[str, None] = {}
    for part in one["fields"][2]:
        names |= dict.fromkeys([part[0]] if len(part) == 1 else _names(classes, there, part[0], depth + 1))
    return list(names)


def _attributes(classes: _Classes, path: str, one: dict[str, Any], depth: int) -> set[str] | None:
    """Everything that an instance can have; None where that is not known."""
    if one["open"] or depth >= _DEEPEST:
        return None
    known = {*one["attributes"]}
    for base in one["bases"]:
        found = classes.find(path, base) if base else None
        if found is not None:
            more = _attributes(classes, *found, depth + 1)
            if more is None:
                return None
            known |= more
        elif base.startswith("airflow.") and base.rpartition(".")[2] in _ROOTS:
            known |= _INHERITED
            if base.endswith("BaseSensorOperator"):
                known |= {"poke_interval", "timeout", "soft_fail", "mode", "exponential_backoff", "max_wait"}
        else:
            return None
    return known


FAMILY = Family(
    "dag-template-fields",
    (
        Rule("ILK-DG012", "repeated-template-field", "an operator's template_fields names a field twice"),
        Rule("ILK-DG013", "wrong-template-field", "an operator's template_fields names what it cannot render"),
    ),
    facts=(FileFacts(_FACTS, ("*.py",), operator_classes),),
    project_checks=(check_template_fields,),
)
