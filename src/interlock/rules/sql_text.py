"""What can be said of one SQL text in one dialect by parsing it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlglot import Dialect, TokenType, exp
from sqlglot.errors import SqlglotError

from interlock.model.findings import Severity
from interlock.rules.sql_findings import SqlKind, SqlProblem
from interlock.rules.sql_names import Names
from interlock.rules.sql_scope import dotted, normal_relations
from interlock.rules.sql_syntax import (
    CERTAIN,
    is_script,
    is_templated,
    known_dialect,
    statements,
    syntax_of,
    unfinished,
)

# Names of variables and of what a procedure's language knows: with one of these about, a bare name may be anything.
_DECLARES = frozenset(("declare", "set", "define", "variable"))
_WAREHOUSES = (
    "postgres",
    "bigquery",
    "snowflake",
    "redshift",
    "databricks",
    "trino",
    "tsql",
    "mysql",
    "duckdb",
    "oracle",
)
# Beyond that it was written by a program, and reading it takes seconds.
_LARGEST = 200_000


def problems(
    sql: str, dialect: str, relations: Mapping[str, Sequence[str] | None], *, opaque: Collection[str] = (),
    table: bool = True,
) -> list[SqlProblem]:  # fmt: skip
    """What is wrong with one text of one or more statements, by place.

    ``relations``: what the columns of a table are, by its name as it stands in the text (lower case, dotted), or None.
    ``opaque``: names that stand for something nobody knows; what touches them is not judged. ``table``: a bare SELECT
    becomes a table or a view (a dbt model), so that two of its columns cannot have one name.
    """
    if len(sql) > _LARGEST:
        return []
    dialect = known_dialect(dialect)
    try:
        return sorted(_problems(sql, dialect, relations, opaque, table), key=lambda one: (one.line, one.column))
    except RecursionError:
        return []


def output_columns(
    sql: str, dialect: str, relations: Mapping[str, Sequence[str] | None], *, opaque: Collection[str] = ()
) -> list[str] | None:
    """The columns that a text's one SELECT gives, in lower case and in order; None where they are not all known."""
    if len(sql) > _LARGEST:
        return None
    dialect = known_dialect(dialect)
    try:
        found = statements(sql, dialect)
        if found is None or len(found) != 1 or "|>" in sql:
            return None
        query = _query_of(found[0].tree) if not isinstance(_target_of(found[0].tree), exp.Schema) else None
        columns = Names(sql, dialect, normal_relations(relations), opaque).query(query, {}) if query else None
    except RecursionError:
        return None
    return None if columns is None or any(not one or "\0" in one for one in columns) else list(columns)


def stray_semicolon(sql: str, dialect: str) -> SqlProblem | None:
    """The first semicolon of a text, which ends what stands in parentheses once dbt has put it there."""
    dialect = known_dialect(dialect)
    if ";" not in sql or len(sql) > _LARGEST:
        return None
    try:
        tokens = Dialect.get_or_raise(dialect or None).tokenize(sql)
    except SqlglotError:
        return None
    found = next((token for token in tokens if token.token_type is TokenType.SEMICOLON), None)
    if found is None:
        return None
    column = found.start - sql.rfind("\n", 0, found.start)
    line = sql.count("\n", 0, found.start) + 1
    detail = "dbt puts the query into parentheses, where no semicolon may stand"
    return SqlProblem(SqlKind.SYNTAX, line, line, column, ";", detail)


def _problems(
    sql: str, dialect: str, relations: Mapping[str, Sequence[str] | None], opaque: Collection[str], table: bool
) -> list[SqlProblem]:
    found = statements(sql, dialect)
    if found is None:
        return [] if opaque else unfinished(sql)
    script = is_script(found)
    told: list[SqlProblem] = []
    refused: set[int] = set()
    hidden = {one.lower() for one in opaque}
    for one in found:
        if script:
            continue
        broken = [_weighed(problem, dialect) for problem in syntax_of(one)]
        if hidden and any(token.text.lower() in hidden for token in one.tokens):
            broken = [each for each in broken if each.detail.startswith(CERTAIN)]
        refused |= {id(one)} if any(each.severity is Severity.ERROR for each in broken) else set()
        told += broken
    if script or "|>" in sql:
        return told
    known = normal_relations(relations)
    made = {name for one in found if one.tree is not None for name in _made(one.tree)}
    loose = any(one.first in _DECLARES for one in found)
    for one in found:
        query = _query_of(one.tree) if one.error is None and id(one) not in refused else None
        if query is not None and is_templated(one):
            continue
        if query is None:
            continue
        names = Names(sql, dialect, {k: v for k, v in known.items() if k not in made}, opaque, made, loose=loose)
        # The columns of CREATE VIEW v (a, b) are named there, whatever the SELECT calls them.
        made_from = isinstance(one.tree, exp.Create) and not isinstance(one.tree.this, exp.Schema)
        bare = isinstance(one.tree, exp.Query)
        becomes = made_from or (table and bare)
        names.query(query, {}, final=becomes, named=becomes or (bare and dialect == "bigquery"))
        told += names.problems
    return told


def _weighed(problem: SqlProblem, dialect: str) -> SqlProblem:
    unsure = not dialect and problem.kind is SqlKind.SYNTAX and problem.severity is Severity.ERROR
    return replace(problem, severity=Severity.WARNING) if unsure else problem


def _query_of(tree: exp.Expr | None) -> exp.Expr | None:
    """The query in a statement whose names can be judged: its own, or what fills a table or a view."""
    if isinstance(tree, exp.Query):
        return tree
    if isinstance(tree, exp.Insert) or (isinstance(tree, exp.Create) and tree.kind in ("TABLE", "VIEW")):
        inner = tree.expression
        if not isinstance(inner, exp.Query) or (tree.args.get("with_") is not None):
            return None
        return inner
    if isinstance(tree, exp.Merge) and isinstance(tree.args.get("using"), exp.Subquery):
        return tree.args["using"].this if tree.args.get("with_") is None else None
    return None


def _target_of(tree: exp.Expr | None) -> object:
    """What CREATE or INSERT fills, with the columns where it lists them."""
    return tree.this if isinstance(tree, (exp.Create, exp.Insert)) else None


def _made(tree: exp.Expr) -> set[str]:
    """The tables that a statement makes, fills or changes, whose columns are then not what was known before."""
    if not isinstance(tree, (exp.Create, exp.Insert, exp.Alter)):
        return set()
    target = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    return {dotted(target)} if isinstance(target, exp.Table) and isinstance(target.this, exp.Identifier) else set()


def parses_in_another(sql: str, dialect: str) -> bool:
    """Whether another warehouse would take a text whose syntax this one refuses."""
    try:
        for other in _WAREHOUSES:
            found = statements(sql, other) if other != dialect else None
            if found is not None and not any(one.error or syntax_of(one) for one in found):
                return True
    except RecursionError:
        pass
    return False
