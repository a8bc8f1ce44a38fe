"""What ``trees`` needs of the disk: atomic writes, checked paths, and errors that say what to do."""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from interlock.model.canonical import canonical_json
from interlock.model.errors import TamperedError, UnreachableError

Files = dict[str, tuple[str, bool]]

_REMEDIES = {
    errno.ENOSPC: "Free space on that disk (older versions go with the retention), then resume.",
    errno.EDQUOT: "Raise the quota or free space, then resume.",
    errno.EROFS: "Mount it writable, then resume.",
    errno.EACCES: "Give the account that runs Interlock the right to write there, then resume.",
    errno.EPERM: "Give the account that runs Interlock the right to write there, then resume.",
}
_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "permission was denied",
    errno.EPERM: "permission was denied",
}


def unreachable(error: OSError, where: Path) -> UnreachableError:
    """The disk's refusal in words, with a remedy."""
    number = error.errno or 0
    return UnreachableError(
        f"{where} could not be changed: {_WORDS.get(number, os.strerror(number) if number else str(error))}",
        remedy=_REMEDIES.get(number, "See that the folder is there and can be written, then resume."),
        detail=f"{error}. What was live before is still live.",
    )


@contextlib.contextmanager
def translated(where: Path) -> Iterator[None]:
    """Every ``OSError`` inside comes out as ``UnreachableError``."""
    try:
        yield
    except OSError as error:
        raise unreachable(error, where) from error


def check_paths(paths: Iterable[str]) -> None:
    """All paths are relative, plain, and none is a folder of another; else ``TamperedError``."""
    seen = set(paths)
    for path in seen:
        parts = path.split("/")
        if not path or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
            raise TamperedError(
                f"a file of the release would leave its folder: {path!r}", remedy="Build the release again."
            )
        for parent in PurePosixPath(path).parents:
            if str(parent) in seen:
                raise TamperedError(
                    f"{str(parent)!r} is a file and a folder at once", remedy="Build the release again."
                )


def digest_at(path: Path) -> str:
    """SHA-256 of a plain file in hexadecimal; "" where there is none."""
    if path.is_symlink():
        return ""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""


def write_new(path: Path, data: bytes, executable: bool = False) -> None:
    """A new file with these bytes is on the disk, readable by all whatever the umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(descriptor, 0o755 if executable else 0o644)
        os.fsync(descriptor)


def write(path: Path, data: bytes, executable: bool = False) -> None:
    """The file holds these bytes: all of them or, after a kill, those that it held before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    beside.unlink(missing_ok=True)
    try:
        write_new(beside, data, executable)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def link(target: PurePosixPath, path: Path) -> None:
    """``path`` is a symbolic link to ``target``: replaced in one rename, and on the disk."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(path)
    sync_folder(path.parent)


def settle(folder: Path) -> None:
    """Every folder below can be read by all and is on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, _, _ in os.walk(folder):
        Path(place).chmod(0o755)
        sync_folder(Path(place))


def sync_folder(folder: Path) -> None:
    """The names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; ``None`` where there is no file, ``TamperedError`` where it is no JSON object."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise TamperedError(f"{path} was damaged", remedy="Deploy the release again.")
    return found


def mapping_bytes(files: Mapping[str, tuple[str, bool]]) -> bytes:
    """A view's mapping as it stands on the disk."""
    return canonical_json({path: [digest, executable] for path, (digest, executable) in files.items()})


def mapping_from(path: Path) -> Files | None:
    """The mapping that ``mapping_bytes`` wrote; ``None`` where there is none."""
    found = read_json(path)
    return None if found is None else {name: (str(entry[0]), bool(entry[1])) for name, entry in found.items()}
