"""A DAG file's syntax tree as the rules see it: what each name is bound to, every call with the place it stands at.

What is not certain is None or left out: names that are bound twice, star imports, computed texts. Nothing here recurses
along the tree, so deep nesting does no harm.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from interlock.rules.files import SourceFile

Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef
_BRANCHES = frozenset(
    {ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match, ast.BoolOp, ast.ListComp,
     ast.SetComp, ast.DictComp, ast.GeneratorExp}
)  # fmt: skip
_SPECIAL = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.With, ast.AsyncWith, ast.If})
_LEAVES = frozenset(
    {ast.Constant, ast.Load, ast.Store, ast.Del, *ast.operator.__subclasses__(), *ast.cmpop.__subclasses__(),
     *ast.unaryop.__subclasses__(), *ast.boolop.__subclasses__()}
)  # fmt: skip
_BINDERS = frozenset(
    {ast.Name, ast.Assign, ast.AnnAssign, ast.withitem, ast.Import, ast.ImportFrom, ast.FunctionDef,
     ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Global, ast.Nonlocal, ast.ExceptHandler, ast.MatchAs,
     ast.MatchStar}
)  # fmt: skip
_DEEPEST = 20


@dataclass(frozen=True)
class Origin:
    """What an import binds: the full dotted name, a leading dot for each level of a relative one."""

    name: str


@dataclass(frozen=True)
class Where:
    """``sure``: reached exactly once whenever its scope runs. ``main``: below ``if __name__ == "__main__"`` or
    TYPE_CHECKING, or nowhere that Airflow runs. ``withs``: the context managers around it in the scope, outermost
    first."""

    scope: Scope
    sure: bool = True
    main: bool = False
    withs: tuple[ast.withitem, ...] = ()


@dataclass(frozen=True)
class Site:
    """A call and where it stands."""

    call: ast.Call
    where: Where

    @property
    def keywords(self) -> dict[str, ast.expr]:
        """The named arguments."""
        return {one.arg: one.value for one in self.call.keywords if one.arg is not None}

    @property
    def open(self) -> bool:
        """Whether ``*`` or ``**`` hands over arguments that are not written here."""
        return any(one.arg is None for one in self.call.keywords) or any(
            isinstance(one, ast.Starred) for one in self.call.args
        )


@dataclass
class DagSource:
    """``bound``: by scope (its ``id``) and name, every value; None where it is no plain assignment or import.

    ``functions`` are all of them, with their place. ``statements``: the expression statements, by place. ``loads``: how
    often a name is read. ``plain``: targets (their ``id``) whose value is in ``bound`` already.
    ``attributes``: every name after a dot.
    """

    tree: ast.Module
    bound: dict[tuple[int, str], list[ast.expr | Origin | Scope | None]] = field(default_factory=dict)
    parents: dict[int, Scope] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    functions: list[tuple[Function, Where]] = field(default_factory=list)
    classes: list[tuple[ast.ClassDef, Where]] = field(default_factory=list)
    statements: list[tuple[ast.expr, Where]] = field(default_factory=list)
    assigned: list[tuple[ast.Assign, Where]] = field(default_factory=list)
    loads: dict[str, int] = field(default_factory=dict)
    plain: set[int] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)

    def values(self, scope: Scope, name: str) -> list[ast.expr | Origin | Scope | None]:
        """What a name that is read in ``scope`` may be; empty where nothing here binds it."""
        here: Scope | None = scope
        while here is not None:
            found = self.bound.get((id(here), name))
            if found and (here is scope or not isinstance(here, ast.ClassDef)):
                return found
            here = self.parents.get(id(here))
        return []

    def value(self, scope: Scope, name: str) -> ast.expr | Scope | None:
        """The one expression, function or class that a name is bound to."""
        found = self.values(scope, name)
        return found[0] if len(found) == 1 and not isinstance(found[0], Origin) else None

    def resolved(self, expr: ast.expr | None, scope: Scope) -> ast.expr | None:
        """The expression itself, or what the name in its place was bound to, once."""
        for _ in range(_DEEPEST):
            if not isinstance(expr, ast.Name):
                return expr
            found = self.value(scope, expr.id)
            if not isinstance(found, ast.expr):
                return None
            expr = found
        return None

    def origins(self, expr: ast.expr, scope: Scope) -> frozenset[str]:
        """Full dotted names that an expression may stand for by imports alone; several after try/except imports."""
        attributes: list[str] = []
        while isinstance(expr, ast.Attribute):
            attributes.insert(0, expr.attr)
            expr = expr.value
        if not isinstance(expr, ast.Name) or len(attributes) > _DEEPEST:
            return frozenset()
        found = self.values(scope, expr.id)
        names = [one.name for one in found if isinstance(one, Origin)]
        if len(names) != len(found):
            return frozenset()
        return frozenset(".".join((name, *attributes)) for name in names)

    def text(self, expr: ast.expr | None, scope: Scope) -> str | None:
        """The text of a literal, of a name that is bound to one, or of several that are added up."""
        return self._text(expr, scope, 0)

    def _text(self, expr: ast.expr | None, scope: Scope, depth: int) -> str | None:
        found = self.resolved(expr, scope)
        if isinstance(found, ast.Constant):
            return found.value if isinstance(found.value, str) else None
        if isinstance(found, ast.BinOp) and isinstance(found.op, ast.Add) and depth < _DEEPEST:
            left, right = (self._text(one, scope, depth + 1) for one in (found.left, found.right))
            return left + right if left is not None and right is not None else None
        if isinstance(found, ast.Call) and depth < _DEEPEST and is_dedent(found):
            return self._text(found.args[0], scope, depth + 1)
        if isinstance(found, ast.JoinedStr) and all(isinstance(one, ast.Constant) for one in found.values):
            return "".join(str(one.value) for one in found.values if isinstance(one, ast.Constant))
        return None

    def mapping(self, expr: ast.expr | None, scope: Scope) -> tuple[dict[str, ast.expr], bool] | None:
        """The literal keys of a dict and whether they are all; None where it is no literal dict."""
        found = self.resolved(expr, scope)
        if isinstance(found, ast.Dict):
            keys = {k.value: v for k, v in zip(found.keys, found.values, strict=True) if isinstance(k, ast.Constant)}
            return {k: v for k, v in keys.items() if isinstance(k, str)}, len(keys) == len(found.keys)
        if isinstance(found, ast.Call) and isinstance(found.func, ast.Name) and found.func.id == "dict":
            named = {one.arg: one.value for one in found.keywords if one.arg is not None}
            return named, len(named) == len(found.keywords) and not found.args
        return None


def is_dedent(call: ast.Call) -> bool:
    """Whether a call only changes how a text is indented."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in ("dedent", "cleandoc") and len(call.args) == 1 and not call.keywords


