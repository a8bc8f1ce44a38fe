"""What an adapter is: a few verbs, all idempotent, and a record of what it can do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from interlock.config.models import Environment, ProjectConfig
from interlock.model.plan import Change, Phase, Receipt, Step
from interlock.model.progress import OnProgress, silent
from interlock.model.release import Manifest
from interlock.model.resources import kind_of
from interlock.model.state import EnvironmentState
from interlock.runtimes.environments import Runtime


class BlobReader(Protocol):
    """Where the bytes of a release come from."""

    def read(self, digest: str) -> bytes:
        """The blob with this SHA-256; ``TamperedError`` if it is another's, ``UnreachableError`` if not there."""
        ...


@dataclass(frozen=True)
class Capabilities:
    """What an adapter can do; a plan says what follows from it."""

    atomic_switch: bool  # several objects at once
    zero_copy: bool = False  # candidates cost no copy of the data
    drain: bool = False
    pin: bool = False  # a run keeps the version that it started with


@dataclass(frozen=True)
class PlanningContext:
    """All that planning may look at. ``previous`` is the manifest of the live release, if there is one."""

    config: ProjectConfig
    environment_name: str
    environment: Environment
    manifest: Manifest
    previous: Manifest | None
    state: EnvironmentState


@dataclass(frozen=True)
class StepContext:
    """All that a step may use.

    ``deployment`` with the step's id is the idempotency key. ``fence`` raises ``FencedError`` once the lease is lost:
    an adapter calls it right before each change of something live. ``manifest`` and ``blobs`` are only there on the way
    forward: ``revert`` must do without them. ``receipts`` are those of the earlier steps of the same deployment, by id.
    ``root`` is the folder that relative paths of targets count from. ``cache`` is a folder of this machine whose loss
    costs time and nothing else.
    """

    deployment: str
    config: ProjectConfig
    environment_name: str
    environment: Environment
    root: Path
    cache: Path
    fence: Callable[[], None]
    state: EnvironmentState
    receipts: dict[str, Receipt] = field(default_factory=dict)
    manifest: Manifest | None = None
    blobs: BlobReader | None = None
    runtime: Callable[[str], Runtime] | None = None
    on_progress: OnProgress = silent

    def resolve(self, path: str) -> Path:
        """A target's path, absolute."""
        return (self.root / path).absolute()


def retire_steps(context: PlanningContext, engine: str, keys: tuple[str, ...]) -> list[Step]:
    """The step that removes what nobody can go back to any more; none where nothing of the engine's is live."""
    if not any(kind_of(key).engine == engine for key in context.state.resources):
        return []
    days = context.environment.retention.total_seconds() / 86400
    summary = f"drop earlier versions that were replaced more than {days:g} days ago"
    return [Step(f"{engine}.retire", Phase.CONTRACT, engine, "retire", keys, summary)]


class Adapter(Protocol):
    """One engine. Every verb may be called again after a kill at any instant and must then finish the work.

    ``plan`` turns changes into steps and touches nothing. ``execute`` carries out one of those steps: observes first,
    and its receipt says ``changed=False`` where the work was done already. The receipt of a switch holds
    ``data["live"]``: for each resource key the JSON that the adapter wants back as ``LiveResource.data``. ``revert``
    undoes a step from its receipt alone (for ``only`` some of its resources: the others stay as they are), also when
    the step was interrupted and there is no receipt (``None``).
    """

    engine: str
    capabilities: Capabilities

    def plan(self, context: PlanningContext, changes: Sequence[Change]) -> list[Step]: ...

    def execute(self, step: Step, context: StepContext) -> Receipt: ...

    def revert(
        self, step: Step, receipt: Receipt | None, context: StepContext, only: frozenset[str] | None = None
    ) -> Receipt: ...

    def disable(self, key: str, context: StepContext) -> Receipt:
        """Switch one resource off so that it starts no run; ``UsageError`` where the engine has no such thing."""
        ...

    def enable(self, key: str, context: StepContext) -> Receipt: ...

    def observe(self, context: StepContext) -> dict[str, Any]:
        """What is really there, by resource key: ``{"present": bool, ...}``; used by ``status`` to find drift."""
        ...
