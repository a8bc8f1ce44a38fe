"""Structured Streaming queries of a script as its text tells them: source to sink, through the variables between.

A query is a call of ``start`` or ``toTable`` whose chain holds ``writeStream``. Where a step of the chain is not in
this file (a parameter, a helper, an assignment under a condition) the query is ``opaque``: what is not seen in it may
still be there.
"""

import ast
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from interlock.rules.files import SourceFile

FACTS = "streams"
_AGGREGATES = {"agg", "count", "sum", "avg", "mean", "max", "min"}
_DUPLICATES = {"dropDuplicates", "drop_duplicates", "dropDuplicatesWithinWatermark"}
_GROUPS = {"groupBy", "groupby", "rollup", "cube"}
# Steps that can hold any operator, stateful ones too; and those of which only the presence is known.
_OPAQUE = {"transform", "sql", "rdd", "to_df", "createDataFrame", "pipe"}
_STATEFUL_OTHERS = {
    "applyInPandasWithState", "transformWithState", "transformWithStateInPandas", "flatMapGroupsWithState", "distinct",
    "mapGroupsWithState", "applyInPandas", "apply", "limit", "pivot", "exceptAll", "intersect", "orderBy", "sort",
}  # fmt: skip
_COUNTING = {
    "count", "sum", "avg", "mean", "max", "min", "first", "last", "collect_list", "collect_set", "countDistinct",
    "count_distinct", "approx_count_distinct", "stddev", "variance", "expr", "percentile_approx", "any_value", "max_by",
    "min_by", "corr", "median", "mode",
}  # fmt: skip
_DEEPEST = 400


@dataclass
class Query:
    """``checkpoint``: a literal, else ""; ``checkpoint_text``: its expression, "" where none is given, "?" unknown.

    ``format``: "table" for ``toTable``, "default" where none is named, "?" unknown. ``operators``: stateful ones in
    order, as [kind, keys or columns...]. ``within``: the function it starts in, with "?" where under a condition.
    """

    line: int
    end_line: int
    format: str = "default"
    mode: str = ""
    checkpoint: str = ""
    checkpoint_text: str = ""
    sources: int = 0
    opaque: bool = False
    maybe_aggregated: bool = False
    watermarks: list[str] = field(default_factory=list)
    operators: list[list[str]] = field(default_factory=list)
    once: bool = False
    appends: str = ""
    within: str = ""
    source_text: str = ""
    stream_join: bool = False

    @property
    def aggregates(self) -> bool:
        """Whether it surely aggregates."""
        return any(one[0] == "groupBy" for one in self.operators)


class _Scope:
    """The assignments of one function or of the module; a name is ``shaky`` where a condition decides it."""

    def __init__(self, body: list[ast.stmt], outer: "_Scope | None", name: str) -> None:
        self.outer, self.name = outer, name
        self.assigned: dict[str, list[tuple[int, ast.expr]]] = {}
        self.shaky: set[str] = set()
        self.statements: list[tuple[ast.stmt, bool]] = []
        self.inner: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
        self._read(body, False)

    def _read(self, body: list[ast.stmt], shaky: bool) -> None:
        for one in body:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                self.inner.append(one)
                continue
            if isinstance(one, ast.ClassDef):
                self.inner += [part for part in one.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
                continue
            main = isinstance(one, ast.If) and "__name__" in ast.dump(one.test)
            below = shaky or (isinstance(one, ast.If | ast.For | ast.While | ast.Match | ast.AsyncFor) and not main)
            self._assign(one, shaky)
            self.statements.append((one, shaky))
            for part in ("body", "orelse", "finalbody"):
                held = getattr(one, part, None)
                if isinstance(held, list):
                    self._read(held, below)
            for handler in (*getattr(one, "handlers", ()), *getattr(one, "cases", ())):
                self._read(handler.body, True)

    def _assign(self, one: ast.stmt, shaky: bool) -> None:
        targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AnnAssign) else []
        value = getattr(one, "value", None)
        for target in targets:
            for name in ast.walk(target):
                if isinstance(name, ast.Name) and value is not None:
                    whole = name is target
                    self.assigned.setdefault(name.id, []).append((one.lineno, value if whole else ast.Constant(None)))
                    if shaky or not whole:
                        self.shaky.add(name.id)
        if isinstance(one, ast.AugAssign | ast.For | ast.AsyncFor) and isinstance(one.target, ast.Name):
            self.shaky.add(one.target.id)

    def find(self, name: str, before: int) -> tuple[ast.expr, int, bool] | None:
        """The value that a name has at a line, the line it was given it, and whether that is certain."""
        given = [one for one in self.assigned.get(name, ()) if one[0] < before]
        if given:
            line, value = max(given, key=lambda one: one[0])
            return value, line, name not in self.shaky
        found = self.outer.find(name, 10**9) if self.outer else None
        if found and self.outer and len(self.outer.assigned.get(name, ())) > 1:
            return found[0], found[1], False
        return found


