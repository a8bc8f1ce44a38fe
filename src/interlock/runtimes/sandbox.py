"""How far the kernel lets a worker be cut off: network, processes, files."""

import ctypes
import functools
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_BASE = ("--user", "--map-root-user")
_PROCESSES = ("--pid", "--fork", "--kill-child", "--mount-proc")
_NETWORK = ("--net",)


@dataclass(frozen=True)
class Isolation:
    """What a worker cannot reach, and the command that sees to it."""

    network: bool
    processes: bool
    prefix: tuple[str, ...]


@functools.cache
def _works(options: tuple[str, ...]) -> bool:
    """Whether util-linux may make these namespaces here; asked of the kernel once a process."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    try:
        return subprocess.run([unshare, *options, "true"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def isolation(network: bool) -> Isolation:
    """The strongest isolation that works here; ``network`` says whether the worker may use the network.

    A namespace of processes hides the environments of all other processes (``/proc``), and takes everything a worker
    started with it when it ends.
    """
    wanted = [_PROCESSES, ()] if network else [_NETWORK + _PROCESSES, _NETWORK, _PROCESSES]
    for options in wanted:
        if options and _works(_BASE + options):
            prefix = (shutil.which("unshare") or "unshare", *_BASE, *options)
            return Isolation("--net" in options, "--pid" in options, prefix)
    return Isolation(False, False, ())


def unlimited() -> tuple[str, ...]:
    """What this machine's kernel cannot keep from the project's code while it is read; empty where it can all."""
    found = isolation(network=False)
    held = {"the network": found.network, "other processes": found.processes, "files": _has_landlock()}
    return tuple(name for name, is_held in held.items() if not is_held)


def _has_landlock() -> bool:
    # landlock_create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) gives the version; the number is the same on
    # every architecture.
    return sys.platform.startswith("linux") and bool(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1) > 0)


@dataclass(frozen=True)
class Confinement:
    """Folders that a worker may read, and those that it may write, besides its HOME, Python and the system's own.

    Without home folders, temporary files and services' sockets a worker finds no credential and nobody to talk to.
    """

    read: tuple[Path, ...]
    write: tuple[Path, ...] = ()

    def arguments(self, home: Path) -> dict[str, list[str]]:
        """What ``_interlock_confine.confine`` is called with."""
        ours = [*self.write, home]
        return {
            "read": [*map(str, _system()), *(str(path.resolve()) for path in (*self.read, *ours))],
            "write": [str(path.resolve()) for path in ours],
            "hide": sorted(map(str, _private())),
        }


# Homes, other people's temporary files, services' sockets, and what clusters hand to their containers.
_PRIVATE = ("/home", "/root", "/run", "/var/run", "/tmp", "/var/tmp", "/mnt", "/media")


def _private() -> set[Path]:
    return {Path(one) for one in _PRIVATE} | {Path.home().resolve(), Path(tempfile.gettempdir()).resolve()}


@functools.cache
def _system() -> tuple[Path, ...]:
    """What lies beside the private folders, from the top of the file system."""
    private = _private()
    found: list[Path] = []
    queue = [Path("/")]
    while queue:
        for path in _entries(queue.pop()):
            if path in private:
                continue
            if any(one.is_relative_to(path) for one in private):
                queue.append(path)
            else:
                found.append(path)
    return tuple(sorted(found))


def _entries(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if not path.is_symlink()]
    except OSError:
        return []
