"""PostgreSQL: candidates stand in a schema of their own and are moved by ``SET SCHEMA`` in one transaction.

Dependents follow the object and not the name, so views outside the release are pointed to the successor in the same
transaction (``postgres_dependents``), and privileges, owners, comments and row policies are carried over
(``postgres_privileges``).
"""

import hashlib
import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from interlock.adapters.dbt import postgres_dependents as dependents
from interlock.adapters.dbt import postgres_privileges as privileges
from interlock.adapters.dbt import postgres_swap
from interlock.adapters.dbt.postgres_swap import KINDS, NOUN
from interlock.adapters.dbt.relations import (
    TOKEN,
    Kind,
    Move,
    Moved,
    Obstacle,
    Relation,
    Role,
    moved_of,
    quoted,
    without_values,
)
from interlock.config.models import PostgresWarehouse
from interlock.model.errors import HeldError, RefusedError, UnreachableError, WarehouseError

if TYPE_CHECKING:
    import psycopg

_META = "interlock_meta"
_LOCK_STATES = {"55P03", "40P01"}  # lock not available, deadlock detected
_ATTEMPTS = 12


class _LockedError(HeldError):
    """One attempt did not get its locks; a switch tries again before it gives up."""


class PostgresSession:
    """A session on one PostgreSQL database. ``patience`` is how long a switch may try to get its locks, in seconds."""

    dialect = "postgres"

    def __init__(self, warehouse: PostgresWarehouse, password: str | None, *, patience: float | None = None) -> None:
        self._warehouse = warehouse
        self._password = password
        self._lock_seconds = warehouse.lock_timeout.total_seconds()
        self._patience = self._lock_seconds * _ATTEMPTS if patience is None else patience
        self._open: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        import psycopg

        where = self._warehouse
        try:
            self._open = psycopg.connect(
                host=where.host, port=where.port, dbname=where.database, user=where.user, password=self._password,
                connect_timeout=10, application_name="interlock", autocommit=True,
                # An empty path makes PostgreSQL write every name of a view's definition with its schema.
                options="-c timezone=UTC -c search_path= -c client_min_messages=warning"
                f" -c lock_timeout={int(self._lock_seconds * 1000)}",
            )  # fmt: skip
        except psycopg.Error as error:
            variable = f" and {where.password_env}" if where.password_env else ""
            raise UnreachableError(
                f"PostgreSQL at {where.host}:{where.port} does not let us in",
                remedy=f"Check that it runs, database '{where.database}', and user '{where.user}'{variable}.",
                detail=str(error).replace(self._password, "***") if self._password else str(error),
            ) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    @property
    def connection(self) -> "psycopg.Connection[Any]":
        """The open connection; for the modules beside this one."""
        if self._open is None:
            raise WarehouseError("the warehouse session is not open", remedy="Use it in a 'with' statement.")
        return self._open

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        import psycopg

        try:
            cursor = self.connection.execute(sql, parameters or None)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            state = error.sqlstate or ""
            if state in _LOCK_STATES:
                raise _LockedError("a relation is in use", remedy="Wait for its readers and try again.") from None
            if not state or state[:2] in ("08", "57"):
                raise WarehouseError(
                    "PostgreSQL went away in the middle of its work",
                    remedy="Nothing was half done. Start again once it answers: `interlock resume`.",
                ) from None
            # Classes 22 and 23 quote values of rows in their messages.
            primary = error.diag.message_primary or ""
            shown = without_values(primary) if state[:2] in ("22", "23") else primary
            raise WarehouseError(
                f"PostgreSQL refused a statement: {shown} ({state})",
                remedy=_remedy(state, self._warehouse.user),
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        import psycopg

        try:
            with self.connection.transaction():
                yield
        except psycopg.Error:
            # The statements' own failures have other types by now: what is left are BEGIN and COMMIT.
            raise WarehouseError(
                "PostgreSQL went away while a transaction was to be finished",
                remedy="Start again once it answers: `interlock resume` finds out whether it was committed.",
            ) from None

    def kind(self, relation: Relation) -> Kind | None:
        found = self._class(relation)
        return KINDS.get(found[1]) if found else None

    def kinds(self) -> dict[Relation, Kind]:
        rows = self.query(
            "SELECT n.nspname::text, c.relname::text, c.relkind::text FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        )
        return {Relation(schema, name): KINDS[kind] for schema, name, kind in rows if kind in KINDS}

    def _class(self, relation: Relation) -> tuple[int, str] | None:
        rows = self.query(
            "SELECT c.oid::bigint, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s",
            (relation.schema, relation.name),
        )
        return (int(rows[0][0]), rows[0][1]) if rows else None

    def oid(self, relation: Relation) -> int | None:
        """The relation's object id, ``None`` if there is none."""
        found = self._class(relation)
        return found[0] if found else None

    def columns(self, relation: Relation) -> dict[str, str]:
        return dict(
            self.query(
                "SELECT a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
                " WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
                (self.oid(relation) or 0,),
            )
        )

    def beside(self, relation: Relation, role: Role, tag: str) -> Relation:
        ending = f"{TOKEN}{tag}" if role == "candidate" else f"{TOKEN}{role}_{tag}"
        schema = relation.schema
        if len((schema + ending).encode()) > 63:  # PostgreSQL cuts longer names, silently
            schema = schema.encode()[: 54 - len(ending)].decode(errors="ignore")
            schema += "_" + hashlib.sha256(relation.schema.encode()).hexdigest()[:8]
        return Relation(schema + ending, relation.name)

    def prepare(self, candidates: Iterable[Relation], live: dict[Relation, Relation]) -> None:
        schemas = {c.schema: live[c].schema for c in candidates}
        for schema, production in schemas.items():
            if TOKEN in schema:
                self.query(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")
            self.query(f"CREATE SCHEMA IF NOT EXISTS {quoted(production)}")
            self.query(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
            privileges.copy_defaults(self, production, schema)

    def discard(self, candidates: Iterable[Relation]) -> None:
        for schema in sorted({c.schema for c in candidates}):
            if TOKEN in schema:
                self.query(f"DROP SCHEMA IF EXISTS {quoted(schema)} CASCADE")

    def copy_table(self, source: Relation, target: Relation) -> dict[str, Any]:
        with self._transaction():
            self.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            print_of_copy = self.fingerprint(source)
            counted = self.query(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped"
                " AND (attidentity <> '' OR pg_get_serial_sequence(%s, attname) IS NOT NULL)",
                (self.oid(source), source.sql),
            )
            if counted:
                raise RefusedError(
                    f"{source} has a column that counts by itself ({counted[0][0]}): a copy would count anew",
                    remedy="Give the column its value in the model, or build the model with full_refresh.",
                )
            self.query(f"CREATE TABLE {target.sql} (LIKE {source.sql} INCLUDING ALL EXCLUDING INDEXES)")
            plain = self.query(
                "SELECT attname::text FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped"
                " AND attgenerated = '' ORDER BY attnum",
                (self.oid(source),),
            )
            names = ", ".join(quoted(name) for (name,) in plain)
            self.query(f"INSERT INTO {target.sql} ({names}) SELECT {names} FROM {source.sql}")
            # Indexes after the rows: building them once is cheaper than keeping them at every row.
            self._copy_indexes(source, target)
        self.query(f"ANALYZE {target.sql}")
        return print_of_copy

    def _copy_indexes(self, source: Relation, target: Relation) -> None:
        rows = self.query(
            "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid), c.contype::text,"
            " pg_get_constraintdef(c.oid), x.relname::text, c.conname::text"
            " FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid"
            " LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid"
            " WHERE i.indrelid = %s",
            (self.oid(source),),
        )
        for _, definition, constraint, clause, name, constraint_name in rows:
            if constraint:
                self.query(f"ALTER TABLE {target.sql} ADD CONSTRAINT {quoted(constraint_name)} {clause}")
                continue
            head = "CREATE UNIQUE INDEX" if definition.startswith("CREATE UNIQUE") else "CREATE INDEX"
            self.query(f"{head} {quoted(name)} ON {target.sql} {definition[definition.index(' USING ') + 1 :]}")

    def fingerprint(self, relation: Relation) -> dict[str, Any]:
        """What changes with every change of the table's rows, and with the table itself."""
        # Every row names the transaction that wrote it (xmin), and vacuum leaves that in place: an insert, update or
        # delete after the copy changes the count or the sum. Cheaper than hashing rows, and it sees all of them.
        [(rows, total)] = self.query(
            f"SELECT count(*), coalesce(sum(hashtextextended(xmin::text, 0)::numeric), 0)::text FROM {relation.sql}"
        )
        return {"rows": rows, "sum": total, "object": self.oid(relation)}

    def obstacles(self, relations: Sequence[Relation]) -> list[Obstacle]:
        return dependents.obstacles(self, relations)

    def lost_columns(self, live: Relation, candidate: Relation) -> list[str]:
        return dependents.lost_columns(self, live, candidate)

    def _ready(self) -> None:
        if self.oid(Relation(_META, "marks")) is not None:
            return
        self.query(f"CREATE SCHEMA IF NOT EXISTS {_META}")
        self.query(
            f"CREATE TABLE IF NOT EXISTS {_META}.marks (number bigint GENERATED ALWAYS AS IDENTITY, id text, item text,"
            " marked_at timestamptz NOT NULL DEFAULT now(), data text NOT NULL, PRIMARY KEY (id, item))"
        )

    def mark(self, id: str, item: str, data: dict[str, Any]) -> None:
        self._ready()
        self._mark(id, {item: data})

    def _mark(self, id: str, items: dict[str, dict[str, Any]]) -> None:
        self.query(
            f"INSERT INTO {_META}.marks (id, item, data) SELECT %s, u.item, u.data"
            " FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS u(item, data, n)"
            " ORDER BY u.n ON CONFLICT DO NOTHING",
            (id, list(items), [json.dumps(data) for data in items.values()]),
        )

    def unmark(self, id: str) -> None:
        if self.oid(Relation(_META, "marks")) is not None:
            self.query(f"DELETE FROM {_META}.marks WHERE id = %s", (id,))

    def marks(self, id: str) -> dict[str, dict[str, Any]]:
        if self.oid(Relation(_META, "marks")) is None:
            return {}
        # A killed process's transaction may still be committing: whoever asks waits for its end.
        with self._transaction():
            self.query("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (id,))
        rows = self.query(f"SELECT item, data FROM {_META}.marks WHERE id = %s ORDER BY number", (id,))
        return {item: json.loads(data) for item, data in rows}

    def swap(self, id: str, moves: Sequence[Move], fence: Callable[[], None]) -> tuple[list[Moved], bool]:
        self._ready()
        deadline = time.monotonic() + self._patience
        pause = 0.05
        while True:
            try:
                with self._transaction():
                    return self._swap(id, moves, fence)
            except _LockedError:
                if time.monotonic() > deadline:
                    raise postgres_swap.held(self, moves) from None
            # Readers that queued behind our wait get through before the next attempt.
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(pause * 2, 5.0)

    def _swap(self, id: str, moves: Sequence[Move], fence: Callable[[], None]) -> tuple[list[Moved], bool]:
        self.query("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (id,))
        rows = self.query(f"SELECT item, data FROM {_META}.marks WHERE id = %s", (id,))
        done = {item: moved_of(json.loads(data)) for item, data in rows}
        todo = [move for move in moves if move.key not in done]
        if todo:
            moved = postgres_swap.swap(self, todo)
            self._mark(id, {entry.key: entry.to_json() for entry in moved})
            done |= {entry.key: entry for entry in moved}
            fence()
        return [done[move.key] for move in moves], bool(todo)

    def retire(self, older: timedelta, spare: str = "") -> list[str]:
        if self.oid(Relation(_META, "marks")) is None:
            return []
        rows = self.query(
            f"SELECT id, item, data FROM {_META}.marks WHERE marked_at < now() - %s"
            " AND (id LIKE 'switch/%%' OR id LIKE 'undo/%%') AND id <> %s ORDER BY number DESC",
            (older, spare),
        )
        dropped = []
        for id, item, data in rows:
            previous = moved_of(json.loads(data)).previous
            kind = self.kind(previous) if previous is not None and previous.ours else None
            if previous is not None and kind is not None:
                try:
                    self.query(f"DROP {NOUN[kind]} {previous.sql}")
                except WarehouseError:
                    continue  # something still reads it: it stays, and so does the mark that finds it again
                dropped.append(str(previous))
            self.query(f"DELETE FROM {_META}.marks WHERE id = %s AND item = %s", (id, item))
        self.tidy()
        return dropped

    def tidy(self) -> None:
        """Schemas of ours that hold nothing any more are gone."""
        rows = self.query(
            "SELECT n.nspname::text FROM pg_namespace n WHERE n.nspname LIKE %s"
            " AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid)"
            " AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid)",
            ("%\\_\\_ilk\\_%",),
        )
        for (schema,) in rows:
            self.query(f"DROP SCHEMA IF EXISTS {quoted(schema)}")


def _remedy(state: str, user: str) -> str:
    if state == "42501":
        return f"Grant user '{user}' what it needs: CREATE on the database, and ownership of the relations."
    if state == "53100":
        return "The warehouse's disk is full: free space, then `interlock resume`."
    return "Read the message; nothing was half done."
