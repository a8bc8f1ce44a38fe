"""What a release holds."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from interlock.model.canonical import canonical_json, digest_bytes
from interlock.model.resources import Catalog, Edge, Resource, Unknown


@dataclass(frozen=True)
class FileEntry:
    """One file of a release: its path in the project (POSIX, relative), the SHA-256 of its bytes, size, mode."""

    path: str
    digest: str
    size: int
    executable: bool = False


@dataclass(frozen=True)
class Manifest:
    """The content of one release. Its id is the digest of its canonical JSON: same content, same id.

    ``config`` is the shape of ``interlock.yaml`` without environments' values. ``runtimes`` maps a runtime's name to
    its lock digest. Nothing in here depends on a clock, a path of a machine, or a user.
    """

    project: str
    commit: str
    files: tuple[FileEntry, ...]
    catalog: Catalog
    runtimes: dict[str, str]
    config: dict[str, Any]
    format: int = 1

    @cached_property
    def encoded(self) -> bytes:
        """The bytes whose digest is the release's id."""
        return canonical_json(self)

    @cached_property
    def id(self) -> str:
        """The release id, 64 hexadecimal characters."""
        return digest_bytes(self.encoded)

    @cached_property
    def by_path(self) -> dict[str, FileEntry]:
        """Files by path."""
        return {f.path: f for f in self.files}


def manifest_from_json(data: dict[str, Any]) -> Manifest:
    """The manifest that ``canonical_json`` wrote; ``KeyError`` or ``TypeError`` where it is not one."""
    catalog = data["catalog"]
    return Manifest(
        project=data["project"],
        commit=data["commit"],
        files=tuple(FileEntry(**f) for f in data["files"]),
        catalog=Catalog(
            project=catalog["project"],
            resources=tuple(Resource(**{**r, "files": tuple(r["files"])}) for r in catalog["resources"]),
            edges=tuple(Edge(**e) for e in catalog["edges"]),
            unknowns=tuple(Unknown(**u) for u in catalog["unknowns"]),
            runtimes=catalog["runtimes"],
        ),
        runtimes=data["runtimes"],
        config=data["config"],
        format=data["format"],
    )
