"""Versioned folders with one atomic switch.

A root looks like this::

    current -> views/<id>        what consumers read; replaced by one rename
    views/<id>/...               the files of one version
    views/<id>.json              {path: [digest, executable]}, written before the folder appears
    views/.served.json           the last view that we switched to, and the newest time ever given to a served file
    journal/<name>.json          what an operation is about to do, written before it does it
    .lock                        held while something changes; the kernel releases it when the holder dies

A view's id is the digest of its mapping: the same content has the same id, and a view never changes.
"""

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import FileLock, Timeout

from interlock.adapters import tree_files as disk
from interlock.model.canonical import canonical_json, digest_bytes, digest_of
from interlock.model.errors import HeldError, RefusedError, TamperedError

Mapped = tuple[str, bool]
Files = dict[str, Mapped]

# Airflow stores the moment at which it first saw a file beside the file's own time. A switched file therefore carries a
# time a little after the switch, so that nothing that was parsed before it can count as newer.
_AHEAD_NS = 1_000_000_000
_LOCK_SECONDS = 30.0
_SERVED = ".served.json"


def view_id_of(files: Mapping[str, Mapped]) -> str:
    """The id of the view that holds exactly these files."""
    return digest_of({path: [digest, executable] for path, (digest, executable) in files.items()})


