"""Several workers share a queue on PostgreSQL: what is queued is done once, also when the worker that has it dies."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from interlock.engine.making import build_release
from interlock.engine.operations import plan_deploy
from interlock.engine.queueing import enqueue, follow, workers
from interlock.engine.record import fold, one
from interlock.engine.workspace import Workspace
from interlock.model.errors import StaleError, UsageError
from interlock.model.events import EventType
from interlock.model.progress import Progress

LOCKS = Path(__file__).resolve().parents[2] / "examples" / "payments" / "runtimes"

CONFIG = """\
version: 1
project: queued
airflow: {dags: dags, runtime: airflow}
runtimes:
  airflow: {python: "3.11", lock: airflow.lock}
ledger: LEDGER
environments:
  dev: {airflow: {root: env/dev}}
  prod: {airflow: {root: env/prod}}
"""

# Airflow waits inside this file for as long as the test wants a deployment to stand still.
DAG = """\
import datetime, os, time
from airflow.decorators import dag, task

# Beside the views of its environment: more of the machine it does not see.
while os.path.exists(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "hold")):
    time.sleep(0.05)

@dag(schedule=None, start_date=datetime.datetime(2026, 1, 1), tags=["VERSION"])
def nightly():
    @task
    def work():
        return "VERSION"
    work()

