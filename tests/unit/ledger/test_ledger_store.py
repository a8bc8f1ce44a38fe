"""What a ledger in a SQLite file promises to whoever writes and reads it."""

import hashlib
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.ledger import Head, Ledger, open_ledger
from interlock.ledger.migrations import LATEST, MIGRATIONS
from interlock.ledger.records import MAX_EVENT_BYTES, RawEvent, data_text, hash_of, load_json
from interlock.model.errors import ConfigError, FencedError, InterlockError, TamperedError
from interlock.model.events import Event, EventType, Recorded

URL = "sqlite:///.interlock/ledger.db"


def step(name: str, **more: Any) -> Event:
    return Event(EventType.STEP_STARTED, "prod", "d-1", "ada", {"step": name, **more})


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with open_ledger(URL, tmp_path) as opened:
        yield opened


def test_what_was_appended_is_read_back_numbered_and_chained(ledger: Ledger) -> None:
    written = [*ledger.append([step("a"), step("b", list=(1, 2))]), *ledger.append([step("c")])]
    assert list(ledger.events()) == written
    assert [fact.number for fact in written] == [1, 2, 3]
    assert written[0].previous == "0" * 64
    assert [fact.previous for fact in written[1:]] == [fact.hash for fact in written[:-1]]
    assert written[1].event.data == {"step": "b", "list": [1, 2]}
    assert ledger.head() == Head(3, written[-1].hash, written[-1].at)
    assert ledger.verify() == []


def test_an_empty_ledger_has_an_empty_head_and_no_problem(ledger: Ledger) -> None:
    assert ledger.append([]) == []
    assert ledger.head() == Head()
    assert ledger.verify() == []
    assert ledger.state("prod").resources == {}


def test_the_hash_is_that_of_canonical_json_as_anybody_can_compute_it(ledger: Ledger) -> None:
    (fact,) = ledger.append([step('é\u2028"\\\x01', number=1e21, nested={"b": [None, True], "a": 0.1})])
    document = {
        "number": fact.number,
        "at": fact.at,
        "type": fact.event.type.value,
        "environment": "prod",
        "deployment": "d-1",
        "actor": "ada",
        "data": fact.event.data,
        "previous": fact.previous,
    }
    assert fact.hash == hashlib.sha256(rfc8785.dumps(document)).hexdigest()


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _FINITE | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(_TEXT, _JSON, max_size=4), _TEXT)
@settings(max_examples=200, deadline=None)
def test_every_json_document_hashes_as_its_canonical_form(data: dict[str, Any], text: str) -> None:
    written = data_text(Event(EventType.PLAN_MADE, "prod", data=data))
    assert rfc8785.dumps(load_json(written)).decode() == written
    row = RawEvent(7, text, "plan.made", "prod", text, text, written, "0" * 64, "")
    document = {**row._asdict(), "data": load_json(written)}
    del document["hash"]
    assert hash_of(row) == hashlib.sha256(rfc8785.dumps(document)).hexdigest()


_DEEP: dict[str, Any] = {}
for _ in range(100_000):
    _DEEP = {"d": _DEEP}


@pytest.mark.parametrize(
    "data",
    [
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": {1, 2}},
        {"x": b"bytes"},
        {"x": 2**53},
        {1: "x"},
        {"x": "\ud800"},
        {"x": datetime.now(UTC)},
        {"x": "y" * MAX_EVENT_BYTES},
        ["no object"],
        _DEEP,
    ],
    ids=["nan", "inf", "set", "bytes", "integer", "key", "surrogate", "time", "large", "list", "deep"],
)
def test_what_is_no_json_or_too_large_is_refused_and_nothing_written(ledger: Ledger, data: Any) -> None:
    with pytest.raises(InterlockError) as refusal:
        ledger.append([step("good"), Event(EventType.PLAN_MADE, "prod", data=data)])
    assert refusal.value.remedy
    assert ledger.head() == Head()


def test_the_receipt_of_ten_thousand_switched_relations_is_taken(tmp_path: Path) -> None:
    relation = {"schema": "analytics", "name": "model_" * 10, "before": "x" * 350, "after": "y" * 350}
    receipt = {"step": "dbt.switch", "receipt": {"relations": [relation] * 10_000}}
    with open_ledger("sqlite:///ledger.db", tmp_path) as ledger:
        ledger.append([Event(EventType.STEP_FINISHED, "prod", "d1", "ada", receipt)])
        [recorded] = ledger.events(types=[EventType.STEP_FINISHED])
        assert recorded.event.data == receipt
        assert ledger.verify() == []


@pytest.mark.parametrize("actor", ["a\0b", "\udfff", None])
def test_an_actor_that_is_no_text_is_refused(ledger: Ledger, actor: Any) -> None:
    with pytest.raises(InterlockError, match="its actor is not plain text"):
        ledger.append([Event(EventType.PLAN_MADE, "prod", actor=actor)])


