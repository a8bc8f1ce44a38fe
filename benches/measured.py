"""Runs one `interlock` command in this process and writes what it cost: `python benches/measured.py OUT ARGUMENT...`.

OUT gets JSON: `own_mb`, the peak of this process alone; `worker_mb`, the peak of the largest process below it that has
ended (a worker or what a worker started; 0 when none ran); `cpu`, what the processors did for all of them in seconds;
`exit_code`.
"""

import json
import resource
import sys
from pathlib import Path

from interlock.cli.main import main


def own_peak_mb() -> float:
    """Peak resident memory of this process in MiB.

    The kernel's figure for this program's image where there is one: `ru_maxrss` starts at what the parent held when it
    was forked, which would count the caller.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return _mib(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def cpu_seconds() -> float:
    """What the processors did for this process and for those below it that have ended."""
    spent = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


def _mib(maxrss: int) -> float:
    return maxrss / (2**20 if sys.platform == "darwin" else 1024)


def run(out: Path, arguments: list[str]) -> int:
    """The command's exit code, after its costs were written to `out`."""
    sys.argv = ["interlock", *arguments]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    workers = _mib(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    out.write_text(json.dumps({"own_mb": own_peak_mb(), "worker_mb": workers, "cpu": cpu_seconds(), "exit_code": code}))
    return code


if __name__ == "__main__":
    raise SystemExit(run(Path(sys.argv[1]), sys.argv[2:]))
