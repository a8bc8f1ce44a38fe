"""One deployment as the ledger tells it: its plan, what each step did, and which way it is going."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from interlock.model.canonical import canonical_json
from interlock.model.errors import UsageError
from interlock.model.events import Event, EventType, Recorded
from interlock.model.plan import Phase, Plan, Receipt, Step, plan_from_json
from interlock.planning.rollback import Forward


@dataclass
class DeploymentRecord:
    """A deployment, folded from its events.

    ``receipts`` are those of finished steps; ``before`` what was live before each switch, by step and key (``None``:
    nothing was); ``started`` the steps that began, in order; ``undone`` the steps that were taken back. ``turned`` is
    the cause once the deployment goes backwards, ``refused`` the step that was it. ``outcome`` is "" until it ends;
    ``void`` when it never began, because the environment moved while it waited. ``queued_at`` is "" for one that did
    not wait for a worker, ``settings`` the digest of the configuration that it was queued with.
    """

    id: str
    plan: Plan
    actor: str = ""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    undone: set[str] = field(default_factory=set)
    gates: list[dict[str, Any]] = field(default_factory=list)
    turned: str = ""
    refused: str = ""
    outcome: str = ""
    attempts: int = 1
    queued_at: str = ""
    settings: str = ""
    started_at: str = ""
    finished_at: str = ""

    @property
    def interrupted(self) -> bool:
        """It began and has not ended: somebody works on it, or has to resume it."""
        return bool(self.started_at) and not self.outcome

    def step(self, step_id: str) -> Step:
        """The plan's step with this id."""
        return next(s for s in self.plan.steps if s.id == step_id)


_PART = 256 * 1024  # characters of a plan in one event, well below the ledger's limit

# All that the list of deployments needs; what became live is by far the most of the ledger, and only one
# deployment's own matters.
LISTED = frozenset(EventType) - {EventType.RESOURCE_LIVE, EventType.RELEASE_BUILT}


def planned(plan: Plan, deployment: str, actor: str) -> list[Event]:
    """The whole plan as events, in parts."""
    text = canonical_json(plan).decode()
    parts = [text[at : at + _PART] for at in range(0, len(text), _PART)]
    return [
        Event(EventType.PLAN_MADE, plan.environment, deployment, actor, {"plan": plan.digest, "text": part})
        for part in parts
    ]


def started(plan: Plan, deployment: str, actor: str) -> Event:
    """The event that begins a deployment whose plan is in the ledger."""
    data = {"release": plan.release, "previous": plan.previous, "plan": plan.digest, "intent": plan.intent}
    return Event(EventType.DEPLOYMENT_STARTED, plan.environment, deployment, actor, data)


class Records:
    """Every deployment in the events seen so far, by id, in the order in which they were queued or started."""

    def __init__(self) -> None:
        self.by_id: dict[str, DeploymentRecord] = {}
        self._texts: dict[str, list[str]] = {}

    def add(self, recorded: Recorded) -> None:
        """Take in the next event."""
        event = recorded.event
        if event.type is EventType.PLAN_MADE:
            self._texts.setdefault(event.deployment, []).append(event.data["text"])
            return
        if event.type in (EventType.DEPLOYMENT_QUEUED, EventType.DEPLOYMENT_STARTED):
            if event.deployment not in self.by_id:
                plan = plan_from_json(json.loads("".join(self._texts.pop(event.deployment))))
                self.by_id[event.deployment] = DeploymentRecord(event.deployment, plan, event.actor)
            # One that waited takes its place when it begins.
            self.by_id[event.deployment] = self.by_id.pop(event.deployment)
        if event.deployment in self.by_id:
            _apply(self.by_id[event.deployment], recorded)

    def forget_ended(self) -> None:
        """Only what waits or is under way stays: the plans of all that ever was deployed are large."""
        self.by_id = {id: record for id, record in self.by_id.items() if not record.outcome}


def fold(events: Iterable[Recorded]) -> dict[str, DeploymentRecord]:
    """Every deployment in ``events``, by id, in the order in which they were queued or started."""
    records = Records()
    for recorded in events:
        records.add(recorded)
    return records.by_id


def _apply(record: DeploymentRecord, recorded: Recorded) -> None:
    data, kind = recorded.event.data, recorded.event.type
    if kind is EventType.DEPLOYMENT_QUEUED:
        record.queued_at, record.settings = recorded.at, data["settings"]
    elif kind is EventType.DEPLOYMENT_STARTED:
        record.started_at = recorded.at
    elif kind is EventType.STEP_STARTED:
        record.started.append(data["step"])
    elif kind is EventType.STEP_FINISHED:
        step = data["step"]
        record.receipts[step] = Receipt(step, data["changed"], data["receipt"], data["seconds"])
    elif kind is EventType.RESOURCE_LIVE and "step" in data:
        record.before.setdefault(data["step"], {})[data["key"]] = data["before"]
        record.receipts[data["step"]].data.setdefault("live", {})[data["key"]] = data["data"]
    elif kind is EventType.STEP_REVERTED:
        record.undone.add(data["step"])
    elif kind is EventType.GATE_ANSWERED:
        record.gates.append(data)
    elif kind is EventType.DEPLOYMENT_TURNED:
        record.turned, record.refused = data["cause"], data["step"]
    elif kind is EventType.DEPLOYMENT_RESUMED:
        record.attempts += 1
    elif kind is EventType.DEPLOYMENT_FINISHED:
        record.outcome, record.turned = data["outcome"], record.turned or data.get("cause", "")
        record.finished_at = recorded.at


def one(records: dict[str, DeploymentRecord], deployment: str) -> DeploymentRecord:
    """The record with this id; ``UsageError`` where there is none."""
    try:
        return records[deployment]
    except KeyError:
        raise UsageError(
            f"there is no deployment {deployment!r}", remedy="'interlock history' lists deployments with their ids"
        ) from None


def stack_of(records: Iterable[DeploymentRecord], environment: str) -> list[Forward]:
    """What can be undone in ``environment``, newest first: deployments that succeeded and still stand.

    One that switched nothing has nothing to undo, and stands in nobody's way.
    """
    standing: dict[str, tuple[Plan, set[str]]] = {}
    for record in records:
        if record.plan.environment != environment or record.outcome != "succeeded":
            continue
        if record.plan.intent != "rollback":
            if any(step.phase is Phase.SWITCH for step in record.plan.steps):
                standing[record.id] = (record.plan, set())
            continue
        for step in record.plan.steps:
            if step.verb == "revert" and step.arguments["deployment"] in standing:
                plan, undone = standing[step.arguments["deployment"]]
                undone.update(step.resources)
                if all(set(s.resources) <= undone for s in plan.steps if s.phase is Phase.SWITCH):
                    del standing[step.arguments["deployment"]]
    return [Forward(i, plan, frozenset(undone)) for i, (plan, undone) in reversed(standing.items())]


def measured_seconds(records: Iterable[DeploymentRecord], environment: str) -> dict[str, float]:
    """How long each step took the last time that it did something in ``environment``, by step id."""
    found: dict[str, float] = {}
    for record in records:
        if record.plan.environment != environment:
            continue
        for step_id, receipt in record.receipts.items():
            if receipt.changed:
                step = record.step(step_id)
                found[f"undo.{step.arguments['step']}" if step.verb == "revert" else step_id] = receipt.seconds
    return found
