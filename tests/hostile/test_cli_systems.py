"""Systems that are away, die in the middle, or are full: said with exit code 5, and the work goes on afterwards."""

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import psycopg
import pytest

from tests.hostile.cli_project import (
    DONE,
    HELD,
    NO,
    UNREACHABLE,
    build,
    dbt_files,
    deploy,
    interlock,
    spark_files,
    start,
    unharmed,
    write,
)
from tests.hostile.small_disk import SmallDisk
from tests.support.postgres import PostgresServer

# -- a DuckDB file that is not there, or is another's


@pytest.fixture(scope="module")
def on_duckdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("duckdb") / "project"
    write(root, dbt_files({"one.sql": "select i as id from range(10) t(i)\n"}))
    build(root)
    return root


@pytest.mark.engine
def test_warehouse_file_that_is_not_there_is_named_and_the_deployment_goes_on_once_it_is(on_duckdb: Path) -> None:
    said = interlock(on_duckdb, "deploy", "prod", "--yes")
    assert said.code == UNREACHABLE, said
    said.about("warehouse.duckdb")
    assert not (on_duckdb / "warehouse.duckdb").exists(), "an empty warehouse must not be made by mistake"
    unharmed(on_duckdb, "")
    duckdb.connect(str(on_duckdb / "warehouse.duckdb")).close()
    resume_if_needed(on_duckdb)
    deploy(on_duckdb)
    unharmed(on_duckdb)


@pytest.mark.engine
def test_warehouse_file_that_is_no_database_is_named(on_duckdb: Path) -> None:
    write(on_duckdb, {"dbt/models/one.sql": "select i as id, 2 as version from range(10) t(i)\n"})
    build(on_duckdb)
    place = on_duckdb / "warehouse.duckdb"
    whole = place.read_bytes()
    place.write_bytes(b"this is no database, but a letter" * 400)
    said = interlock(on_duckdb, "deploy", "prod", "--yes")
    assert said.code == UNREACHABLE, said
    said.about("warehouse.duckdb")
    place.write_bytes(whole)
    resume_if_needed(on_duckdb)
    unharmed(on_duckdb)


@pytest.mark.engine
def test_warehouse_file_that_another_process_holds_is_said_with_its_pid(on_duckdb: Path) -> None:
    with duckdb.connect(str(on_duckdb / "warehouse.duckdb")):
        said = interlock(on_duckdb, "deploy", "prod", "--yes")
    assert said.code == HELD, said
    words, remedy, _ = said.about("warehouse.duckdb")
    assert str(os.getpid()) in words + remedy
    resume_if_needed(on_duckdb)
    deploy(on_duckdb)
    unharmed(on_duckdb)
    with duckdb.connect(str(on_duckdb / "warehouse.duckdb"), read_only=True) as warehouse:
        assert warehouse.execute("select max(version) from analytics.one").fetchall() == [(2,)]


def resume_if_needed(root: Path, env: dict[str, str] | None = None) -> None:
    """What was interrupted has come to its end, forward or back; nothing is unfinished any more."""
    if interlock(root, "status", env=env).body["environments"][0]["running"]:
        resumed = interlock(root, "resume", env=env)
        assert resumed.code in (DONE, NO), resumed
        assert resumed.body["outcome"] in ("succeeded", "turned"), resumed


# -- a PostgreSQL server

PASSWORD = "HOSTILE_WAREHOUSE_PASSWORD"
# The second model waits for a lock that the test holds: so the server dies while dbt is in the middle of its work.
WAITS = "select id, {0} as version from {{{{ ref('one') }}}}, (select pg_advisory_xact_lock(42)::text) as gate\n"


class Postgres:
    """A project whose warehouse is a server of the test's own, with version 1 live."""

    def __init__(self, root: Path, server: PostgresServer) -> None:
        self.root, self.server = root, server
        self.env = {PASSWORD: server.password}
        warehouse = (
            f"{{type: postgres, host: {server.host}, port: {server.port}, database: postgres, user: {server.user},"
            f" password_env: {PASSWORD}}}"
        )
        models = {"one.sql": "select i as id from generate_series(1, 10) t(i)\n", "two.sql": WAITS.format(1)}
        write(root, dbt_files(models, warehouse))
        self.live = build(root)
        deploy(root, env=self.env)
        write(root, {"dbt/models/two.sql": WAITS.format(2)})
        self.next = build(root)

    def version(self) -> int:
        with psycopg.connect(self.server.dsn()) as connection:
            return int(connection.execute("select max(version) from analytics.two").fetchall()[0][0])

    def left_over(self) -> list[tuple[str, ...]]:
        """Schemas beside production."""
        with psycopg.connect(self.server.dsn()) as connection:
            return connection.execute("select nspname from pg_namespace where nspname like '%ilk%'").fetchall()


