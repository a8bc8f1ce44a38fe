"""DuckDB: candidates stand in the same schema under another name, since DuckDB cannot move a table between schemas.

Renames inside a schema are transactional. A view stores names, not objects: a candidate view is created anew at the
switch with the candidates' names taken out of its SQL, and previous views read whatever bears the live name.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

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
from interlock.model.errors import HeldError, InterlockError, RefusedError, StaleError, UnreachableError, WarehouseError

if TYPE_CHECKING:
    import duckdb

_META = "interlock_meta"
_HOLDER = re.compile(r"lock is held in (?P<program>.+?)(?: \(PID (?P<pid>\d+)\))")


class DuckDbSession:
    """A session on one DuckDB file, which no other process can open meanwhile."""

    dialect = "duckdb"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> Self:
        import duckdb

        if not self._path.exists():
            raise UnreachableError(
                f"there is no DuckDB file {self._path.name}",
                remedy=f"Load the raw data into it first, or correct 'warehouse.path': {self._path}",
            )
        try:
            self._open = duckdb.connect(str(self._path), config={"python_enable_replacements": False})
            self._open.execute("SET TimeZone = 'UTC'")
        except duckdb.Error as error:
            raise self._not_opened(str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _not_opened(self, message: str) -> InterlockError:
        held = _HOLDER.search(message)
        if held:
            return HeldError(
                f"{self._path.name} is held by process {held['pid']} ({Path(held['program']).name})",
                remedy=f"DuckDB lets one process write: wait until process {held['pid']} ends, or end it.",
            )
        return WarehouseError(
            f"{self._path.name} could not be opened",
            remedy="Check that it is a DuckDB file, of a version that the installed duckdb package can read.",
            detail=message,
        )

    @property
    def _connection(self) -> "duckdb.DuckDBPyConnection":
        if self._open is None:
            raise WarehouseError("the warehouse session is not open", remedy="Use it in a 'with' statement.")
        return self._open

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        import duckdb

        try:
            return self._connection.execute(sql, list(parameters)).fetchall()
        except duckdb.IOException as error:
            raise WarehouseError(
                "DuckDB could not read or write its file", remedy="Check the disk's free space.", detail=str(error)
            ) from error
        except duckdb.Error as error:
            conversion = isinstance(error, (duckdb.ConversionException, duckdb.ConstraintException))
            message = without_values(str(error)) if conversion else str(error).splitlines()[0]
            raise WarehouseError(
                f"DuckDB refused a statement: {message}", remedy="Read the message; nothing was half done."
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.query("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self.query("COMMIT")

    def kind(self, relation: Relation) -> Kind | None:
        found = self.query(
            "SELECT table_type FROM information_schema.tables"
            " WHERE table_catalog = current_database() AND table_schema = ? AND table_name = ?",
            (relation.schema, relation.name),
        )
        if not found:
            return None
        return "view" if found[0][0] == "VIEW" else "table"

    def columns(self, relation: Relation) -> dict[str, str]:
        return dict(
            self.query(
                "SELECT column_name, lower(data_type) FROM duckdb_columns()"
                " WHERE database_name = current_database() AND schema_name = ? AND table_name = ?"
                " ORDER BY column_index",
                (relation.schema, relation.name),
            )
        )

    def beside(self, relation: Relation, role: Role, tag: str) -> Relation:
        middle = "" if role == "candidate" else f"{role}_"
        return Relation(relation.schema, f"{relation.name}{TOKEN}{middle}{tag}")

    def prepare(self, candidates: Iterable[Relation], live: dict[Relation, Relation]) -> None:
        for candidate in candidates:
            self.query(f"CREATE SCHEMA IF NOT EXISTS {quoted(candidate.schema)}")
            self._drop(candidate)

    def discard(self, candidates: Iterable[Relation]) -> None:
        # Views first: DuckDB does not mind, but a reader of the log does.
        for candidate in candidates:
            self._drop(candidate)

    def _drop(self, relation: Relation) -> None:
        kind = self.kind(relation)
        if kind is not None:
            self.query(f"DROP {kind.upper()} {relation.sql}")

    def copy_table(self, source: Relation, target: Relation) -> dict[str, Any]:
        with self._transaction():
            [(create,)] = self.query(
                "SELECT sql FROM duckdb_tables()"
                " WHERE database_name = current_database() AND schema_name = ? AND table_name = ?",
                (source.schema, source.name),
            )
            # The stored statement begins with the table's name and goes on with its columns and constraints.
            self.query(f"CREATE TABLE {target.sql}{create[create.index('(') :]}")
            self.query(f"INSERT INTO {target.sql} SELECT * FROM {source.sql}")
            for index in self._indexes(source):
                self._create_index(index, source, target)
            return self._fingerprint(source)

    def _fingerprint(self, relation: Relation) -> dict[str, Any]:
        [(rows, total)] = self.query(f"SELECT count(*), sum(hash(r))::VARCHAR FROM {relation.sql} AS r")
        return {"rows": rows, "sum": total or "0"}

    def _indexes(self, relation: Relation) -> list[tuple[str, str]]:
        return [
            (name, sql)
            for name, sql in self.query(
                "SELECT index_name, sql FROM duckdb_indexes()"
                " WHERE database_name = current_database() AND schema_name = ? AND table_name = ? AND sql IS NOT NULL",
                (relation.schema, relation.name),
            )
        ]

    def _create_index(self, index: tuple[str, str], before: Relation, after: Relation) -> None:
        name, sql = index
        # Names of indexes are unique in a schema, so each carries the suffix of its table's name.
        plain = name.split(TOKEN)[0]
        suffix = TOKEN + after.name.split(TOKEN, 1)[1] if TOKEN in after.name else ""
        unique = "UNIQUE " if sql.upper().startswith("CREATE UNIQUE") else ""
        rest = sql[sql.index("(", sql.upper().index(" ON ")) :].rstrip(";")
        self.query(f"CREATE {unique}INDEX {quoted(plain + suffix)} ON {after.sql}{rest}")

    def obstacles(self, relations: Sequence[Relation]) -> list[Obstacle]:
        return [
            Obstacle(relation, f"a foreign key of {schema}.{name} refers to it")
            for relation in relations
            for schema, name in self.query(
                "SELECT DISTINCT schema_name, table_name FROM duckdb_constraints()"
                " WHERE database_name = current_database() AND constraint_type = 'FOREIGN KEY'"
                " AND schema_name = ? AND referenced_table = ?",
                (relation.schema, relation.name),
            )
        ]

    def lost_columns(self, live: Relation, candidate: Relation) -> list[str]:
        # DuckDB keeps no column dependencies; the swap itself refuses if a view of others would break.
        return []

    def _ready(self) -> None:
        self.query(f"CREATE SCHEMA IF NOT EXISTS {_META}")
        self.query(
            f"CREATE TABLE IF NOT EXISTS {_META}.marks"
            " (id VARCHAR, item VARCHAR, marked_at TIMESTAMPTZ DEFAULT now(), data VARCHAR, PRIMARY KEY (id, item))"
        )

    def mark(self, id: str, item: str, data: dict[str, Any]) -> None:
        self._ready()
        self._mark(id, item, data)

    def _mark(self, id: str, item: str, data: dict[str, Any]) -> None:
        self.query(
            f"INSERT INTO {_META}.marks (id, item, data) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (id, item, json.dumps(data)),
        )

    def unmark(self, id: str) -> None:
        if self.kind(Relation(_META, "marks")):
            self.query(f"DELETE FROM {_META}.marks WHERE id = ?", (id,))

    def marks(self, id: str) -> dict[str, dict[str, Any]]:
        if not self.kind(Relation(_META, "marks")):
            return {}
        rows = self.query(f"SELECT item, data FROM {_META}.marks WHERE id = ? ORDER BY rowid", (id,))
        return {item: json.loads(data) for item, data in rows}

    def swap(self, id: str, moves: Sequence[Move], fence: Callable[[], None]) -> tuple[list[Moved], bool]:
        self._ready()
        # Outside the transaction, because a view that does not work is found by an error, which would abort it.
        known = self.marks(id)
        views = self._other_views([move for move in moves if move.key not in known])
        with self._transaction():
            done = {key: moved_of(data) for key, data in self.marks(id).items()}
            todo = [move for move in moves if move.key not in done]
            if todo:
                self._check(todo)
                moved = [self._park(move) for move in todo]
                self._put(todo)
                self._create_views(views, "It reads what the release takes away: change that view first.")
                for entry in moved:
                    self._mark(id, entry.key, entry.to_json())
                done |= {entry.key: entry for entry in moved}
                fence()
        return [done[move.key] for move in moves], bool(todo)

    def _check(self, moves: Sequence[Move]) -> None:
        for move in moves:
            if move.incoming and not move.definition and self.kind(move.incoming) is None:
                raise StaleError(
                    f"{move.incoming} is no longer there", remedy="Deploy again: the candidate is built anew."
                )
            if move.expect is not None and self._fingerprint(move.live) != move.expect:
                raise StaleError(
                    f"{move.live} was written to while its candidate was built",
                    remedy="Hold the jobs that write to it, or deploy when they do not run.",
                )
        found = self.obstacles([m.live for m in moves])
        if found:
            raise RefusedError(
                f"{found[0].relation} cannot be replaced: {found[0].what}",
                remedy="Drop it for the deployment, or leave it to dbt's constraints.",
            )

    def _park(self, move: Move) -> Moved:
        kind = self.kind(move.live)
        definition = ""
        if kind is not None:
            if kind == "view":
                definition = self._view_sql(move.live)
            self._rename(move.live, move.parked, kind)
        parked = move.parked if kind is not None else None
        return Moved(move.key, move.live, parked, kind or "", definition, put=move.incoming is not None)

    def _put(self, moves: Sequence[Move]) -> None:
        views: dict[Relation, str] = {}
        for move in moves:
            if move.incoming is None:
                continue
            kind = self.kind(move.incoming)
            if kind == "table":
                self._rename(move.incoming, move.live, "table")
                continue
            # A candidate's suffix occurs nowhere else: taking it out of the SQL gives the SQL with live names.
            sql = self._view_sql(move.incoming) if kind else move.definition
            views[move.live] = sql.replace(move.incoming.name.removeprefix(move.live.name), "")
            self._drop(move.incoming)
        self._create_views(views, "Switch what it reads together with it.")

    def _create_views(self, views: dict[Relation, str], remedy: str) -> None:
        # One error aborts a DuckDB transaction and there are no savepoints: the order must be right at once.
        for view in _reading_order(views):
            try:
                self.query(f"CREATE OR REPLACE VIEW {view.sql} {_view_body(views[view])}")
            except WarehouseError as error:
                raise RefusedError(
                    f"the view {view} does not work with the relations of the switch: {error.summary}", remedy=remedy
                ) from error

    def _view_sql(self, view: Relation) -> str:
        [(sql,)] = self.query(
            "SELECT sql FROM duckdb_views()"
            " WHERE database_name = current_database() AND schema_name = ? AND view_name = ?",
            (view.schema, view.name),
        )
        return str(sql)

    def _rename(self, before: Relation, after: Relation, kind: Kind) -> None:
        indexes = self._indexes(before)
        for name, _ in indexes:
            self.query(f"DROP INDEX {quoted(before.schema)}.{quoted(name)}")
        self.query(f"ALTER {kind.upper()} {before.sql} RENAME TO {quoted(after.name)}")
        for index in indexes:
            self._create_index(index, before, after)

    def _other_views(self, moves: Sequence[Move]) -> dict[Relation, str]:
        """Views outside the release that work now and read what will have other columns: created anew, they go on."""
        changed = [m.live for m in moves if not m.incoming or self.columns(m.live) != self.columns(m.incoming)]
        if not changed:
            return {}
        moving = {m.live for m in moves} | {m.incoming for m in moves}
        rows = self.query(
            "SELECT schema_name, view_name, sql FROM duckdb_views()"
            " WHERE database_name = current_database() AND NOT internal"
        )
        found = {Relation(schema, name): sql for schema, name, sql in rows}
        others = {v: sql for v, sql in found.items() if v not in moving and not v.ours}
        reached = {relation.name.lower() for relation in changed}
        for view in _reading_order(others):
            if _reads(others[view]) & reached:
                reached.add(view.name.lower())
        return {v: sql for v, sql in others.items() if v.name.lower() in reached and self._binds(v)}

    def _binds(self, view: Relation) -> bool:
        try:
            self.query(f"SELECT * FROM {view.sql} LIMIT 0")
        except WarehouseError:
            return False
        return True

    def tidy(self) -> None:
        pass  # candidates share the schema of what they replace

    def retire(self, older: timedelta) -> list[str]:
        if not self.kind(Relation(_META, "marks")):
            return []
        rows = self.query(
            f"SELECT id, item, data FROM {_META}.marks WHERE marked_at < now() - to_seconds(?)"
            " AND (id LIKE 'switch/%' OR id LIKE 'undo/%')",
            (older.total_seconds(),),
        )
        dropped = []
        for id, item, data in rows:
            previous = moved_of(json.loads(data)).previous
            if previous is not None and previous.ours and self.kind(previous) is not None:
                self._drop(previous)
                dropped.append(str(previous))
            self.query(f"DELETE FROM {_META}.marks WHERE id = ? AND item = ?", (id, item))
        return dropped


def _view_body(sql: str) -> str:
    """The statement from its column list or AS on: what follows the view's name."""
    found = re.match(
        r'\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+)?VIEW\s+(?:(?:"(?:[^"]|"")*"|[^\s.("]+)\s*\.\s*)*'
        r'(?:"(?:[^"]|"")*"|[^\s.("]+)\s*',
        sql,
        re.IGNORECASE,
    )
    return sql[found.end() :].rstrip().rstrip(";") if found else sql


def _reads(sql: str) -> set[str]:
    """The names, in lower case, of the relations that a view reads; every word of it where it cannot be parsed."""
    import sqlglot

    try:
        parsed = sqlglot.parse_one(_view_body(sql).split("AS ", 1)[-1], read="duckdb")
    except sqlglot.errors.SqlglotError:
        return set(re.findall(r"\w+", sql.lower()))
    return {table.name.lower() for table in parsed.find_all(sqlglot.exp.Table)}


def _reading_order(views: dict[Relation, str]) -> list[Relation]:
    """The views so that each stands behind those that it reads; as given where they read each other in a circle."""
    named = {view.name.lower(): view for view in views}
    graph = {v: {named[n] for n in _reads(sql) if n in named and named[n] != v} for v, sql in views.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return list(views)