@lru_cache(maxsize=4)
def read_dag_source(file: SourceFile) -> DagSource | None:
    """The file's tree, read once; None where it is no Python or does not import airflow."""
    if b"airflow" not in file.source or file.tree is None:
        return None
    source = DagSource(file.tree)
    _read(source)
    return source


def in_dag_folder(file: SourceFile) -> bool:
    """Whether Airflow would parse the file: below a DAG folder, no test, and mentioning both "dag" and "airflow"."""
    text = file.source.lower()
    return (
        file.layout.dag_folder(file.path) is not None
        and not is_test_file(file.path)
        and b"dag" in text
        and b"airflow" in text
    )


def is_test_file(path: str) -> bool:
    """Tests may well make what Airflow refuses."""
    parts = path.lower().split("/")
    return parts[-1].startswith(("test_", "conftest")) or parts[-1].endswith("_test.py") or "tests" in parts


def _read(source: DagSource) -> None:
    todo: list[tuple[ast.AST, Where]] = [(source.tree, Where(source.tree))]
    while todo:
        node, where = todo.pop()
        kind = type(node)
        if kind in _BINDERS:
            _bind(source, node, where.scope)
        if isinstance(node, ast.Call):
            source.sites.append(Site(node, where))
        elif isinstance(node, ast.Attribute):
            source.attributes.add(node.attr)
        elif isinstance(node, ast.Expr):
            source.statements.append((node.value, where))
        elif isinstance(node, ast.Assign):
            source.assigned.append((node, where))
        if kind in _SPECIAL:
            todo += reversed(list(_below(source, node, where)))
            continue
        if kind in _BRANCHES and where.sure:
            where = Where(where.scope, False, where.main, where.withs)
        todo += reversed([(one, where) for one in _children(node)])


