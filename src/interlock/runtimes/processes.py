"""The process of a worker: one that was started for it, or one that a keeper forked."""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

# How long the kernel may take to end thousands of processes.
_EMPTY_SECONDS = 20.0


class Process(Protocol):
    """A process that can be waited for and ended with all that it started."""

    @property
    def returncode(self) -> int | None:
        """What it ended with, as far as that is known."""
        ...

    def wait(self, seconds: float) -> bool:
        """Whether it ended within that time."""
        ...

    def end(self) -> None:
        """It is gone, and what it started too."""
        ...


class StartedProcess:
    """A child of ours. ``contained``: it has a namespace of processes, which ends with it. ``niceness``: of nice(1)."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: dict[str, str],
        cwd: Path,
        pass_fds: Sequence[int],
        output: int,
        contained: bool,
        niceness: int = 0,
    ) -> None:
        self._contained = contained
        if niceness and (nice := shutil.which("nice")):
            command = [nice, "-n", str(niceness), *command]
        self._process = subprocess.Popen(
            command, env=env, cwd=cwd, pass_fds=tuple(pass_fds), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if niceness:
            # Linux may share the processors out by session first: a process's own niceness counts within its session
            # (sched(7), autogroup).
            with contextlib.suppress(OSError):
                Path(f"/proc/{self._process.pid}/autogroup").write_text(str(niceness))

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def wait(self, seconds: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    def end(self) -> None:
        # Found through /proc before their parent is gone. In a namespace only the first one counts: when it is killed
        # the kernel ends all others, and lets our child go when the last of them is gone.
        family = _below(self._process.pid, only_first=self._contained)
        for pid in family:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if self._contained and family and self.wait(_EMPTY_SECONDS):
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class KeptProcess:
    """A process that a keeper forked for us and will end, with all that it started, when we hang up."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._heard = b""
        self._over = False
        self.returncode: int | None = None

    def wait(self, seconds: float) -> bool:
        while not self._over and select.select([self._connection], [], [], seconds)[0]:
            chunk = b""
            with contextlib.suppress(OSError):
                chunk = self._connection.recv(4096)
            self._heard += chunk
            if not chunk or self._heard.endswith(b"\n"):
                self._over = True
                with contextlib.suppress(ValueError):
                    self.returncode = json.loads(self._heard)["code"]
        return self._over

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        self.wait(10.0)
        self._connection.close()


def _below(pid: int, *, only_first: bool) -> list[int]:
    """The processes below one (its own children alone with ``only_first``), as far as /proc tells."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name may hold spaces and brackets: fields are counted after its last bracket.
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    if only_first:
        return children.get(pid, [])
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