@pytest.fixture(scope="module")
def on_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with PostgresServer() as server:
        yield Postgres(tmp_path_factory.mktemp("postgres") / "project", server)


@pytest.mark.engine
def test_server_that_is_not_there_is_named_without_its_password(on_postgres: Postgres) -> None:
    world = on_postgres
    world.server.stop()
    said = interlock(world.root, "deploy", "prod", "--yes", env=world.env)
    assert said.code == UNREACHABLE, said
    _, remedy, _ = said.about(f"{world.server.host}:{world.server.port}")
    assert PASSWORD in remedy and world.server.password not in str(said)
    world.server.start()
    resume_if_needed(world.root, world.env)
    unharmed(world.root, world.live, env=world.env)
    assert world.version() == 1


@pytest.mark.engine
def test_server_that_dies_while_candidates_are_built_loses_nothing_and_the_work_goes_on(on_postgres: Postgres) -> None:
    world = on_postgres
    with psycopg.connect(world.server.dsn(), autocommit=True) as gate:
        gate.execute("select pg_advisory_lock(42)")
        running = start(world.root, "deploy", "prod", "--yes", env=world.env)
        waiting = "select 1 from pg_locks where locktype = 'advisory' and not granted"
        try:
            running.wait_for(lambda: gate.execute(waiting).fetchall(), "dbt to be in the middle of its work")
            world.server.kill()
            said = running.said()
        finally:
            running.end()
    assert said.code == UNREACHABLE, said
    said.about(f"{world.server.host}:{world.server.port}")
    assert world.server.password not in str(said)
    # While it is away, everything else can be asked, and says that it does not know.
    unknown = interlock(world.root, "status", env=world.env).body["environments"][0]
    assert unknown["release"] == world.live and "unknown" in str(unknown["drift"])
    world.server.start()
    assert world.version() == 1
    resumed = interlock(world.root, "resume", env=world.env)
    assert resumed.body["outcome"] in ("succeeded", "turned"), resumed
    if resumed.body["outcome"] == "turned":
        assert world.version() == 1
        assert world.left_over() == []
        unharmed(world.root, world.live, env=world.env)
        deploy(world.root, env=world.env)
    assert world.version() == 2
    unharmed(world.root, world.next, env=world.env)


@pytest.mark.engine
def test_password_variable_that_is_not_set_is_named(on_postgres: Postgres) -> None:
    world = on_postgres
    live = interlock(world.root, "status", env=world.env).body["environments"][0]["release"]
    write(world.root, {"dbt/models/two.sql": WAITS.format(3)})
    build(world.root)
    said = interlock(world.root, "deploy", "prod", "--yes")
    assert said.code == 2, said
    said.about(PASSWORD)
    resume_if_needed(world.root, world.env)
    unharmed(world.root, live, env=world.env)


# -- a disk that is full


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "disk", "6m") as disk:
        yield disk


def test_full_disk_is_named_loses_nothing_and_with_room_again_all_goes_on(disk: SmallDisk) -> None:
    root, inside = disk.folder / "project", disk.inside
    write(disk.seen / "project", spark_files())
    live = interlock(root, "build", inside=inside).body["release"]
    assert interlock(root, "deploy", "prod", "--yes", inside=inside).code == DONE
    data = "".join(f"# {number:06d} {os.urandom(24).hex()}\n" for number in range(10_000))
    write(disk.seen / "project", {**spark_files(version=2), "lib/shared/data.txt": data})

    # While the release is built: the store is full.
    for left in (0, 300_000):
        disk.fill(leave=left)
        said = interlock(root, "build", inside=inside)
        assert said.code == UNREACHABLE, said
        words, remedy, _ = said.about("full")
        assert "disk" in words and "space" in remedy.lower()
    disk.free()
    unharmed(root, live, inside=inside)
    release = interlock(root, "build", inside=inside).body["release"]
    assert release and release != live

    # While it is deployed: there is room for the ledger, and none for the version.
    disk.fill(leave=400_000)
    said = interlock(root, "deploy", "prod", "--yes", inside=inside)
    assert said.code in (NO, UNREACHABLE), said
    assert "full" in str(said.body) and "space" in str(said.body), said
    disk.free()
    unharmed(root, live, inside=inside)
    finish(root, inside)

    # And with no room at all, not even for one event.
    disk.fill(leave=0)
    said = interlock(root, "deploy", "prod", "--yes", inside=inside)
    assert said.code == UNREACHABLE, said
    said.about("full")
    disk.free()
    finish(root, inside)
    ended = interlock(root, "deploy", "prod", "--yes", inside=inside)
    assert ended.code == DONE, ended
    unharmed(root, release, inside=inside)


def finish(root: Path, inside: list[str]) -> None:
    """Nothing is unfinished."""
    if interlock(root, "status", inside=inside).body["environments"][0]["running"]:
        resumed = interlock(root, "resume", inside=inside)
        assert resumed.code in (DONE, NO), resumed
