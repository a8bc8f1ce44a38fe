"""Calls that raise whenever they are reached: a module or a class in place of the other, arguments that do not fit.

A name is only judged where the file binds it once, and a function only where it is defined in the same file.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.nearest import nearest
from interlock.rules.python_places import bound_names, is_aside, is_main_guard, is_notebook, weight

# What stands behind the dot although the name is bound to the other thing of this name.
_OF_THE_CLASS = frozenset(
    ["now", "utcnow", "today", "strptime", "combine", "fromtimestamp", "utcfromtimestamp", "fromisoformat"]
)
_OF_THE_MODULE = {
    "datetime.datetime": frozenset(["datetime", "timedelta", "timezone", "tzinfo"]),
    "time.time": frozenset(["sleep", "time", "perf_counter", "monotonic", "strftime", "gmtime", "localtime"]),
}
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class _Names:
    """``bound``: by name, what binds it: an import's full name, a function, or None for anything else."""

    bound: dict[str, list[str | _Function | None]] = field(default_factory=dict)
    calls: list[tuple[ast.Call, bool]] = field(default_factory=list)
    star: bool = False

    def only(self, name: str) -> str | _Function | None:
        """What a name is bound to wherever the file binds it."""
        found = self.bound.get(name, [])
        return found[0] if found and all(one == found[0] for one in found) else None


def calls(file: SourceFile) -> Iterator[Finding]:
    """ILK-PY008 and ILK-PY009."""
    if file.tree is None or is_notebook(file):
        return
    names = _read(file.tree)
    for call, main in names.calls:
        told = _mistaken(call.func, names) or _misfit(call, names)
        if told is None:
            continue
        rule, summary, remedy = told
        severity = Severity.WARNING if main or is_aside(file.path, file.layout) else weight(file.path, file.layout)
        yield file.finding(
            rule, call.lineno, summary, remedy, severity=severity, end_line=call.end_lineno or call.lineno,
            column=call.col_offset + 1,
        )  # fmt: skip


def _read(tree: ast.Module) -> _Names:
    names = _Names()
    top = {id(one) for one in _at_the_top(tree)}
    todo: list[tuple[ast.AST, bool]] = [(tree, False)]
    while todo:
        node, main = todo.pop()
        if isinstance(node, ast.Call):
            names.calls.append((node, main))
        elif isinstance(node, ast.Import):
            for one in node.names:
                plain = bool(one.asname) or "." not in one.name
                names.bound.setdefault(one.asname or one.name.partition(".")[0], []).append(one.name if plain else None)
        elif isinstance(node, ast.ImportFrom):
            names.star = names.star or node.names[0].name == "*"
            for one in node.names:
                full = f"{node.module}.{one.name}" if node.module and not node.level else None
                names.bound.setdefault(one.asname or one.name, []).append(full)
        else:
            for name in bound_names(node):
                plain = id(node) in top and not getattr(node, "decorator_list", ())
                known = node if plain and isinstance(node, _Function) else None
                names.bound.setdefault(name, []).append(known)
        main = main or is_main_guard(node)
        todo += [(one, main) for one in ast.iter_child_nodes(node)]
    names.calls.reverse()
    return names


def _at_the_top(tree: ast.Module) -> Iterator[ast.stmt]:
    """What runs once whenever the module is imported."""
    todo: list[ast.stmt] = list(tree.body)
    while todo:
        statement = todo.pop()
        yield statement
        if isinstance(statement, ast.With):
            todo += statement.body


def _mistaken(function: ast.expr, names: _Names) -> tuple[str, str, str] | None:
    """ILK-PY008: a module that is called, or asked for what its class of the same name has, and the reverse."""
    attribute = function.attr if isinstance(function, ast.Attribute) else ""
    owner = function.value if isinstance(function, ast.Attribute) else function
    bound = names.only(owner.id) if isinstance(owner, ast.Name) and not names.star else None
    if not isinstance(owner, ast.Name) or not isinstance(bound, str):
        return None
    name = owner.id
    if not attribute and bound in sys.stdlib_module_names:
        inner = name if bound in ("datetime", "time") else "..."
        return (
            "ILK-PY008", f"the module '{bound}' is called as if it were a function or a class",
            f"Write {name}.{inner}(...), or import it: from {bound} import {inner}",
        )  # fmt: skip
    if bound == "datetime" and attribute in _OF_THE_CLASS:
        return (
            "ILK-PY008", f"the module 'datetime' has no '{attribute}': its class has it",
            f"Write {name}.datetime.{attribute}(...), or import the class: from datetime import datetime",
        )  # fmt: skip
    if attribute in _OF_THE_MODULE.get(bound, ()):
        module, _, inner = bound.partition(".")
        return (
            "ILK-PY008", f"'{name}' is {bound} here, which has no '{attribute}': the module has it",
            f"Import the module instead: import {module}" if attribute != inner else f"Write {name}(...).",
        )  # fmt: skip
    return None


def _misfit(call: ast.Call, names: _Names) -> tuple[str, str, str] | None:
    """ILK-PY009: arguments that a function of this file does not take, or lacks."""
    bound = names.only(call.func.id) if isinstance(call.func, ast.Name) else None
    if not isinstance(bound, _Function) or len(names.bound[bound.name]) > 1:
        return None
    given = bound.args
    plain = [one.arg for one in (*given.posonlyargs, *given.args)]
    named = {one.arg for one in (*given.args, *given.kwonlyargs)}
    needed = plain[: len(plain) - len(given.defaults)]
    needed += [one.arg for one, value in zip(given.kwonlyargs, given.kw_defaults, strict=True) if value is None]
    many = any(isinstance(one, ast.Starred) for one in call.args)
    keys = [one.arg for one in call.keywords]
    takes = f"It takes: {', '.join([*plain, *(one.arg for one in given.kwonlyargs)]) or 'nothing'}."
    for key in keys:
        if key is not None and key not in named and given.kwarg is None:
            near = nearest(key, named, 0.7)
            remedy = f"Write '{near}'." if near else takes
            return "ILK-PY009", f"{bound.name}() of this file has no argument '{key}'", remedy
    if not many and len(call.args) > len(plain) and given.vararg is None:
        count = f"{len(call.args)} arguments by position and takes {len(plain)}"
        return "ILK-PY009", f"{bound.name}() of this file is given {count}", takes
    if not many and None not in keys:
        lacking = [one for one in needed if one not in plain[: len(call.args)] and one not in keys]
        if lacking:
            shown = ", ".join(f"'{one}'" for one in lacking[:3])
            return "ILK-PY009", f"{bound.name}() of this file is called without {shown}", takes
    return None
