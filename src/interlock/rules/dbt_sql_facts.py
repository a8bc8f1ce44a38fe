"""What a SQL or Python file of a dbt project tells of itself, as JSON: models, macros, snapshots and what they name.

The facts of a SQL file (``SQL_FACTS``)::

    digest      of the text
    error       [line, last line, message] where it is no Jinja, and nothing else but the digest then
    refs        [[name or [package, name], version, line, conditional]]
    sources     [[source, table, line, conditional]]
    calls       [[package or "", macro, line, positional arguments, [keywords], open-ended, conditional]]
    names       names that the file itself gives to something
    macros      [[name, line, [parameters], takes more positional, takes more keywords]]; tests as ``test_name``
    snapshots   [[name, line, config, [keys whose value is not plain], last line]]
    config      what ``config(...)`` says plainly; ``open`` are the other keys ("*": any); ``config_line`` is its line
    blocks      [[first line, last line]] of macros and the like, outside of which dbt reads nothing in macro files
    bare        [["ref" or "source", line]] outside of braces
    tables      [[name, line]] tables that are named as such; ``star``: line of a last ``select *`` from a relation
    late        [column, line] of an incremental filter that takes nothing but what is newer than the newest
"""

import ast
import hashlib
import re
from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

from interlock.rules.dbt_habits import bare_refs, hard_coded_tables, last_star, late_filter, without_jinja
from interlock.rules.files import SourceFile
from interlock.rules.jinja_dbt import MACRO, JinjaError, parse

SQL_FACTS = "dbt_sql"
_OPEN: Any = object()
_DEEPEST = 150
_BLOCK = re.compile(
    r"\{%[-+]?\s*(macro|test|data_test|materialization|docs|snapshot)\b.*?\{%[-+]?\s*end\1\s*[-+]?%\}", re.DOTALL
)


def sql_facts(file: SourceFile) -> dict[str, Any] | None:
    """See the module; None for files of no dbt project."""
    if file.layout.dbt_project(file.path) is None:
        return None
    if file.path.endswith(".py"):
        return _python_facts(file)
    text = file.text.replace("\x00", "")
    told: dict[str, Any] = {"digest": hashlib.sha256(file.source).hexdigest()[:32]}
    tree = parse(text)
    if isinstance(tree, JinjaError):
        told["error"] = [tree.line, tree.end_line, tree.message]
        if "macro" in text or "test" in text:
            told["blocks"] = [
                [text.count("\n", 0, one.start()) + 1, text.count("\n", 0, one.end()) + 1]
                for one in _BLOCK.finditer(text)
            ]
            told["macros"] = [
                [name, 1, [], True, True]
                for name in re.findall(r"\{%[-+]?\s*macro\s+([A-Za-z_]\w*)", text)
            ]  # fmt: skip
        return told
    if tree is None:
        return told
    reader = _Reader()
    reader.walk(tree, False, 0)
    told |= {key: value for key, value in vars(reader).items() if value}
    told["names"] = sorted(set(reader.names))
    if not told.get("macros"):
        plain = without_jinja(text)
        told |= {key: value for key, value in (
            ("tables", hard_coded_tables(plain)), ("star", last_star(plain)), ("late", late_filter(text)),
            ("bare", bare_refs(plain)),
        ) if value}  # fmt: skip
    return told


