"""What events add up to: pure folds, from the oldest event to the newest."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Span:
    """A release was what an environment was at. Times as in the ledger; ``until`` is "" where it still is."""

    release: str
    since: str
    until: str = ""


def spans(events: Iterable[Recorded]) -> list[Span]:
    """The releases that one environment was at, one after the other; "" stands for none (rolled back to nothing)."""
    found: list[Span] = []
    for fact in events:
        data = fact.event.data
        if fact.event.type is not EventType.DEPLOYMENT_FINISHED or data.get("outcome") != "succeeded":
            continue
        release = data.get("release", "")
        if found and found[-1].release == release:
            continue
        if found:
            found[-1] = replace(found[-1], until=fact.at)
        found.append(Span(release, fact.at))
    return found


def state_fold_from(data: dict[str, Any]) -> StateFold:
    """The fold that ``to_text`` wrote, to go on from; ``KeyError`` or ``TypeError`` where it is not one."""
    return StateFold(data["environment"], data["release"], [LiveResource(**r) for r in data["resources"].values()])


def environment_state(events: Iterable[Recorded], environment: str) -> EnvironmentState:
    """What is live in ``environment`` after ``events``."""
    fold = StateFold(environment)
    for fact in events:
        fold.apply(fact)
    return fold.state()
