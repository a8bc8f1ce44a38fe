"""What events add up to: pure folds, from the oldest event to the newest."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.model.canonical import canonical_json
from interlock.model.events import EventType, Recorded
from interlock.model.state import EnvironmentState, LiveResource

STATE_TYPES = frozenset(
    {
        EventType.RESOURCE_LIVE,
        EventType.RESOURCE_DISABLED,
        EventType.RESOURCE_ENABLED,
        EventType.DEPLOYMENT_FINISHED,
    }
)


class StateFold:
    """The state of one environment, one event at a time.

    A resource that was disabled stays so when a new version of it goes live; one that was removed
    and comes back is enabled.
    """

    def __init__(self, environment: str, release: str = "", resources: Iterable[LiveResource] = ()) -> None:
        self.environment = environment
        self.release = release
        self.resources = {resource.key: resource for resource in resources}

    def apply(self, fact: Recorded) -> None:
        """Takes in the next event; those of other environments and types change nothing."""
        data = fact.event.data
        if fact.event.environment != self.environment:
            return
        match fact.event.type:
            case EventType.RESOURCE_LIVE if data.get("removed"):
                self.resources.pop(data["key"], None)
            case EventType.RESOURCE_LIVE:
                before = self.resources.get(data["key"])
                self.resources[data["key"]] = LiveResource(
                    key=data["key"],
                    release=data.get("release", ""),
                    fingerprint=data.get("fingerprint", ""),
                    enabled=before.enabled if before else True,
                    data=data.get("data") or {},
                )
            case EventType.RESOURCE_DISABLED | EventType.RESOURCE_ENABLED:
                known = self.resources.get(data["key"])
                if known:
                    enabled = fact.event.type is EventType.RESOURCE_ENABLED
                    self.resources[known.key] = replace(known, enabled=enabled)
            case EventType.DEPLOYMENT_FINISHED if data.get("outcome") == "succeeded":
                self.release = data.get("release", "")

    def state(self) -> EnvironmentState:
        """The state so far, resources in the order of their keys; later events do not change it."""
        return EnvironmentState(self.environment, self.release, dict(sorted(self.resources.items())))

    def to_text(self) -> str:
        """The state as canonical JSON, for ``state_fold_from``."""
        return canonical_json(self.state()).decode()


def state_fold_from(data: dict[str, Any]) -> StateFold:
    """The fold that ``to_text`` wrote, to go on from; ``KeyError`` or ``TypeError`` where it is not one."""
    return StateFold(data["environment"], data["release"], [LiveResource(**r) for r in data["resources"].values()])


def environment_state(events: Iterable[Recorded], environment: str) -> EnvironmentState:
    """What is live in ``environment`` after ``events``."""
    fold = StateFold(environment)
    for fact in events:
        fold.apply(fact)
    return fold.state()


@dataclass(frozen=True)
class StepView:
    """One step of a deployment. ``status`` is ``running``, ``finished``, ``failed`` or ``reverted``.

    ``receipt`` is the JSON of the receipt's data, there once the step finished; ``reverted_by`` the
    deployment that undid it.
    """

    step: str
    status: str
    attempts: int = 0
    changed: bool = False
    receipt: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""
    remedy: str = ""
    started: str = ""
    finished: str = ""
    reverted_by: str = ""


@dataclass(frozen=True)
class DeploymentView:
    """One deployment as it stands.

    ``status`` is ``running``, ``succeeded``, ``turned`` (by itself, see ``cause``), ``failed``, or ``rolled_back`` (by
    the later deployment ``reverted_by``). ``cause`` is set as soon as a running deployment turns round. ``plan`` is the
    plan's digest. ``steps`` are in the order of their first start; ``number`` is that of the event that started it.
    """

    id: str
    environment: str
    number: int
    started: str
    actor: str
    release: str = ""
    previous: str = ""
    plan: str = ""
    intent: str = "deploy"
    status: str = "running"
    finished: str = ""
    cause: str = ""
    resumed: int = 0
    reverts: tuple[str, ...] = ()
    reverted_by: str = ""
    steps: dict[str, StepView] = field(default_factory=dict)
    gates: tuple[dict[str, Any], ...] = ()
    plan_document: dict[str, Any] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.status == "running"


def deployments(events: Iterable[Recorded]) -> list[DeploymentView]:
    """All deployments that ``events`` tell of, oldest first."""
    found: dict[str, DeploymentView] = {}
    for fact in events:
        if fact.event.type is EventType.DEPLOYMENT_STARTED:
            found[fact.event.deployment] = _started(fact)
            continue
        view = found.get(fact.event.deployment)
        if view is None:
            continue
        if fact.event.type is EventType.STEP_REVERTED:
            _step_reverted(found, fact)
        elif fact.event.type is EventType.DEPLOYMENT_FINISHED:
            _finished(found, view, fact)
        elif fact.event.type in _STEP_EVENTS:
            # The dictionary is this fold's own: no other view shares it.
            view.steps[fact.event.data["step"]] = _step(view, fact)
        else:
            found[view.id] = _went_on(view, fact)
    return list(found.values())


_STEP_EVENTS = frozenset({EventType.STEP_STARTED, EventType.STEP_FINISHED, EventType.STEP_FAILED})


def _started(fact: Recorded) -> DeploymentView:
    data = fact.event.data
    return DeploymentView(
        id=fact.event.deployment,
        environment=fact.event.environment,
        number=fact.number,
        started=fact.at,
        actor=fact.event.actor,
        release=data.get("release", ""),
        previous=data.get("previous") or "",
        plan=data.get("plan", ""),
        intent=data.get("intent", "deploy"),
        reverts=tuple(data.get("reverts") or ()),
        plan_document=data.get("plan_document") or {},
    )


def _step(view: DeploymentView, fact: Recorded) -> StepView:
    data = fact.event.data
    known = view.steps.get(data["step"], StepView(data["step"], "running"))
    if fact.event.type is EventType.STEP_STARTED:
        attempts = data.get("attempt") or known.attempts + 1
        return replace(
            known, status="running", attempts=attempts, started=known.started or fact.at, error="", remedy="",
            finished="", reverted_by="",
        )  # fmt: skip
    if fact.event.type is EventType.STEP_FINISHED:
        return replace(
            known, status="finished", changed=bool(data.get("changed")), receipt=data.get("receipt") or {},
            seconds=data.get("seconds", 0.0), finished=fact.at, error="", remedy="", reverted_by="",
        )  # fmt: skip
    return replace(known, status="failed", error=data.get("error", ""), remedy=data.get("remedy", ""), finished=fact.at)


def _step_reverted(found: dict[str, DeploymentView], fact: Recorded) -> None:
    """The step may be of an earlier deployment (a rollback) or of the same one (which turned round)."""
    step = fact.event.data["step"]
    view = found.get(fact.event.data.get("of") or fact.event.deployment)
    if view is not None:
        known = view.steps.get(step, StepView(step, "running"))
        view.steps[step] = replace(known, status="reverted", reverted_by=fact.event.deployment)


def _finished(found: dict[str, DeploymentView], view: DeploymentView, fact: Recorded) -> None:
    outcome = fact.event.data.get("outcome", "failed")
    found[view.id] = replace(view, status=outcome, finished=fact.at)
    if outcome == "succeeded":
        for other in view.reverts:
            if other in found:
                found[other] = replace(found[other], status="rolled_back", reverted_by=view.id)


def _went_on(view: DeploymentView, fact: Recorded) -> DeploymentView:
    match fact.event.type:
        case EventType.GATE_ANSWERED:
            return replace(view, gates=(*view.gates, fact.event.data))
        case EventType.DEPLOYMENT_TURNED:
            return replace(view, cause=fact.event.data.get("cause", "") or "turned round")
        case EventType.DEPLOYMENT_RESUMED:
            return replace(view, resumed=view.resumed + 1)
    return view


@dataclass(frozen=True)
class ReleaseView:
    """One release: when it was first built, by whom, and where it was deployed whole (environment: first time)."""

    id: str
    built: str
    actor: str
    data: dict[str, Any] = field(default_factory=dict)
    deployed: dict[str, str] = field(default_factory=dict)


def releases(events: Iterable[Recorded]) -> list[ReleaseView]:
    """All releases that were built or deployed, oldest first; ``built`` is "" for one that was built elsewhere."""
    found: dict[str, ReleaseView] = {}
    for fact in events:
        data = fact.event.data
        release = data.get("release", "")
        if fact.event.type is EventType.RELEASE_BUILT:
            if release not in found or not found[release].built:
                deployed = found[release].deployed if release in found else {}
                found[release] = ReleaseView(release, fact.at, fact.event.actor, data, deployed)
        elif fact.event.type is EventType.DEPLOYMENT_FINISHED and data.get("outcome") == "succeeded" and release:
            view = found.setdefault(release, ReleaseView(release, "", ""))
            view.deployed.setdefault(fact.event.environment, fact.at)
    return list(found.values())
