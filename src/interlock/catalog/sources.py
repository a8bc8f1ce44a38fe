"""The project's files as the readers see them: listed once, read once, hashed once."""

import os
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from pathlib import Path
from typing import Any

from interlock.model.canonical import digest_bytes, digest_of, is_unicode
from interlock.model.findings import NotChecked

# Folders that hold what tools make, not what people write.
SKIPPED_FOLDERS = frozenset(
    {"__pycache__", ".git", ".hg", ".svn", ".venv", "venv", ".tox", ".mypy_cache", ".ruff_cache", ".pytest_cache",
     ".interlock", "node_modules", ".ipynb_checkpoints"}
)  # fmt: skip

# What changes in a file's entry with each write, also where that leaves the clock and the size alone; None: no file.
Look = tuple[int, int, int, int] | None

# No file is called so.
FOLDERS = "*/"


class Sources:
    """Files below ``root`` by POSIX path relative to it. Contents are read on first use and kept as they were then."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._top = os.path.normpath(self.root)
        self._real_root = Path(os.path.realpath(self.root))
        self._bytes: dict[str, bytes] = {}
        self._digests: dict[str, str] = {}
        self._listed: dict[tuple[str, ...], list[str]] = {}
        self._asked: dict[str, bool] = {}
        self._looks: dict[str, Look] = {}
        self.not_checked: dict[str, str] = {}

    def under(self, folder: str, skip: Iterable[str] = ()) -> list[str]:
        """Every regular file below ``folder``, sorted. Links are followed once, and not out of the project.

        ``skip``: names that are left out; ``FOLDERS`` leaves all folders out.
        """
        key = (folder.removeprefix("./").rstrip("/") or ".", *sorted(skip))
        if key not in self._listed:
            top = os.path.normpath(self.root / folder)
            self._listed[key] = sorted(self._walk(top, set(skip), set()))
        return list(self._listed[key])

    def _walk(self, folder: str, skip: set[str], above: set[str]) -> Iterator[str]:
        real = os.path.realpath(folder)
        if real in above:
            self.not_checked[self.relative(folder)] = "a link that leads back into itself"
            return
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self.not_checked[self.relative(folder)] = f"the folder cannot be read: {error.strerror}"
            return
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if not self.is_named(self.relative(path)):
                continue
            if entry.is_symlink() and not self._stays_inside(path):
                self.not_checked[self.relative(path)] = "a link that leads out of the project, or nowhere"
            elif entry.name in skip:
                continue
            elif entry.is_dir():
                if entry.name not in SKIPPED_FOLDERS and FOLDERS not in skip:
                    yield from self._walk(path, skip, above | {real})
            elif entry.is_file() and not entry.name.endswith((".pyc", ".pyo")):
                yield self.relative(path)

    def is_named(self, path: str) -> bool:
        """Whether a path is UTF-8; one that is not is said in ``not_checked``."""
        named = is_unicode(path)
        if not named:
            self.not_checked[path.encode("utf-8", "backslashreplace").decode()] = "its name is no UTF-8"
        return named

    def _stays_inside(self, path: str) -> bool:
        try:
            real = Path(path).resolve(strict=True)
        except (OSError, RuntimeError):
            return False
        return real.is_relative_to(self._real_root)

    def relative(self, path: str) -> str:
        """An absolute path without dots, relative to the project; ValueError where it is not below it."""
        if path == self._top:
            return "."
        if not path.startswith(self._top + "/"):
            raise ValueError(f"{path} is not below {self._top}")
        return path[len(self._top) + 1 :]

    def exists(self, path: str) -> bool:
        """Whether there is a file of this path."""
        if path not in self._asked:
            self._asked[path] = path in self._bytes or (self.root / path).is_file()
        return self._asked[path]

    def read(self, path: str) -> bytes:
        """The file's bytes; empty (and said in ``not_checked``) where it cannot be read."""
        if path not in self._bytes:
            try:
                with (self.root / path).open("rb") as file:
                    self._looks.setdefault(path, _look(os.fstat(file.fileno())))
                    self._bytes[path] = file.read()
            except OSError as error:
                self._looks.setdefault(path, None)
                self.not_checked[path] = f"the file cannot be read: {error.strerror}"
                self._bytes[path] = b""
        return self._bytes[path]

    def digest(self, path: str) -> str:
        """SHA-256 of the file's bytes."""
        if path not in self._digests:
            self._digests[path] = digest_bytes(self.read(path))
        return self._digests[path]

    def digests(self, paths: Iterable[str]) -> dict[str, str]:
        return {path: self.digest(path) for path in paths}

    def seen(self) -> dict[str, str]:
        """The digests of all files that were looked into so far."""
        return self._digests | self.digests(list(self._bytes))

    def watch(self, paths: Iterable[str]) -> None:
        """From now on, or since they were read, ``changed`` knows of these files."""
        for path in paths:
            if path not in self._looks:
                self._looks[path] = self._look(path)

    def changed(self, paths: Iterable[str]) -> list[str]:
        """Of files that were read or are watched those that somebody has touched since; sorted.

        Of the others it can be said that whoever read them meanwhile read what is known here.
        """
        return sorted(path for path in paths if path in self._looks and self._look(path) != self._looks[path])

    def _look(self, path: str) -> Look:
        try:
            return _look((self.root / path).stat())
        except OSError:
            return None

    def trace(self) -> dict[str, Any]:
        """All that was seen of the project so far, as JSON: lists of files, their digests, files that were asked for,
        and what could not be looked at.

        What is made of nothing else is the same wherever the trace ``holds``.
        """
        return {
            "listed": [[list(key), digest_of(paths)] for key, paths in self._listed.items()],
            "files": self.seen(),
            "asked": dict(self._asked),
            "not_checked": dict(self.not_checked),
        }

    def account(self) -> "Sources":
        """The same without the contents, to be sent to whoever asks ``also``."""
        told = copy(self)
        told._digests, told._bytes = self.seen(), {}
        return told

    def also(self, other: "Sources") -> None:
        """What another one saw of the same files counts as seen here, where it was not seen here first."""
        self._listed = other._listed | self._listed
        self._digests = other._digests | self._digests
        self._asked = other._asked | self._asked
        self._looks = other._looks | self._looks
        self.not_checked = other.not_checked | self.not_checked

    def holds(self, trace: Mapping[str, Any]) -> bool:
        """Whether all that a trace tells is so now too."""
        return (
            all(digest_of(self.under(key[0], key[1:])) == digest for key, digest in trace["listed"])
            and all(self.digest(path) == digest for path, digest in trace["files"].items())
            and all(self.exists(path) is there for path, there in trace["asked"].items())
            and self.not_checked == trace["not_checked"]
        )

    def said(self) -> tuple[NotChecked, ...]:
        """What could not be read, and why."""
        return tuple(NotChecked(what, why) for what, why in sorted(self.not_checked.items()))


def _look(found: os.stat_result) -> Look:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_below(path: str, folder: str) -> bool:
    """Whether ``path`` lies in ``folder`` (both relative to the project)."""
    folder = folder.removeprefix("./").rstrip("/")
    return folder in ("", ".") or path == folder or path.startswith(folder + "/")
