"""Which release a command means."""

from typing import TYPE_CHECKING

from interlock.model.errors import UsageError
from interlock.model.events import EventType
from interlock.model.release import Manifest

if TYPE_CHECKING:
    from interlock.engine.workspace import Workspace


def pick_release(workspace: "Workspace", name: str | None) -> Manifest:
    """The release with this id or unique prefix; without a name the one that was built last."""
    if name is not None:
        return workspace.manifest(name)
    built = [r.event.data["release"] for r in workspace.ledger.events(types=[EventType.RELEASE_BUILT])]
    if not built:
        raise UsageError("no release was built yet", remedy="interlock build")
    return workspace.manifest(built[-1])
