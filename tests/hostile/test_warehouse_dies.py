"""A warehouse that is not there, dies in the middle, is full, or whose user of it is killed: nothing is half done."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import psycopg
import pytest

from interlock.adapters.dbt.relations import Move, Relation
from interlock.adapters.dbt.warehouse import Access
from interlock.adapters.dbt.warehouse_duckdb import DuckDbSession
from interlock.adapters.dbt.warehouse_postgres import PostgresSession
from interlock.config.models import PostgresWarehouse
from interlock.model.errors import ConfigError, UnreachableError, WarehouseError
from tests.support.postgres import PostgresServer
from tests.support.process import free_port

pytestmark = pytest.mark.engine

ORDERS = Relation("main", "orders")
TAG = "0123abcd"


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of the test's own, since it is going to be killed."""
    with PostgresServer() as running:
        with psycopg.connect(running.dsn(), autocommit=True) as connection:
            connection.execute("CREATE SCHEMA main")
            connection.execute("CREATE TABLE main.orders AS SELECT 1 AS version")
        yield running


def warehouse(server: PostgresServer, **changes: object) -> PostgresWarehouse:
    fields = {
        "type": "postgres", "host": server.host, "port": server.port, "database": "postgres", "user": server.user,
        "password_env": "HOSTILE_PASSWORD", "lock_timeout": timedelta(seconds=1), **changes,
    }  # fmt: skip
    return PostgresWarehouse.model_validate(fields)


def move(session: PostgresSession | DuckDbSession) -> Move:
    candidate = session.beside(ORDERS, "candidate", TAG)
    session.prepare([candidate], {candidate: ORDERS})
    session.query(f"CREATE TABLE {candidate.sql} AS SELECT 2 AS version")
    return Move("orders", ORDERS, session.beside(ORDERS, "prev", TAG), candidate)


def test_a_server_that_is_not_there_is_named_with_a_remedy_and_no_password(server: PostgresServer) -> None:
    nowhere = warehouse(server, port=free_port())
    with pytest.raises(UnreachableError) as caught, PostgresSession(nowhere, "open sesame"):
        pass
    assert str(nowhere.port) in caught.value.summary
    assert "HOSTILE_PASSWORD" in caught.value.remedy
    assert caught.value.exit_code == 5
    assert "open sesame" not in f"{caught.value} {caught.value.remedy} {caught.value.detail}"


def test_a_wrong_password_is_not_repeated(server: PostgresServer) -> None:
    with pytest.raises(UnreachableError) as caught, PostgresSession(warehouse(server), "open sesame"):
        pass
    assert "open sesame" not in f"{caught.value} {caught.value.remedy} {caught.value.detail}"


def test_a_password_variable_that_is_not_set_is_named(server: PostgresServer) -> None:
    with pytest.raises(ConfigError, match="HOSTILE_PASSWORD"):
        Access(warehouse(server), Path(), environ={}).session()


def test_a_server_that_dies_right_before_the_commit_leaves_the_old_version_and_can_be_resumed(
    server: PostgresServer,
) -> None:
    with PostgresSession(warehouse(server), server.password) as session:
        moves = [move(session)]
        with pytest.raises(WarehouseError) as caught:
            session.swap("switch/a", moves, server.kill)
        assert caught.value.transient
    server.start()
    with PostgresSession(warehouse(server), server.password) as session:
        assert session.query("SELECT version FROM main.orders") == [(1,)]
        assert session.marks("switch/a") == {}
        assert session.swap("switch/a", moves, lambda: None)[1]
        assert session.query("SELECT version FROM main.orders") == [(2,)]


def test_a_server_that_dies_before_a_statement_says_so(server: PostgresServer) -> None:
    with PostgresSession(warehouse(server), server.password) as session:
        server.kill()
        with pytest.raises(WarehouseError, match="went away"):
            session.query("SELECT 1")
        with pytest.raises(WarehouseError):
            session.copy_table(ORDERS, Relation("main", "copy"))


_SWITCHER = """
import os, signal, sys
from pathlib import Path
from interlock.adapters.dbt.relations import Move, Relation
from interlock.adapters.dbt.warehouse_duckdb import DuckDbSession
orders = Relation("main", "orders")
with DuckDbSession(Path(sys.argv[1])) as session:
    candidate = session.beside(orders, "candidate", "0123abcd")
    move = Move("orders", orders, session.beside(orders, "prev", "0123abcd"), candidate)
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
    session.swap("switch/a", [move], die if sys.argv[2] == "before" else lambda: None)
    die()
"""


@pytest.mark.parametrize(("when", "version"), [("before", 1), ("after", 2)])
def test_a_process_killed_around_the_commit_of_a_duckdb_switch_can_be_resumed(
    tmp_path: Path, when: str, version: int
) -> None:
    path = tmp_path / "house.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS version")
    with DuckDbSession(path) as session:
        moves = [move(session)]
    done = subprocess.run([sys.executable, "-c", _SWITCHER, str(path), when], check=False)
    assert done.returncode == -signal.SIGKILL
    with DuckDbSession(path) as session:
        assert session.query("SELECT version FROM orders") == [(version,)]
        assert session.swap("switch/a", moves, lambda: None)[1] is (when == "before")
        assert session.query("SELECT version FROM orders") == [(2,)]


_COPIER = """
import resource, sys
from pathlib import Path
from interlock.adapters.dbt.relations import Relation
from interlock.adapters.dbt.warehouse_duckdb import DuckDbSession
from interlock.model.errors import WarehouseError
path = Path(sys.argv[1])
with DuckDbSession(path) as session:
    limit = path.stat().st_size + 1_000_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        session.copy_table(Relation("main", "orders"), Relation("main", "copy"))
        session.query("CHECKPOINT")
    except WarehouseError as error:
        print("refused:", error.summary, error.remedy)
"""


def test_a_disk_that_is_full_is_said_and_the_live_table_stays(tmp_path: Path) -> None:
    path = tmp_path / "house.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE orders AS SELECT i, hash(i) AS h, md5(i::varchar) AS m FROM range(200000) r(i)"
        )
    done = subprocess.run(
        [sys.executable, "-c", _COPIER, str(path)], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert "refused:" in done.stdout, done.stderr
    assert "space" in done.stdout
    with DuckDbSession(path) as session:
        assert session.query("SELECT count(*) FROM orders") == [(200000,)]
