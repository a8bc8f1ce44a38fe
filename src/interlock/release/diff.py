"""What differs between two releases."""

from dataclasses import dataclass
from typing import Any

from interlock.model.release import Manifest


@dataclass(frozen=True)
class ResourceChange:
    """A resource that does something else than before. ``parts`` names what differs (``code``, ``runtime`` ...)."""

    key: str
    before: str
    after: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class ReleaseDiff:
    """Resources by key and files by path, each sorted.

    A file that changed while no resource did holds a comment, a reformatting, or something that nothing uses.
    """

    old: str
    new: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ResourceChange, ...]
    files_added: tuple[str, ...]
    files_removed: tuple[str, ...]
    files_changed: tuple[str, ...]
    runtimes_changed: tuple[str, ...]
    config_changed: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether both releases do the same; their comments may differ."""
        return not (self.added or self.removed or self.changed)


def diff(old: Manifest, new: Manifest) -> ReleaseDiff:
    """All that differs from ``old`` to ``new``."""
    before, after = old.catalog.by_key, new.catalog.by_key
    return ReleaseDiff(
        old=old.id,
        new=new.id,
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(
            ResourceChange(
                key,
                before[key].fingerprint,
                after[key].fingerprint,
                _differing(before[key].parts, after[key].parts),
            )
            for key in sorted(before.keys() & after.keys())
            if before[key].fingerprint != after[key].fingerprint
        ),
        files_added=tuple(sorted(new.by_path.keys() - old.by_path.keys())),
        files_removed=tuple(sorted(old.by_path.keys() - new.by_path.keys())),
        files_changed=tuple(
            path for path in sorted(old.by_path.keys() & new.by_path.keys()) if old.by_path[path] != new.by_path[path]
        ),
        runtimes_changed=_differing(old.runtimes, new.runtimes),
        config_changed=_differing(old.config, new.config),
    )


def _differing(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    names = before.keys() | after.keys()
    return tuple(sorted(n for n in names if n not in before or n not in after or before[n] != after[n]))
