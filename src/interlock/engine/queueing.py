"""Deployments that wait for a worker. The queue is a projection of the ledger; the lease decides who takes what.

A worker that dies loses its lease, and the next one that looks takes its deployment over. Nobody hands anything to
anybody, so there is nothing that could get lost in between.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from interlock.engine.holding import Holding, scope_of
from interlock.engine.identity import who
from interlock.engine.operations import Ended, carry, new_deployment, refuse_moved, refuse_other_project
from interlock.engine.record import LISTED, DeploymentRecord, Records, fold, one, planned, started
from interlock.engine.workspace import Workspace
from interlock.ledger.leases import Lease
from interlock.model.canonical import digest_of, plain
from interlock.model.errors import HeldError, InterlockError, StaleError, UnreachableError, UsageError
from interlock.model.events import Event, EventType, Recorded
from interlock.model.plan import Plan, Step
from interlock.model.progress import Progress

POLL_SECONDS = 0.5
_RETRY_SECONDS = 10.0


def enqueue(workspace: Workspace, plan: Plan) -> str:
    """The plan waits for a worker; the id of its deployment. ``StaleError`` if the environment has moved already."""
    _refuse_local_ledger(workspace)
    refuse_other_project(workspace, plan)
    refuse_moved(workspace, plan)
    deployment = new_deployment()
    data = {"plan": plan.digest, "release": plan.release, "settings": _settings_of(workspace)}
    queued = Event(EventType.DEPLOYMENT_QUEUED, plan.environment, deployment, who(), data)
    workspace.ledger.append([*planned(plan, deployment, who()), queued])
    return deployment


def workers(workspace: Workspace) -> list[Lease]:
    """The workers of this project that are alive."""
    return workspace.ledger.leases.held(_worker_scope(workspace, ""))


def work(workspace: Workspace, ended: threading.Event, on_end: Callable[[Ended], object]) -> None:
    """Carry out what is queued, one deployment at a time, until ``ended`` is set. A deployment that began is finished.

    What fails is tried again, for ever, and said in ``on_progress``: a deployment that turns round has ended, so this
    is a system that does not answer, and giving up would leave an environment half way.
    """
    _refuse_local_ledger(workspace)
    board = _Board(workspace)
    with _alive(workspace):
        while not ended.is_set():
            try:
                done = board.take_next()
            except UnreachableError as error:  # the ledger itself
                workspace.on_progress(Progress("note", f"{error.summary}; trying again"))
                ended.wait(_RETRY_SECONDS)
                continue
            if done is None:
                ended.wait(POLL_SECONDS)
            else:
                on_end(done)


def follow(workspace: Workspace, deployment: str) -> Ended:
    """Wait for a queued deployment to end, saying what its worker does; how it ended."""
    records, seen, patience = Records(), 0, threading.Event()
    while True:
        for recorded in workspace.ledger.events(after=seen, deployment=deployment):
            seen = recorded.number
            records.add(recorded)
            _say(workspace, one(records.by_id, deployment) if records.by_id else None, recorded)
        record = one(records.by_id, deployment)
        if record.outcome:
            return Ended(deployment, record.outcome, record.plan, record.turned, tuple(record.gates))
        if not record.started_at:
            alive = workers(workspace)
            waiting = (
                f"waiting for one of {len(alive)} workers" if alive else "no worker runs: start 'interlock worker'"
            )
            workspace.on_progress(Progress("queue", waiting))
        patience.wait(POLL_SECONDS)


class _Board:
    """What waits, kept up to date event by event."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._records = Records()
        self._seen = 0
        self._settings = _settings_of(workspace)
        self._left: set[str] = set()
        self._not_before: dict[str, float] = {}

    def take_next(self) -> Ended | None:
        """Carry out the next deployment that can be had; None where there is none."""
        for recorded in self._workspace.ledger.events(after=self._seen, types=LISTED):
            self._seen = recorded.number
            self._records.add(recorded)
        self._records.forget_ended()
        blocked: set[str] = set()
        # What began comes first: nothing else can begin in its environment.
        for record in sorted(self._records.by_id.values(), key=lambda r: not r.interrupted):
            environment = record.plan.environment
            due = time.monotonic() >= self._not_before.get(record.id, 0.0)
            if record.queued_at and due and environment not in blocked and self._mine(record):
                done = self._take(record.id, environment)
                if done is not None:
                    return done
            blocked.add(environment)
        return None

    def _mine(self, record: DeploymentRecord) -> bool:
        if record.settings == self._settings:
            return True
        if record.id not in self._left:
            self._left.add(record.id)
            text = f"{record.id} is left to others: interlock.yaml here is not the one that it was queued with"
            self._workspace.on_progress(Progress("note", text))
        return False

    def _take(self, deployment: str, environment: str) -> Ended | None:
        workspace = self._workspace
        try:
            with Holding(workspace.ledger, scope_of(workspace.config.project, environment), deployment) as holding:
                # Others may have worked on it since we last looked.
                record = one(fold(workspace.ledger.events(deployment=deployment)), deployment)
                if record.outcome:
                    return None
                if record.interrupted:
                    resumed = Event(EventType.DEPLOYMENT_RESUMED, environment, deployment, who(), {"by": "worker"})
                    workspace.ledger.append([resumed], fence=holding.lease)
                elif (void := _void(workspace, record)) is not None:
                    finished = Event(EventType.DEPLOYMENT_FINISHED, environment, deployment, who(), void)
                    workspace.ledger.append([finished], fence=holding.lease)
                    return Ended(deployment, "void", record.plan, void["cause"])
                else:
                    workspace.ledger.append([started(record.plan, deployment, record.actor)], fence=holding.lease)
                return carry(workspace, deployment, holding)
        except HeldError:
            return None
        except InterlockError as error:
            self._later(deployment, error.summary)
        except Exception as error:  # a defect of ours in one deployment must not stop those of others
            self._later(deployment, f"a defect of Interlock: {type(error).__name__}: {error}")
        return None

    def _later(self, deployment: str, why: str) -> None:
        self._not_before[deployment] = time.monotonic() + _RETRY_SECONDS
        text = f"{deployment}: {why}; trying again in {_RETRY_SECONDS:.0f} s"
        self._workspace.on_progress(Progress("note", text))


