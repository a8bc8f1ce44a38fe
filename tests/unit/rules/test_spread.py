"""Work on many files goes to all processors and comes back whole, whatever happens to a process."""

import os
import signal
from collections.abc import Mapping, Sequence

import pytest

from interlock.rules.spread import spread

PATHS = [f"models/m_{number}.sql" for number in range(200)]
HERE = os.getpid()


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


def test_forks_are_buried_when_the_work_here_fails() -> None:
    def fails(paths: Sequence[str]) -> Mapping[str, int]:
        if os.getpid() == HERE:
            raise KeyError("here")
        return lengths(paths)

    with pytest.raises(KeyError):
        spread(fails, PATHS, 3)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_large_answers_do_not_block() -> None:
    found = spread(lambda paths: dict.fromkeys(paths, "x" * 100_000), PATHS, 2)
    assert len(found) == 200 and all(len(value) == 100_000 for value in found.values())
