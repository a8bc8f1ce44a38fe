"""The connection to the ledger's database: transactions, the clock, and errors that people can act on."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError

from interlock.ledger.clock import Clock, wall_clock, written
from interlock.ledger.failures import translated
from interlock.ledger.migrations import LATEST, MIGRATIONS
from interlock.ledger.tables import SCHEMA_VERSION
from interlock.model.errors import ConfigError

BUSY_SECONDS = 30  # how long a writer waits for the one before it

# Any number will do as long as every Interlock that writes the same database uses it.
_ADVISORY_LOCK = 0x494E5445524C4F43 & 0x7FFFFFFFFFFFFFFF


class Database:
    """One ledger's database. ``where`` names it in messages, without a password; ``writable`` is what could be seen.

    Every writing transaction is alone: SQLite begins it with the write lock, PostgreSQL with an advisory lock that
    ends with the transaction. A reading transaction sees one moment.
    """

    def __init__(self, engine: Engine, where: str, *, writable: bool, clock: Clock) -> None:
        self.engine = engine
        self.where = where
        self.writable = writable
        self.sqlite = engine.dialect.name == "sqlite"
        self._clock = clock

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the database as it was when the transaction began."""
        with translated(self.where), self.engine.connect() as connection:
            if not self.sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only writing transaction; ``HeldError`` when another one did not end within ``BUSY_SECONDS``."""
        if not self.writable:
            raise ConfigError(
                f"The ledger {self.where} can be read only.",
                remedy="Give the user that runs Interlock write access to the file and to the folder that holds it.",
            )
        with translated(self.where), self.engine.connect() as connection:
            connection = connection.execution_options(ledger_writes=True)
            with connection.begin():
                if not self.sqlite:
                    connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                yield connection

    def now(self, connection: Connection) -> str:
        """The time as text: of PostgreSQL's clock, so that all hosts agree; for SQLite of this machine's."""
        if self.sqlite:
            return written(self._clock())
        return written(connection.execute(text("SELECT clock_timestamp()")).scalar_one().astimezone(UTC))

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str, root: Path, *, create: bool = True, clock: Clock = wall_clock) -> Database:
    """The database that ``url`` names, migrated to the newest schema.

    ``sqlite:///relative.db`` counts from ``root``. ``ConfigError`` for a URL that names no ledger, for a ledger that
    does not exist (with ``create`` false), and for one that a newer Interlock wrote.
    """
    database = _connect(_parsed(url), root, create=create, clock=clock)
    try:
        _migrate(database, create=create)
    except BaseException:
        database.close()
        raise
    return database


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("")
    kind = parsed.drivername.partition("+")[0]
    if kind == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if kind in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    shown = parsed.render_as_string(hide_password=True) if parsed.drivername else url.rpartition("@")[2]
    raise ConfigError(
        f"The ledger's URL names neither a SQLite file nor a PostgreSQL database: {shown}",
        remedy="Write `ledger: sqlite:///.interlock/ledger.db` or `ledger: postgresql://user@host/database`.",
    )


def _connect(url: URL, root: Path, *, create: bool, clock: Clock) -> Database:
    if url.drivername.startswith("sqlite"):
        path = root / str(url.database)
        if path.is_dir():
            raise ConfigError(
                f"The ledger {path} is a folder.", remedy="Name a file in `ledger:` of interlock.yaml, in that folder."
            )
        if not path.exists():
            if not create:
                raise _no_ledger(str(path))
            _make_folder(path.parent)
        writable = not path.exists() or _can_write(path)
        return Database(_sqlite_engine(path, writable=writable), str(path), writable=writable, clock=clock)
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",  # a writer must see what the writer before it committed
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "connect_timeout": 10,
            "application_name": "interlock",
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )
    return Database(engine, url.set(drivername="postgresql").render_as_string(), writable=True, clock=clock)


def _no_ledger(where: str) -> ConfigError:
    return ConfigError(
        f"There is no ledger at {where}.",
        remedy="Nothing was recorded here yet: `interlock build` or `interlock deploy` starts one."
        " Otherwise correct `ledger:` in interlock.yaml.",
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder for the ledger cannot be made: {folder} ({error.strerror}).",
            remedy="Make the folder yourself, or name another place in `ledger:` of interlock.yaml.",
        ) from error


def _can_write(path: Path) -> bool:
    try:
        with path.open("r+b"):
            return True
    except OSError:
        return False


def _sqlite_engine(path: Path, *, writable: bool) -> Engine:
    name = f"file:{quote(str(path.absolute()))}?mode={'rwc' if writable else 'ro'}"
    if not writable and not path.with_name(path.name + "-wal").exists():
        # Nobody can be writing a file without its write-ahead log, and a folder that is read-only cannot get one.
        name += "&immutable=1"
    url = URL.create("sqlite", database=name, query={"uri": "true"})
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        if writable:
            _use_write_ahead_log(connection)
        connection.execute("PRAGMA synchronous = FULL")  # what was answered survives a power cut

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("ledger_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """The file is in WAL mode: readers never wait for the writer. The switch itself ignores the busy timeout."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table(SCHEMA_VERSION.name):
        return 0
    return max(connection.execute(select(SCHEMA_VERSION.c.version)).scalars(), default=0)


def _migrate(database: Database, *, create: bool) -> None:
    with database.reading() as connection:
        version = _version(connection)
    if version == LATEST:
        return
    if version > LATEST:
        raise ConfigError(
            f"The ledger {database.where} was written by a newer Interlock"
            f" (its schema is {version}, this one knows {LATEST}).",
            remedy="Use the newer version of Interlock here too. Nothing was changed.",
        )
    if version == 0 and not create:
        raise _no_ledger(database.where)
    with database.writing() as connection:
        version = _version(connection)  # another process may have been quicker
        for number, upgrade in MIGRATIONS:
            if number > version:
                upgrade(connection)
                row = {"version": number, "applied_at": database.now(connection)}
                connection.execute(insert(SCHEMA_VERSION), row) if number > 1 else _first(connection, row)


def _first(connection: Connection, row: dict[str, Any]) -> None:
    SCHEMA_VERSION.create(connection)
    connection.execute(insert(SCHEMA_VERSION), row)