class TreeRoot:
    """A folder of versions of which one is current. Every method may be called again after a kill at any instant.

    Raises ``UnreachableError`` where the disk refuses (full, read-only, no permission), ``TamperedError`` for paths
    that would leave the root or bytes that are not what their digest says, ``HeldError`` while another process works.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._views = root / "views"
        self._current = root / "current"

    # -- what is there

    def current(self) -> str | None:
        """The id of the view that consumers read; ``None`` before the first switch."""
        try:
            target = self._current.readlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:
                raise RefusedError(
                    f"{self._current} is not a link of ours",
                    remedy="Move that file or folder away, or choose another root for this environment.",
                ) from error
            raise disk.unreachable(error, self._current) from error
        return target.name

    def files(self, view_id: str) -> Files:
        """The mapping of one view; ``RefusedError`` where the view is not there any more."""
        files = disk.mapping_from(self._index(view_id))
        if files is None:
            raise RefusedError(
                f"version {view_id[:12]} is no longer kept in {self.root}",
                remedy="Deploy a release that holds it; a longer 'retention' keeps versions longer.",
            )
        if view_id_of(files) != view_id:
            raise TamperedError(
                f"the list of files of version {view_id[:12]} was changed", remedy="Deploy the release again."
            )
        return files

    def path(self, view_id: str) -> Path:
        """The folder of one view."""
        return self._views / view_id

    def read(self, view_id: str, path: str) -> bytes:
        """The bytes of one file of a view, checked against its digest."""
        digest, _ = self.files(view_id)[path]
        return self._checked(self.path(view_id) / path, digest)

    def drift(self, view_id: str) -> tuple[str, ...]:
        """The paths of a view whose bytes are not what was staged, or which are missing."""
        return tuple(
            path
            for path, (digest, _) in self.files(view_id).items()
            if disk.digest_at(self.path(view_id) / path) != digest
        )

    def intended(self) -> str | None:
        """The view that we switched to last: another one is current only if somebody else changed the link."""
        mark = disk.read_json(self._views / _SERVED)
        return None if mark is None else str(mark.get("view"))

    def switched_at(self) -> float:
        """When the current view became current, in seconds since 1970 by this machine's clock; 0.0 before the first."""
        try:
            return self._current.lstat().st_mtime
        except FileNotFoundError:
            return 0.0

    def known(self) -> tuple[str, ...]:
        """The ids of all views that are kept and whole."""
        return tuple(view for view in self._indexed() if self.path(view).is_dir())

    # -- making views

    def stage(self, files: Mapping[str, Mapped], read: Callable[[str], bytes]) -> str:
        """The view with these files is complete beside the current one; its id. No consumer sees anything.

        ``files`` maps a path to the digest and the executable bit; ``read`` returns the bytes of a digest. A view that
        exists is checked, and files of it that were damaged are put right.
        """
        with self._changing():
            return self._build(dict(files), read)

    def compose(
        self,
        base: str | None,
        overrides: Mapping[str, str | None],
        from_views: Iterable[str] = (),
        extra: Mapping[str, bytes] | None = None,
    ) -> str:
        """The view ``base`` with some files replaced (by digest), removed (``None``) or given as bytes (``extra``).

        Replacements are taken from views that are on the disk, ``base`` included: no store is needed. Raises
        ``RefusedError`` where no view holds a digest.
        """
        files = {} if base is None else self.files(base)
        views = (*([] if base is None else [base]), *from_views)
        modes = {digest: executable for view in views for digest, executable in self.files(view).values()}
        for path, chosen in overrides.items():
            files.pop(path, None)
            if chosen is not None:
                files[path] = (chosen, modes.get(chosen, False))
        return self.assemble(files, views, extra)

    def assemble(
        self, files: Mapping[str, Mapped], from_views: Iterable[str], extra: Mapping[str, bytes] | None = None
    ) -> str:
        """Like ``stage``, from files of views that are on the disk, and ``extra`` as bytes: no store is needed.

        A view that was damaged is put right where another one holds the same bytes; else ``TamperedError``.
        """
        wanted = {**files, **{path: (digest_bytes(data), False) for path, data in (extra or {}).items()}}
        given = {digest_bytes(data): data for data in (extra or {}).values()}
        sources: dict[str, list[Path]] = {}
        for view in dict.fromkeys(from_views):
            for path, (digest, _) in self.files(view).items():
                sources.setdefault(digest, []).append(self.path(view) / path)
        for path, (digest, _) in wanted.items():
            if digest not in sources and digest not in given:
                raise RefusedError(
                    f"no version in {self.root} holds the earlier {path}", remedy="Deploy a release that holds it."
                )

        def read(digest: str) -> bytes:
            if digest in given:
                return given[digest]
            whole = (path for path in sources[digest] if disk.digest_at(path) == digest)
            return self._checked(next(whole, sources[digest][0]), digest)

        with self._changing():
            return self._build(wanted, read)

    def switch(self, view_id: str, touch: Iterable[str] = (), fence: Callable[[], None] = lambda: None) -> bool:
        """``view_id`` is current; whether that had to be done. Consumers see the old view or the new one, never a mix.

        Files that differ from the current view, and those named in ``touch``, carry a modification time later than any
        that was served before, also where the clock was set back; all others keep the one that they had. ``fence`` is
        called right before the one rename.
        """
        with self._changing():
            served = self.current()
            files = self.files(view_id)
            if served == view_id:
                disk.sync_folder(self.root)
                return False
            self._set_times(view_id, files, served, frozenset(touch))
            fence()
            disk.link(PurePosixPath("views") / view_id, self._current)
            return True

    def replaced(self, note: str) -> set[str]:
        """The view that the switch noted under ``note`` took the place of, if any: the way back leads there."""
        before = (self.noted(note) or {}).get("before")
        return {before} if before else set()

    def retire(self, keep: Collection[str], older_than: float) -> tuple[str, ...]:
        """Views that are neither current nor in ``keep`` and older than this many seconds are gone; their ids.

        Notes of that age go with them.
        """
        gone: list[str] = []
        with self._changing():
            spared = {*keep, self.current()}
            for index in (self._index(view) for view in self._indexed()):
                if index.stem not in spared and time.time() - index.stat().st_mtime > older_than:
                    # Out of sight in one rename, so that a kill leaves a whole view or rubbish, never half a view.
                    with contextlib.suppress(FileNotFoundError):
                        self.path(index.stem).replace(self._views / f".tmp-{index.stem}")
                    index.unlink()
                    gone.append(index.stem)
            for note in (self.root / "journal").glob("*.json"):
                if time.time() - note.stat().st_mtime > older_than:
                    note.unlink()
            self._sweep()
        return tuple(gone)

    # -- notes that outlive a kill

    def note(self, name: str, content: dict[str, Any]) -> dict[str, Any]:
        """What was noted first under ``name``: ``content`` if nothing was. It tells a rerun what the first found."""
        with self._changing():
            found = self.noted(name)
            if found is None:
                disk.write(self._note(name), canonical_json(content))
            return content if found is None else found

    def noted(self, name: str) -> dict[str, Any] | None:
        """What was noted under ``name``."""
        return disk.read_json(self._note(name))

    def _note(self, name: str) -> Path:
        return self.root / "journal" / f"{digest_bytes(name.encode())[:32]}.json"

    # -- inside

    def _indexed(self) -> list[str]:
        return sorted(index.stem for index in self._views.glob("*.json") if not index.name.startswith("."))

    def _index(self, view_id: str) -> Path:
        return self._views / f"{view_id}.json"

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        with disk.translated(self.root):
            self._views.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(self.root / ".lock", timeout=_LOCK_SECONDS):
                    yield
            except Timeout:
                raise HeldError(
                    f"another process has been changing {self.root} for more than {_LOCK_SECONDS:.0f} s",
                    remedy="Wait until it is done, or end it; nothing was changed here.",
                ) from None

    def _checked(self, path: Path, digest: str) -> bytes:
        with disk.translated(path):
            data = path.read_bytes()
        if digest_bytes(data) != digest:
            raise TamperedError(
                f"{path} was changed by hand", remedy="Deploy the release that holds it again: that puts it right."
            )
        return data

    def _sweep(self) -> None:
        for rubbish in self._views.glob(".tmp-*"):
            shutil.rmtree(rubbish) if rubbish.is_dir() else rubbish.unlink()

    def _build(self, files: Files, read: Callable[[str], bytes]) -> str:
        disk.check_paths(files)
        view_id = view_id_of(files)
        target = self.path(view_id)
        self._sweep()
        index = disk.mapping_bytes(files)
        if disk.digest_at(self._index(view_id)) != digest_bytes(index):
            disk.write(self._index(view_id), index)
        else:
            os.utime(self._index(view_id))  # it is wanted again: the retention counts from now
        if target.is_dir():
            for path, (digest, executable) in files.items():
                if disk.digest_at(target / path) != digest:
                    disk.write(target / path, self._bytes(read, digest, path), executable)
            return view_id
        building = self._views / f".tmp-{view_id}"
        try:
            for path, (digest, executable) in files.items():
                disk.write_new(building / path, self._bytes(read, digest, path), executable)
            disk.settle(building)
            building.replace(target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)  # room for the next attempt
            raise
        disk.sync_folder(self._views)
        return view_id

    @staticmethod
    def _bytes(read: Callable[[str], bytes], digest: str, path: str) -> bytes:
        data = read(digest)
        if digest_bytes(data) != digest:
            raise TamperedError(
                f"the bytes of {path} are not those that the release names", remedy="Build the release again."
            )
        return data

    def _set_times(self, view_id: str, files: Files, served: str | None, touch: frozenset[str]) -> None:
        before = {} if served is None else self.files(served)
        times: dict[str, int] = {}
        for path in before:
            with contextlib.suppress(FileNotFoundError):
                times[path] = (self.path(served or "") / path).stat().st_mtime_ns
        mark = self._views / _SERVED
        newest = max([int((disk.read_json(mark) or {}).get("ns", "0")), *times.values()])
        now = max(time.time_ns(), newest) + _AHEAD_NS
        if served is not None:
            os.utime(self._index(served))  # the retention counts from when it stopped being current
        disk.write(mark, canonical_json({"ns": str(now), "view": view_id}))
        for path, mapped in files.items():
            same = path in times and before[path][0] == mapped[0] and path not in touch
            moment = times[path] if same else now
            os.utime(self.path(view_id) / path, ns=(moment, moment))
        disk.sync_folder(self._views)
