"""What a Python file imports and what others can import from it, as facts: the module check reads no text."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

from interlock.rules.files import SourceFile
from interlock.rules.python_names import AIRFLOW, VENDORS
from interlock.rules.python_places import bound_names, is_main_guard

_OPEN = re.compile(
    r"\bglobals\s*\(|\bvars\(\)|\blocals\s*\(|\bexec\s*\(|sys\.modules|__path__|extend_path|declare_namespace|"
    r"lazy_loader|importlib\.import_module\(\s*__name__"
)
_HANDLED = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_ELSEWHERE = re.compile(r"virtualenv|external_python|docker|kubernetes|modal|remote", re.IGNORECASE)

SURE, UNSURE = 0, 1


def module_facts(file: SourceFile) -> dict[str, Any] | None:
    """What this module is to others, and what it wants of them.

    ``defines``: what can be imported; ``open``: whether there may be more; ``stars``: [level, module] of those whose
    names are its own too; ``imports``: [level, module, names, line, last line, sure or not]; ``dag``: whether importing
    it makes a DAG.

    Guarded imports are left out (``try`` with ImportError, TYPE_CHECKING), and so are those of packages from elsewhere.
    None where there is no syntax tree.
    """
    tree = file.tree
    if tree is None:
        return None
    stars: list[list[Any]] = []
    defines: set[str] = set()
    executed = list(_executed(tree))
    for node in executed:
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            stars.append([node.level, node.module or ""])
        else:
            defines.update(_bound_by(node))
    for node in ast.walk(tree) if b"global " in file.source or b":=" in file.source else ():
        if isinstance(node, ast.Global):
            defines.update(node.names)
        elif isinstance(node, ast.NamedExpr):
            defines.add(node.target.id)
    return {
        "defines": sorted(defines),
        "open": "__getattr__" in defines or _OPEN.search(file.text) is not None,
        "stars": stars,
        "imports": list(_imports(tree, UNSURE if "sys.path" in file.text else SURE)),
        "dag": b"airflow" in file.source and _makes_dag(executed),
    }


def _blocks(node: ast.AST) -> Iterator[ast.AST]:
    """The statements that stand directly in another one; expressions are left out."""
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        yield from getattr(node, name, ())


def _executed(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements of the module's own scope, which run when it is imported, with handlers and cases."""
    stack: list[ast.AST] = list(reversed(tree.body))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            stack += _blocks(node)


def _bound_by(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Assign(targets=targets):
            targeted: list[ast.AST] = list(targets)
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target) | ast.For(target=target):
            targeted = [target]
        case ast.With(items=items) | ast.AsyncWith(items=items):
            targeted = [one.optional_vars for one in items if one.optional_vars]
        case ast.match_case(pattern=pattern):
            targeted = [pattern]
        case _:
            name = getattr(node, "name", None)  # also that of a `type` statement
            if isinstance(name, ast.Name):
                yield name.id
            yield from bound_names(node)
            return
    for one in targeted:
        for inner in ast.walk(one):
            yield from bound_names(inner)


def _imports(tree: ast.Module, sure: int) -> Iterator[list[Any]]:
    stack: list[tuple[ast.AST, int]] = [(tree, sure)]
    while stack:
        node, unsure = stack.pop()
        if isinstance(node, ast.Import):
            for one in node.names:
                if _is_asked(one.name):
                    yield [0, one.name, [], node.lineno, node.end_lineno or node.lineno, unsure]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level or _is_asked(module):
                names = [one.name for one in node.names if one.name != "*"]
                yield [node.level, module, names, node.lineno, node.end_lineno or node.lineno, unsure]
        else:
            if isinstance(node, ast.If):
                if _names(node.test) & {"TYPE_CHECKING", "MYPY"}:
                    stack += [(child, unsure) for child in node.orelse]
                    continue
                unsure = UNSURE
            if _is_guard(node) or is_main_guard(node):
                unsure = UNSURE
            if _is_guard(node) or _is_elsewhere(node):
                continue
            stack += [(child, unsure) for child in _blocks(node)]


def _is_asked(module: str) -> bool:
    """Whether the project may have the module itself, or Airflow lacks it."""
    top, _, rest = module.partition(".")
    return top not in VENDORS or (top == "airflow" and rest != "" and rest.partition(".")[0] not in AIRFLOW)


def _names(node: ast.AST) -> set[str]:
    return {
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Name | ast.Attribute)
    }


def _is_guard(node: ast.AST) -> bool:
    """Whether an import may fail in it: ``try`` with a handler for it, ``suppress``, ``pytest.raises``."""
    if isinstance(node, ast.Try | ast.TryStar):
        return any(one.type is None or _names(one.type) & _HANDLED for one in node.handlers)
    if isinstance(node, ast.With | ast.AsyncWith):
        return any(_names(one.context_expr) & {"suppress", "raises", "warns"} for one in node.items)
    return False


def _is_elsewhere(node: ast.AST) -> bool:
    """Whether a function runs in an environment of its own, whose modules are not this project's."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(
        _ELSEWHERE.search(name) for one in node.decorator_list for name in _names(one)
    )


def _makes_dag(executed: Sequence[ast.AST]) -> bool:
    made: set[str] = set()
    for node in executed:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow"):
            made.update(one.asname or one.name for one in node.names if one.name in ("DAG", "dag"))
    for node in executed:
        calls: list[ast.AST] = []
        if isinstance(node, ast.FunctionDef):
            if any(_names(one) & made for one in node.decorator_list):
                return True
        elif isinstance(node, ast.With):
            calls = [one.context_expr for one in node.items]
        elif isinstance(node, ast.Assign | ast.Expr):
            calls = [node.value]
        for call in calls:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute):
                name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
                if name in made or (name == "DAG" and isinstance(call.func, ast.Attribute)):
                    return True
    return False
