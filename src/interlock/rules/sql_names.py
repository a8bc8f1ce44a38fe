"""Names in a parsed SQL statement: which columns every SELECT has, and which names stand for nothing.

A SELECT is read from the inside out: first its CTEs, then its FROM, then all that names columns. What is not known for
certain (a star over an unknown table, PIVOT, a table function) makes the names that it could hold unknown, and unknown
names are never judged.
"""

from collections.abc import Iterator, Mapping

from sqlglot import exp

from interlock.model.findings import Severity
from interlock.rules.sql_columns import ColumnReader
from interlock.rules.sql_findings import SqlKind
from interlock.rules.sql_scope import Columns, Scope, Source, dotted, nearest, one_row, own_name
from interlock.rules.sql_words import NO_DIGITS, PSEUDO, UNIQUE_COLUMNS, USING_TAKES, VALUES_ALONE

_SKIPPED = frozenset(("from_", "joins", "laterals", "with_", "expressions", "kind", "hint", "into", "match", "connect"))
_OTHER_CASE = "\0"
_Ctes = Mapping[str, tuple[Columns, int]]


class Names(ColumnReader):
    """Reads the queries of statements in one dialect."""

    def query(
        self, node: exp.Expr, ctes: _Ctes, outer: Scope | None = None, *, final: bool = False, named: bool = True
    ) -> Columns:
        """The columns of a query; ``named``: whether anything can refer to them by name."""
        while isinstance(node, exp.Subquery):
            ctes = self._with(node, ctes, outer)
            if (
                node.args.get("pivots")
                or not isinstance(node.this, exp.Query)
                or (node.this.args.get("joins") and (isinstance(node.this, exp.Subquery)))
            ):
                return None
            node = node.this
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, ctes, outer, final, named)
        if not isinstance(node, exp.Select):
            return None
        return self._select(node, self._with(node, ctes, outer), outer, final, named)

    def _with(self, node: exp.Expr, ctes: _Ctes, outer: Scope | None) -> _Ctes:
        clause = node.args.get("with_")
        if clause is None:
            return ctes
        known = dict(ctes)
        searches = clause.args.get("search") is not None or ("cycle" in self._sql.lower() and clause.recursive)
        for cte in clause.expressions:
            name = str(cte.alias).lower()
            listed = tuple(one.name.lower() for one in cte.args["alias"].columns) if cte.args.get("alias") else ()
            inner: _Ctes = known
            if clause.recursive:
                inner = {**known, name: (listed or self._anchor(cte.this), 2)}
            columns = self.query(cte.this, inner, outer, named=not listed) if isinstance(cte.this, exp.Query) else None
            if listed:
                columns = (*listed, *(columns or ())[len(listed) :])
            if searches:
                columns = None
            known[name] = (columns, 1 if one_row(cte.this) else 2)
        return known

    def _anchor(self, query: exp.Expr) -> Columns:
        """The columns of a recursive CTE as its first SELECT names them."""
        while isinstance(query, (exp.SetOperation, exp.Subquery)):
            query = query.this
        if not isinstance(query, exp.Select):
            return None
        names = [own_name(one) for one in query.expressions]
        return None if None in names else tuple(one or "" for one in names)

    def _set_operation(
        self, node: exp.SetOperation, ctes: _Ctes, outer: Scope | None, final: bool, named: bool
    ) -> Columns:
        sides: list[tuple[exp.Expr, exp.SetOperation, _Ctes]] = []
        top: exp.Expr = node
        while isinstance(top, exp.SetOperation):
            ctes = self._with(top, ctes, outer)
            sides.append((top.expression, top, ctes))
            top = top.this
        first = self.query(top, ctes, outer, final=final, named=named)
        for side, operation, known in reversed(sides):
            columns = self.query(side, known, outer, named=False)
            if operation.args.get("by_name") or operation.args.get("on") or operation.args.get("side"):
                first = None
            elif first is not None and columns is not None:
                self._compare(top, first, side, columns)
        order = node.args.get("order")
        if order is not None and first is not None:
            scope = Scope(outer, [Source("", first)])
            self._clause(order, "order", scope, ctes)
        return first

    def _compare(self, top: exp.Expr, first: tuple[str, ...], side: exp.Expr, columns: tuple[str, ...]) -> None:
        if len(first) != len(columns):
            few, many = sorted((set(first) - {""}, set(columns) - {""}), key=len)
            lacking = sorted(many - few)[:3] if few < many else []
            detail = f"a side of the UNION has {len(columns)} columns, the first side has {len(first)}"
            detail += f" ({', '.join(lacking)} only on one)" if lacking else ""
            self._add(SqlKind.UNION_COUNT, side, "union", detail)
        elif first != columns and "" not in first and len(set(first)) == len(first) and set(first) == set(columns):
            if _tables(top) & _tables(side) and len(first) <= 3:
                return  # both directions of a pair: from_id, to_id and to_id, from_id
            moved = next(one for one, other in zip(first, columns, strict=True) if one != other)
            detail = f"a side of the UNION has the columns of the first side in another order, from '{moved}' on"
            self._add(SqlKind.UNION_ORDER, side, "union", detail, severity=Severity.WARNING)

    def _select(self, node: exp.Select, ctes: _Ctes, outer: Scope | None, final: bool, named: bool) -> Columns:
        aliases = frozenset(str(one.alias).lower() for one in node.expressions if isinstance(one, exp.Alias))
        scope = Scope(outer, aliases=aliases, outputs=frozenset(own_name(one) or "" for one in node.expressions))
        scope.open = bool(node.args.get("match") or node.args.get("connect"))
        start = node.args.get("from_")
        if start is not None:
            self._source(start.this, scope, ctes)
        for lateral in node.args.get("laterals") or ():
            self._source(lateral, scope, ctes)
        joins = list(node.args.get("joins") or ())
        for join in joins:
            self._join(join, scope, ctes)
        self._unconditional(node, joins, scope)
        output = self._projections(node, scope, ctes, final, named)
        scope.outputs |= frozenset(output or ())
        scope.unlisted = output is None
        for key, value in node.args.items():
            if value is not None and key not in _SKIPPED:
                self._clause(value, key, scope, ctes)
        return None if node.args.get("kind") else output

    # --- FROM

    def _source(self, node: exp.Expr, scope: Scope, ctes: _Ctes) -> None:
        alias = str(node.alias_or_name).lower()
        told = node.args.get("alias")
        listed = told.columns if isinstance(told, exp.TableAlias) else []
        names = tuple(one.name.lower() for one in listed)
        if isinstance(node, exp.Table):
            self._table(node, alias, names, scope, ctes)
        elif isinstance(node, exp.Subquery) and (
            not isinstance(node.this, exp.Query) or (isinstance(node.this, exp.Subquery) and not node.this.alias)
        ):
            inner = Scope(scope.outer) if node.alias else scope
            self._source(node.this, inner, self._with(node, ctes, scope.outer))
            if node.alias:
                scope.sources.append(Source(alias, None))
        elif isinstance(node, exp.Subquery) or (isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery)):
            lateral = isinstance(node, exp.Lateral) or self._dialect in ("duckdb", "bigquery", "")
            query = node if isinstance(node, exp.Subquery) else node.this
            columns = self.query(query, ctes, scope if lateral else scope.outer, named=not names)
            columns = (*names, *columns[len(names) :]) if names and columns is not None else names or columns
            scope.sources.append(Source(alias, columns, rows=1 if one_row(query.this) else 2))
        elif isinstance(node, exp.Unnest):
            for one in node.expressions:
                self._clause(one, "from", scope, ctes)
            offset = node.args.get("offset")
            scope.values.update({*names, alias, *([offset.name.lower()] if isinstance(offset, exp.Identifier) else ())})
            if self._dialect == "bigquery" and names:
                scope.sources += [Source(one, None, rows=1) for one in names]
            else:
                scope.sources.append(Source(alias, None, rows=1))
        elif isinstance(node, exp.Lateral):
            self._clause(node.this, "from", scope, ctes)
            scope.sources.append(Source(alias, names or None, rows=1))
        else:
            if isinstance(node, exp.Values):
                self._no_columns_in(node)
            scope.sources.append(Source(alias, names or None, rows=1 if isinstance(node, exp.Values) else 2))
        for join in node.args.get("joins") or ():
            self._join(join, scope, ctes)
        if node.args.get("pivots"):
            scope.open = True
        for one in node.args.get("laterals") or ():
            self._source(one, scope, ctes)

    def _no_columns_in(self, values: exp.Values) -> None:
        """A VALUES list beside no table has no columns to name."""
        if self._dialect not in VALUES_ALONE or self._loose:
            return
        for row in values.expressions:
            for one in _outermost(row):
                if not isinstance(one, exp.Column) or self._unsure(one) or len(one.parts) > 1:
                    continue
                name = one.name.lower()
                if name in PSEUDO or name in NO_DIGITS or name in self._opaque or isinstance(one.parent, exp.Func):
                    continue
                quoted = one.this.args.get("quoted")
                detail = "is no value: a text stands in single quotes" if quoted else "is no value of a VALUES list"
                self._add(SqlKind.COLUMN, one, one.name, detail)

    def _table(self, node: exp.Table, alias: str, names: tuple[str, ...], scope: Scope, ctes: _Ctes) -> None:
        name = dotted(node) if isinstance(node.this, exp.Identifier) else ""
        hidden = name.rpartition(".")[2] if node.alias else ""
        columns: Columns = None
        rows = 2
        if not name or not self._opaque.isdisjoint(name.split(".")):
            scope.open = scope.open or bool(name)
            rows = 1
        elif name in ctes:
            columns, rows = ctes[name]
        elif name in self._relations:
            columns = self._relations[name]
        elif "." not in name:
            self._misspelt(node, name, ctes)
        if names:
            columns = (*names, *columns[len(names) :]) if columns is not None else None
        if "." in name and name.split(".")[0] in {one.name for one in scope.sources}:
            rows = 1  # an array of the row: FROM orders AS o, o.items
        if node.args.get("pivots"):
            columns = None
            scope.open = True
        scope.sources.append(Source(alias, columns, hidden, rows=rows))

    def _misspelt(self, node: exp.Table, name: str, ctes: _Ctes) -> None:
        if name in self._made or len(name) < 4:
            return
        near = nearest(name, list(ctes))
        if not near or not _one_letter(name, near):
            return
        inside = node.find_ancestor(exp.CTE)
        while inside is not None:
            if str(inside.alias).lower() == near:
                return
            inside = inside.find_ancestor(exp.CTE)
        others = any(
            isinstance(one.this, exp.Identifier) and not one.args.get("db") and one.name.lower() != name
            and one.name.lower() not in ctes and one.name.lower() not in self._relations
            and not isinstance(one.parent, (exp.Create, exp.Insert))
            for one in node.root().find_all(exp.Table)
        )  # fmt: skip
        certain = not others and bool(self._dialect)
        self._add(
            SqlKind.RELATION, node.this, node.name, f"is no CTE of this statement; '{near}' is", near,
            Severity.ERROR if certain else Severity.WARNING,
        )  # fmt: skip

    def _join(self, join: exp.Join, scope: Scope, ctes: _Ctes) -> None:
        before = len(scope.sources)
        self._source(join.this, scope, ctes)
        if join.kind in ("SEMI", "ANTI") or join.side in ("SEMI", "ANTI"):
            for one in scope.sources[before:]:
                one.joined = False
        if join.method == "NATURAL":
            scope.natural = True
        for one in join.args.get("using") or ():
            name = str(one.name).lower()
            left, right = scope.sources[:before], scope.sources[before:]
            for side in (left, right):
                lacks = all(each.closed and name not in (each.columns or ()) for each in side)
                if side and lacks and not scope.open and name not in self._opaque:
                    columns = [column for each in side for column in each.columns or ()]
                    told = "is in none of the tables on this side of USING" if len(side) > 1 else (
                        f"is no column of '{side[0].name}', which USING joins by it")  # fmt: skip
                    self._add(SqlKind.COLUMN, one, one.name, told, nearest(name, columns))
            scope.merged.add(name)
        condition = join.args.get("on")
        if condition is not None:
            self._clause(condition, "on", scope, ctes)
        if join.args.get("match_condition") is not None:
            self._clause(join.args["match_condition"], "on", scope, ctes)

    def _unconditional(self, node: exp.Select, joins: list[exp.Join], scope: Scope) -> None:
        for join in joins:
            right = join.this
            name = str(right.alias_or_name).lower()
            source = next(iter(scope.named(name)), None)
            if (
                join.args.get("on") or join.args.get("using") or join.kind in ("CROSS", "STRAIGHT") or join.method
                or not isinstance(right, (exp.Table, exp.Subquery)) or source is None or source.rows == 1
                or any(one.rows == 1 for one in scope.sources[:1]) or scope.open
            ):  # fmt: skip
                continue
            if self._dialect in ("", "bigquery") and join.kind == "CROSS":
                continue
            conditions = [node.args.get("where"), node.args.get("qualify"), *(one.args.get("on") for one in joins)]
            columns = [column for one in conditions if one is not None for column in one.find_all(exp.Column)]
            if any(
                name in (part.name.lower() for part in column.parts[:-1])
                or (len(column.parts) == 1 and (not source.closed or column.name.lower() in (source.columns or ())))
                for column in columns
            ):
                continue
            self._add(
                SqlKind.NO_CONDITION, right, right.alias_or_name,
                "is joined without a condition, so every row meets every row", severity=Severity.INFO,
            )  # fmt: skip

    # --- SELECT

    def _projections(self, node: exp.Select, scope: Scope, ctes: _Ctes, final: bool, named: bool) -> Columns:
        output: list[tuple[str, exp.Expr, bool]] = []
        known = not (node.args.get("exclude") or scope.open)
        for one in node.expressions:
            star = one if isinstance(one, exp.Star) else one.this if isinstance(one, exp.Column) else None
            if isinstance(star, exp.Star):
                columns = self._star(one, star, scope, ctes)
                known = known and columns is not None
                output += [(name, one, True) for name in columns or ()]
                continue
            self._clause(one, "select", scope, ctes)
            name = own_name(one)
            if name is None or (isinstance(one, exp.Column) and self._is_opaque(one)) or self._is_opaque_call(one):
                known = False
            else:
                output.append((name, one, False))
        if named:
            self._duplicates(output, final)
        return self._distinct(output) if known else None

    def _distinct(self, output: list[tuple[str, exp.Expr, bool]]) -> Columns:
        """The names of columns; one that only its quotes tell from an earlier one cannot be referred to here."""
        first: dict[str, str] = {}
        names = []
        for name, node, starred in output:
            key = self._exact(name, node, starred)
            names.append(name if first.setdefault(name, key) == key else f"{name}{_OTHER_CASE}")
        return tuple(names)

    def _star(self, node: exp.Expr, star: exp.Star, scope: Scope, ctes: _Ctes) -> Columns:
        only = ""
        if isinstance(node, exp.Column):
            if any(part.name.lower() in self._opaque for part in node.parts):
                return None
            if len(node.parts) > 2 or (node.table and not scope.named(node.table.lower())):
                if len(node.parts) == 2:
                    self._qualifier(node, node.table.lower(), scope, "*")
                return None
            only = node.table.lower()
        columns = scope.star(only, takes=self._dialect in USING_TAKES)
        for one in star.args.get("replace") or ():
            self._clause(one, "select", scope, ctes)
        if star.args.get("ilike") or (star.args.get("except_") and columns is None):
            return None
        renamed = {
            (one.this.name or one.name).lower(): one.alias.lower()
            for one in star.args.get("rename") or () if isinstance(one, exp.Alias)
        }  # fmt: skip
        left_out = {one.name.lower() for one in star.args.get("except_") or ()}
        if columns is None or any(name in self._opaque for name in left_out):
            return None
        for one in (*(star.args.get("except_") or ()), *(star.args.get("rename") or ())):
            name = (one.this.name if isinstance(one, exp.Alias) else one.name).lower()
            if name not in columns and "" not in columns and name not in PSEUDO:
                detail = "is left out of or renamed in a star that does not have it"
                self._add(SqlKind.COLUMN, one, name, detail, nearest(name, columns))
        return tuple(renamed.get(one, one) for one in columns if one not in left_out)

    def _duplicates(self, output: list[tuple[str, exp.Expr, bool]], final: bool) -> None:
        seen: dict[str, tuple[exp.Expr, bool]] = {}
        refused = final and self._dialect in UNIQUE_COLUMNS
        for name, node, starred in output:
            if not name and final and self._dialect in ("postgres", "redshift"):
                name = _generated(node)
            key = self._exact(name, node, starred)
            if not name:
                continue
            if key not in seen:
                seen[key] = (node, starred)
                continue
            if seen[key][1] or starred:
                if not refused or self._loose:
                    continue
                detail = "is among the columns of a star and again in the same SELECT"
            else:
                detail = "is the name of two columns of one SELECT"
            severity = Severity.ERROR if refused else Severity.WARNING
            self._add(SqlKind.DUPLICATE, node, name, detail, severity=severity)

    def _exact(self, name: str, node: exp.Expr, starred: bool) -> str:
        """A column's name so that two are equal where the warehouse takes them for one."""
        identifier = node.args.get("alias") if isinstance(node, exp.Alias) else node.this
        if starred or not isinstance(identifier, exp.Identifier) or not identifier.args.get("quoted"):
            return name
        exact = str(identifier.name)
        if self._dialect == "snowflake":
            return name if exact.isupper() else f'"{exact}"'
        return exact if self._dialect == "postgres" else name

    def _clause(self, node: object, clause: str, scope: Scope, ctes: _Ctes) -> None:
        for inner in node if isinstance(node, list) else (node,):
            for found in _outermost(inner):
                if isinstance(found, exp.Query):
                    self.query(found, ctes, scope, named=False)
                elif isinstance(found, exp.Column):
                    self._column(found, clause, scope)


