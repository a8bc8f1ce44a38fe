"""Child processes of tests: started so that they cannot outlive the test run, stopped with all their descendants."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

T = TypeVar("T")

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServiceError(RuntimeError):
    """A service did not start, or died; the message carries the end of its log."""


def free_port() -> int:
    """A loopback TCP port that was free a moment ago; a caller that loses the race to it must try another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(probe: Callable[[], T | None], *, timeout: float, what: str, interval: float = 0.05) -> T:
    """The first answer of `probe` that is true; ServiceError, naming `what`, when none came in `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise ServiceError(f"waited {timeout:.0f} s in vain for {what}")
        time.sleep(interval)


def _die_with_parent() -> None:
    # Runs between fork and exec. The signal is tied to the thread that forked, so services are started from the
    # thread that outlives them: the main thread of the test run.
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def start(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
    user: int | None = None,
    group: int | None = None,
) -> subprocess.Popen[bytes]:
    """A child in its own session, output appended to `log`; with `user` and `group` ids it gives up root first."""
    with log.open("ab") as sink:
        return subprocess.Popen(
            [str(part) for part in argv],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )


def stop_tree(child: subprocess.Popen[bytes], *, grace: float, first: int = signal.SIGTERM) -> None:
    """No process of the child's tree runs any more: asked with `first`, killed after `grace` seconds.

    The whole tree is listed before the first signal, since PostgreSQL's and Airflow's own children leave the
    process group and would be re-parented when the child ends.
    """
    members = _tree(child.pid)
    if child.poll() is None:
        os.kill(child.pid, first)
    for member in _outlive(members, grace):
        _kill(member)
    _outlive(members, 10)
    child.wait()


def kill_tree(child: subprocess.Popen[bytes]) -> None:
    """Every process of the child's tree was sent SIGKILL and is gone: what a power cut looks like."""
    members = _tree(child.pid)
    for member in members:
        _kill(member)
    _outlive(members, 10)
    child.wait()


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _outlive(members: list[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Those that still run after at most `timeout` seconds; one that only waits to be reaped runs no more."""
    deadline = time.monotonic() + timeout
    while (alive := [member for member in members if _runs(member)]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def tail(log: Path, lines: int = 25) -> str:
    """The last lines of a log, for error messages; empty when there is no log yet."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
