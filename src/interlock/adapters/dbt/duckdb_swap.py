"""The one transaction that replaces live relations of a DuckDB file by others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Protocol

from interlock.adapters.dbt.relations import TOKEN, Kind, Move, Moved, Obstacle, Relation, quoted
from interlock.model.errors import RefusedError, StaleError, WarehouseError

_OURS = "database_name = current_database()"
_NAME = r'(?:"(?:[^"]|"")*"|[^\s.("]+)'
_HEAD = re.compile(rf"\s*CREATE\s+(?:OR\s+REPLACE\s+)?VIEW\s+(?:{_NAME}\s*\.\s*)*{_NAME}\s*", re.IGNORECASE)


class Session(Protocol):
    """What a swap needs of a DuckDB session."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def fingerprint(self, relation: Relation) -> dict[str, Any]: ...

    def obstacles(self, relations: Sequence[Relation]) -> list[Obstacle]: ...


@dataclass(frozen=True)
class Seen:
    """The whole file at one moment: asked in a few statements, since each costs milliseconds and moves are many."""

    kinds: dict[Relation, Kind]
    views: dict[Relation, str]
    indexes: dict[Relation, list[tuple[str, str]]]
    columns: dict[Relation, list[tuple[str, str]]]


def look(session: Session) -> Seen:
    """What is in the file now."""
    kinds: dict[Relation, Kind] = {
        Relation(schema, name): "table"
        for schema, name in session.query(f"SELECT schema_name, table_name FROM duckdb_tables() WHERE {_OURS}")
    }
    views = {
        Relation(schema, name): str(sql)
        for schema, name, sql in session.query(
            f"SELECT schema_name, view_name, sql FROM duckdb_views() WHERE {_OURS} AND NOT internal"
        )
    }
    kinds |= dict.fromkeys(views, "view")
    indexes: dict[Relation, list[tuple[str, str]]] = {}
    for schema, table, name, sql in session.query(
        f"SELECT schema_name, table_name, index_name, sql FROM duckdb_indexes() WHERE {_OURS} AND sql IS NOT NULL"
    ):
        indexes.setdefault(Relation(schema, table), []).append((name, sql))
    columns: dict[Relation, list[tuple[str, str]]] = {}
    for schema, table, name, declared in session.query(
        f"SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() WHERE {_OURS} AND NOT internal"
        " ORDER BY schema_name, table_name, column_index"
    ):
        columns.setdefault(Relation(schema, table), []).append((name, declared))
    return Seen(kinds, views, indexes, columns)


def views_to_renew(session: Session, seen: Seen, moves: Sequence[Move]) -> dict[Relation, str]:
    """Views outside the moves that work now and read what will have other columns: created anew, they go on.

    To be asked outside of a transaction: a view that does not work is found by an error, which would abort it.
    """
    changed = [m.live for m in moves if not m.incoming or seen.columns.get(m.live) != seen.columns.get(m.incoming)]
    moving = {m.live for m in moves} | {m.incoming for m in moves}
    others = {v: sql for v, sql in seen.views.items() if v not in moving and not v.ours}
    if not changed or not others:
        return {}
    reached = {relation.name.lower() for relation in changed}
    for view in _reading_order(others):
        if _reads(others[view]) & reached:
            reached.add(view.name.lower())
    return {v: sql for v, sql in others.items() if v.name.lower() in reached and _works(session, v)}


def swap(session: Session, seen: Seen, moves: Sequence[Move], views: dict[Relation, str]) -> list[Moved]:
    """The moves are done, inside the caller's transaction; ``views`` are those of ``views_to_renew``."""
    _check(session, seen, moves)
    moved = [_park(session, seen, move) for move in moves]
    _put(session, seen, moves)
    _create_views(session, views, "It reads what the release takes away: change that view first.")
    return moved


def _check(session: Session, seen: Seen, moves: Sequence[Move]) -> None:
    for move in moves:
        if move.incoming and not move.definition and move.incoming not in seen.kinds:
            raise StaleError(
                f"{move.incoming} is no longer there", remedy="Deploy again: what is missing is built anew."
            )
        if move.expect is not None and (move.live not in seen.kinds or session.fingerprint(move.live) != move.expect):
            raise StaleError(
                f"{move.live} was written to while its candidate was built",
                remedy="Hold the jobs that write to it, or deploy when they do not run.",
            )
    found = session.obstacles([m.live for m in moves])
    if found:
        raise RefusedError(
            f"{found[0].relation} cannot be replaced: {found[0].what}",
            remedy="Drop that table or its foreign key before the deployment, and create it again afterwards.",
        )


