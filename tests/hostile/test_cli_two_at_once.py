"""Two deployments at once to one environment: one goes through, the other is told who holds it, and nothing is mixed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.cli_project import (
    DONE,
    HELD,
    USAGE,
    Said,
    build,
    copy_of,
    deploy,
    interlock,
    live_job,
    live_spark,
    spark_files,
    start,
    unharmed,
    write,
)
from tests.hostile.held import Held


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 is live, version 2 is built."""
    root = live_spark(tmp_path_factory.mktemp("two") / "project")
    write(root, spark_files(version=2))
    build(root)
    return root


@pytest.fixture
def held(made: Path, tmp_path: Path) -> Iterator[Held]:
    """A deployment of version 2 that stands inside its first step until it is let go."""
    with Held(copy_of(made, tmp_path / "project"), "jobs/settle.py") as waiting:
        yield waiting


def test_second_deployment_is_told_who_holds_the_environment_and_the_first_goes_through(held: Held) -> None:
    for command in (
        ("deploy", "prod", "--yes"),
        ("rollback", "prod", "--yes"),
        ("disable", "prod", "spark.batch:report"),
    ):
        said = interlock(held.root, *command)
        assert said.code == HELD, (command, said)
        _, remedy, _ = said.about("small/prod", held.deployment, f"process {held.pid}")
        assert "Wait" in remedy
    # Looking is allowed meanwhile.
    status = interlock(held.root, "status").body["environments"][0]
    assert (status["running"], status["release"]) == (held.deployment, held.live)
    assert interlock(held.root, "plan", "prod").code == DONE
    assert "settle 1" in live_job(held.root)
    ended = held.let_go()
    assert (ended.code, ended.body["outcome"]) == (DONE, "succeeded"), ended
    unharmed(held.root, ended.body["release"])
    assert "settle 2" in live_job(held.root)
    assert interlock(held.root, "deploy", "prod", "--yes").body["outcome"] == "nothing"


def test_resume_does_not_take_a_deployment_out_of_living_hands(held: Held) -> None:
    said = interlock(held.root, "resume")
    assert said.code == HELD, said
    said.about(held.deployment)
    assert held.let_go().body["outcome"] == "succeeded"


def test_two_that_start_at_the_same_moment_end_as_one(made: Path, tmp_path: Path) -> None:
    root = copy_of(made, tmp_path / "project")
    both = [start(root, "deploy", "prod", "--yes") for _ in range(2)]
    said = [one.said() for one in both]
    assert {DONE} <= {one.code for one in said} <= {DONE, HELD, 1}, said
    succeeded = [one for one in said if one.body.get("outcome") == "succeeded"]
    assert len(succeeded) == 1, said
    [other] = [one for one in said if one is not succeeded[0]]
    assert is_told_why(other), other
    unharmed(root, succeeded[0].body["release"])
    assert "settle 2" in live_job(root)


def is_told_why(said: Said) -> bool:
    """Held, void because the environment moved, or nothing left to do: whichever moment it came in."""
    if said.body["kind"] == "error":
        return said.body["error"]["type"] in ("HeldError", "StaleError") and bool(said.problems[0][1])
    return said.body["outcome"] == "nothing"


def test_holder_that_was_killed_is_named_and_resume_takes_over_at_once(held: Held) -> None:
    os.kill(held.pid, signal.SIGKILL)
    held.running.end()
    said = interlock(held.root, "deploy", "prod", "--yes")
    assert said.code == HELD, said
    _, remedy, _ = said.about(held.deployment)
    assert f"interlock resume {held.deployment}" in remedy
    unharmed(held.root, held.live)
    assert "settle 1" in live_job(held.root)
    held.open_gate()
    resumed = interlock(held.root, "resume")
    assert (resumed.code, resumed.body["outcome"]) == (DONE, "succeeded"), resumed
    unharmed(held.root, resumed.body["release"])
    assert "settle 2" in live_job(held.root)
    nothing = interlock(held.root, "resume")
    assert nothing.code == USAGE
    nothing.about("no deployment was interrupted")


def test_another_environment_of_the_same_project_is_not_held(made: Path, tmp_path: Path) -> None:
    root = copy_of(made, tmp_path / "project")
    text = (root / "interlock.yaml").read_text()
    (root / "interlock.yaml").write_text(text + "  dev:\n    spark: {root: live-dev/spark}\n")
    first = build(root)
    deploy(root)
    write(root, {"jobs/settle.py": "print('settle 3')\n"})
    build(root)
    with Held(root, "jobs/settle.py") as held:
        said = interlock(root, "deploy", "dev", first, "--yes")
        assert (said.code, said.body["outcome"]) == (DONE, "succeeded"), said
        assert held.let_go().body["outcome"] == "succeeded"
    unharmed(root)
