"""A DuckDB file as a warehouse: what its readers see before, at and after a switch."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from interlock.adapters.dbt.relations import Move, Moved, Relation
from interlock.adapters.dbt.warehouse_duckdb import DuckDbSession
from interlock.model.errors import FencedError, HeldError, RefusedError, StaleError, UnreachableError, WarehouseError

ORDERS, TOTALS = Relation("main", "orders"), Relation("main", "totals")
TAG = "0123abcd"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "house.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY, amount int)")
        connection.execute("INSERT INTO orders SELECT i, i * 10 FROM range(5) AS r(i)")
        connection.execute("CREATE INDEX by_amount ON orders (amount)")
        connection.execute("CREATE VIEW totals AS SELECT sum(amount) AS total FROM orders")
        connection.execute("CREATE VIEW of_a_stranger AS SELECT * FROM orders")
    return file


def fence() -> None:
    pass


def candidates(session: DuckDbSession) -> list[Move]:
    """A candidate of the table with another column, and one of the view that reads it."""
    orders, totals = (session.beside(r, "candidate", TAG) for r in (ORDERS, TOTALS))
    session.query(f"CREATE TABLE {orders.sql} AS SELECT id, amount, 'EUR' AS currency FROM orders WHERE id < 4")
    session.query(f"CREATE INDEX by_amount__cand ON {orders.sql} (amount)")
    session.query(f"CREATE VIEW {totals.sql} AS SELECT count(*) AS n, sum(amount) AS total FROM {orders.sql}")
    return [
        Move("orders", ORDERS, session.beside(ORDERS, "prev", TAG), orders),
        Move("totals", TOTALS, session.beside(TOTALS, "prev", TAG), totals),
    ]


def back(session: DuckDbSession, moved: list[Moved]) -> list[Move]:
    return [
        Move(m.key, m.live, session.beside(m.live, "undone", TAG), m.previous, definition=m.definition) for m in moved
    ]


def test_tables_and_views_go_live_together_and_come_back(path: Path) -> None:
    with DuckDbSession(path) as session:
        moved, changed = session.swap("switch/a", candidates(session), fence)
        assert changed
        assert session.query("SELECT * FROM totals") == [(4, 60)]
        assert session.query("SELECT count(currency) FROM of_a_stranger") == [(4,)]
        assert session.swap("undo/a", back(session, moved), fence)[1]
        assert session.query("SELECT * FROM totals") == [(100,)]
        assert len(session.query("SELECT * FROM of_a_stranger")) == 5
        assert session.query("SELECT index_name FROM duckdb_indexes() WHERE table_name = 'orders'") == [("by_amount",)]


def test_switching_twice_does_nothing_the_second_time(path: Path) -> None:
    with DuckDbSession(path) as session:
        moves = candidates(session)
        first, _ = session.swap("switch/a", moves, fence)
        second, changed = session.swap("switch/a", moves, fence)
        assert not changed
        assert first == second
        back_moves = back(session, first)
        session.swap("undo/a", back_moves, fence)
        assert not session.swap("undo/a", back_moves, fence)[1]
        assert session.query("SELECT * FROM totals") == [(100,)]


def test_a_lost_lease_changes_nothing(path: Path) -> None:
    def lost() -> None:
        raise FencedError("the lease is gone")

    with DuckDbSession(path) as session:
        moves = candidates(session)
        with pytest.raises(FencedError):
            session.swap("switch/a", moves, lost)
        assert session.query("SELECT * FROM totals") == [(100,)]
        assert session.marks("switch/a") == {}
        assert session.swap("switch/a", moves, fence)[1]


def test_a_view_of_others_that_would_break_refuses_the_switch(path: Path) -> None:
    with DuckDbSession(path) as session:
        session.query("CREATE VIEW of_another AS SELECT max(amount) AS top FROM orders")
        candidate = session.beside(ORDERS, "candidate", TAG)
        session.query(f"CREATE TABLE {candidate.sql} AS SELECT id FROM orders")
        move = Move("orders", ORDERS, session.beside(ORDERS, "prev", TAG), candidate)
        with pytest.raises(RefusedError, match=r"of_another|totals"):
            session.swap("switch/a", [move], fence)
        assert session.query("SELECT top FROM of_another") == [(40,)]


def test_rows_written_after_the_copy_stop_the_switch(path: Path) -> None:
    with DuckDbSession(path) as session:
        candidate = session.beside(ORDERS, "candidate", TAG)
        copied = session.copy_table(ORDERS, candidate)
        move = Move("orders", ORDERS, session.beside(ORDERS, "prev", TAG), candidate, expect=copied)
        session.query("UPDATE orders SET amount = amount + 1 WHERE id = 2")
        with pytest.raises(StaleError, match="written to"):
            session.swap("switch/a", [move], fence)
        assert session.query("SELECT amount FROM orders WHERE id = 2") == [(21,)]


def test_a_copy_keeps_constraints_and_indexes(path: Path) -> None:
    with DuckDbSession(path) as session:
        candidate = session.beside(ORDERS, "candidate", TAG)
        session.copy_table(ORDERS, candidate)
        assert session.columns(candidate) == session.columns(ORDERS)
        with pytest.raises(WarehouseError):
            session.query(f"INSERT INTO {candidate.sql} VALUES (1, 1)")
        with pytest.raises(WarehouseError) as caught:
            session.query(f"INSERT INTO {candidate.sql} VALUES (1, 424242)")
        assert "424242" not in str(caught.value)


def test_a_first_deployment_is_undone_to_nothing(path: Path) -> None:
    new = Relation("fresh", "things")
    with DuckDbSession(path) as session:
        candidate = session.beside(new, "candidate", TAG)
        session.prepare([candidate], {candidate: new})
        session.query(f"CREATE TABLE {candidate.sql} AS SELECT 1 AS x")
        moved, _ = session.swap("switch/a", [Move("t", new, session.beside(new, "prev", TAG), candidate)], fence)
        assert moved[0].previous is None
        session.swap("undo/a", back(session, moved), fence)
        assert session.kind(new) is None


def test_only_what_is_older_than_the_retention_is_dropped(path: Path) -> None:
    with DuckDbSession(path) as session:
        moved, _ = session.swap("switch/a", candidates(session), fence)
        assert session.retire(timedelta(days=1)) == []
        assert sorted(session.retire(timedelta(seconds=-1))) == sorted(str(m.previous) for m in moved)
        assert session.query("SELECT * FROM totals") == [(4, 60)]


def test_a_file_held_by_another_process_names_that_process(path: Path) -> None:
    script = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(HeldError, match=str(holder.pid)), DuckDbSession(path):
            pass


def test_a_missing_file_and_a_broken_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="there is no DuckDB file"), DuckDbSession(tmp_path / "none.duckdb"):
        pass
    broken = tmp_path / "broken.duckdb"
    broken.write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseError, match="could not be opened"), DuckDbSession(broken):
        pass