def _outermost(node: object) -> Iterator[exp.Expr]:
    """The columns and queries in an expression; not what is within them."""
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, (exp.Query, exp.Column)):
            yield one
        elif isinstance(one, exp.Star):
            stack.extend(one.args.get("replace") or ())  # the names that it leaves out are not columns in scope
        elif isinstance(one, exp.Expr):
            for value in one.args.values():
                if isinstance(value, list):
                    stack.extend(value)
                elif isinstance(value, exp.Expr):
                    stack.append(value)


def _tables(query: exp.Expr) -> set[str]:
    start = query.args.get("from_")
    return {dotted(one) for one in start.find_all(exp.Table)} if start is not None else set()


def _one_letter(name: str, other: str) -> bool:
    """Whether two names differ by one letter left out, put in or changed, or by two that changed places."""
    if sorted(name) == sorted(other):
        return sum(a != b for a, b in zip(name, other, strict=True)) == 2
    short, long = sorted((name, other), key=len)
    if len(long) - len(short) > 1:
        return False
    at = next((n for n, letter in enumerate(short) if letter != long[n]), len(short))
    rest = short[at:] if len(short) < len(long) else short[at + 1 :]
    changed = {long[at], *short[at : at + 1]} if at < len(long) else set()
    return rest == long[at + 1 :] and not any(letter.isdigit() for letter in changed)


_POSTGRES_NAMES: tuple[tuple[type[exp.Expr], str], ...] = (
    (exp.Count, "count"), (exp.Sum, "sum"), (exp.Min, "min"), (exp.Max, "max"), (exp.Avg, "avg"),
    (exp.Coalesce, "coalesce"), (exp.Case, "case"), (exp.Lower, "lower"), (exp.Upper, "upper"),
    (exp.RowNumber, "row_number"), (exp.Binary, "?column?"), (exp.Literal, "?column?"),
)  # fmt: skip


def _generated(node: exp.Expr) -> str:
    """The name that Postgres gives to an expression, or "" where that is not known here."""
    while isinstance(node, (exp.Paren, exp.Window, exp.Filter)):
        node = node.this
    if isinstance(node, exp.Cast):
        if isinstance(node.this, exp.Column):
            return str(node.this.name).lower()
        inner = _generated(node.this)
        return "" if inner in ("?column?", "case") else inner
    if isinstance(node, (exp.Dot, exp.JSONExtract, exp.JSONExtractScalar, exp.Bracket)):
        return ""
    return next((name for kind, name in _POSTGRES_NAMES if isinstance(node, kind)), "")
