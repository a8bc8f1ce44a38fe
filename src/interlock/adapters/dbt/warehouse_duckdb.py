"""DuckDB: candidates stand in the same schema under another name, since DuckDB cannot move a table between schemas.

Renames inside a schema are transactional. A view stores names, not objects: a candidate view is created anew at the
switch with the candidates' names taken out of its SQL, and previous views read whatever bears the live name.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from interlock.adapters.dbt import duckdb_swap
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
from interlock.model.errors import HeldError, InterlockError, UnreachableError, WarehouseError

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

    def kinds(self) -> dict[Relation, Kind]:
        rows = self.query(
            "SELECT table_schema, table_name, table_type FROM information_schema.tables"
            " WHERE table_catalog = current_database()"
        )
        return {Relation(schema, name): "view" if type == "VIEW" else "table" for schema, name, type in rows}

    def columns(self, relation: Relation) -> dict[str, str]:
        # Asked of the one relation: DuckDB's list of columns is made anew, of all relations, each time it is read.
        return {name: type.lower() for name, type, *_ in self.query(f"DESCRIBE {relation.sql}")}

    def beside(self, relation: Relation, role: Role, tag: str) -> Relation:
        middle = "" if role == "candidate" else f"{role}_"
        return Relation(relation.schema, f"{relation.name}{TOKEN}{middle}{tag}")

    def prepare(self, candidates: Iterable[Relation], live: dict[Relation, Relation]) -> None:
        there = self.kinds()
        for schema in {candidate.schema for candidate in candidates}:
            self.query(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        for candidate in candidates:
            if candidate in there:
                self.query(f"DROP {there[candidate].upper()} {candidate.sql}")

    def discard(self, candidates: Iterable[Relation]) -> None:
        there = self.kinds()
        # Views first: DuckDB does not mind, but a reader of the log does.
        for candidate in candidates:
            if candidate in there:
                self.query(f"DROP {there[candidate].upper()} {candidate.sql}")

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
                duckdb_swap.create_index(self, index, target)
            return self.fingerprint(source)

    def fingerprint(self, relation: Relation) -> dict[str, Any]:
        """What changes with every change of the table's rows."""
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

    def obstacles(self, relations: Sequence[Relation]) -> list[Obstacle]:
        rows = self.query(
            "SELECT DISTINCT schema_name, table_name, referenced_table FROM duckdb_constraints()"
            " WHERE database_name = current_database() AND constraint_type = 'FOREIGN KEY'"
        )
        # DuckDB's foreign keys stay inside a schema.
        wanted = set(relations)
        return [
            Obstacle(Relation(schema, to), f"a foreign key of {schema}.{name} refers to it")
            for schema, name, to in rows
            if Relation(schema, to) in wanted
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
        self._mark(id, {item: data})

    def _mark(self, id: str, items: dict[str, dict[str, Any]]) -> None:
        rows = [value for item, data in items.items() for value in (id, item, json.dumps(data))]
        self.query(
            f"INSERT INTO {_META}.marks (id, item, data) VALUES {', '.join(['(?, ?, ?)'] * len(items))}"
            " ON CONFLICT DO NOTHING",
            rows,
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
        done = {key: moved_of(data) for key, data in self.marks(id).items()}
        todo = [move for move in moves if move.key not in done]
        if todo:
            # No other process can come between these statements and the transaction: the file is ours.
            seen = duckdb_swap.look(self)
            views = duckdb_swap.views_to_renew(self, seen, todo)
            with self._transaction():
                moved = duckdb_swap.swap(self, seen, todo, views)
                self._mark(id, {entry.key: entry.to_json() for entry in moved})
                fence()
            done |= {entry.key: entry for entry in moved}
        return [done[move.key] for move in moves], bool(todo)

    def tidy(self) -> None:
        pass  # candidates share the schema of what they replace

    def retire(self, older: timedelta, spare: str = "") -> list[str]:
        if not self.kind(Relation(_META, "marks")):
            return []
        rows = self.query(
            f"SELECT id, item, data FROM {_META}.marks WHERE marked_at < now() - to_seconds(?)"
            " AND (id LIKE 'switch/%' OR id LIKE 'undo/%') AND id <> ?",
            (older.total_seconds(), spare),
        )
        dropped = []
        for id, item, data in rows:
            previous = moved_of(json.loads(data)).previous
            if previous is not None and previous.ours and self.kind(previous) is not None:
                self._drop(previous)
                dropped.append(str(previous))
            self.query(f"DELETE FROM {_META}.marks WHERE id = ? AND item = ?", (id, item))
        return dropped