def _children(node: ast.AST) -> list[ast.AST]:
    """What stands below a node, without the many leaves that say nothing here."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [one for one in value if isinstance(one, ast.AST) and type(one) not in _LEAVES]
        elif isinstance(value, ast.AST) and type(value) not in _LEAVES:
            found.append(value)
    return found


def _below(source: DagSource, node: ast.AST, where: Where) -> Iterator[tuple[ast.AST, Where]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        source.parents[id(node)] = where.scope
        outside = [*node.args.defaults, *(one for one in node.args.kw_defaults if one is not None)]
        if not isinstance(node, ast.Lambda):
            source.functions.append((node, where))
            outside += node.decorator_list
        yield from ((one, where) for one in outside)
        inner = Where(node, main=where.main)
        yield from ((one, inner) for one in ([node.body] if isinstance(node, ast.Lambda) else node.body))
    elif isinstance(node, ast.ClassDef):
        source.parents[id(node)] = where.scope
        source.classes.append((node, where))
        yield from ((one, where) for one in (*node.decorator_list, *node.bases, *(one.value for one in node.keywords)))
        inner = Where(node, where.sure, where.main)
        yield from ((one, inner) for one in node.body)
    elif isinstance(node, ast.With | ast.AsyncWith):
        yield from ((one, where) for one in node.items)
        inner = Where(where.scope, where.sure, where.main, (*where.withs, *node.items))
        yield from ((one, inner) for one in node.body)
    elif isinstance(node, ast.If):
        body = Where(where.scope, False, where.main or _is_never(node.test), where.withs)
        other = Where(where.scope, False, where.main, where.withs)
        yield node.test, where
        yield from ((one, body) for one in node.body)
        yield from ((one, other) for one in node.orelse)


def _is_never(test: ast.expr) -> bool:
    """``if __name__ == "__main__"`` and ``if TYPE_CHECKING``: not when Airflow imports the file."""
    if isinstance(test, ast.Compare):
        sides = [test.left, *test.comparators]
        named = any(isinstance(one, ast.Name) and one.id == "__name__" for one in sides)
        return named and any(isinstance(one, ast.Constant) and one.value == "__main__" for one in sides)
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _bind(source: DagSource, node: ast.AST, scope: Scope) -> None:
    def add(name: str, value: ast.expr | Origin | Scope | None = None, into: Scope = scope) -> None:
        source.bound.setdefault((id(into), name), []).append(value)

    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load):
            source.loads[node.id] = source.loads.get(node.id, 0) + 1
        elif id(node) not in source.plain:
            add(node.id)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                source.plain.add(id(target))
                add(target.id, node.value)
    elif isinstance(node, ast.withitem):
        if isinstance(node.optional_vars, ast.Name):
            source.plain.add(id(node.optional_vars))
            add(node.optional_vars.id, node.context_expr)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            add(name, Origin(alias.name if alias.asname else name))
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            base = "." * node.level + (node.module or "")
            add(alias.asname or alias.name, Origin(f"{base}{'.' if node.module else ''}{alias.name}"))
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        if not isinstance(node, ast.Lambda):
            add(node.name, node)
        arguments = node.args
        for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if one is not None:
                add(one.arg, None, node)
    elif isinstance(node, ast.ClassDef):
        add(node.name, node)
    elif isinstance(node, ast.Global | ast.Nonlocal):
        for name in node.names:
            add(name)
            add(name, None, source.tree)
    elif (isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar)) and node.name:
        add(node.name)
