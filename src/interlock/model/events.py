"""Ledger events: what happened, in the past tense, and never changed afterwards."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    """Everything that can be written to the ledger."""

    RELEASE_BUILT = "release.built"
    PLAN_MADE = "plan.made"
    DEPLOYMENT_QUEUED = "deployment.queued"
    DEPLOYMENT_STARTED = "deployment.started"
    DEPLOYMENT_RESUMED = "deployment.resumed"
    STEP_STARTED = "step.started"
    STEP_FINISHED = "step.finished"
    STEP_FAILED = "step.failed"
    STEP_REVERTED = "step.reverted"
    GATE_ANSWERED = "gate.answered"
    DEPLOYMENT_TURNED = "deployment.turned"
    DEPLOYMENT_FINISHED = "deployment.finished"
    RESOURCE_LIVE = "resource.live"
    RESOURCE_DISABLED = "resource.disabled"
    RESOURCE_ENABLED = "resource.enabled"
    APPROVAL_GIVEN = "approval.given"


@dataclass(frozen=True)
class Event:
    """One fact before it is written. ``data`` is JSON, and holds neither secrets nor rows of production."""

    type: EventType
    environment: str
    deployment: str = ""
    actor: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recorded:
    """One fact as it stands in the ledger.

    ``number`` counts from 1 without gaps; ``at`` is UTC in ISO 8601 with microseconds; ``hash`` covers ``number``,
    ``at``, the event and ``previous`` (the hash of the event before; 64 zeros for the first).
    """

    number: int
    at: str
    event: Event
    previous: str
    hash: str
