"""The ledger on a real PostgreSQL: several writers, few rights, and a server that goes away."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from interlock.ledger import Ledger, environment_state, grant_application_role, open_ledger, verify_export
from interlock.ledger.processes import this_process
from interlock.model.errors import ConfigError, FencedError, HeldError, InterlockError, UnreachableError
from interlock.model.events import Event, EventType
from tests.support.postgres import PostgresServer
from tests.support.process import free_port

pytestmark = pytest.mark.engine

_SAME = "at, type, environment, deployment, actor, data"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as started:
        yield started


@pytest.fixture
def url(server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"ledger_{abs(hash(request.node.name))}"
    yield server.create_database(name)
    server.drop_database(name)


@pytest.fixture
def ledger(url: str, tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(url, tmp_path) as opened:
        yield opened


def live(number: int) -> Event:
    return Event(EventType.RESOURCE_LIVE, "prod", "d-1", "ada", {"key": f"airflow.dag:{number}", "release": "r\0é"})


def test_events_state_and_export_are_as_on_sqlite(ledger: Ledger, tmp_path: Path) -> None:
    written = ledger.append([live(n) for n in range(700)])
    assert list(ledger.events()) == written
    assert ledger.verify() == []
    state = ledger.state("prod")
    assert state == environment_state(written, "prod")
    with open_ledger(ledger.database.engine.url.render_as_string(hide_password=False), tmp_path) as other:
        assert other.state("prod") == state
        assert other.rebuild() == ["prod"]
        assert other.verify() == []
    with open_ledger("sqlite:///same.db", tmp_path) as same:
        assert same.append([live(0)])[0].event == written[0].event
    head = ledger.export(tmp_path / "export.jsonl")
    assert (head, verify_export(tmp_path / "export.jsonl", head)) == (ledger.head(), [])


_WRITER = """
import sys
from pathlib import Path
from interlock.ledger import open_ledger
from interlock.model.events import Event, EventType
with open_ledger(sys.argv[1], Path.cwd()) as ledger:
    for n in range(40):
        ledger.append([Event(EventType.PLAN_MADE, "prod", sys.argv[2], data={"n": n, "of": i}) for i in range(3)])
"""


def test_writers_of_several_processes_number_without_gaps(url: str, tmp_path: Path) -> None:
    # The ledger does not exist yet: they also race to make it.
    children = [
        subprocess.Popen([sys.executable, "-c", _WRITER, url, f"d-{n}"], stderr=subprocess.PIPE) for n in range(3)
    ]
    assert [(child.communicate()[1], child.returncode) for child in children] == [(b"", 0)] * 3
    with open_ledger(url, tmp_path) as ledger:
        facts = list(ledger.events())
        assert [fact.number for fact in facts] == list(range(1, 361))
        assert [fact.at for fact in facts] == sorted(fact.at for fact in facts)
        assert ledger.verify() == []


def test_even_the_owner_cannot_change_events(ledger: Ledger, url: str) -> None:
    ledger.append([live(1), live(2)])
    for statement in (
        "UPDATE event SET actor = 'eve'",
        "DELETE FROM event WHERE number = 2",
        "TRUNCATE event",
        "UPDATE anchor SET hash = hash",
        "DELETE FROM anchor",
        "TRUNCATE anchor",
        f"INSERT INTO event SELECT 9, {_SAME}, previous, hash FROM event WHERE number = 2",
        "INSERT INTO anchor VALUES (1, repeat('0', 64))",
    ):  # fmt: skip
        with psycopg.connect(url) as connection, pytest.raises(errors.InsufficientPrivilege, match="append-only"):
            connection.execute(statement)
    assert ledger.verify() == []


def test_the_application_role_can_append_and_read_and_nothing_more(
    server: PostgresServer, ledger: Ledger, url: str, tmp_path: Path
) -> None:
    ledger.append([live(1)])
    server.execute("CREATE ROLE pipeline_release LOGIN PASSWORD 'x'")
    grant_application_role(ledger.database.engine, "pipeline_release")
    grant_application_role(ledger.database.engine, "pipeline_release")
    name = url.rpartition("/")[2]
    mine = server.dsn(name, user="pipeline_release", password="x")
    with open_ledger(mine, tmp_path) as application:
        application.append([live(n) for n in range(2, 600)])
        assert len(application.state("prod").resources) == 599
        lease = application.leases.acquire("prod", "d-1", ttl=60)
        application.leases.release(application.leases.renew(lease))
        assert application.verify() == []
    for statement in (
        "UPDATE event SET actor = 'eve'",
        "DELETE FROM event",
        "TRUNCATE event",
        "DELETE FROM anchor",
        "DROP TABLE event CASCADE",
        "ALTER TABLE event DISABLE TRIGGER ALL",
        "DROP TRIGGER event_no_update ON event",
        "CREATE OR REPLACE FUNCTION interlock_append_only() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'",
        "DELETE FROM lease",
        "UPDATE lease SET token = 0",
        "UPDATE schema_version SET version = 99",
        # A table of one's own, found before the real one, must not fool the guard.
        "CREATE TEMP TABLE event AS SELECT 8::bigint AS number, repeat('0', 64) AS hash;"
        " INSERT INTO public.event SELECT 9, at, type, environment, deployment, actor, data, repeat('0', 64), hash"
        " FROM public.event WHERE number = 1",
    ):
        with psycopg.connect(mine) as connection, pytest.raises(errors.InsufficientPrivilege):
            connection.execute(statement)
    assert ledger.verify() == []
    server.execute("DROP OWNED BY pipeline_release; DROP ROLE pipeline_release", name)


def test_a_role_that_nothing_can_be_refused_to_is_no_application_role(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="superuser"):
        grant_application_role(ledger.database.engine, "postgres")
    with open_ledger("sqlite:///l.db", tmp_path) as file, pytest.raises(ConfigError, match="no roles"):
        grant_application_role(file.database.engine, "anybody")


def test_a_role_without_rights_is_told_what_to_ask_for(
    server: PostgresServer, ledger: Ledger, url: str, tmp_path: Path
) -> None:
    server.execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
    try:
        with (
            pytest.raises(ConfigError) as refusal,
            open_ledger(server.dsn(url.rpartition("/")[2], user="stranger", password="x"), tmp_path) as opened,
        ):
            opened.append([live(1)])
        assert "grant" in refusal.value.remedy
    finally:
        server.execute("DROP ROLE stranger")


def test_what_a_superuser_did_to_the_chain_is_found(ledger: Ledger, url: str) -> None:
    ledger.append([live(n) for n in range(6)])
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE event DISABLE TRIGGER USER")
        connection.execute("UPDATE event SET actor = 'eve' WHERE number = 2")
        connection.execute("DELETE FROM event WHERE number IN (4, 6)")
    found = {(problem.number, problem.kind) for problem in ledger.verify()}
    assert found == {(0, "unprotected"), (2, "changed"), (4, "removed"), (6, "removed")}


_RACE = """
import sys
from pathlib import Path
from interlock.ledger import open_ledger
from interlock.model.errors import HeldError
with open_ledger(sys.argv[1], Path.cwd()) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(ledger.leases.acquire("prod", sys.argv[2], ttl=3600).token, flush=True)
    except HeldError:
        print("held", flush=True)
    sys.stdin.readline()
