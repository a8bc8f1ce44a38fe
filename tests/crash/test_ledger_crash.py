"""The writer, or the database, dies at any instant: what was answered is there, and no batch is half there."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from interlock.ledger import Ledger, open_ledger
from interlock.model.errors import UnreachableError
from interlock.model.events import Event, EventType
from tests.support.postgres import PostgresServer

BATCH = 5

_WRITER = """
import sys
from pathlib import Path
from interlock.ledger import open_ledger
from interlock.model.events import Event, EventType
ledger = open_ledger(sys.argv[1], Path(sys.argv[2]))
round_ = 0
while True:
    batch = [Event(EventType.STEP_STARTED, "prod", sys.argv[3], data={"round": round_, "of": n}) for n in range(5)]
    print(ledger.append(batch)[-1].number, flush=True)
    round_ += 1
"""


def _killed_after(answers: int, url: str, root: Path, name: str) -> int:
    """A writer was killed at once after it had answered so many times; the last number that it answered."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, url, str(root), name], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(answers)]
        child.kill()
        said += child.stdout.read().splitlines()
    return int([line for line in said if line.strip()][-1])


def _whole(ledger: Ledger, answered: int) -> None:
    facts = list(ledger.events())
    assert [fact.number for fact in facts] == list(range(1, len(facts) + 1))
    assert len(facts) >= answered
    for start in range(0, len(facts), BATCH):
        batch = facts[start : start + BATCH]
        assert [fact.event.data["of"] for fact in batch] == list(range(BATCH))
        assert len({(fact.event.deployment, fact.event.data["round"]) for fact in batch}) == 1
    assert ledger.verify() == []


def test_a_writer_killed_at_any_instant_leaves_whole_batches(tmp_path: Path) -> None:
    url = "sqlite:///ledger.db"
    for round_ in range(6):
        answered = _killed_after(1 + round_ * 3, url, tmp_path, f"d-{round_}")
        with open_ledger(url, tmp_path) as ledger:
            _whole(ledger, answered)
            ledger.append(
                [Event(EventType.STEP_STARTED, "prod", "x", data={"round": 0, "of": n}) for n in range(BATCH)]
            )


def test_two_writers_killed_together_leave_whole_batches(tmp_path: Path) -> None:
    url = "sqlite:///ledger.db"
    answered: list[int] = []
    writers = [
        threading.Thread(target=lambda name=name: answered.append(_killed_after(10, url, tmp_path, name)))  # type: ignore[misc]
        for name in ("d-1", "d-2")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with open_ledger(url, tmp_path) as ledger:
        _whole(ledger, max(answered))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as started:
        yield started


@pytest.mark.engine
def test_a_writer_of_postgresql_killed_at_any_instant_leaves_whole_batches(
    server: PostgresServer, tmp_path: Path
) -> None:
    url = server.create_database("killed_writer")
    for round_ in range(3):
        answered = _killed_after(1 + round_ * 4, url, tmp_path, f"d-{round_}")
        with open_ledger(url, tmp_path) as ledger:
            _whole(ledger, answered)


@pytest.mark.engine
def test_a_server_killed_under_a_writer_loses_nothing_that_was_answered(server: PostgresServer, tmp_path: Path) -> None:
    url = server.create_database("killed_server")
    with open_ledger(url, tmp_path) as ledger:
        for _ in range(3):
            answered, failure = _append_until_it_fails(ledger, after=10, then=server.kill)
            assert isinstance(failure, UnreachableError) and failure.remedy
            server.start()
            _whole(ledger, answered)  # the same ledger object connects again
            assert len(list(ledger.events())) - answered in (0, BATCH)  # the last one may have landed unanswered


def _append_until_it_fails(ledger: Ledger, *, after: int, then: Callable[[], None]) -> tuple[int, BaseException]:
    answers: list[int] = []
    failures: list[BaseException] = []
    enough = threading.Event()

    def write() -> None:
        for round_ in count():
            try:
                facts = ledger.append(
                    [Event(EventType.STEP_STARTED, "prod", "d", data={"round": round_, "of": n}) for n in range(BATCH)]
                )
            except UnreachableError as failure:
                failures.append(failure)
                return
            finally:
                if round_ >= after or failures:
                    enough.set()
            answers.append(facts[-1].number)

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(60)
    then()
    writer.join(60)
    return answers[-1], failures[0]