class _Reader:
    """Walks a syntax tree. Its fields are facts."""

    def __init__(self) -> None:
        self.refs: list[Any] = []
        self.sources: list[Any] = []
        self.calls: list[Any] = []
        self.names: list[str] = []
        self.macros: list[Any] = []
        self.snapshots: list[Any] = []
        self.config: dict[str, Any] = {}
        self.open: list[str] = []
        self.config_line = 0

    def walk(self, node: nodes.Node, conditional: bool, depth: int) -> None:
        if depth > _DEEPEST:
            return
        if isinstance(node, nodes.Call):
            self._call(node, conditional)
        elif isinstance(node, nodes.Name):
            if node.ctx != "load":
                self.names.append(node.name)
            return
        elif isinstance(node, nodes.Macro):
            self._macro(node)
        elif isinstance(node, (nodes.Import, nodes.FromImport)):
            self._imported(node)
        elif isinstance(node, nodes.Scope) and hasattr(node, "snapshot"):
            self._snapshot(node, conditional, depth)
            return
        if isinstance(node, (nodes.If, nodes.CondExpr, nodes.And, nodes.Or)):
            # What is asked first is always asked; what follows may never be.
            first = node.left if isinstance(node, (nodes.And, nodes.Or)) else node.test
            for child in node.iter_child_nodes():
                self.walk(child, conditional or child is not first, depth + 1)
            return
        inside = conditional or isinstance(node, nodes.For)
        for child in node.iter_child_nodes():
            self.walk(child, inside, depth + 1)

    def _imported(self, node: nodes.Import | nodes.FromImport) -> None:
        if isinstance(node, nodes.Import):
            self.names.append(node.target)
        else:
            self.names += [one if isinstance(one, str) else one[1] for one in node.names]

    def _macro(self, node: nodes.Macro) -> None:
        if not node.name.startswith(MACRO):
            return
        name = node.name.removeprefix(MACRO)
        used = {one.name for one in node.find_all(nodes.Name)}
        parameters = [one.name for one in node.args]
        self.names.append(name)
        self.macros.append([name, node.lineno, parameters, "varargs" in used, "kwargs" in used])

    def _snapshot(self, node: Any, conditional: bool, depth: int) -> None:
        outer, opened, self.config, self.open = self.config, self.open, {}, []
        for child in node.iter_child_nodes():
            self.walk(child, conditional, depth + 1)
        self.snapshots.append([node.snapshot, node.lineno, self.config, self.open])
        self.config, self.open = outer, opened

    def _call(self, node: nodes.Call, conditional: bool) -> None:
        target = node.node
        if isinstance(target, nodes.Getattr) and isinstance(target.node, nodes.Name):
            package, name = target.node.name, target.attr
            if package == "builtins" and name in ("ref", "source"):
                package = ""
        elif isinstance(target, nodes.Name):
            package, name = "", target.name
        else:
            return
        args = [_literal(one) for one in node.args]
        if not package and name == "ref":
            self._ref(node, args, conditional)
        elif not package and name == "source":
            if len(args) == 2 and all(isinstance(one, str) for one in args) and node.dyn_args is None:
                self.sources.append([args[0], args[1], node.lineno, conditional])
        elif not package and name == "config":
            self._config(node, args, conditional)
        else:
            open_ended = node.dyn_args is not None or node.dyn_kwargs is not None
            keys = [one.key for one in node.kwargs]
            self.calls.append([package, name, node.lineno, len(args), keys, open_ended, conditional])

    def _ref(self, node: nodes.Call, args: list[Any], conditional: bool) -> None:
        if not 1 <= len(args) <= 2 or not all(isinstance(one, str) for one in args) or node.dyn_args is not None:
            return
        version = next((_literal(one.value) for one in node.kwargs if one.key in ("v", "version")), "")
        told = "?" if version is _OPEN else "" if version is None else str(version)
        self.refs.append([args[0] if len(args) == 1 else args, told, node.lineno, conditional])

    def _config(self, node: nodes.Call, args: list[Any], conditional: bool) -> None:
        self.config_line = self.config_line or node.lineno
        found: dict[str, Any] = {one.key: _literal(one.value) for one in node.kwargs}
        for given, one in zip(node.args, args, strict=True):
            if isinstance(one, dict):
                found |= one
            elif isinstance(given, nodes.Dict):
                found |= {_literal(pair.key): _literal(pair.value) for pair in given.items}
            else:
                self.open.append("*")
        if node.dyn_kwargs is not None:
            self.open.append("*")
        for key, value in found.items():
            if not isinstance(key, str):
                self.open.append("*")
            elif value is _OPEN or conditional:
                self.open.append(key)
            else:
                self.config[key] = value


def _literal(node: Any, depth: int = 0) -> Any:
    """What an expression says plainly, or ``_OPEN``."""
    if isinstance(node, nodes.Const):
        return node.value if isinstance(node.value, (str, int, float, bool, type(None))) else _OPEN
    if isinstance(node, nodes.TemplateData):
        return node.data
    if depth < 8 and isinstance(node, (nodes.List, nodes.Tuple)):
        values = [_literal(one, depth + 1) for one in node.items]
        return _OPEN if any(one is _OPEN for one in values) else values
    if depth < 8 and isinstance(node, nodes.Dict):
        told = {_literal(one.key, depth + 1): _literal(one.value, depth + 1) for one in node.items
                if isinstance(one.key, nodes.Const)}  # fmt: skip
        return _OPEN if len(told) < len(node.items) or any(one is _OPEN for one in told.values()) else told
    return _OPEN


def _python_facts(file: SourceFile) -> dict[str, Any] | None:
    if b"def model" not in file.source or file.tree is None:
        return None
    told: dict[str, Any] = {"digest": hashlib.sha256(file.source).hexdigest()[:32], "refs": [], "sources": []}
    for call, name in _dbt_calls(file.tree):
        args = [one.value if isinstance(one, ast.Constant) else None for one in call.args]
        if not args or not all(isinstance(one, str) for one in args):
            continue
        if name == "ref" and len(args) <= 2:
            told["refs"].append([args[0] if len(args) == 1 else args, "?" if call.keywords else "", call.lineno, True])
        elif name == "source" and len(args) == 2:
            told["sources"].append([*args, call.lineno, True])
    return told


def _dbt_calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "dbt":
                yield node, node.func.attr
