"""A release as one file, ``<release id>.tar``: the same release gives the same bytes, and nothing else is taken in.

The layout is ``manifest.json``, then ``blobs/<digest>`` in the order of digests: regular files with fixed modes,
owner 0 and time 0, closed by two empty records. Reading walks exactly that and compares every header with the one that
must stand there, so what another tool might do with an unusual archive does not matter. It is not compressed:
compressors give other bytes in other versions.
"""

import os
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from interlock.model.canonical import digest_bytes
from interlock.model.errors import ConfigError, TamperedError, UnreachableError
from interlock.model.progress import OnProgress, Progress, silent
from interlock.model.release import Manifest
from interlock.release.manifest import MAX_MANIFEST, parse_manifest
from interlock.release.store import Store

_RECORD = 512
_END = b"\0" * (2 * _RECORD)
_REMEDY = "Export the release again from the store that it was built in, and copy the file anew."


def export(store: Store, release: str, target: Path, on_progress: OnProgress = silent) -> Path:
    """The release as one file: ``target``, or ``<release id>.tar`` in it where it is a folder; whole or not at all."""
    manifest = store.manifest(release)
    path = target / f"{manifest.id}.tar" if target.is_dir() else target
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".interlock-")
        try:
            with os.fdopen(handle, "wb") as file:
                _write(file, store, manifest, on_progress)
                file.flush()
                os.fsync(handle)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise UnreachableError(
            f"{path} could not be written", remedy="Check the folder and its free space.", detail=str(error)
        ) from error
    return path


def import_(store: Store, archive: Path, expected_id: str = "", on_progress: OnProgress = silent) -> str:
    """The archive's release is in the store; its id (``expected_id``, if one is given).

    ``TamperedError`` for anything but an untouched archive of Interlock's, and then the store has no such release. What
    was taken in before the flaw was found are blobs that are what their name says.
    """
    try:
        with archive.open("rb") as file:
            data = _member(file, "manifest.json", None)
            manifest = parse_manifest(data, expected_id)
            sizes = {entry.digest: entry.size for entry in manifest.files}
            for number, digest in enumerate(sorted(sizes), 1):
                if digest_bytes(data := _member(file, f"blobs/{digest}", sizes[digest])) != digest:
                    raise TamperedError(f"the archive's blob {digest[:12]} was changed", remedy=_REMEDY)
                store.put_blob(data)
                on_progress(Progress("release.import", "taking in files", number, len(sizes)))
            if file.read(len(_END) + 1) != _END:
                raise TamperedError("the archive does not end where it should", remedy=_REMEDY)
    except OSError as error:
        raise ConfigError(
            f"{archive} could not be read", remedy="Check the path and its permissions.", detail=str(error)
        ) from error
    return store.put_manifest(manifest)


def _write(file: BinaryIO, store: Store, manifest: Manifest, on_progress: OnProgress) -> None:
    digests = sorted({entry.digest for entry in manifest.files})
    _put(file, "manifest.json", manifest.encoded)
    for number, digest in enumerate(digests, 1):
        _put(file, f"blobs/{digest}", store.read(digest))
        on_progress(Progress("release.export", "writing files", number, len(digests)))
    file.write(_END)


def _put(file: BinaryIO, name: str, data: bytes) -> None:
    file.write(_header(name, len(data)) + data + b"\0" * (-len(data) % _RECORD))


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime, info.uid, info.gid = size, 0o644, 0, 0, 0
    return info.tobuf(format=tarfile.USTAR_FORMAT)


def _member(file: BinaryIO, name: str, size: int | None) -> bytes:
    """The next member's bytes: it must be ``name``, and have ``size`` where that is known already."""
    header = file.read(_RECORD)
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        what = "is cut short" if len(header) < _RECORD or not header.strip(b"\0") else "is no archive of Interlock's"
        raise TamperedError(f"the archive {what}", remedy=_REMEDY, detail=f"at {name}") from error
    problem = _problem(info, name, size)
    if not problem and header != _header(name, info.size):
        problem = "has attributes that Interlock does not write"
    if problem:
        raise TamperedError(f"the archive's member {info.name[:200]!r} {problem}", remedy=_REMEDY)
    data = file.read(info.size)
    padding = file.read(-info.size % _RECORD)
    if len(data) < info.size or len(padding) < -info.size % _RECORD:
        raise TamperedError("the archive is cut short", remedy=_REMEDY, detail=f"in {name}")
    if padding.strip(b"\0"):
        raise TamperedError(f"the archive hides bytes behind {name}", remedy=_REMEDY)
    return data


def _problem(info: tarfile.TarInfo, name: str, size: int | None) -> str:
    if info.name.startswith(("/", "\\")) or info.name[1:2] == ":":
        return "is an absolute path"
    if ".." in info.name.replace("\\", "/").split("/"):
        return "leaves its folder"
    if info.issym() or info.islnk():
        return "is a link"
    if info.type != tarfile.REGTYPE:
        return "is a folder, a device or an extension, not a regular file"
    if info.name != name:
        return f"stands where {name!r} must: members are missing, added, doubled or out of order"
    if size is not None and info.size != size:
        return f"has {info.size} bytes, the manifest says {size}"
    return "is too large" if info.size > MAX_MANIFEST else ""
