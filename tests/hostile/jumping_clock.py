"""A clock that the test sets: for a command started with ``Clock.env``, every look at the wall clock is shifted."""

import os
from pathlib import Path

# Loaded by Python itself when it starts (`sitecustomize`), so that no module has kept the real clock. The monotonic
# clock stays as it is, as in life: only the time of day jumps.
_SHIM = """\
import datetime, os, time

_file = os.environ["JUMPING_CLOCK"]
_time, _time_ns, _real = time.time, time.time_ns, datetime.datetime


def _shift():
    with open(_file) as stream:
        return int(stream.read())


class _Kind(type):
    def __instancecheck__(cls, thing):
        return isinstance(thing, _real)

    def __subclasscheck__(cls, kind):
        return issubclass(kind, _real)


class _Jumping(_real, metaclass=_Kind):
    __slots__ = ()

    def __new__(cls, *args, **named):
        return _real(*args, **named)

    @classmethod
    def now(cls, tz=None):
        return _real.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls):
        return _real.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)


time.time = lambda: _time() + _shift()
time.time_ns = lambda: _time_ns() + _shift() * 10**9
datetime.datetime = _Jumping
"""


class Clock:
    """``jump`` moves the time of day of all commands that were started with ``env``, also of those that run."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(_SHIM)
        self._file = folder / "shift"
        path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.env = {"PYTHONPATH": os.pathsep.join(path), "JUMPING_CLOCK": str(self._file)}
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """From now on the time of day is so many seconds away from the true one."""
        beside = self._file.with_suffix(".new")
        beside.write_text(str(seconds))
        beside.replace(self._file)
