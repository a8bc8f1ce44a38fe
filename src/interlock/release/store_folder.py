"""A store in a folder, local or mounted: ``blobs/ab/abcd…``, ``manifests/<id>.json``, and ``tmp/`` to write in.

Each file is written beside and moved into place, so that nobody ever sees half of one. Blobs are not flushed one by
one (2,500 small files would cost some seconds of waiting for the disk): one flush of the file system stands between the
last blob and the manifest, which is flushed itself. A power cut may therefore lose blobs of a release that does not
exist yet, never those of one that does.
"""

import ctypes
import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from interlock.model.canonical import digest_bytes
from interlock.model.errors import InterlockError, StaleError, TamperedError, UnreachableError
from interlock.model.progress import OnProgress, Progress, silent
from interlock.model.release import Manifest
from interlock.release.manifest import REBUILD, is_digest, parse_manifest
from interlock.release.store import MissingError, checked_digest, choose

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_STALE_SECONDS = 24 * 3600  # a file in tmp/ this old belongs to a writer that died


class FolderStore:
    """Releases in one folder, which is made when it is first written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._unflushed = False

    def __repr__(self) -> str:
        return f"FolderStore({str(self.folder)!r})"

    def put_blob(self, data: bytes) -> str:
        digest = digest_bytes(data)
        self._put(self._blob(digest), data)
        return digest

    def put_files(self, blobs: Mapping[str, Path], on_progress: OnProgress = silent) -> None:
        for number, (digest, path) in enumerate(sorted(blobs.items()), 1):
            self._put(self._blob(digest), read_source(path, digest))
            if number % 100 == 0 or number == len(blobs):
                on_progress(Progress("build.store", "storing files", number, len(blobs)))

    def has(self, digest: str) -> bool:
        return self._blob(digest).is_file()

    def read(self, digest: str) -> bytes:
        path = self._blob(digest)
        with self._answers():
            try:
                data = path.read_bytes()
            except FileNotFoundError as error:
                raise MissingError(f"the blob {digest[:12]} is not in the store", remedy=REBUILD) from error
        if digest_bytes(data) != digest:
            raise TamperedError(f"the blob {digest[:12]} was changed in the store", remedy=REBUILD, detail=str(path))
        return data

    def put_manifest(self, manifest: Manifest) -> str:
        path = self._manifest(manifest.id)
        with self._answers():
            if self._unflushed:
                _flush_file_system(self.folder)
                self._unflushed = False
            self._put(path, manifest.encoded, durable=True)
            self._sweep()
        return manifest.id

    def has_release(self, release: str) -> bool:
        with self._answers():
            return self._manifest(release).is_file()

    def manifest(self, release: str) -> Manifest:
        release = release if is_digest(release) else choose(release, self.list())
        with self._answers():
            try:
                data = self._manifest(release).read_bytes()
            except FileNotFoundError:
                choose(release, tuple(i for i in self.list() if i != release))
                raise
        return parse_manifest(data, release)

    def list(self) -> tuple[str, ...]:
        found: list[tuple[float, str]] = []
        with self._answers():
            try:
                with os.scandir(self.folder / "manifests") as entries:
                    for entry in entries:
                        name = entry.name.removesuffix(".json")
                        if is_digest(name) and name != entry.name:
                            found.append((-entry.stat().st_mtime, name))
            except FileNotFoundError:
                return ()
        return tuple(name for _, name in sorted(found))

    def _blob(self, digest: str) -> Path:
        return self.folder / "blobs" / checked_digest(digest)[:2] / digest

    def _manifest(self, release: str) -> Path:
        return self.folder / "manifests" / f"{checked_digest(release)}.json"

    def _put(self, path: Path, data: bytes, *, durable: bool = False) -> None:
        with self._answers():
            try:
                # The same bytes are left alone, others (half a blob after a power cut) are replaced.
                if path.stat().st_size == len(data) and path.read_bytes() == data:
                    return
            except FileNotFoundError:
                pass
            temporary = self._written_beside(data, durable)
            try:
                self._moved(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            if durable:
                _flush_folder(path.parent)
            else:
                self._unflushed = True

    def _written_beside(self, data: bytes, durable: bool) -> Path:
        folder = self.folder / "tmp"
        try:
            handle, name = tempfile.mkstemp(dir=folder)
        except FileNotFoundError:
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(handle, 0o444)
                if durable:
                    file.flush()
                    os.fsync(handle)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)  # noqa: PTH108
            raise
        return Path(name)

    def _moved(self, temporary: Path, path: Path) -> None:
        try:
            temporary.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)

    def _sweep(self) -> None:
        with suppress(OSError), os.scandir(self.folder / "tmp") as entries:
            for entry in entries:
                if time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                    os.unlink(entry.path)  # noqa: PTH108

    @contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except InterlockError:
            raise
        except OSError as error:
            if error.errno in _FULL:
                raise UnreachableError(
                    f"the disk of the artifact store {self.folder} is full",
                    remedy="Free some space and run the same command again: what is stored already is kept.",
                    detail=str(error),
                ) from error
            raise UnreachableError(
                f"the artifact store {self.folder} could not be used",
                remedy="Check that the folder exists, is mounted, and is yours to write.",
                detail=str(error),
            ) from error


def read_source(path: Path, digest: str) -> bytes:
    """The bytes of a project's file that is being stored; ``StaleError`` if they are not those that were hashed."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StaleError(f"{path.name} vanished during the build", remedy="Build again.", detail=str(error)) from error
    if digest_bytes(data) != digest:
        raise StaleError(f"{path.name} changed during the build", remedy="Build again.", detail=str(path))
    return data


def _flush_file_system(folder: Path) -> None:
    if sys.platform != "linux":
        os.sync()
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
