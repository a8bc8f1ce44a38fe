"""Make a release of a work tree."""

from collections.abc import Mapping
from dataclasses import dataclass

from interlock.catalog.git import source_state
from interlock.engine.checking import check_project
from interlock.engine.identity import who
from interlock.engine.workspace import Workspace
from interlock.model.errors import StaleError
from interlock.model.events import Event, EventType
from interlock.model.findings import Finding
from interlock.model.release import Manifest
from interlock.release.build import build, publish
from interlock.release.sources import release_files


@dataclass(frozen=True)
class Built:
    """A release, or (``manifest`` is None) the findings that stood in its way. ``new``: it was not built before."""

    manifest: Manifest | None
    findings: tuple[Finding, ...]
    new: bool


def build_release(workspace: Workspace) -> Built:
    """Make a release of the work tree and write it to the store and the ledger. Errors among the findings stop it."""
    checked = check_project(workspace, must_read=True)
    reading, findings = checked.reading, checked.findings
    if reading is None or not checked.passed:
        return Built(None, findings, new=False)
    root, config = workspace.root, workspace.config
    commit = source_state(root).label
    manifest, blobs = build(root, config, reading.catalog, commit, release_files(root, config, checked.carried))
    _require_checked(manifest, checked.seen)
    new = manifest.id not in workspace.store.list()
    publish(workspace.store, manifest, blobs, workspace.on_progress)
    data = {
        "project": config.project,
        "release": manifest.id,
        "commit": commit,
        "resources": len(manifest.catalog.resources),
    }
    workspace.ledger.append([Event(EventType.RELEASE_BUILT, "", "", who(), data)])
    return Built(manifest, findings, new)


def _require_checked(manifest: Manifest, seen: Mapping[str, str]) -> None:
    """``StaleError`` where a file was changed after it was checked: the release would hold what nobody looked at."""
    changed = [entry.path for entry in manifest.files if seen.get(entry.path, entry.digest) != entry.digest]
    if changed:
        raise StaleError(
            f"{len(changed)} files were changed while the release was built: {', '.join(changed[:3])}",
            remedy="Build again, when nobody writes into the work tree.",
            detail="\n".join(changed),
        )