def _flat(node: ast.expr, scope: _Scope, before: int, depth: int = 0) -> tuple[list[tuple[str, ast.Call | None]], bool]:
    """The steps of a chain from its source on, and whether some of it is not seen."""
    steps: list[tuple[str, ast.Call | None]] = []
    while depth < _DEEPEST:
        depth += 1
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            steps.append((node.func.attr, node))
            node = node.func.value
        elif isinstance(node, ast.Attribute):
            steps.append((node.attr, None))
            node = node.value
        elif isinstance(node, ast.Name):
            known = {name for name, _ in steps}
            if known & {"readStream", "read"}:
                return steps[::-1], False
            found = scope.find(node.id, before)
            if found is None or not found[2]:
                return steps[::-1], True
            node, before = found[0], found[1]
        else:
            break
    seen = any(name in ("readStream", "read") for name, _ in steps)
    return steps[::-1], not seen


def queries_of(file: SourceFile) -> list[Query]:
    """Every query of a script, in the order of the lines."""
    if b"writeStream" not in file.source or file.tree is None:
        return []
    try:
        module = _Scope(file.tree.body, None, "")
        found: list[Query] = []
        _collect(module, module, found)
    except RecursionError:
        return []
    return sorted(found, key=lambda one: one.line)


def _collect(scope: _Scope, module: _Scope, found: list[Query], depth: int = 0) -> None:
    for statement, shaky in scope.statements:
        for node in _own_expressions(statement):
            called = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
            query = (
                _query(node, scope, module) if called in ("start", "toTable") and isinstance(node, ast.Call) else None
            )
            if query:
                query.within = scope.name + ("?" if shaky else "")
                found.append(query)
    for function in scope.inner:
        if depth < 20:
            below = _Scope(function.body, scope, f"{scope.name}.{function.name}")
            # A parameter hides what is called the same outside.
            for one in (*function.args.args, *function.args.kwonlyargs, *function.args.posonlyargs):
                below.assigned.setdefault(one.arg, []).insert(0, (function.lineno, ast.Constant(None)))
            _collect(below, module, found, depth + 1)


def _own_expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement without those of the statements below it."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.expr):
            yield from ast.walk(child)
        elif isinstance(child, ast.withitem):
            yield from ast.walk(child.context_expr)


def _query(node: ast.Call, scope: _Scope, module: _Scope) -> Query | None:
    steps, opaque = _flat(node, scope, node.lineno + 1)
    names = [name for name, _ in steps]
    if "writeStream" not in names:
        return None
    at = names.index("writeStream")
    query = Query(node.lineno, node.end_lineno or node.lineno, opaque=opaque)
    first = steps[at + 1][1] if at + 1 < len(steps) else None
    query.line = min(node.lineno, first.lineno if first is not None else node.lineno)
    _read_source(query, steps[:at], scope, node.lineno + 1)
    _read_sink(query, steps[at + 1 :], scope, module, node.lineno + 1)
    return query


def _read_source(query: Query, steps: list[tuple[str, ast.Call | None]], scope: _Scope, before: int) -> None:
    names = [name for name, _ in steps]
    query.sources += names.count("readStream")
    query.source_text = " ".join(
        ast.unparse(call.func) if len(names) < 40 else name for name, call in steps[-1:] if call
    )
    for at, (name, call) in enumerate(steps):
        arguments = [*call.args, *(one.value for one in call.keywords)] if call else []
        if name == "withWatermark":
            query.watermarks.append(", ".join(ast.unparse(one) for one in arguments))
        elif name in _GROUPS:
            folded = steps[at + 1] if at + 1 < len(steps) else ("", None)
            if folded[0] in _AGGREGATES:
                values = [*folded[1].args] if folded[1] else []
                query.operators.append(["groupBy", _keys(arguments), f"{folded[0]}({_keys(_unnamed(values))})"])
            else:
                query.operators.append(["other", folded[0]])
                query.maybe_aggregated = True
        elif name in _DUPLICATES:
            query.operators.append([name.replace("drop_d", "dropD"), _keys(arguments)])
        elif name in ("join", "union", "unionByName", "unionAll") and arguments:
            _other_side(query, name, arguments[0], scope, before)
        elif name in _STATEFUL_OTHERS:
            query.operators.append(["other", name])
            query.maybe_aggregated = True
        elif name in ("agg", "count") and (at == 0 or steps[at - 1][0] not in _GROUPS):
            query.maybe_aggregated = True
            query.operators.append(["other", name])
        elif name in _OPAQUE:
            query.opaque = True
        elif name in ("select", "selectExpr", "withColumn", "mapInPandas") and _may_count(arguments, name):
            query.maybe_aggregated = True


