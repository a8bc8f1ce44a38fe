"""A clock that jumps, between commands and while one runs: order, leases and modification times hold all the same."""

import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from interlock.ledger.store import open_ledger
from tests.hostile.cli_project import (
    DONE,
    HELD,
    build,
    copy_of,
    deploy,
    interlock,
    live_job,
    live_spark,
    spark_files,
    unharmed,
    write,
)
from tests.hostile.held import Held
from tests.hostile.jumping_clock import Clock

HOUR, DAY, YEAR = 3600, 86_400, 31_536_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 is live, version 2 is built."""
    root = live_spark(tmp_path_factory.mktemp("clock") / "project")
    write(root, spark_files(version=2))
    build(root)
    return root


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    return copy_of(made, tmp_path / "project")


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


def times(root: Path) -> list[datetime]:
    """When each event happened, as the ledger has it."""
    with open_ledger("sqlite:///.interlock/ledger.db", root) as ledger:
        return [datetime.fromisoformat(one.at) for one in ledger.events()]


def served_times(root: Path) -> int:
    """The latest modification time among the pointers that the launcher reads, in nanoseconds."""
    return max(path.stat().st_mtime_ns for path in (root / "live/spark/batch/current").rglob("*.json"))


def test_the_clock_of_these_tests_really_jumps(project: Path, clock: Clock) -> None:
    clock.jump(10 * YEAR)
    deploy(project, env=clock.env)
    assert times(project)[-1] > datetime.now(UTC) + timedelta(days=3000)


@pytest.mark.parametrize("first", [10 * YEAR, -10 * YEAR], ids=["ahead", "behind"])
def test_jumps_between_commands_break_neither_order_nor_what_is_newest(project: Path, clock: Clock, first: int) -> None:
    clock.jump(first)
    deploy(project, env=clock.env)
    second = interlock(project, "status").body["environments"][0]["release"]
    served = served_times(project)
    clock.jump(-first)
    write(project, spark_files(version=3))
    third = interlock(project, "build", env=clock.env).body["release"]
    deploy(project, env=clock.env)  # of the newest: what was built last, whatever the clock said
    assert "settle 3" in live_job(project)
    assert served_times(project) > served, "a reader that compares times would not see the change"
    clock.jump(0)
    unharmed(project, third, env=clock.env)
    assert times(project) == sorted(times(project))
    back = interlock(project, "rollback", "prod", "--yes", env=clock.env)
    assert (back.code, back.body["outcome"]) == (DONE, "succeeded"), back
    assert "settle 2" in live_job(project)
    assert interlock(project, "history", "prod", env=clock.env).code == DONE
    unharmed(project, second)


@pytest.mark.parametrize("jump", [-DAY, DAY], ids=["back", "forward"])
def test_jump_in_the_middle_of_a_deployment_does_not_stop_it(project: Path, clock: Clock, jump: int) -> None:
    with Held(project, "jobs/settle.py", env=clock.env) as held:
        clock.jump(jump)
        ended = held.let_go()
    assert (ended.code, ended.body["outcome"]) == (DONE, "succeeded"), ended
    assert times(project) == sorted(times(project))
    unharmed(project, ended.body["release"], env=clock.env)
    assert "settle 2" in live_job(project)


def test_clock_set_back_does_not_let_a_second_deployment_in(project: Path, clock: Clock) -> None:
    with Held(project, "jobs/settle.py", env=clock.env) as held:
        clock.jump(-DAY)
        said = interlock(project, "deploy", "prod", "--yes", env=clock.env)
        assert said.code == HELD, said
        said.about("small/prod", held.deployment)
        assert held.let_go().body["outcome"] == "succeeded"
    unharmed(project)


def test_clock_set_forward_while_one_deploys_never_lets_two_change_the_environment(project: Path, clock: Clock) -> None:
    """The lease may look expired then. Whoever takes it finds the unfinished deployment, and the holder is fenced."""
    with Held(project, "jobs/settle.py", env=clock.env) as held:
        clock.jump(HOUR)
        second = interlock(project, "deploy", "prod", "--yes", env=clock.env)
        assert second.code == HELD, second
        second.about(held.deployment)
        first = held.let_go()
    if first.code == HELD:
        first.about("lease", "lost")
        assert "settle 1" in live_job(project)
        unharmed(project, held.live, env=clock.env)
        first = interlock(project, "resume", env=clock.env)
    assert (first.code, first.body["outcome"]) == (DONE, "succeeded"), first
    unharmed(project, first.body["release"], env=clock.env)
    assert "settle 2" in live_job(project)


def test_resume_with_the_clock_set_forward_fences_the_holder_that_still_lives(project: Path, clock: Clock) -> None:
    """Two processes walk one deployment: each step is done once, one of them ends it, and both tell the truth of it."""
    with Held(project, "lib/shared/__init__.py", env=clock.env) as held:
        clock.jump(HOUR)
        held.mend()  # for the one that resumes; the holder still waits at the pipe
        resumed = interlock(project, "resume", env=clock.env)
        first = held.let_go()
    assert (resumed.code, resumed.body["outcome"]) == (DONE, "succeeded"), resumed
    # Fenced; or it heard from the durable engine, before it could write anything, how the other one ended.
    assert first.code in (DONE, HELD), first
    if first.code == HELD:
        first.about("small/prod", "lost")
    else:
        assert first.body["outcome"] == "succeeded", first
    with open_ledger("sqlite:///.interlock/ledger.db", project) as ledger:
        events = [one.event for one in ledger.events(deployment=held.deployment)]
    finished = [one.data["step"] for one in events if one.type == "step.finished"]
    assert finished and len(finished) == len(set(finished)), finished
    assert [one.data["outcome"] for one in events if one.type == "deployment.finished"] == ["succeeded"]
    unharmed(project, resumed.body["release"], env=clock.env)
    assert "settle 2" in live_job(project)


def test_lease_of_a_killed_holder_far_in_the_future_locks_nobody_out(project: Path, clock: Clock) -> None:
    clock.jump(10 * YEAR)
    with Held(project, "jobs/settle.py", env=clock.env) as held:
        os.kill(held.pid, signal.SIGKILL)
        held.running.end()
        held.open_gate()
    clock.jump(0)
    resumed = interlock(project, "resume", env=clock.env)
    assert (resumed.code, resumed.body["outcome"]) == (DONE, "succeeded"), resumed
    unharmed(project, resumed.body["release"])
    assert times(project) == sorted(times(project))
