"""What consumers of a real PostgreSQL see before, at and after a switch: rows, views, privileges, policies."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlparse

import psycopg
import pytest

from interlock.adapters.dbt.relations import Move, Moved, Relation
from interlock.adapters.dbt.warehouse_postgres import PostgresSession
from interlock.config.models import PostgresWarehouse
from interlock.model.errors import FencedError, HeldError, RefusedError, StaleError, WarehouseError
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.engine

ORDERS, TOTALS = Relation("marts", "orders"), Relation("marts", "totals")
TAG = "0123abcd"


def settings(url: str) -> tuple[PostgresWarehouse, str]:
    parts = urlparse(url)
    warehouse = PostgresWarehouse(
        type="postgres", host=parts.hostname or "", port=parts.port or 0, database=parts.path[1:],
        user=parts.username or "", password_env="WAREHOUSE_PASSWORD", lock_timeout=timedelta(milliseconds=200),
    )  # fmt: skip
    return warehouse, parts.password or ""


@pytest.fixture
def session(postgres_database: str) -> Iterator[PostgresSession]:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA marts")
        connection.execute("CREATE TABLE marts.orders (id int PRIMARY KEY, amount int)")
        connection.execute("INSERT INTO marts.orders SELECT i, i * 10 FROM generate_series(0, 4) AS i")
        connection.execute("CREATE VIEW marts.totals AS SELECT sum(amount) AS total FROM marts.orders")
    warehouse, password = settings(postgres_database)
    with PostgresSession(warehouse, password, patience=1.0) as opened:
        yield opened


@pytest.fixture
def reader(postgres: PostgresServer) -> Iterator[str]:
    """A role that may log in and owns nothing."""
    name = "reader_of_orders"
    postgres.execute(f"CREATE ROLE {name}")
    yield name
    postgres.execute(f"DROP ROLE IF EXISTS {name}")


def fence() -> None:
    pass


def candidates(session: PostgresSession) -> list[Move]:
    """A candidate of the table with another column, and one of the view that reads it."""
    orders, totals = (session.beside(r, "candidate", TAG) for r in (ORDERS, TOTALS))
    session.prepare([orders, totals], {orders: ORDERS, totals: TOTALS})
    session.query(f"CREATE TABLE {orders.sql} AS SELECT id, amount, 'EUR' AS currency FROM marts.orders WHERE id < 4")
    session.query(f"CREATE VIEW {totals.sql} AS SELECT count(*) AS n, sum(amount) AS total FROM {orders.sql}")
    return [
        Move("orders", ORDERS, session.beside(ORDERS, "prev", TAG), orders),
        Move("totals", TOTALS, session.beside(TOTALS, "prev", TAG), totals),
    ]


def only_orders(session: PostgresSession) -> list[Move]:
    return candidates(session)[:1]


def back(session: PostgresSession, moved: list[Moved]) -> list[Move]:
    return [
        Move(m.key, m.live, session.beside(m.live, "undone", TAG), m.previous,
             definition=m.definition, definition_kind=m.previous_kind) for m in moved
    ]  # fmt: skip


def test_tables_and_views_go_live_together_and_come_back(session: PostgresSession) -> None:
    moved, changed = session.swap("switch/a", candidates(session), fence)
    assert changed
    assert session.query("SELECT * FROM marts.totals") == [(4, 60)]
    assert session.swap("undo/a", back(session, moved), fence)[1]
    assert session.query("SELECT * FROM marts.totals") == [(100,)]
    assert session.swap("undo/a", back(session, moved), fence)[1] is False


def test_a_lost_lease_changes_nothing(session: PostgresSession) -> None:
    def lost() -> None:
        raise FencedError("the lease is gone")

    moves = candidates(session)
    with pytest.raises(FencedError):
        session.swap("switch/a", moves, lost)
    assert session.query("SELECT * FROM marts.totals") == [(100,)]
    assert session.marks("switch/a") == {}


def test_a_strangers_views_read_the_new_table_and_then_the_old_one_again(session: PostgresSession) -> None:
    session.query("CREATE SCHEMA reports")
    session.query("CREATE VIEW reports.first AS SELECT id, amount FROM marts.orders")
    session.query("CREATE VIEW reports.second AS SELECT count(*) AS n FROM reports.first")
    session.query("CREATE MATERIALIZED VIEW reports.kept AS SELECT count(*) AS n FROM marts.orders")
    session.query("CREATE UNIQUE INDEX kept_n ON reports.kept (n)")
    session.query("COMMENT ON VIEW reports.first IS 'a stranger''s'")
    moved, _ = session.swap("switch/a", candidates(session), fence)
    assert session.query("SELECT n FROM reports.second") == [(4,)]
    assert session.query("SELECT n FROM reports.kept") == [(4,)]
    assert session.query("SELECT obj_description('reports.first'::regclass)") == [("a stranger's",)]
    assert session.query("SELECT indexname::text FROM pg_indexes WHERE schemaname = 'reports'") == [("kept_n",)]
    session.swap("undo/a", back(session, moved), fence)
    assert session.query("SELECT n FROM reports.second") == [(5,)]
    assert session.query("SELECT n FROM reports.kept") == [(5,)]


def test_a_view_whose_column_gets_another_type_is_made_anew_with_its_grants(
    session: PostgresSession, reader: str
) -> None:
    session.query("CREATE VIEW marts.wide AS SELECT id, amount FROM marts.orders")
    session.query("CREATE VIEW marts.wider AS SELECT amount FROM marts.wide")
    session.query(f"GRANT SELECT ON marts.wide TO {reader}")
    orders = session.beside(ORDERS, "candidate", TAG)
    session.prepare([orders], {orders: ORDERS})
    session.query(f"CREATE TABLE {orders.sql} AS SELECT id, amount::numeric AS amount FROM marts.orders")
    move = Move("orders", ORDERS, session.beside(ORDERS, "prev", TAG), orders)
    session.swap("switch/a", [move], fence)
    assert session.columns(Relation("marts", "wider")) == {"amount": "numeric"}
    assert session.query("SELECT has_table_privilege(%s, 'marts.wide', 'SELECT')", (reader,)) == [(True,)]
    session.query("DROP OWNED BY " + reader)


def test_a_view_that_reads_a_column_that_goes_away_refuses_the_switch_and_is_foretold(
    session: PostgresSession,
) -> None:
    session.query("CREATE VIEW marts.top AS SELECT max(amount) AS top FROM marts.orders")
    orders = session.beside(ORDERS, "candidate", TAG)
    session.prepare([orders], {orders: ORDERS})
    session.query(f"CREATE TABLE {orders.sql} AS SELECT id FROM marts.orders")
    assert sorted(session.lost_columns(ORDERS, orders)) == ["marts.top: amount", "marts.totals: amount"]
    with pytest.raises(RefusedError, match="would break"):
        session.swap("switch/a", [Move("orders", ORDERS, session.beside(ORDERS, "prev", TAG), orders)], fence)
    assert session.query("SELECT top FROM marts.top") == [(40,)]


def test_privileges_owner_comments_and_policies_stay_with_the_name(session: PostgresSession, reader: str) -> None:
    owner = "owner_of_orders"
    session.query(f"CREATE ROLE {owner}")
    session.query(f"GRANT CREATE ON SCHEMA marts TO {owner}")
    session.query(f"ALTER TABLE marts.orders OWNER TO {owner}")
    session.query(f"GRANT SELECT (id), UPDATE (amount) ON marts.orders TO {reader}")
    session.query("GRANT SELECT ON marts.orders TO PUBLIC")
    session.query("COMMENT ON TABLE marts.orders IS 'every order'")
    session.query("COMMENT ON COLUMN marts.orders.id IS 'its number'")
    session.query("ALTER TABLE marts.orders ENABLE ROW LEVEL SECURITY")
    session.query(f"CREATE POLICY few ON marts.orders FOR SELECT TO {reader} USING (id < 3)")
    before = _outside(session)
    session.swap("switch/a", only_orders(session), fence)
    assert _outside(session) == before
    session.query(f"SET ROLE {reader}")
    session.query("RESET ROLE")
    session.query(f"DROP OWNED BY {reader}")
    session.query(f"REASSIGN OWNED BY {owner} TO CURRENT_USER")
    session.query(f"DROP OWNED BY {owner}")
    session.query(f"DROP ROLE {owner}")


def _outside(session: PostgresSession) -> list[object]:
    return [
        session.query("SELECT pg_get_userbyid(relowner)::text, relrowsecurity FROM pg_class WHERE oid = 'marts.orders'::regclass"),
        session.query("SELECT x.privilege_type, x.grantee::bigint FROM pg_class c, aclexplode(c.relacl) x"
                      " WHERE c.oid = 'marts.orders'::regclass ORDER BY 1, 2"),
        session.query("SELECT attname::text, attacl::text FROM pg_attribute WHERE attrelid = 'marts.orders'::regclass"
                      " AND attacl IS NOT NULL ORDER BY 1"),
        session.query("SELECT obj_description('marts.orders'::regclass), col_description('marts.orders'::regclass, 1)"),
        session.query("SELECT policyname::text, roles::text, qual FROM pg_policies WHERE tablename = 'orders'"
                      " AND schemaname = 'marts'"),
    ]  # fmt: skip


def test_grants_that_dbt_manages_are_not_carried_over(session: PostgresSession, reader: str) -> None:
    session.query(f"GRANT SELECT ON marts.orders TO {reader}")
    [move] = only_orders(session)
    session.swap("switch/a", [Move(move.key, move.live, move.parked, move.incoming, grants_managed=True)], fence)
    assert session.query("SELECT has_table_privilege(%s, 'marts.orders', 'SELECT')", (reader,)) == [(False,)]
    session.query(f"DROP OWNED BY {reader}")


def test_default_privileges_of_the_live_schema_hold_for_a_first_deployment(
    session: PostgresSession, reader: str
) -> None:
    session.query(f"ALTER DEFAULT PRIVILEGES IN SCHEMA marts GRANT SELECT ON TABLES TO {reader}")
    new = Relation("marts", "fresh")
    candidate = session.beside(new, "candidate", TAG)
    session.prepare([candidate], {candidate: new})
    session.query(f"CREATE TABLE {candidate.sql} (x int)")
    session.swap("switch/a", [Move("f", new, session.beside(new, "prev", TAG), candidate)], fence)
    assert session.query("SELECT has_table_privilege(%s, 'marts.fresh', 'SELECT')", (reader,)) == [(True,)]
    session.discard([candidate])
    session.query(f"DROP OWNED BY {reader}")


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("CREATE TABLE public.refund (o int REFERENCES marts.orders (id))", "foreign key"),
        ("CREATE PUBLICATION feed FOR TABLE marts.orders", "publication"),
        ("CREATE TRIGGER t BEFORE UPDATE ON marts.orders EXECUTE FUNCTION suppress_redundant_updates_trigger()", "trigger"),
        ("CREATE RULE r AS ON DELETE TO marts.orders DO ALSO NOTHING", "rule"),
        ("CREATE TABLE public.child () INHERITS (marts.orders)", "inheritance"),
        ("CREATE FUNCTION public.one(marts.orders) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function"),
        ("CREATE TABLE public.boxed (o marts.orders)", "row type"),
    ],
)  # fmt: skip
def test_what_cannot_be_repointed_refuses_the_switch(session: PostgresSession, statement: str, what: str) -> None:
    session.query(statement.replace("FOR EACH ROW", ""))
    moves = only_orders(session)
    assert any(what in obstacle.what for obstacle in session.obstacles([ORDERS]))
    with pytest.raises(RefusedError, match=what):
        session.swap("switch/a", moves, fence)
    assert session.query("SELECT count(*) FROM marts.orders") == [(5,)]


@pytest.mark.parametrize(
    "write",
    [
        "INSERT INTO marts.orders VALUES (9, 9)",
        "DELETE FROM marts.orders WHERE id = 1",
        "UPDATE marts.orders SET amount = amount WHERE id = 1",
        "TRUNCATE marts.orders",
    ],
)
def test_rows_written_after_the_copy_stop_the_switch(session: PostgresSession, write: str) -> None:
    move = _copied(session)
    session.query(write)
    with pytest.raises(StaleError, match="written to"):
        session.swap("switch/a", [move], fence)


def test_a_vacuum_after_the_copy_does_not_stop_the_switch(session: PostgresSession) -> None:
    move = _copied(session)
    session.query("VACUUM (FREEZE, ANALYZE) marts.orders")
    assert session.swap("switch/a", [move], fence)[1]


def _copied(session: PostgresSession) -> Move:
    candidate = session.beside(ORDERS, "candidate", TAG)
    session.prepare([candidate], {candidate: ORDERS})
    copied = session.copy_table(ORDERS, candidate)
    return Move("orders", ORDERS, session.beside(ORDERS, "prev", TAG), candidate, expect=copied)


def test_a_copy_keeps_constraints_and_hides_values_in_errors(session: PostgresSession) -> None:
    move = _copied(session)
    assert move.incoming is not None
    with pytest.raises(WarehouseError) as caught:
        session.query(f"INSERT INTO {move.incoming.sql} VALUES (1, 424242)")
    assert "424242" not in str(caught.value)
    with pytest.raises(WarehouseError) as caught:
        session.query("SELECT 'a customer'::int")
    assert "a customer" not in f"{caught.value} {caught.value.detail} {caught.value.__cause__}"


def test_a_long_reader_is_named_and_nothing_waits_behind_us(session: PostgresSession, postgres_database: str) -> None:
    moves = candidates(session)
    with psycopg.connect(postgres_database, application_name="nightly report") as holder:
        holder.execute("SELECT count(*) FROM marts.orders")
        with pytest.raises(HeldError, match="nightly report") as caught:
            session.swap("switch/a", moves, fence)
        assert str(holder.info.backend_pid) in caught.value.summary
        assert "SELECT" not in caught.value.summary
    assert session.swap("switch/a", moves, fence)[1]


def test_a_reader_that_ends_in_time_only_delays_the_switch(session: PostgresSession, postgres_database: str) -> None:
    moves = candidates(session)
    holder = psycopg.connect(postgres_database)
    holder.execute("SELECT count(*) FROM marts.orders")
    timer = threading.Timer(0.4, holder.close)
    timer.start()
    assert session.swap("switch/a", moves, fence)[1]
    timer.join()


def test_a_previous_view_that_a_cascade_took_away_is_made_again(session: PostgresSession) -> None:
    session.query("CREATE TABLE marts.unchanged AS SELECT 7 AS x")
    session.query("CREATE OR REPLACE VIEW marts.totals AS SELECT sum(x) AS total FROM marts.unchanged")
    totals = session.beside(TOTALS, "candidate", TAG)
    session.prepare([totals], {totals: TOTALS})
    session.query(f"CREATE VIEW {totals.sql} AS SELECT 1 AS other")
    moved, _ = session.swap("switch/a", [Move("t", TOTALS, session.beside(TOTALS, "prev", TAG), totals)], fence)
    # A scheduled run of dbt rebuilds the parent and drops what hangs on the old one.
    session.query("DROP TABLE marts.unchanged CASCADE")
    session.query("CREATE TABLE marts.unchanged AS SELECT 8 AS x")
    session.swap("undo/a", back(session, moved), fence)
    assert session.query("SELECT total FROM marts.totals") == [(8,)]


def test_only_what_is_older_than_the_retention_is_dropped(session: PostgresSession) -> None:
    moved, _ = session.swap("switch/a", candidates(session), fence)
    assert session.retire(timedelta(days=1)) == []
    assert sorted(session.retire(timedelta(seconds=-1))) == sorted(str(m.previous) for m in moved)
    assert session.query("SELECT * FROM marts.totals") == [(4, 60)]
    session.tidy()
    assert session.query("SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%ilk%'") == [(0,)]


def test_a_long_schema_name_is_shortened_and_stays_unique(session: PostgresSession) -> None:
    first, second = (session.beside(Relation("s" * 60 + end, "t"), "undone", TAG) for end in ("aaa", "bbb"))
    assert first != second
    assert len(first.schema) <= 63
    assert first.ours