def _other_side(query: Query, name: str, node: ast.expr, scope: _Scope, before: int) -> None:
    steps, opaque = _flat(node, scope, before)
    names = [step for step, _ in steps]
    if "readStream" in names:
        other = Query(0, 0)
        _read_source(other, steps, scope, before)
        query.sources += other.sources
        query.watermarks += other.watermarks
        query.operators += other.operators
        query.opaque = query.opaque or other.opaque or opaque
        if name == "join":
            query.operators.append(["join"])
            query.stream_join = True
    elif opaque:
        query.opaque = True


def _may_count(arguments: list[ast.expr], name: str) -> bool:
    """Whether a selection may hold an aggregate: by a function of such a name, or by SQL with any call."""
    for one in arguments:
        for node in ast.walk(one):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if called in _COUNTING:
                    return True
            if isinstance(node, ast.Starred):
                return True
            if name == "selectExpr" and isinstance(node, ast.Constant) and "(" in str(node.value):
                return True
    return name == "mapInPandas"


def _keys(arguments: list[ast.expr]) -> str:
    """Columns in one form, whether given as texts, as a list, or by ``col``."""
    listed: list[ast.expr] = []
    for one in arguments:
        listed += one.elts if isinstance(one, ast.List | ast.Tuple) else [one]
    return " | ".join(_column(one) for one in listed)


def _column(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("col", "column") and len(node.args) == 1:
            return _column(node.args[0])
        if isinstance(node.func, ast.Attribute) and called == "alias":
            return _column(node.func.value)
        return f"{called}({', '.join(_column(one) for one in node.args)})"
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def _unnamed(values: list[ast.expr]) -> list[ast.expr]:
    return [
        one.func.value
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute) and one.func.attr in ("alias", "name")
        else one
        for one in values
    ]


def _literal(node: ast.expr | None, scope: _Scope, before: int) -> str | None:
    if isinstance(node, ast.Name):
        found = scope.find(node.id, before)
        node = found[0] if found and found[2] else None
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _read_sink(
    query: Query, steps: list[tuple[str, ast.Call | None]], scope: _Scope, module: _Scope, before: int
) -> None:
    for name, call in steps:
        if call is None:
            continue
        keywords = {one.arg: one.value for one in call.keywords if one.arg}
        spread = any(one.arg is None for one in call.keywords)
        first = call.args[0] if call.args else None
        if name == "option":
            key = _literal(first or keywords.get("key"), scope, before)
            if key is None or key.lower() == "checkpointlocation":
                value = call.args[1] if len(call.args) > 1 else keywords.get("value")
                _checkpoint(query, value if key else None, scope, before)
        elif name in ("options", "start", "toTable"):
            for key, value in keywords.items():
                if key.lower() == "checkpointlocation":
                    _checkpoint(query, value, scope, before)
            if spread and not query.checkpoint_text:
                query.checkpoint_text = "?"
            if name != "options" and spread:
                query.format = query.mode = "?"
        elif name == "trigger":
            once = keywords.get("once")
            query.once = isinstance(once, ast.Constant) and once.value is True
        elif name in ("foreachBatch", "foreach"):
            query.format = name
            query.appends = _only_appends(first, scope, module) if name == "foreachBatch" else ""
        given = {"format": first} if name == "format" else {"mode": first} if name == "outputMode" else {}
        if name in ("start", "toTable"):
            given = {"format": keywords.get("format"), "mode": keywords.get("outputMode")}
        for what, value in given.items():
            if value is not None:
                setattr(query, what, _literal(value, scope, before) or "?")
        if name == "toTable" and query.format == "default":
            query.format = "table"
    query.mode = query.mode.lower()


def _checkpoint(query: Query, value: ast.expr | None, scope: _Scope, before: int) -> None:
    query.checkpoint = _literal(value, scope, before) or ""
    query.checkpoint_text = query.checkpoint or (ast.unparse(value) if value is not None else "?")


_IDEMPOTENT = (
    "merge",
    "txnappid",
    "txnversion",
    "conflict",
    "overwrite",
    "upsert",
    "delete",
    "replacewhere",
    "insert_all",
)


def _only_appends(node: ast.expr | None, scope: _Scope, module: _Scope) -> str:
    """The name of a function of this file that only appends and never looks at the batch's number; "" otherwise."""
    if not isinstance(node, ast.Name):
        return ""
    function = next((one for one in (*scope.inner, *module.inner) if one.name == node.id), None)
    if function is None or len(function.args.args) != 2:
        return ""
    number = function.args.args[1].arg
    text = "\n".join(ast.unparse(one) for one in function.body)
    used = any(isinstance(one, ast.Name) and one.id == number for part in function.body for one in ast.walk(part))
    appends = "mode('append')" in text or "saveAsTable(" in text or "insertInto(" in text or "mode='append'" in text
    lowered = text.lower()
    return node.id if appends and not used and not any(word in lowered for word in _IDEMPOTENT) else ""


def facts_of(file: SourceFile) -> list[Any] | None:
    """The queries as JSON."""
    return [asdict(one) for one in queries_of(file)] or None


def of_facts(told: list[Any]) -> list[Query]:
    """The queries of a file's facts."""
    return [Query(**one) for one in told]
