"""Where releases lie: a folder or S3, with the same promises.

Bytes are named by their SHA-256 and never change. Whatever is read is checked. A release is there from the moment its
manifest is, and its manifest is written last.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from interlock.model.errors import UnreachableError, UsageError
from interlock.model.progress import OnProgress, silent
from interlock.model.release import Manifest
from interlock.release.manifest import is_digest


class MissingError(UnreachableError):
    """The store answers, and does not have it: trying again does not help."""

    transient = False


class Store(Protocol):
    """A place for releases. Every verb may be repeated, and any number of writers may work at once."""

    def put_blob(self, data: bytes) -> str:
        """The bytes are stored; their digest."""
        ...

    def put_files(self, blobs: Mapping[str, Path], on_progress: OnProgress = silent) -> None:
        """The bytes of all these files are stored; ``StaleError`` where a file's bytes are not those of its digest."""
        ...

    def has(self, digest: str) -> bool:
        """Whether a blob is there; its bytes are not looked at."""
        ...

    def read(self, digest: str) -> bytes:
        """The blob's bytes; ``TamperedError`` if they are others, ``MissingError`` if it is not there."""
        ...

    def put_manifest(self, manifest: Manifest) -> str:
        """The release exists, durably, with all blobs put before; its id."""
        ...

    def has_release(self, release: str) -> bool:
        """Whether the release with this very id is there; its manifest is not looked at."""
        ...

    def manifest(self, release: str) -> Manifest:
        """The manifest with this id, or with the only id that starts so (4 characters or more)."""
        ...

    def list(self) -> tuple[str, ...]:
        """The ids of all releases, the newest in the store first."""
        ...


def choose(release: str, ids: tuple[str, ...]) -> str:
    """The one of ``ids`` that ``release`` names; ``UsageError`` when there is none, or more than one."""
    wanted = release.strip().lower()
    found = [i for i in ids if i.startswith(wanted)] if len(wanted) >= 4 else []
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} releases start with {release!r}",
            remedy="Give more characters: " + ", ".join(i[: len(wanted) + 6] for i in found[:5]),
        )
    known = ", ".join(i[:12] for i in ids[:5])
    raise UsageError(
        f"no release {release!r} is in the store" if len(wanted) >= 4 else f"{release!r} is too short for a release",
        remedy=f"The newest are {known}." if known else "The store is empty: run 'interlock build'.",
    )


def checked_digest(digest: str) -> str:
    """``digest``, once it is sure that it is one: it becomes part of a path."""
    if not is_digest(digest):
        raise UsageError(f"{digest[:80]!r} is no SHA-256", remedy="A digest has 64 hexadecimal characters.")
    return digest
