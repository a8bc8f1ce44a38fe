"""Work on many files goes to all processors and comes back whole, whatever happens to a process."""

import os
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from interlock.rules.spread import ahead, spread

PATHS = [f"models/m_{number}.sql" for number in range(200)]
HERE = os.getpid()


def children() -> set[str]:
    """Processes that this one made and has not buried: other tests may have left some."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {pid for task in tasks for pid in task.read_text().split()}


@pytest.fixture
def before() -> set[str]:
    return children()


def lengths(paths: Sequence[str]) -> Mapping[str, int]:
    return {path: len(path) for path in paths}


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 39, 40, 200])
def test_every_path_has_its_answer_once(jobs: int, count: int) -> None:
    assert spread(lengths, PATHS[:count], jobs) == lengths(PATHS[:count])


def test_the_work_is_really_shared() -> None:
    processes = set(spread(lambda paths: dict.fromkeys(paths, os.getpid()), PATHS, 2).values())
    assert len(processes) == 2 and HERE in processes


def test_what_fails_in_a_fork_fails_here() -> None:
    def fails(paths: Sequence[str]) -> Mapping[str, int]:
        if os.getpid() != HERE:
            raise ValueError("of the fork")
        return lengths(paths)

    with pytest.raises(ValueError, match="of the fork"):
        spread(fails, PATHS, 2)


def test_a_fork_that_is_killed_leaves_its_share_to_its_parent() -> None:
    def dies(paths: Sequence[str]) -> Mapping[str, int]:
        if os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGKILL)
        return lengths(paths)

    assert spread(dies, PATHS, 2) == lengths(PATHS)


def test_forks_are_buried_when_the_work_here_fails(before: set[str]) -> None:
    def fails(paths: Sequence[str]) -> Mapping[str, int]:
        if os.getpid() == HERE:
            raise KeyError("here")
        return lengths(paths)

    with pytest.raises(KeyError):
        spread(fails, PATHS, 3)
    assert children() == before


def test_large_answers_do_not_block() -> None:
    found = spread(lambda paths: dict.fromkeys(paths, "x" * 100_000), PATHS, 2)
    assert len(found) == 200 and all(len(value) == 100_000 for value in found.values())


def test_work_ahead_is_done_elsewhere_and_waited_for() -> None:
    with ahead(lambda: (os.getpid(), "done")) as result:
        assert result() == result()
        assert result()[0] != HERE and result()[1] == "done"


def test_work_ahead_that_fails_fails_where_it_is_asked_for() -> None:
    def fails() -> None:
        raise ValueError("ahead")

    with ahead(fails) as result:
        pass
    with ahead(fails) as result, pytest.raises(ValueError, match="ahead"):
        result()


def test_work_ahead_whose_process_is_killed_is_done_here() -> None:
    def dies() -> int:
        if os.getpid() != HERE:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    with ahead(dies) as result:
        assert result() == HERE


def test_work_ahead_that_nobody_asks_for_is_ended(before: set[str]) -> None:
    with pytest.raises(KeyError), ahead(lambda: signal.pause()):
        raise KeyError("the readers failed")
    assert children() == before


def test_whoever_waits_for_work_ahead_in_a_thread_is_told_when_the_block_is_left(before: set[str]) -> None:
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(KeyError), ahead(lambda: signal.pause()) as result:
            waits = pool.submit(result)
            raise KeyError("the readers failed")
        with pytest.raises(CancelledError):
            waits.result(10)
    assert children() == before