def _void(workspace: Workspace, record: DeploymentRecord) -> dict[str, Any] | None:
    try:
        refuse_moved(workspace, record.plan)
    except StaleError as error:
        return {"outcome": "void", "release": record.plan.previous, "cause": error.summary}
    return None


@contextmanager
def _alive(workspace: Workspace) -> Iterator[None]:
    """Whoever asks sees that this worker is there."""
    name = uuid.uuid4().hex[:8]
    with Holding(workspace.ledger, _worker_scope(workspace, name), f"worker-{name}"):
        yield


def _worker_scope(workspace: Workspace, name: str) -> str:
    return f"{workspace.config.project}/:worker/{name}"


def _settings_of(workspace: Workspace) -> str:
    """What decides where and how a deployment works: everything in interlock.yaml."""
    return digest_of(plain(workspace.config.model_dump(mode="json")))


def _refuse_local_ledger(workspace: Workspace) -> None:
    if workspace.config.ledger.startswith("sqlite:"):
        raise UsageError(
            "workers share a ledger on PostgreSQL, this one is a SQLite file",
            remedy="Leave out --queue, or set 'ledger: postgresql://...' in interlock.yaml.",
        )


def _say(workspace: Workspace, record: DeploymentRecord | None, recorded: Recorded) -> None:
    """The progress that the executor itself would have told of, read from the ledger."""
    if record is None:
        return
    event = recorded.event
    data = event.data
    if event.type is EventType.STEP_STARTED:
        _step(workspace, record.step(data["step"]), "started")
    elif event.type is EventType.STEP_FINISHED:
        _step(workspace, record.step(data["step"]), "finished", changed=data["changed"], seconds=data["seconds"])
    elif event.type is EventType.STEP_FAILED:
        _step(workspace, record.step(data["step"]), "failed", error=data["error"], remedy=data["remedy"])
    elif event.type is EventType.STEP_REVERTED:
        _step(workspace, record.step(data["step"]), "undone")
    elif event.type is EventType.DEPLOYMENT_TURNED:
        workspace.on_progress(Progress("turn", data["cause"]))
    elif event.type is EventType.DEPLOYMENT_RESUMED:
        workspace.on_progress(Progress("note", "another worker took it over"))


def _step(workspace: Workspace, step: Step, state: str, **more: Any) -> None:
    data = {"step": step.id, "phase": step.phase.value, "state": state, **more}
    workspace.on_progress(Progress("step", step.summary, data=data))