def _park(session: Session, seen: Seen, move: Move) -> Moved:
    kind = seen.kinds.get(move.live)
    if kind is not None:
        _rename(session, seen, move.live, move.parked, kind)
    parked = move.parked if kind is not None else None
    return Moved(move.key, move.live, parked, kind or "", seen.views.get(move.live, ""), put=move.incoming is not None)


def _put(session: Session, seen: Seen, moves: Sequence[Move]) -> None:
    views: dict[Relation, str] = {}
    for move in moves:
        if move.incoming is None:
            continue
        if seen.kinds.get(move.incoming) == "table":
            _rename(session, seen, move.incoming, move.live, "table")
            continue
        # A candidate's suffix occurs nowhere else: taking it out of the SQL gives the SQL with live names.
        sql = seen.views.get(move.incoming, move.definition)
        views[move.live] = sql.replace(move.incoming.name.removeprefix(move.live.name), "")
        if move.incoming in seen.views:
            session.query(f"DROP VIEW {move.incoming.sql}")
    _create_views(session, views, "Switch what it reads together with it.")


def _create_views(session: Session, views: dict[Relation, str], remedy: str) -> None:
    # One error aborts a DuckDB transaction and there are no savepoints: the order must be right at once.
    for view in _reading_order(views):
        try:
            session.query(f"CREATE OR REPLACE VIEW {view.sql} {_body(views[view])}")
        except WarehouseError as error:
            raise RefusedError(
                f"the view {view} does not work with the relations of the switch: {error.summary}", remedy=remedy
            ) from error


def _rename(session: Session, seen: Seen, before: Relation, after: Relation, kind: Kind) -> None:
    # A table with an index cannot be renamed.
    indexes = seen.indexes.get(before, [])
    for name, _ in indexes:
        session.query(f"DROP INDEX {quoted(before.schema)}.{quoted(name)}")
    session.query(f"ALTER {kind.upper()} {before.sql} RENAME TO {quoted(after.name)}")
    for index in indexes:
        create_index(session, index, after)


def create_index(session: Session, index: tuple[str, str], table: Relation) -> None:
    """The index ``(name, statement)`` of another table is there for ``table``, too."""
    name, sql = index
    # Names of indexes are unique in a schema, so each carries the suffix of its table's name.
    suffix = TOKEN + table.name.split(TOKEN, 1)[1] if TOKEN in table.name else ""
    unique = "UNIQUE " if sql.upper().startswith("CREATE UNIQUE") else ""
    rest = sql[sql.index("(", sql.upper().index(" ON ")) :].rstrip(";")
    session.query(f"CREATE {unique}INDEX {quoted(name.split(TOKEN)[0] + suffix)} ON {table.sql}{rest}")


def _works(session: Session, view: Relation) -> bool:
    try:
        session.query(f"SELECT * FROM {view.sql} LIMIT 0")
    except WarehouseError:
        return False
    return True


def _body(sql: str) -> str:
    """What follows the view's name in the statement: a list of columns, if any, and the query."""
    found = _HEAD.match(sql)
    return sql[found.end() :].rstrip().rstrip(";") if found else sql


def _reads(sql: str) -> set[str]:
    """The names, in lower case, of the relations that a view reads; every word of it where it cannot be parsed."""
    import sqlglot

    try:
        parsed = sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.errors.SqlglotError:
        return set(re.findall(r"\w+", sql.lower()))
    target = parsed.this if isinstance(parsed, sqlglot.exp.Create) else None
    return {table.name.lower() for table in parsed.find_all(sqlglot.exp.Table) if table is not target}


def _reading_order(views: dict[Relation, str]) -> list[Relation]:
    """The views so that each stands behind those that it reads; as given where they read each other in a circle."""
    named = {view.name.lower(): view for view in views}
    graph = {v: {named[n] for n in _reads(sql) if n in named and named[n] != v} for v, sql in views.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return list(views)
