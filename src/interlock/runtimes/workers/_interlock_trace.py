"""Listens to what a process asks of the project's files, so that the same run need not be done again."""

import functools
import json
import os
import pathlib
import sys
import threading

import _interlock_looks as looks

_STARTS = frozenset({"subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty", "os.spawn", "os.system"})
_IMPORTS = ("_frozen_importlib", "importlib._bootstrap")
# Who looks at folders and files without caring what else lies there, or how large it is.
_LOOKS_PAST = ("_frozen_importlib", "importlib", "_pytest")
# Who asks for others.
_ASKS_FOR = ("pathlib", "posixpath", "genericpath", "glob", "os", __name__)
# Kept, for the project's code may replace them in their modules.
_getframe, _readlink, _getcwd, _write = sys._getframe, os.readlink, os.getcwd, os.write
_encoded = json.JSONEncoder().encode
_ANSWERED, _NAMED = ("files", "folders", "sizes", "kinds"), ("names", "roots")


class Trace:
    """Notes what is asked of the project, and how it looked: each in a line of ``book``, at once, as a process may die.

    Paths are relative to the project, with ``/``. ``files``: opened, there or not. ``folders``: listed. ``sizes``:
    looked at from outside; ``kinds``: the same, by whoever does not care for sizes. ``names``: top-level modules that
    were imported and are none of the project's, ``roots`` where they could have been. ``whole``: something was started
    whose asking nobody hears, so that all of the project may have been read.
    """

    def __init__(self, roots, book):
        self._roots, self._book = roots, book
        self._noted = set()
        self._deaf = threading.local()
        self._own = {}

    def listen(self):
        """From now on, in this process and its forks, for good."""
        for name in ("stat", "lstat", "access"):
            self._wrap(name)
        accessor = getattr(pathlib, "_normal_accessor", None)
        if accessor is not None:  # before Python 3.11 pathlib keeps functions of its own
            accessor.stat, accessor.lstat = os.stat, os.lstat
        sys.addaudithook(self._heard)

    def _wrap(self, name):
        original = getattr(os, name)

        @functools.wraps(original)
        def looked_at(path, *args, **options):
            self._quietly(self._looked_at, path, _getframe(1))
            return original(path, *args, **options)

        for supported in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
            if original in supported:
                supported.add(looked_at)
        setattr(os, name, looked_at)

    def _quietly(self, work, *args):
        """What is asked meanwhile is our own asking; the project's code must never notice a failure of ours."""
        if getattr(self._deaf, "now", False):
            return
        self._deaf.now = True
        try:
            work(*args)
        except Exception:
            self._note("whole", "")
        finally:
            self._deaf.now = False

    def _heard(self, event, args):
        if event in ("open", "sqlite3.connect"):
            self._quietly(self._opened, args[0])
        elif event == "import":
            self._quietly(self._imported, args[0], args[2])
        elif event in ("os.listdir", "os.scandir"):
            self._quietly(self._listed, args[0], _getframe(1))
        elif event in _STARTS:
            self._quietly(self._started, _getframe(1))

    def _started(self, frame):
        """What the project's code starts may read anything; what the runtime's starts as it is imported, does not."""
        while frame is not None and self._relative_code(frame) is None:
            if str(frame.f_globals.get("__name__")).startswith(_IMPORTS):
                return
            frame = frame.f_back
        self._note("whole", "")

    def _relative_code(self, frame):
        name = frame.f_code.co_filename
        return None if name.startswith("<") else self._roots.relative(name)

    def _note(self, part, name, look=None):
        if (part, name) not in self._noted:
            self._noted.add((part, name))
            answer = look(os.path.join(self._roots.project, name)) if look is not None else ""
            _write(self._book, _encoded([part, name, answer]).encode() + b"\n")

    def _opened(self, path):
        own = self._relative(path)
        if own is not None:
            self._note("files", own, looks.content)

    def _listed(self, path, frame):
        own = self._relative("." if path is None else path)
        if own is not None and not _looks_past(frame):
            self._note("folders", own, looks.entries)

    def _looked_at(self, path, frame):
        own = self._relative(path)
        if own is not None and _looks_past(frame):
            self._note("kinds", own, looks.kind)
        elif own is not None:
            self._note("sizes", own, looks.size)

    def _imported(self, name, path):
        """The places where the module could have been: another file there would be imported instead."""
        places = [own for own in map(self._relative, path or sys.path) if own is not None]
        for place in places:
            self._note("roots", place)
        parts = name.split(".")
        holding = [place for place in places if self._holds(place, parts[0])]
        if not holding:
            self._note("names", parts[0])
            return
        for place in places:
            for count in range(1, len(parts) + 1 if place in holding else 2):
                at = "/".join([*([] if place == "." else [place]), *parts[:count]])
                self._note("kinds", at, looks.kind)
                self._note("kinds", at + ".py", looks.kind)

    def _holds(self, place, name):
        at = os.path.join(self._roots.project, place, name)
        return bool(looks.kind(at) or looks.kind(at + ".py"))

    def _relative(self, path):
        if isinstance(path, int):
            path = _readlink("/proc/self/fd/%d" % path)
            if not path.startswith("/"):
                return None  # a pipe, a socket
        path = os.fsdecode(path)
        key = path if path.startswith("/") else _getcwd() + "/" + path
        if key not in self._own:
            own = self._roots.relative(key)
            if own is None and os.path.realpath(key) == self._roots.project:
                own = "."
            self._own[key] = own
        return self._own[key]


def _looks_past(frame):
    """Whether whoever asks, from this frame on, is one of those."""
    while frame is not None and frame.f_globals.get("__name__") in _ASKS_FOR:
        frame = frame.f_back
    return frame is not None and str(frame.f_globals.get("__name__")).startswith(_LOOKS_PAST)


def read_back(path):
    """What a process noted in the book at ``path``: {files: {path: look}, ..., names: [], roots: [], whole}.

    The project's code can write there too: whatever is no note of ours makes it ``whole``.
    """
    told = {**{part: {} for part in _ANSWERED}, **{part: [] for part in _NAMED}, "whole": False}
    with open(path, "rb") as stream:
        for line in stream:
            part, name, answer = _note_in(line)
            if part in _ANSWERED:
                told[part][name] = answer
            elif part in _NAMED:
                told[part].append(name)
            else:
                told["whole"] = True
    return told


def _note_in(line):
    try:
        note = json.loads(line.decode())
    except ValueError:
        return "", "", ""
    is_note = isinstance(note, list) and len(note) == 3 and all(isinstance(one, str) for one in note)
    return note if is_note else ("", "", "")