def test_readers_choose_by_environment_deployment_type_and_number(ledger: Ledger) -> None:
    for environment in ("dev", "prod"):
        for deployment in ("d-1", "d-2"):
            ledger.append([Event(EventType.PLAN_MADE, environment, deployment, data={"n": n}) for n in range(1500)])
            ledger.append([Event(EventType.APPROVAL_GIVEN, environment, deployment)])

    def numbers(**filters: Any) -> list[int]:
        return [fact.number for fact in ledger.events(**filters)]

    assert numbers() == list(range(1, 6005))
    assert numbers(environment="dev") == list(range(1, 3003))
    assert numbers(deployment="d-2", environment="prod") == list(range(4504, 6005))
    assert numbers(types={EventType.APPROVAL_GIVEN}) == [1501, 3002, 4503, 6004]
    assert numbers(after=5000, limit=3) == [5001, 5002, 5003]
    assert numbers(limit=2500) == list(range(1, 2501))
    assert numbers(limit=0) == []


def test_a_clock_that_jumps_back_never_makes_time_go_backwards(tmp_path: Path) -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    with open_ledger(URL, tmp_path, clock=lambda: now) as ledger:
        facts: list[Recorded] = []
        for jump in (0, 5, -86_400, 60, 90_000):
            now += timedelta(seconds=jump)
            facts += ledger.append([step("s")])
        times = [fact.at for fact in facts]
        assert times == sorted(times)
        assert times[:3] == [
            "2026-05-01T12:00:00.000000Z",
            "2026-05-01T12:00:05.000000Z",
            "2026-05-01T12:00:05.000000Z",
        ]
        assert ledger.verify() == []


def test_a_holder_that_lost_its_lease_cannot_append(tmp_path: Path) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    with open_ledger(URL, tmp_path, clock=lambda: now) as ledger:
        old = ledger.leases.acquire("prod", "d-1", ttl=60)
        ledger.append([step("a")], fence=old)
        now += timedelta(seconds=61)
        new = ledger.leases.acquire("prod", "d-2", ttl=60)
        with pytest.raises(FencedError, match="went to d-2"):
            ledger.append([step("b")], fence=old)
        ledger.append([step("c")], fence=new)
        assert [fact.event.data["step"] for fact in ledger.events()] == ["a", "c"]


def test_relative_files_count_from_the_project_and_absolute_ones_do_not(tmp_path: Path) -> None:
    open_ledger("sqlite:///deep/er/l.db", tmp_path).close()
    open_ledger(f"sqlite:///{tmp_path}/absolute ?#%.db".replace("?", "%3F"), Path("/nowhere")).close()
    assert (tmp_path / "deep/er/l.db").exists()
    assert len(list(tmp_path.glob("absolute*.db"))) == 1


def test_reading_where_nothing_was_recorded_says_so_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no ledger"):
        open_ledger(URL, tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["", "sqlite://", "sqlite:///:memory:", "mysql://u:hush@h/d", "ledger.db", "u:hush@h"])
def test_a_url_that_names_no_ledger_is_refused_without_telling_a_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        open_ledger(url, tmp_path)
    assert "sqlite:///" in refusal.value.remedy
    assert "hush" not in str(refusal.value)


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_ledger(URL, tmp_path).close()
    path = tmp_path / ".interlock/ledger.db"
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO schema_version VALUES (?, 'later')", [LATEST + 1])
    raw.close()
    with pytest.raises(ConfigError, match="newer Interlock") as refusal:
        open_ledger(URL, tmp_path)
    assert "newer version" in refusal.value.remedy


def test_an_event_of_a_type_this_version_does_not_know_is_not_guessed(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append([step("a")])
    row = RawEvent(2, ledger.head().at, "future.event", "prod", "", "", "{}", ledger.head().hash, "")
    with sqlite3.connect(tmp_path / ".interlock/ledger.db") as raw:
        raw.execute("INSERT INTO event VALUES (?,?,?,?,?,?,?,?,?)", row._replace(hash=hash_of(row)))
    raw.close()
    with pytest.raises(TamperedError, match="Event 2"):
        list(ledger.events())


def test_every_migration_is_listed_and_numbered_by_its_file() -> None:
    folder = Path(__file__).parents[3] / "src/interlock/ledger/migrations"
    files = sorted(path.stem for path in folder.glob("m[0-9]*.py"))
    assert [function.__module__.rpartition(".")[2] for _, function in MIGRATIONS] == files
    assert [number for number, _ in MIGRATIONS] == [int(name[1:5]) for name in files] == list(range(1, LATEST + 1))


def test_a_ledger_of_an_older_version_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as old:
        old.setattr("interlock.ledger.database.MIGRATIONS", MIGRATIONS[:1])
        old.setattr("interlock.ledger.database.LATEST", 1)
        with open_ledger(URL, tmp_path) as ledger:
            ledger.append([step("before")])
    with open_ledger(URL, tmp_path, create=False) as ledger:
        ledger.leases.acquire("prod", "d-1", ttl=60)
        ledger.append([step("after")])
        assert [fact.event.data["step"] for fact in ledger.events()] == ["before", "after"]
        assert ledger.verify() == []