"""


def test_of_processes_that_race_for_a_lease_exactly_one_wins(url: str) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, url, f"d-{n}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(3)
    ]
    try:
        for step in ("wait", "go"):
            said = []
            for child in children if step == "go" else ():
                assert child.stdin is not None
                child.stdin.write("\n")
                child.stdin.flush()
            for child in children:
                assert child.stdout is not None
                said.append(child.stdout.readline().strip())
        assert sorted(said) == ["1", "held", "held"]
    finally:
        for child in children:
            child.communicate()


def test_a_lease_runs_by_the_clock_of_the_server_and_fences_its_old_holder(ledger: Ledger, url: str) -> None:
    elsewhere = {**this_process(), "host": "build-7"}  # nobody here can prove that it is dead
    old = ledger.leases.acquire("prod", "d-1", ttl=3600, info=elsewhere)
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT abs(extract(epoch FROM clock_timestamp() - acquired_at::timestamptz)) FROM lease"
        ).fetchone()
        assert row is not None and row[0] < 60
    with pytest.raises(HeldError, match=r"d-1 \(host build-7"):
        ledger.leases.acquire("prod", "d-2", ttl=60)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE lease SET expires_at = acquired_at")
    new = ledger.leases.acquire("prod", "d-2", ttl=60)
    assert (old.token, new.token) == (1, 2)
    with pytest.raises(FencedError):
        ledger.append([live(1)], fence=old)
    ledger.append([live(1)], fence=new)


def test_a_server_that_is_not_there_is_said_to_be_unreachable(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as refusal:
        open_ledger(f"postgresql://ada:hush@127.0.0.1:{free_port()}/ledger", tmp_path)
    assert refusal.value.transient and refusal.value.remedy
    assert "hush" not in f"{refusal.value} {refusal.value.detail} {refusal.value.remedy}"


def test_a_refused_login_says_so_without_the_password(server: PostgresServer, tmp_path: Path) -> None:
    for url in (server.dsn("postgres", password="hush"), server.dsn("no_such_database")):
        with pytest.raises(UnreachableError, match="refuses the login") as refusal:
            open_ledger(url, tmp_path)
        assert "hush" not in f"{refusal.value} {refusal.value.detail}"


def test_sessions_that_an_operator_ended_are_opened_again(server: PostgresServer, ledger: Ledger) -> None:
    ledger.append([live(1)])
    server.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'interlock'")
    assert ledger.append([live(2)])[0].number == 2


def test_a_writer_that_never_ends_is_not_waited_for_for_ever(
    ledger: Ledger, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.append([live(1)])
    monkeypatch.setattr("interlock.ledger.database.BUSY_SECONDS", 1)
    with ledger.database.writing(), pytest.raises(HeldError):
        ledger.append([live(2)])
    assert ledger.append([live(2)])[0].number == 2


def test_reading_where_no_ledger_was_made_says_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no ledger"):
        open_ledger(url, tmp_path, create=False)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_refusal_of_the_database_is_always_an_error_with_a_remedy(ledger: Ledger, url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE event ADD CONSTRAINT never CHECK (number < 2)")
    ledger.append([live(1)])
    with pytest.raises(InterlockError) as refusal:
        ledger.append([live(2)])
    assert refusal.value.remedy
    assert ledger.head().number == 1
