"""The ledger of a project."""

from interlock.engine.project import Project
from interlock.ledger.store import Ledger, open_ledger
from interlock.model.errors import ConfigError
from interlock.model.events import EventType


def ledger_of(project: Project, *, create: bool = True) -> Ledger:
    """The ledger, created when it is not there; ``ConfigError`` where it is another project's, or not to be created."""
    ledger = open_ledger(project.config.ledger, project.root, create=create)
    for first in ledger.events(types=[EventType.RELEASE_BUILT], limit=1):
        owner = first.event.data.get("project")
        if owner != project.config.project:
            raise ConfigError(
                f"this ledger is that of project {owner!r}, not of {project.config.project!r}",
                remedy="Give each project a database of its own: environments of one name would be mixed up.",
            )
    return ledger
