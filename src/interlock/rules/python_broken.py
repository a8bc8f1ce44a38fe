"""Python that cannot be compiled, and names that nothing defines: ruff finds them, our own parser confirms them."""

import ast
import builtins
import re
import warnings
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.python_names import GIVEN, GIVEN_IN_NOTEBOOKS, IMPORTS, PYTHON_2
from interlock.rules.python_places import (
    bound_names,
    byte_lines,
    is_aside,
    is_main_guard,
    is_notebook,
    is_run,
    is_template,
    weight,
)
from interlock.rules.ruff_tool import SYNTAX, Diagnostic, diagnostics

_NOTEBOOK = re.compile(r"^# (?:Databricks notebook|MAGIC|COMMAND)|\bdbutils\b|get_ipython", re.MULTILINE)
_DYNAMIC = re.compile(
    r"\bexec(?:file)?\s*\(|(?:globals|locals|vars)\(\)\s*(?:\.update|\[)|\bbuiltins\b|__builtin|%run|"
    r"gettext\.install|sys\.modules|in (?:globals|locals|vars|dir)\(\)|"
    r"\b_convert_\(|global_enum|_getframe|runpy|undefined-variable|flake8[:=]\s*noqa"
)
_IS_PYTHON_2 = re.compile(
    r"^[ \t]*(?:print[ \t]+[\"'%\w]|except[ \t]+[\w., ()]+,[ \t]*\w+[ \t]*:|raise[ \t]+\w+[ \t]*,|exec[ \t]+[\"'\w])|"
    r"\bur[\"']",
    re.MULTILINE,
)

_EXCEPT_COMMA = re.compile(r"[ \t]*except[ \t]+[\w.]+[ \t]*,[ \t]*(\w+)[ \t]*:")


def broken(files: Sequence[SourceFile]) -> Iterator[Finding]:
    """ILK-PY001 and ILK-PY002."""
    told: dict[str, list[Diagnostic]] = {}
    for one in diagnostics(files):
        told.setdefault(one.path, []).append(one)
    for file in files:
        found = told.get(file.path, [])
        if any(one.code in SYNTAX for one in found):
            yield from _syntax(file)
        names = [one for one in found if one.code == "F821"]
        if names and file.tree is not None:
            yield from _undefined(file, file.tree, names)
        elif any(_catches_a_name(file, one) for one in names):
            yield from _syntax(file)


def _catches_a_name(file: SourceFile, told: Diagnostic) -> bool:
    """Whether the name that nothing defines stands in ``except Error, name:``: Python 3.14 takes it for a class."""
    match = _EXCEPT_COMMA.match(file.lines[told.line - 1]) if told.line <= len(file.lines) else None
    return match is not None and f"`{match[1]}`" in told.message


def _syntax(file: SourceFile) -> Iterator[Finding]:
    error = _syntax_error(file)
    if error is None or is_template(file) or is_notebook(file):
        return
    line = error.lineno or 1
    if line <= len(file.lines) and "{{" in file.lines[line - 1]:
        return
    severity = Severity.WARNING if is_aside(file.path, file.layout) else Severity.ERROR
    if severity is Severity.ERROR and not is_run(file.path, file.layout) and _IS_PYTHON_2.search(file.text):
        severity = Severity.WARNING
    last = error.end_lineno if error.end_lineno and error.end_lineno >= line else line
    message = re.sub(r" \(.*on line \d+\)| on line \d+", "", error.msg)
    yield file.finding(
        "ILK-PY001", line, f"this is no valid Python: {message}", "Mend the syntax: until then nothing in this file "
        "can be run or imported.", severity=severity, end_line=last, column=error.offset or 0,
    )  # fmt: skip


def _syntax_error(file: SourceFile) -> SyntaxError | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(file.source, file.path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError, OverflowError):
        pass
    return None


