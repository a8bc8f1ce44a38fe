"""Plans: frozen data that deploy, explain and rollback all read."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from interlock.model.canonical import digest_of


class Phase(StrEnum):
    """The six phases of every plan, in order."""

    EXPAND = "expand"
    STAGE = "stage"
    VERIFY = "verify"
    SWITCH = "switch"
    OBSERVE = "observe"
    CONTRACT = "contract"


class Action(StrEnum):
    """What a plan does to one resource."""

    ADD = "add"
    CHANGE = "change"
    REBUILD = "rebuild"  # the resource itself did not change, something upstream of it did
    REMOVE = "remove"


@dataclass(frozen=True)
class Change:
    """One resource that differs between what is live and the release.

    ``before`` and ``after`` are fingerprints ("" where there is none). ``why`` names the parts that differ.
    ``downstream`` are the keys of resources and datasets affected, nearest first.
    """

    key: str
    action: Action
    before: str
    after: str
    why: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One idempotent operation of one adapter.

    ``id`` is unique within the plan and is the idempotency key together with the deployment's id. ``inverse`` says in
    words how it is undone; "" means that it has no inverse. ``seconds`` is the expected time, measured from earlier
    receipts or, without any, 0.0 and ``estimated`` false. ``arguments`` is JSON for the adapter.
    """

    id: str
    phase: Phase
    engine: str
    verb: str
    resources: tuple[str, ...]
    summary: str
    inverse: str = ""
    seconds: float = 0.0
    estimated: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def reversible(self) -> bool:
        return bool(self.inverse)


@dataclass(frozen=True)
class Plan:
    """What differs in one environment and the ordered steps that close the difference.

    ``basis`` is the digest of the environment's live state that the plan was made from: if it moved, the plan is void.
    """

    project: str
    environment: str
    release: str
    previous: str
    basis: str
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    intent: str = "deploy"
    format: int = 1

    @cached_property
    def digest(self) -> str:
        """What an approval names."""
        return digest_of(self)

    @property
    def empty(self) -> bool:
        return not self.steps

    @property
    def reversible(self) -> bool:
        """Whether every step that changes something live has an inverse."""
        return all(s.reversible for s in self.steps if s.phase is Phase.SWITCH)


def plan_from_json(data: dict[str, Any]) -> Plan:
    """The plan that ``canonical_json`` wrote; ``KeyError`` or ``TypeError`` where it is not one."""
    return Plan(
        **{
            **data,
            "changes": tuple(
                Change(
                    **{**c, "action": Action(c["action"]), "why": tuple(c["why"]), "downstream": tuple(c["downstream"])}
                )
                for c in data["changes"]
            ),
            "steps": tuple(
                Step(**{**s, "phase": Phase(s["phase"]), "resources": tuple(s["resources"])}) for s in data["steps"]
            ),
            "notes": tuple(data["notes"]),
        }
    )


@dataclass(frozen=True)
class Receipt:
    """What a step did, with everything that its inverse needs. ``data`` is JSON and holds no secret.

    ``changed`` is false where the adapter found the work already done.
    """

    step: str
    changed: bool
    data: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


class Outcome(StrEnum):
    """How a gate or a deployment ended."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class GateResult:
    """One gate's answer about one resource. Aggregates only: no row, no value of a row."""

    gate: str
    resource: str
    outcome: Outcome
    summary: str
    measured: dict[str, Any] = field(default_factory=dict)
    threshold: dict[str, Any] = field(default_factory=dict)
    remedy: str = ""
