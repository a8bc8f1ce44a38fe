"""Whether a column that a SELECT names is in what it is taken from."""

from collections.abc import Collection, Mapping

from sqlglot import exp

from interlock.model.findings import Severity
from interlock.rules.sql_findings import SqlKind, SqlProblem
from interlock.rules.sql_scope import Columns, Scope, Source, nearest
from interlock.rules.sql_words import (
    DATE_PARTS,
    FIELDS,
    LATERAL_ALIASES,
    NO_DIGITS,
    PSEUDO,
    STRICT_ALIASES,
    UNIQUE_REFERENCES,
)

# Clauses that may name what the SELECT calls its columns.
_AFTER = frozenset(("group", "having", "qualify", "order", "cluster", "sort", "distribute", "distinct", "limit"))


class ColumnReader:
    """Judges single columns in their scopes; ``problems`` grows meanwhile.

    ``opaque``: names of which nothing is known. ``made``: tables that the same text makes. ``loose``: names without a
    table may be variables.
    """

    def __init__(
        self, sql: str, dialect: str, relations: Mapping[str, Columns], opaque: Collection[str],
        made: Collection[str] = (), *, loose: bool = False,
    ) -> None:  # fmt: skip
        self._sql = sql
        self._dialect = dialect
        self._relations = relations
        self._opaque = frozenset(one.lower() for one in opaque)
        self._made = made
        self._loose = loose
        self.problems: list[SqlProblem] = []

    def _column(self, node: exp.Column, clause: str, scope: Scope) -> None:
        parts = [part.name.lower() for part in node.parts]
        if not isinstance(node.this, exp.Identifier) or any(part in self._opaque for part in parts):
            return
        if len(parts) == 1:
            self._unqualified(node, parts[0], clause, scope)
            return
        for name, column in ((parts[0], parts[1]), (parts[-2], parts[-1])) if len(parts) > 2 else (parts,):
            for one in scope.chain():
                sources = one.named(name)
                if sources:
                    self._qualified(node, name, column, sources, one)
                    return
        if len(parts) == 2:
            self._qualifier(node, parts[0], scope, parts[1])

    def _qualified(self, node: exp.Column, name: str, column: str, sources: list[Source], scope: Scope) -> None:
        source = sources[0]
        if len(sources) > 1 or source.columns is None or column in PSEUDO or self._unsure(node):
            return
        count = source.columns.count(column)
        if count > 1 and self._dialect in UNIQUE_REFERENCES:
            detail = f"is ambiguous: '{name}' has two columns of this name"
            self._add(SqlKind.AMBIGUOUS, node, f"{name}.{column}", detail)
        if count or not source.closed or any(name in (one.columns or ()) for one in scope.sources):
            return
        near = nearest(column, source.columns)
        self._add(
            SqlKind.COLUMN, node, f"{name}.{column}", f"does not exist: '{source.table or name}' has no such column",
            f"{name}.{near}" if near else "",
        )  # fmt: skip

    def _qualifier(self, node: exp.Column, name: str, scope: Scope, column: str) -> None:
        """A column of a table that is not in the FROM."""
        chain = scope.chain()
        known = [one for each in chain for one in each.sources]
        if not known or any(each.open for each in chain) or {name, column} & PSEUDO or self._unsure(node):
            return
        if any(name in (one.columns or ()) for one in known) or any(name in each.values for each in chain):
            return
        if any(name in each.aliases for each in chain) or name in ("new", "old", "excluded"):
            return
        fields = self._dialect in FIELDS or not self._dialect
        if fields and not all(each.closed for each in chain if each.sources):
            return
        hiding = [one.name for one in known if one.table == name]
        near = hiding[0] if hiding else nearest(name, [one.name for one in known])
        detail = f"'{name}' is hidden by its alias '{near}'" if hiding else f"no table of this FROM is called '{name}'"
        certain = self._dialect in ("postgres", "snowflake", "mysql", "sqlite") or not hiding
        self._add(
            SqlKind.COLUMN, node, f"{name}.{column}", f"does not exist: {detail}", f"{near}.{column}" if near else "",
            Severity.ERROR if certain and self._dialect else Severity.WARNING,
        )  # fmt: skip

    def _unqualified(self, node: exp.Column, name: str, clause: str, scope: Scope) -> None:
        having = [one for one in scope.sources if one.joined and name in (one.columns or ())]
        if having:
            twice = len(having) > 1 or (having[0].columns or ()).count(name) > 1
            if twice and not (self._quoted(node) or self._unsure(node)):
                self._ambiguous(node, name, clause, scope, having)
            return
        if clause in _AFTER and (scope.unlisted or name in scope.outputs):
            return
        candidates: list[str] = []
        for each in scope.chain():
            if any(name in (one.columns or ()) for one in each.sources) or name in each.values or each.named(name):
                return
            if each.open or (each.sources and not each.closed):
                return
            if name in each.aliases and (self._dialect in LATERAL_ALIASES or self._dialect not in STRICT_ALIASES):
                return
            candidates += [column for one in each.sources for column in one.columns or ()]
        if not candidates or self._loose or name in PSEUDO or self._unsure(node) or self._quoted(node):
            return
        if isinstance(node.parent, exp.Func) and name in DATE_PARTS:
            return
        if name in NO_DIGITS:
            return
        if name in scope.aliases:
            detail = "is an alias of the same SELECT, which this dialect does not let its own columns or WHERE use"
        else:
            tables = [one.name for one in scope.sources if one.name]
            shown = ", ".join(f"'{one}'" for one in tables[:4])
            detail = (
                f"is a column of none of {shown}" if len(tables) > 1 else f"is no column of {shown or 'the subquery'}"
            )
        self._add(SqlKind.COLUMN, node, name, detail, nearest(name, candidates) if name not in scope.aliases else "")

    def _ambiguous(self, node: exp.Column, name: str, clause: str, scope: Scope, having: list[Source]) -> None:
        if name in scope.merged or scope.natural or self._dialect == "clickhouse":
            return
        if clause in _AFTER and (scope.unlisted or name in scope.outputs):
            return
        if name in scope.aliases and self._dialect not in STRICT_ALIASES:
            return
        if len(having) == 1:
            if self._dialect in UNIQUE_REFERENCES:
                self._add(SqlKind.AMBIGUOUS, node, name, f"is ambiguous: '{having[0].name}' has it twice")
            return
        names = [one.name or one.table for one in having]
        detail = f"is ambiguous: {' and '.join(repr(one) for one in names[:3])} have it"
        self._add(SqlKind.AMBIGUOUS, node, name, detail)

    def _quoted(self, node: exp.Column) -> bool:
        """Whether this may be a text, in a dialect that nobody told us."""
        return self._dialect in ("", "sqlite", "mysql") and bool(node.this.args.get("quoted"))

    def _unsure(self, node: exp.Expr) -> bool:
        """Whether a column stands where its name is often no column: lambdas, named arguments, methods."""
        if isinstance(node.parent, (exp.Dot, exp.Collate, exp.Kwarg, exp.DataType, exp.Interval)):
            return True
        if not self._dialect and node.find_ancestor(exp.Struct) is not None:
            return True  # {name:String} is a parameter of ClickHouse
        return node.find_ancestor(exp.Lambda, exp.Comprehension, exp.Pivot, exp.MatchRecognize) is not None

    def _is_opaque(self, node: exp.Expr) -> bool:
        return any(part.name.lower() in self._opaque for part in node.find_all(exp.Identifier))

    def _is_opaque_call(self, node: exp.Expr) -> bool:
        return isinstance(node, exp.Anonymous) and str(node.name).lower() in self._opaque

    def _add(
        self, kind: SqlKind, node: exp.Expr, name: str, detail: str, near: str = "",
        severity: Severity = Severity.ERROR,
    ) -> None:  # fmt: skip
        start, line = _start(node)
        column = start - self._sql.rfind("\n", 0, start) if line else 0
        self.problems.append(SqlProblem(kind, line or 1, line or 1, column, name, detail, near, severity))


def _start(node: exp.Expr) -> tuple[int, int]:
    """(offset, line) of the first name within a node, or else around it; a line of 0 where none has a place."""
    around: exp.Expr | None = node
    while around is not None:
        places = [
            (one.meta["start"], one.meta["line"]) for one in around.find_all(exp.Identifier) if "line" in one.meta
        ]
        if places:
            start, line = min(places)
            return (int(start), int(line))
        around = around.parent
    return (0, 0)
