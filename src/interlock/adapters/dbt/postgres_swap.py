"""The one transaction that replaces live relations of a PostgreSQL database by others."""

from collections.abc import Sequence
from typing import Any, Protocol, cast

from interlock.adapters.dbt import postgres_dependents as dependents
from interlock.adapters.dbt import postgres_privileges as privileges
from interlock.adapters.dbt.relations import Kind, Move, Moved, Relation, quoted
from interlock.model.errors import HeldError, RefusedError, StaleError

KINDS: dict[str, Kind] = {"r": "table", "p": "table", "f": "table", "v": "view", "m": "matview"}
NOUN: dict[Kind, str] = {"table": "TABLE", "view": "VIEW", "matview": "MATERIALIZED VIEW"}


class Session(Protocol):
    """What a swap needs of a PostgreSQL session."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...

    def oid(self, relation: Relation) -> int | None: ...

    def fingerprint(self, relation: Relation) -> dict[str, Any]: ...


def swap(session: Session, moves: Sequence[Move]) -> list[Moved]:
    """The moves are done, inside the caller's transaction."""
    kinds = _lock(session, moves)
    _check(session, kinds, moves)
    others = dependents.capture(session, moves)
    taken = privileges.capture(session, [m.live for m in moves if m.incoming is not None])
    moved = _park(session, kinds, moves)
    _put(session, kinds, moves)
    privileges.apply(
        session, {m.live: (taken[m.live], not m.grants_managed) for m in moves if m.live in taken and m.incoming}
    )
    dependents.repoint(session, others)
    return moved


def _kinds(session: Session, moves: Sequence[Move]) -> dict[Relation, Kind]:
    relations = [r for m in moves for r in (m.live, m.incoming) if r is not None]
    rows = session.query(
        "SELECT n.nspname::text, c.relname::text, c.relkind::text"
        " FROM unnest(%s::text[], %s::text[]) AS w(schema, name)"
        " JOIN pg_namespace n ON n.nspname = w.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name",
        ([r.schema for r in relations], [r.name for r in relations]),
    )
    return {Relation(schema, name): KINDS[kind] for schema, name, kind in rows if kind in KINDS}


def _lock(session: Session, moves: Sequence[Move]) -> dict[Relation, Kind]:
    """What is there, by relation; live tables are locked, and are what the moves expect."""
    kinds = _kinds(session, moves)
    for move in moves:
        if move.expect is not None and kinds.get(move.live) != "table":
            raise StaleError(f"{move.live} is no longer there", remedy="Deploy again.")
    copied = sorted(m.live.sql for m in moves if m.expect is not None)
    if copied:
        # Holds writers and lets readers through while the tables are looked at.
        session.query(f"LOCK TABLE {', '.join(copied)} IN SHARE ROW EXCLUSIVE MODE")
        for move in moves:
            if move.expect is not None and session.fingerprint(move.live) != move.expect:
                raise StaleError(
                    f"{move.live} was written to while its candidate was built",
                    remedy="Hold the jobs that write to it, or deploy when they do not run.",
                )
    # In one order for everybody, so that two switches cannot wait for each other. Views are locked by their ALTER.
    live = sorted(m.live.sql for m in moves if kinds.get(m.live) == "table")
    if live:
        session.query(f"LOCK TABLE {', '.join(live)} IN ACCESS EXCLUSIVE MODE")
    return kinds


def _check(session: Session, kinds: dict[Relation, Kind], moves: Sequence[Move]) -> None:
    for move in moves:
        if move.incoming and not move.definition and move.incoming not in kinds:
            raise StaleError(
                f"{move.incoming} is no longer there", remedy="Deploy again: what is missing is built anew."
            )
    found = dependents.obstacles(session, [m.live for m in moves])
    if found:
        raise RefusedError(
            f"{found[0].relation} cannot be replaced: {found[0].what}",
            remedy="Drop that object before the deployment and create it again afterwards.",
        )


def _park(session: Session, kinds: dict[Relation, Kind], moves: Sequence[Move]) -> list[Moved]:
    # Definitions are kept, because a cascade of somebody's drop can take a parked view away; asked before anything
    # moves, so that they hold the live names.
    definitions = {
        move.live: str(session.query("SELECT pg_get_viewdef(%s::oid)", (session.oid(move.live),))[0][0])
        for move in moves
        if kinds.get(move.live, "table") != "table"
    }
    for schema in sorted({m.parked.schema for m in moves if m.live in kinds}):
        if not session.query("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)):
            session.query(f"CREATE SCHEMA {quoted(schema)}")
    moved = []
    for move in moves:
        kind = kinds.get(move.live)
        if kind is not None:
            _move(session, move.live, move.parked.schema, kind)
        parked = move.parked if kind is not None else None
        definition = definitions.get(move.live, "")
        moved.append(Moved(move.key, move.live, parked, kind or "", definition, put=move.incoming is not None))
    return moved


def _put(session: Session, kinds: dict[Relation, Kind], moves: Sequence[Move]) -> None:
    for move in moves:
        if move.incoming is None:
            continue
        kind = kinds.get(move.incoming)
        if kind is not None:
            _move(session, move.incoming, move.live.schema, kind)
        else:
            session.query(f"CREATE {NOUN[cast(Kind, move.definition_kind)]} {move.live.sql} AS {move.definition}")


def _move(session: Session, relation: Relation, schema: str, kind: Kind) -> None:
    session.query(f"ALTER {NOUN[kind]} {relation.sql} SET SCHEMA {quoted(schema)}")


def held(session: Session, moves: Sequence[Move]) -> HeldError:
    """Who uses the live relations now: process ids and names of applications, never their statements."""
    rows = session.query(
        "SELECT DISTINCT a.pid, coalesce(nullif(a.application_name, ''), 'unnamed') FROM pg_locks l"
        " JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()"
        " AND l.relation IN (SELECT to_regclass(n) FROM unnest(%s::text[]) AS n) ORDER BY 1",
        ([m.live.sql for m in moves],),
    )
    who = ", ".join(f"{pid} ({application})" for pid, application in rows) or "sessions that have ended since"
    return HeldError(
        f"relations of the switch are in use by PostgreSQL session {who}",
        remedy="Wait for those sessions or end them with pg_terminate_backend; then `interlock resume`.",
    )