def _undefined(file: SourceFile, tree: ast.Module, told: Sequence[Diagnostic]) -> Iterator[Finding]:
    if _DYNAMIC.search(file.text) or is_template(file):
        return
    uses = _Uses(tree)
    if uses.template:
        return
    lines = byte_lines(file.source)
    given = GIVEN | GIVEN_IN_NOTEBOOKS if _NOTEBOOK.search(file.text) else GIVEN
    seen: set[str] = set()
    for one in told:
        match = re.search(r"`([^`]+)`", one.message)
        if match is None or match[1] in seen or match[1] in given or match[1] in uses.deleted:
            continue
        name = match[1]
        text = lines[one.line - 1].decode("utf-8", "replace") if one.line <= len(lines) else ""
        use = uses.find(name, one.line, len(text[: one.column - 1].encode()))
        if use is None or (use.loops and name in uses.bound):
            continue
        seen.add(name)
        severity = weight(file.path, file.layout)
        if name in PYTHON_2 or use.main:
            severity = Severity.WARNING
        yield file.finding(
            "ILK-PY002", one.line, f"the name '{name}' is not defined",
            _remedy(name, uses.bound - _around(tree, one.line)), severity=severity, end_line=one.end_line,
            column=one.column, cause=f"undefined:{file.path}:{name}",
        )  # fmt: skip


def _around(tree: ast.Module, line: int) -> set[str]:
    """The functions and classes that a line stands in: none of them is what was meant in it."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {
        one.name for one in ast.walk(tree) if isinstance(one, kinds) and one.lineno <= line <= (one.end_lineno or 0)
    }


def _remedy(name: str, bound: set[str]) -> str:
    if name in IMPORTS and name not in bound:
        return f"Import it: {IMPORTS[name]}"
    near = get_close_matches(name, sorted(bound | set(dir(builtins))), n=1, cutoff=0.7)
    if near and near[0] == name:
        return f"Move what defines '{name}' to where this use can see it, and above it."
    return f"Name '{near[0]}'." if near else f"Define or import '{name}' in this file."


class _Use:
    def __init__(self, node: ast.Name | ast.JoinedStr, loops: bool, main: bool) -> None:
        self.node, self.loops, self.main = node, loops, main


class _Uses:
    """Where names of a file are read when it runs; names in annotations that are never evaluated are left out."""

    def __init__(self, tree: ast.Module) -> None:
        self.bound: set[str] = set()
        self.deleted: set[str] = set()
        self.template = False
        self._names: dict[str, list[_Use]] = {}
        self._strings: list[_Use] = []
        self._lazy = any(
            isinstance(one, ast.ImportFrom) and one.module == "__future__" and "annotations" in bound_names(one)
            for one in tree.body
        )
        # By hand and not by recursion: a long sum is nested as deep as it is long.
        stack: list[tuple[ast.AST, bool, bool, bool]] = [(tree, False, False, False)]
        while stack:
            node, inside, loops, main = stack.pop()
            self._note(node, loops, main)
            main = main or is_main_guard(node)
            loops = loops or isinstance(node, ast.For | ast.While | ast.AsyncFor)
            inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            stack += [(child, inside, loops, main) for child in self._evaluated(node, inside)]

    def _evaluated(self, node: ast.AST, inside: bool) -> Iterator[ast.AST]:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns") and (self._lazy or (inside and isinstance(node, ast.AnnAssign))):
                continue
            for child in value if isinstance(value, list) else (value,):
                if isinstance(child, ast.AST):
                    yield child

    def _note(self, node: ast.AST, loops: bool, main: bool) -> None:
        self.bound.update(bound_names(node))
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Del):
                self.deleted.add(node.id)
            self._names.setdefault(node.id, []).append(_Use(node, loops, main))
        elif isinstance(node, ast.JoinedStr):
            self._strings.append(_Use(node, loops, main))
        elif isinstance(node, ast.Set) and len(node.elts) == 1 and isinstance(node.elts[0], ast.Set):
            self.template = True

    def find(self, name: str, line: int, column: int) -> _Use | None:
        """The use at a place. Before Python 3.12 names in an f-string have places of their own making."""
        uses = [use for use in self._names.get(name, ()) if isinstance(use.node, ast.Name)]
        for use in uses:
            if (use.node.lineno, use.node.col_offset) == (line, column):
                return use
        for use in self._strings:
            if use.node.lineno <= line <= (use.node.end_lineno or 0) and any(
                isinstance(one, ast.Name) and one.id == name for one in ast.walk(use.node)
            ):
                return use
        return None