nightly()
"""

StartWorker = Callable[..., subprocess.Popen[str]]


class Project:
    """A project of one DAG whose parsing can be held up."""

    def __init__(self, root: Path, ledger: str) -> None:
        self.root = root
        self._holds = [root / "env" / name / "hold" for name in ("dev", "prod")]
        (root / "dags").mkdir(parents=True)
        (root / "interlock.yaml").write_text(CONFIG.replace("LEDGER", ledger))
        (root / "airflow.lock").write_text((LOCKS / "airflow.lock").read_text())
        self.write("v1")

    def write(self, version: str) -> None:
        (self.root / "dags/nightly.py").write_text(DAG.replace("VERSION", version))

    def hold(self) -> None:
        """Whatever is parsed in an environment waits from now on."""
        for path in self._holds:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def go_on(self) -> None:
        """What waits goes on."""
        for path in self._holds:
            path.unlink()

    def workspace(self, on_progress: Callable[[Progress], None] = lambda moved: None) -> Workspace:
        return Workspace(self.root, on_progress)

    def queue(self, environment: str) -> str:
        workspace = self.workspace()
        built = build_release(workspace)
        assert built.manifest is not None, built.findings
        return enqueue(workspace, plan_deploy(workspace, environment, built.manifest))

    def events(self, deployment: str, kind: EventType) -> list[dict]:
        found = self.workspace().ledger.events(deployment=deployment, types=[kind])
        return [recorded.event.data for recorded in found]

    def wait_for(self, deployment: str, step: str) -> None:
        deadline = time.monotonic() + 60
        while not any(e["step"] == step for e in self.events(deployment, EventType.STEP_STARTED)):
            assert time.monotonic() < deadline, f"{step} of {deployment} never began"
            time.sleep(0.05)


@pytest.fixture
def project(tmp_path: Path, postgres_database: str) -> Project:
    return Project(tmp_path / "project", postgres_database)


@pytest.fixture
def start_worker(project: Project) -> Iterator[StartWorker]:
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        before = len(workers(project.workspace()))
        command = [sys.executable, "-m", "interlock", "worker", *options]
        worker = subprocess.Popen(
            command, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "INTERLOCK_ACTOR": f"worker {len(started)}"},
        )  # fmt: skip
        started.append(worker)
        deadline = time.monotonic() + 30
        while len(workers(project.workspace())) == before:
            assert worker.poll() is None, worker.communicate()
            assert time.monotonic() < deadline, "the worker never reported itself"
            time.sleep(0.05)
        return worker

    yield start
    for worker in started:
        worker.kill()
        worker.wait()


pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


def test_a_deployment_whose_worker_was_killed_is_finished_by_another(project: Project, start_worker: StartWorker):
    first = project.queue("prod")
    project.hold()
    doomed = start_worker()
    project.wait_for(first, "airflow.verify")
    other = start_worker("--json")
    doomed.kill()
    doomed.wait()
    project.go_on()

    said: list[Progress] = []
    ended = follow(project.workspace(said.append), first)

    assert ended.outcome == "succeeded"
    assert any("took it over" in one.message for one in said)
    workspace = project.workspace()
    assert list(workspace.ledger.state("prod").resources) == ["airflow.dag:nightly"]
    assert (project.root / "env/prod/current/dags/nightly.py").read_text() == (
        project.root / "dags/nightly.py"
    ).read_text()
    assert workspace.ledger.verify() == []
    # What was done is not done again, and the record names who asked, not who carried it out.
    assert [e["step"] for e in project.events(first, EventType.STEP_FINISHED)] == [step.id for step in ended.plan.steps]
    assert one(fold(workspace.ledger.events(deployment=first)), first).attempts == 2
    other.terminate()
    out, err = other.communicate(timeout=60)
    assert other.returncode == 0, err
    assert json.loads(out)["deployment"] == first


def test_two_workers_do_every_deployment_once_and_environments_side_by_side(
    project: Project, start_worker: StartWorker
):
    dev, prod = project.queue("dev"), project.queue("prod")
    project.hold()
    running = [start_worker(), start_worker()]
    project.wait_for(dev, "airflow.verify")
    project.wait_for(prod, "airflow.verify")
    project.go_on()
    for deployment in (dev, prod):
        assert follow(project.workspace(), deployment).outcome == "succeeded"
        assert len(project.events(deployment, EventType.DEPLOYMENT_STARTED)) == 1
        assert project.events(deployment, EventType.DEPLOYMENT_RESUMED) == []
    for worker in running:
        worker.terminate()
        assert worker.wait(60) == 0


def test_a_plan_that_waited_while_the_environment_moved_is_void(project: Project, start_worker: StartWorker):
    first = project.queue("prod")
    project.write("v2")
    second = project.queue("prod")
    start_worker()
    assert follow(project.workspace(), first).outcome == "succeeded"
    ended = follow(project.workspace(), second)
    assert (ended.outcome, "moved since the plan was made" in ended.cause) == ("void", True)
    assert project.events(second, EventType.STEP_STARTED) == []


def test_deploy_with_a_queue_follows_the_worker_and_says_how_it_ended(project: Project, start_worker: StartWorker):
    start_worker()
    workspace = project.workspace()
    assert build_release(workspace).manifest is not None
    command = [sys.executable, "-m", "interlock", "deploy", "prod", "--queue", "--yes"]
    done = subprocess.run([*command, "--json"], cwd=project.root, capture_output=True, text=True, timeout=120)
    assert (done.returncode, json.loads(done.stdout)["outcome"]) == (0, "succeeded"), done.stderr
    again = subprocess.run(command, cwd=project.root, capture_output=True, text=True, timeout=120)
    assert (again.returncode, "Nothing to do" in again.stdout) == (0, True), again.stderr


def test_a_worker_leaves_what_was_queued_with_another_configuration(project: Project, start_worker: StartWorker):
    first = project.queue("prod")
    text = (project.root / "interlock.yaml").read_text()
    (project.root / "interlock.yaml").write_text(text.replace("env/prod", "env/elsewhere"))
    worker = start_worker()
    assert worker.stderr is not None
    while first not in (line := worker.stderr.readline()):
        assert line, "it ended without a word about the deployment"
    worker.terminate()
    assert worker.wait(60) == 0
    assert project.events(first, EventType.DEPLOYMENT_STARTED) == []
    assert not (project.root / "env/elsewhere").exists()


def test_a_ledger_in_a_file_has_no_queue(project: Project):
    text = (project.root / "interlock.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("ledger:")]
    (project.root / "interlock.yaml").write_text("\n".join(lines))
    with pytest.raises(UsageError, match="SQLite"):
        project.queue("prod")


def test_a_plan_that_is_void_already_is_not_queued(project: Project, start_worker: StartWorker):
    workspace = project.workspace()
    built = build_release(workspace)
    assert built.manifest is not None
    plan = plan_deploy(workspace, "prod", built.manifest)
    start_worker()
    assert follow(workspace, enqueue(workspace, plan)).outcome == "succeeded"
    with pytest.raises(StaleError):
        enqueue(project.workspace(), plan)
