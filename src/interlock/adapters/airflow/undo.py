"""Take back some DAGs of a switch while the others keep their version."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from interlock.adapters.airflow import layout
from interlock.adapters.trees import Files, TreeRoot
from interlock.model.errors import RefusedError
from interlock.model.resources import Kind, kind_of
from interlock.model.state import EnvironmentState


@dataclass(frozen=True)
class Switched:
    """What one switch did, as its receipt says: views, and each DAG's data after it and before it (``None``: none)."""

    before: str | None
    after: str
    live: dict[str, dict[str, Any] | None]
    live_before: dict[str, dict[str, Any] | None]

    def paths(self, keys: Collection[str]) -> set[str]:
        """The DAG files of these DAGs, on either side."""
        sides = (side.get(key) for side in (self.live, self.live_before) for key in keys)
        return {str(data["path"]) for data in sides if data and "path" in data}


def partly_back(
    tree: TreeRoot, now: Files, switched: Switched, only: Collection[str], state: EnvironmentState
) -> Files:
    """The current files with the closures of ``only`` as they were before the switch.

    ``RefusedError``, naming the DAGs, where another live DAG uses a file that would change.
    """
    old = layout.arranged(tree.files(switched.before), ()) if switched.before else {}
    hold = layout.withheld(now)
    wanted = layout.arranged(now, ())
    users = _users(state, only)
    for key in sorted(only):
        before, after = _files(switched.live_before.get(key)), _files(switched.live.get(key))
        for path in sorted({*before, *after}):
            used_by = users.get(path, [])
            if path not in before and path not in old and used_by and path != _path(switched.live.get(key)):
                continue  # it came with the release, and others need it: it does no harm
            if wanted.get(path) == old.get(path):
                continue
            if used_by:
                raise RefusedError(
                    f"{key} cannot go back alone: {path} differs and is also used by {', '.join(used_by)}",
                    remedy="Roll back the whole deployment, or disable this DAG until a release corrects it.",
                )
            if path in old:
                wanted[path] = old[path]
            else:
                wanted.pop(path, None)
    return layout.arranged(wanted, hold)


def _users(state: EnvironmentState, only: Collection[str]) -> Mapping[str, list[str]]:
    """Which other live DAGs use a file."""
    found: dict[str, list[str]] = {}
    for key, live in sorted(state.resources.items()):
        if key not in only and kind_of(key) is Kind.DAG:
            for path in live.data.get("files", {}):
                found.setdefault(path, []).append(key)
    return found


def _files(data: dict[str, Any] | None) -> dict[str, str]:
    return dict(data["files"]) if data else {}


def _path(data: dict[str, Any] | None) -> str:
    return str(data["path"]) if data else ""
