"""Runs the project's own tests by the pytest of the runtime, one process a file.

Started by path inside the runtime; see ``interlock.runtimes.worker`` for the protocol.
"""

import contextlib
import faulthandler
import fcntl
import gc
import importlib
import os
import re
import shutil
import socket
import struct
import sys
import tempfile
from collections import Counter
from importlib.util import find_spec

import _interlock_airflow as throw_away
import _interlock_forks as forks
import _interlock_imports as imports
import _interlock_testpool as testpool
from _interlock_channel import Channel, Refused

HAS_PYTEST = find_spec("pytest") is not None
if HAS_PYTEST:
    import _interlock_testrun as testrun
    import pytest

_HOME = os.environ["HOME"]
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
# Whoever sets these wants them set before anything of the runtime is imported.
_SETS_UP = re.compile(rb"AIRFLOW_|os\.environ|putenv|import environ|dotenv|sys\.modules")
_CONFIGURATION = ("conftest.py", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")


class PytestWorker:
    """The operations."""

    def __init__(self, channel):
        self.channel = channel

    def hello(self):
        """pytest's version; "" where the runtime has none."""
        version = pytest.__version__ if HAS_PYTEST else ""
        return {"engine": "pytest", "version": version, "python": sys.version.split()[0]}

    def run(self, project_root, files, roots=(), dags_folder=None, timeout_s=300.0, memory_mb=2048, jobs=None):
        """Each file's tests were run once; ``files``: {path: what pytest is given to find it}, relative to the project.

        ``roots``: folders that modules are imported from. ``timeout_s`` and ``memory_mb`` hold for one file. Emits
        {kind: file, result} for each: {path, tests: [{test, outcome, seconds, retried, message, place, detail}],
        problem, message, place, detail, at, not_run, trace, seconds}. ``outcome`` is passed, failed or skipped;
        ``problem`` is "" or uncollected, refused, stopped, timeout, processes, crashed, exited; ``at`` is the test at
        which a process died. Returns {files: how many}.
        """
        if not HAS_PYTEST:
            raise Refused("the runtime has no pytest", "Add pytest to its requirements and lock them.")
        testrun.warm_up(os.path.join(_HOME, "warm-up"))
        found = imports.Roots(project_root, roots)
        with_airflow = find_spec("airflow") is not None
        if with_airflow:
            throw_away.forget_everything(_HOME, dags_folder)
        done = 0

        def finished(path, result):
            nonlocal done
            done += 1
            result["place"] = work.place_of(result.pop("stack", ())) or result["place"]
            self.channel.event(kind="file", result=result, done=done, total=len(files))

        work = _Work(self.channel, found, files, with_airflow, timeout_s, memory_mb)
        pool = (_HOME, jobs or os.cpu_count() or 1, timeout_s, memory_mb, work, finished, self.channel.is_hung_up)
        bare = [path for path in sorted(files) if _sets_up(project_root, path)]
        if bare:
            if with_airflow:
                forks.in_child(throw_away.make_tables)
            testpool.Pool(*pool).run(bare)
        rest = sorted(set(files) - set(bare))
        work.warm(rest)
        testpool.Pool(*pool).run(rest)
        return {"files": len(files)}


class _Work:
    """What a forked process does with its file."""

    def __init__(self, channel, roots, files, with_airflow, timeout_s, memory_mb):
        self.channel, self.roots, self.files, self.with_airflow = channel, roots, files, with_airflow
        self.timeout_s, self.memory_mb = timeout_s, memory_mb

    def warm(self, paths):
        """What several of the files import of the runtime is imported in this process, for all of them."""
        counts = Counter(one for path in paths for one in imports.foreign_imports(path, self.roots))
        for module, name in [one for one, count in counts.items() if count > 1]:
            with contextlib.suppress(Exception):
                # Some packages load a module when its name is asked for.
                getattr(importlib.import_module(module), name or "__name__")
        if "airflow" in sys.modules:
            throw_away.make_tables()
        gc.collect()
        gc.freeze()

    def __call__(self, path, home, voice, stack, book):
        """In the forked process: see ``_interlock_testrun.TestFile.run``."""
        self.channel.close()
        forks.die_with_parent()
        self._move_in(home)
        os.chdir(self.roots.project)
        sys.path += [folder for folder in (*self.roots.folders, self.roots.project) if folder not in sys.path]
        faulthandler.dump_traceback_later(self.timeout_s, file=stack)
        ours = sorted(set(self.files.values()))
        return testrun.TestFile(self.roots, self.files[path], path, ours, self.memory_mb).run(voice.say, stack, book)

    def place_of(self, stack):
        """Where a process stood: the innermost line of the tests' own code, else of the project's; None elsewhere."""
        own = [[self.roots.relative(path), line] for path, line in stack if self.roots.relative(path) is not None]
        folders = {folder.rstrip("/") for folder in self.files.values()}
        of_tests = [one for one in own if any((one[0] + "/").startswith(folder + "/") for folder in folders)]
        return (of_tests or own or [None])[0]

    def _move_in(self, home):
        """No file finds what another one left in a home, or in Airflow's tables."""
        os.environ["HOME"] = os.environ["TMPDIR"] = home
        tempfile.tempdir = None
        if find_spec("pyspark") is not None:
            # Java does not ask for TMPDIR, and this machine's name leads nowhere from here.
            os.environ["SPARK_SUBMIT_OPTS"] = "-Djava.io.tmpdir=" + home
            os.environ["SPARK_LOCAL_DIRS"] = home
            os.environ["SPARK_LOCAL_HOSTNAME"] = "localhost"
        if not self.with_airflow:
            return
        with contextlib.suppress(OSError):
            shutil.copyfile(os.path.join(_HOME, "airflow.db"), os.path.join(home, "airflow.db"))
        os.environ["AIRFLOW_HOME"] = home
        os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = throw_away.database(home)
        settings = sys.modules.get("airflow.settings")
        if settings is not None:
            settings.configure_vars()
            settings.configure_orm()


def _sets_up(root, path):
    """Whether the file, or what pytest reads before it, changes what the runtime's modules see when imported."""
    folders = ["", *("/".join(path.split("/")[:count]) for count in range(1, path.count("/") + 1))]
    around = [os.path.join(folder, name) for folder in folders for name in _CONFIGURATION]
    for one in (*around, path):
        with contextlib.suppress(OSError), open(os.path.join(root, one), "rb") as stream:
            if _SETS_UP.search(stream.read()):
                return True
    return False


def raise_loopback():
    """In a network of its own a test may start a service and ask it: that network holds nothing else."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        asked = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(one, _SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(one, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def main():
    channel = Channel(sys.argv)
    forks.adopt_orphans()
    raise_loopback()
    worker = PytestWorker(channel)
    channel.serve({"hello": worker.hello, "run": worker.run})


if __name__ == "__main__":
    main()
