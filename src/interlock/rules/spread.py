"""Work on many files on all processors, by processes forked from this one: what they need they have already.

Only where forking is sound and worth it: on Linux, and for more files than one processor does while another process
comes to life. The work must be pure: what a fork changes ends with it.
"""

import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Work = Callable[[Sequence[str]], Mapping[str, Any]]

_FEW = 40


def spread(work: Work, paths: Sequence[str], jobs: int) -> dict[str, Any]:
    """What ``work`` makes of the paths, in up to ``jobs`` processes at once. Raises what it raises.

    A process that dies (of memory, of a signal) leaves its share to this one.
    """
    if jobs < 2 or len(paths) < _FEW or sys.platform != "linux":
        return dict(work(paths))
    # Neighbours are alike, in size too: each process gets every n-th.
    shares = [paths[start::jobs] for start in range(jobs)]
    forks = [_fork(work, share) for share in shares[1:]]
    try:
        found = dict(work(shares[0]))
    finally:
        heard = [_heard(reader, pid) for reader, pid in forks]
    for share, answer in zip(shares[1:], heard, strict=True):
        if isinstance(answer, Exception):
            raise answer
        found |= answer if answer is not None else work(share)
    return found


def _fork(work: Work, share: Sequence[str]) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return reader, pid
    try:
        os.close(reader)
        try:
            answer: Any = dict(work(share))
            told = pickle.dumps(answer)
        except Exception as error:
            told = pickle.dumps(error)
        with os.fdopen(writer, "wb") as stream:
            stream.write(told)
    finally:
        os._exit(0)  # nothing of the parent's is flushed, closed or removed twice


def _heard(reader: int, pid: int) -> Any:
    with os.fdopen(reader, "rb") as stream:
        told = stream.read()
    os.waitpid(pid, 0)
    try:
        return pickle.loads(told)
    except Exception:
        return None
