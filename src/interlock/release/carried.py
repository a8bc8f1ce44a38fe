"""Files that a release carries and no engine lays out: schemas, contracts, expectations, Terraform.

They are live wherever their release is: that is what a later version is compared with.
"""

from interlock.model.release import Manifest
from interlock.release.sources import Sections


def carried(manifest: Manifest) -> dict[str, str]:
    """The digest of each, by path."""
    sections = Sections.of(manifest.config)
    return {entry.path: entry.digest for entry in manifest.files if not sections.hold(entry.path)}


def changed(old: Manifest | None, new: Manifest) -> tuple[str, ...]:
    """Which of them differ between two releases, added and removed ones included; all of them without an old one."""
    before, after = carried(old) if old is not None else {}, carried(new)
    return tuple(sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)))


def is_complete(manifest: Manifest) -> bool:
    """Whether its builder carried every schema, contract and expectation, and not only those in folders of that name.

    Builders that do so know what schemas promise, and say it in the configuration's shape.
    """
    return "schemas" in manifest.config
