"""Work in processes forked from this one: what they need they have already.

Only where forking is sound (on Linux) and worth it. The work must be pure: what a fork changes in memory ends with it.
"""

import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from threading import Event, Lock
from typing import Any, TypeVar

T = TypeVar("T")
Work = Callable[[Sequence[str]], Mapping[str, Any]]

_FEW = 40


def spread(work: Work, paths: Sequence[str], jobs: int) -> dict[str, Any]:
    """What ``work`` makes of the paths, in up to ``jobs`` processes at once. Raises what it raises.

    A process that dies (of memory, of a signal) leaves its share to this one. So few paths that one processor does
    them while another process comes to life stay here.
    """
    if jobs < 2 or len(paths) < _FEW or sys.platform != "linux":
        return dict(work(paths))
    # Neighbours are alike, in size too: each process gets every n-th.
    shares = [paths[start::jobs] for start in range(jobs)]
    forks = [_fork(lambda share=share: dict(work(share))) for share in shares[1:]]  # type: ignore[misc]
    try:
        found = dict(work(shares[0]))
    finally:
        heard = [_heard(reader, pid) for reader, pid in forks]
    for share, answer in zip(shares[1:], heard, strict=True):
        if isinstance(answer, Exception):
            raise answer
        found |= answer if answer is not None else work(share)
    return found


@contextmanager
def ahead(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Begin ``work`` in a process of its own; calling what the block gets waits for the result, and raises what it
    raises. It may be called in another thread.

    A process that dies leaves the work to this one. Where the block is left while it works, the process is ended, and
    whoever still waits gets ``CancelledError``.
    """
    if sys.platform != "linux":
        yield work
        return
    reader, pid = _fork(work)
    heard: list[Any] = []
    hearing, left = Lock(), Event()

    def result() -> T:
        with hearing:
            if not heard:
                heard.append(_heard(reader, pid))
        if isinstance(heard[0], Exception):
            raise heard[0]
        if heard[0] is None and left.is_set():
            raise CancelledError
        found: T = heard[0] if heard[0] is not None else work()
        return found

    try:
        yield result
    finally:
        left.set()
        # Another thread may have buried it just now.
        with suppress(ProcessLookupError):
            if not heard:
                os.kill(pid, signal.SIGKILL)
        with hearing:
            if not heard:
                heard.append(_heard(reader, pid))


def _fork(work: Callable[[], Any]) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return reader, pid
    try:
        os.close(reader)
        # Whoever waits for this process decides when it ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            told = pickle.dumps(work())
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
