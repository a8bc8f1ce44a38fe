"""Somebody works on the ledger behind Interlock's back, or the ground below it gives way."""

import ctypes
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from interlock.ledger import Head, Ledger, open_ledger
from interlock.ledger.records import RawEvent, hash_of
from interlock.model.errors import ConfigError, HeldError, TamperedError, UnreachableError
from interlock.model.events import Event, EventType

URL = "sqlite:///ledger.db"
_SAME = "at, type, environment, deployment, actor, data"


def live(number: int) -> Event:
    return Event(EventType.RESOURCE_LIVE, "prod", "d-1", "ada", {"key": f"airflow.dag:{number}", "release": "r"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose ledger holds ten events, appended in threes."""
    with open_ledger(URL, tmp_path) as ledger:
        for start in range(0, 9, 3):
            ledger.append([live(n) for n in range(start, start + 3)])
        ledger.append([live(9)])
        ledger.rebuild()
        assert ledger.verify() == []
    return tmp_path


@contextmanager
def raw(root: Path, *, unguarded: bool = True) -> Iterator[sqlite3.Connection]:
    """The file as an attacker opens it, who puts the guards back in the end."""
    connection = sqlite3.connect(root / "ledger.db", isolation_level=None)
    guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards if unguarded else ():
        connection.execute(f"DROP TRIGGER {name}")
    yield connection
    for _, text in guards if unguarded else ():
        connection.execute(text)
    connection.close()


def problems(root: Path, expected: Head | None = None) -> list[tuple[int, str]]:
    with open_ledger(URL, root) as ledger:
        return [(problem.number, problem.kind) for problem in ledger.verify(expected)]


def rows(connection: sqlite3.Connection) -> list[RawEvent]:
    return [RawEvent(*row) for row in connection.execute("SELECT * FROM event ORDER BY number")]


def put(connection: sqlite3.Connection, found: list[RawEvent]) -> None:
    connection.execute("DELETE FROM event")
    connection.executemany("INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?)", found)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET actor = 'eve'",
        "UPDATE event SET number = 99 WHERE number = 10",
        "DELETE FROM event",
        "DELETE FROM event WHERE number = 10",
        "UPDATE anchor SET hash = hash",
        "DELETE FROM anchor WHERE number = 10",
        f"INSERT OR REPLACE INTO event SELECT number, {_SAME}, previous, hash FROM event WHERE number = 4",
        "REPLACE INTO event SELECT * FROM event WHERE number = 10",
        f"INSERT INTO event SELECT 12, {_SAME}, hash, hash FROM event WHERE number = 10",
        f"INSERT INTO event SELECT 11, {_SAME}, previous, hash FROM event WHERE number = 10",
        "INSERT OR REPLACE INTO anchor VALUES (10, printf('%064d', 1))",
    ],
)  # fmt: skip
def test_the_database_itself_refuses_to_change_events(root: Path, statement: str) -> None:
    with raw(root, unguarded=False) as connection, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    assert problems(root) == []


def test_the_token_of_a_lease_cannot_be_set_back(root: Path) -> None:
    with open_ledger(URL, root) as ledger:
        ledger.leases.release(ledger.leases.acquire("prod", "d-1", ttl=60))
        ledger.leases.acquire("prod", "d-2", ttl=60)
    with raw(root, unguarded=False) as connection:
        for statement in ("UPDATE lease SET token = 1", "DELETE FROM lease"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                connection.execute(statement)


@pytest.mark.parametrize("column", ["at", "type", "environment", "deployment", "actor", "data", "previous", "hash"])
def test_a_changed_field_is_found(root: Path, column: str) -> None:
    value = "f" * 64 if column in ("previous", "hash") else '{"key":"airflow.dag:evil"}'
    with raw(root) as connection:
        connection.execute(f"UPDATE event SET {column} = ? WHERE number = 5", [value])
    assert (5, "changed") in problems(root)


def test_a_field_of_another_type_is_found(root: Path) -> None:
    with raw(root) as connection:
        connection.execute("UPDATE event SET actor = x'00ff' WHERE number = 5")
        connection.execute("UPDATE event SET data = 'no json' WHERE number = 7")
    assert problems(root) == [(5, "changed"), (7, "changed")]


def test_a_change_with_its_hash_made_anew_is_found(root: Path) -> None:
    def change(number: int) -> list[tuple[int, str]]:
        with raw(root) as connection:
            found = rows(connection)
            row = found[number - 1]._replace(actor="eve")
            found[number - 1] = row._replace(hash=hash_of(row))
            put(connection, found)
        return problems(root)

    assert change(5) == [(5, "changed")]
    assert change(10) == [(5, "changed"), (10, "changed")]


def test_a_chain_made_anew_to_its_end_contradicts_its_anchors(root: Path) -> None:
    with raw(root) as connection:
        found = rows(connection)
        found[4] = found[4]._replace(actor="eve")
        for index in range(4, 10):
            row = found[index]._replace(previous=found[index - 1].hash)
            found[index] = row._replace(hash=hash_of(row))
        put(connection, found)
    assert problems(root) == [(6, "changed"), (9, "changed"), (10, "changed")]
    with open_ledger(URL, root) as ledger, pytest.raises(TamperedError):
        ledger.append([live(11)])


def test_anchors_made_anew_as_well_contradict_a_head_kept_elsewhere(root: Path) -> None:
    with open_ledger(URL, root) as ledger:
        kept = ledger.head()
    with raw(root) as connection:
        found = [row for row in rows(connection) if row.number < 10]
        row = found[8]._replace(actor="eve")
        found[8] = row._replace(hash=hash_of(row))
        put(connection, found)
        connection.execute("DELETE FROM anchor WHERE number >= 9")
        connection.execute("INSERT INTO anchor VALUES (9, ?)", [found[8].hash])
        connection.execute("DELETE FROM projection")
    assert problems(root) == []  # consistent in itself: nothing inside the ledger can show it
    assert problems(root, kept) == [(10, "removed")]


def test_removed_events_are_found_in_the_middle_at_the_start_and_at_the_end(root: Path) -> None:
    with raw(root) as connection:
        connection.execute("DELETE FROM event WHERE number IN (1, 4, 5, 9, 10)")
    assert problems(root) == [(n, "removed") for n in (1, 4, 5, 9, 10)]


def test_a_removed_event_whose_gap_was_closed_is_found(root: Path) -> None:
    with raw(root) as connection:
        found = rows(connection)
        put(connection, [*found[:4], *(row._replace(number=row.number - 1) for row in found[5:])])
    moved = [(n, "reordered") for n in range(5, 10)]
    assert problems(root) == [(5, "removed"), *moved, (10, "removed")]  # nothing stands at 10 any more


def test_removing_everything_is_found(root: Path) -> None:
    with raw(root) as connection:
        connection.execute("DELETE FROM event")
    assert problems(root) == [(n, "removed") for n in range(1, 11)]


def test_nothing_is_appended_behind_a_gap_at_the_end(root: Path) -> None:
    with raw(root) as connection:
        connection.execute("DELETE FROM event WHERE number = 10")
    with open_ledger(URL, root) as ledger:
        with pytest.raises(TamperedError, match="end of the ledger"):
            ledger.append([live(10)])
        assert ledger.head().number == 9


def test_swapped_events_are_found_and_named(root: Path) -> None:
    with raw(root) as connection:
        found = rows(connection)
        found[3], found[6] = found[6]._replace(number=4), found[3]._replace(number=7)
        put(connection, found)
    assert problems(root) == [(4, "reordered"), (7, "reordered")]
    with open_ledger(URL, root) as ledger:
        assert ledger.verify()[0].why == "it was recorded as event 7"


def test_an_inserted_event_is_found(root: Path) -> None:
    with raw(root) as connection:
        last = rows(connection)[-1]
        forged = last._replace(number=11, actor="eve", previous=last.hash)
        connection.execute("INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?)", forged._replace(hash=hash_of(forged)))
    assert problems(root) == [(11, "inserted")]
    with open_ledger(URL, root) as ledger, pytest.raises(TamperedError):
        ledger.append([live(12)])


def test_an_event_inserted_in_the_middle_is_found(root: Path) -> None:
    with raw(root) as connection:
        found = rows(connection)
        forged = found[4]._replace(actor="eve", previous=found[3].hash)
        forged = forged._replace(hash=hash_of(forged))
        put(connection, [*found[:4], forged, *(row._replace(number=row.number + 1) for row in found[4:])])
    assert problems(root) == [(5, "inserted"), *((n, "reordered") for n in range(6, 12))]


def test_a_missing_guard_is_found(root: Path) -> None:
    with raw(root, unguarded=False) as connection:
        connection.execute("DROP TRIGGER event_no_update")
    assert problems(root) == [(0, "unprotected")]


@pytest.mark.parametrize("column", ["state", "hash"])
def test_a_stored_state_that_was_changed_is_found_and_rebuilding_mends_it(root: Path, column: str) -> None:
    with raw(root) as connection:
        connection.execute(f"UPDATE projection SET {column} = replace({column}, '1', '2')")
    with open_ledger(URL, root) as ledger:
        assert [problem.kind for problem in ledger.verify()] == ["projection"]
        ledger.rebuild()
        assert ledger.verify() == []
        assert "airflow.dag:1" in ledger.state("prod").resources


def test_a_stored_state_that_cannot_be_read_is_folded_anew(root: Path) -> None:
    with raw(root) as connection:
        connection.execute("UPDATE projection SET state = '[]'")
    with open_ledger(URL, root) as ledger:
        assert len(ledger.state("prod").resources) == 10


@pytest.mark.parametrize("content", [b"not a database, " * 300, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ledger.db").write_bytes(content)
    with pytest.raises(TamperedError) as refusal:
        open_ledger(URL, tmp_path)
    assert "backup" in refusal.value.remedy
    assert (tmp_path / "ledger.db").read_bytes() == content


def _overwrite_pages(content: bytes) -> bytes:
    return content[:8192] + b"\xa5" * (len(content) - 8192)


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.parametrize("harm", [_overwrite_pages, _cut])
def test_a_damaged_file_is_never_read_as_if_it_were_whole(root: Path, harm: Callable[[bytes], bytes]) -> None:
    with raw(root) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = root / "ledger.db"
    path.write_bytes(harm(path.read_bytes()))

    def look() -> bool:
        with open_ledger(URL, root) as ledger:
            return ledger.verify() != []

    try:
        assert look()
    except TamperedError as refusal:
        assert refusal.remedy


def _fill(ledger: Ledger) -> None:
    while True:
        ledger.append([Event(EventType.PLAN_MADE, "prod", data={"x": "y" * 100_000})])


def test_a_full_disk_loses_nothing_and_says_what_to_do(root: Path) -> None:
    with open_ledger(URL, root) as ledger:
        with ledger.database.engine.connect() as connection:
            # SQLite's own limit answers exactly as a full disk does.
            connection.exec_driver_sql("PRAGMA max_page_count = 300")
        with pytest.raises(UnreachableError, match="is full") as refusal:
            _fill(ledger)
        assert refusal.value.remedy
        before = ledger.head()
        with pytest.raises(UnreachableError):
            ledger.append([Event(EventType.PLAN_MADE, "prod", data={"x": "y" * 900_000})])
        assert ledger.head() == before
    assert problems(root, before) == []


def test_a_writer_that_never_ends_is_not_waited_for_for_ever(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.ledger.database.BUSY_SECONDS", 0.2)
    with open_ledger(URL, root) as ledger, raw(root, unguarded=False) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HeldError, match="Another process"):
            ledger.append([live(10)])
        assert ledger.head().number == 10  # readers do not wait
        other.execute("ROLLBACK")
        assert ledger.append([live(10)])[0].number == 11


_READ_ONLY = """
import sys
from pathlib import Path
from interlock.ledger import open_ledger
from interlock.model.errors import ConfigError
from interlock.model.events import Event, EventType
ledger = open_ledger("sqlite:///ledger.db", Path(sys.argv[1]), create=False)
print(len(ledger.state("prod").resources), ledger.verify(), len(list(ledger.events())))
try:
    ledger.append([Event(EventType.PLAN_MADE, "prod")])
except ConfigError as error:
    print(error, error.remedy)
"""


def test_a_read_only_ledger_can_be_read_and_says_that_it_cannot_be_written(root: Path) -> None:
    with raw(root) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (root / "ledger.db").chmod(0o444)
    root.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", _READ_ONLY, str(root)], capture_output=True, text=True, preexec_fn=_heed_file_modes
        )
    finally:
        root.chmod(0o755)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "10 [] 10"
    assert "can be read only" in second and "write access" in second


def _heed_file_modes() -> None:
    """Between fork and exec: the program to come may not write what file modes forbid, not even as root."""
    if os.geteuid() == 0:
        drop_from_bounding_set, dac_override = 24, 1
        assert ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0) == 0


def test_a_folder_that_cannot_be_made_is_a_matter_of_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as refusal:
        open_ledger("sqlite:///file/ledger.db", tmp_path)
    assert refusal.value.remedy
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError):
        open_ledger("sqlite:///folder", tmp_path)
