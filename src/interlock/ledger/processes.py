"""Which process holds a lease, and whether it is dead beyond doubt."""

import os
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """What tells this process from every other one: host, boot of the host, process namespace, pid and start."""
    pid = os.getpid()
    return {"host": socket.gethostname(), "boot": _boot(), "space": _space(), "pid": pid, "pid_started": _started(pid)}


def provably_dead(info: dict[str, Any]) -> bool:
    """Whether the process that ``this_process`` described has ended.

    True only with proof: same boot of the same machine and same process namespace (two containers may share a host
    name), and either no process has that pid or the one that has it started at another time. False when in doubt.
    """
    pid = info.get("pid")
    if not isinstance(pid, int) or pid <= 0 or not info.get("boot"):
        return False
    if (info.get("host"), info.get("boot"), info.get("space")) != (socket.gethostname(), _boot(), _space()):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it is there and belongs to somebody else
    started = _started(pid)
    # A zombie has ended: nobody has collected its exit code yet, that is all.
    return started == "ended" or bool(started and info.get("pid_started") and started != info["pid_started"])


@cache
def _boot() -> str:
    """An identifier of this boot of this machine; "" where there is none."""
    identifier = Path("/proc/sys/kernel/random/boot_id")
    if identifier.exists():
        return identifier.read_text().strip()
    return _said_by("sysctl", "-n", "kern.bootsessionuuid")


def _space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When the process started, in whatever form this system tells; "ended" for a zombie, "" where it does not tell."""
    if not Path("/proc/self/stat").exists():
        return _said_by("ps", "-o", "lstart=", "-p", str(pid))
    try:
        # The second field, in brackets, is the program's name and may itself hold brackets and blanks.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "ended" if fields[0] in "ZX" else fields[19]


def _said_by(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
