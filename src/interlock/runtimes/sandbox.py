"""How far the kernel lets a worker be cut off: network, processes, nothing."""

import functools
import shutil
import subprocess
from dataclasses import dataclass

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
