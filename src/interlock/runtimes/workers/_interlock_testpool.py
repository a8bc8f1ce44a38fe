"""Runs test files side by side, each once, in a process of its own that is forked from this one.

This process holds the clocks and runs none of the project's code. Whatever a file did to its process ends with it, and
what it started is gone before its result counts.
"""

import contextlib
import os
import re
import secrets
import selectors
import shutil
import signal
import socket
import time
from collections import Counter, deque

import _interlock_forks as forks
import _interlock_trace as tracing

_GRACE_SECONDS = 1.0
_LOOK_AROUND_SECONDS = 0.25
_MOST_PROCESSES = 250
_FRAME = re.compile(r'File "([^"\n]+)", line (\d+)')
_STACK, _BOOK = "where-it-stood", "what-it-asked-for"


class Leaf:
    """One file and the process that runs it, as this process knows them."""

    def __init__(self, job, home, pid, sock, nonce, deadline):
        self.job, self.home, self.pid, self.sock, self.nonce, self.deadline = job, home, pid, sock, nonce, deadline
        self.buffer, self.begun = bytearray(), time.monotonic()
        self.status = self.result = None
        self.collected, self.tests, self.at, self.place = [], [], "", ["", 0]


class Pool:
    """``work(job, home, voice, stack, book)`` runs in the forked process; ``done(job, result)`` hears of each here.

    ``is_over`` says that nobody waits for them any more: then this process ends, and all that it forked.
    """

    def __init__(self, home, jobs, timeout_s, memory_mb, work, done, is_over):
        self.home, self.jobs, self.timeout_s, self.memory_mb = home, jobs, timeout_s, memory_mb
        self.work, self.done, self.is_over = work, done, is_over
        self.selector = selectors.DefaultSelector()
        self.leaves, self.made, self.looked = {}, 0, 0.0

    def run(self, jobs):
        """Every job was done, well or not, when this returns."""
        waiting = deque(jobs)
        try:
            while waiting or self.leaves:
                while waiting and len(self.leaves) < self.jobs and self._start(waiting[0]):
                    waiting.popleft()
                self._listen()
                self._look_around()
        finally:
            self.selector.close()

    def _start(self, job):
        """Whether the file's process could be made; not while another one uses up all processes there are."""
        self.made += 1
        home = os.path.join(self.home, "file-%d" % self.made)
        os.mkdir(home)
        ours, theirs = socket.socketpair()
        nonce = secrets.token_hex(8)
        try:
            pid = os.fork()
        except BlockingIOError:
            ours.close()
            theirs.close()
            os.rmdir(home)
            if not self.leaves:
                raise
            return False
        if pid == 0:
            ours.close()
            self._become(job, home, theirs, nonce)
        theirs.close()
        ours.setblocking(False)
        leaf = Leaf(job, home, pid, ours, nonce, time.monotonic() + self.timeout_s + _GRACE_SECONDS)
        self.leaves[pid] = leaf
        self.selector.register(ours, selectors.EVENT_READ, leaf)
        return True

    def _become(self, job, home, sock, nonce):
        """In the forked process; never returns."""
        code, leave = 1, os._exit
        try:
            os.setpgid(0, 0)
            for leaf in self.leaves.values():
                leaf.sock.close()
            self.selector.close()
            voice = forks.Voice(sock, nonce)
            forks.limit_data(self.memory_mb)
            with open(os.path.join(home, _STACK), "w") as stack, open(os.path.join(home, _BOOK), "ab") as book:
                voice.say(result=self.work(job, home, voice, stack, book.fileno()))
            code = 0
        except OSError:
            code = forks.LOST_CHANNEL
        finally:
            leave(code)

    def _listen(self):
        wait = min([leaf.deadline for leaf in self.leaves.values()], default=0.0) - time.monotonic()
        for key, _ in self.selector.select(max(0.0, min(wait, _LOOK_AROUND_SECONDS))):
            self._read(key.data)

    def _read(self, leaf):
        if forks.listen(leaf, self._heard):
            self.selector.unregister(leaf.sock)
            leaf.sock.close()
            leaf.sock = None

    def _heard(self, leaf, message):
        if "collected" in message:
            leaf.collected = message["collected"]
        elif "at" in message:
            leaf.at, leaf.place = message["at"], message["place"]
        elif "test" in message:
            leaf.tests.append(message["test"])
            leaf.at, leaf.place = "", ["", 0]
        elif "result" in message:
            leaf.result = message["result"]

    def _look_around(self):
        """Whose time is over, who multiplies, and who has ended."""
        if self.is_over():
            forks.end_strays(())
            os._exit(0)
        now = time.monotonic()
        crowded = self._crowded(now)
        for leaf in list(self.leaves.values()):
            if leaf.result is not None:
                self._conclude(leaf)
            elif leaf.deadline <= now:
                self._conclude(leaf, ("timeout", "not finished after %g s" % self.timeout_s))
            elif leaf.pid in crowded:
                self._conclude(leaf, ("processes", "it started more than %d processes" % _MOST_PROCESSES))
            elif self._has_ended(leaf):
                # What it said before it ended may still be in the channel.
                self._read(leaf)
                self._conclude(leaf, None if leaf.result is not None else _ending(leaf.status))

    def _crowded(self, now):
        """The files' processes that have too many below them; looked at now and then."""
        if now < self.looked + _LOOK_AROUND_SECONDS:
            return ()
        self.looked = now
        return [pid for pid, count in Counter(forks.family().values()).items() if count > _MOST_PROCESSES]

    def _has_ended(self, leaf):
        pid, status = os.waitpid(leaf.pid, os.WNOHANG)
        if pid:
            leaf.status = status
        return bool(pid)

    def _conclude(self, leaf, failure=None):
        if leaf.status is None:
            self._stop(leaf)
        if leaf.sock is not None:
            self._read(leaf)
        if leaf.sock is not None:
            self.selector.unregister(leaf.sock)
            leaf.sock.close()
        del self.leaves[leaf.pid]
        forks.end_strays(self.leaves)
        result = leaf.result if failure is None else self._failed(leaf, *failure)
        seconds = round(time.monotonic() - leaf.begun, 3)
        result["trace"] = tracing.read_back(os.path.join(leaf.home, _BOOK))
        shutil.rmtree(leaf.home, ignore_errors=True)
        self.done(leaf.job, {"path": leaf.job, "tests": leaf.tests, "seconds": seconds, "at": "", **result})

    def _stop(self, leaf):
        for end in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                end(leaf.pid, signal.SIGKILL)
        _, leaf.status = os.waitpid(leaf.pid, 0)

    def _failed(self, leaf, problem, message):
        ended = {test["test"] for test in leaf.tests}
        left = [test for test in leaf.collected if test not in ended]
        return {
            "problem": problem, "message": message, "place": leaf.place, "stack": _stack(leaf.home), "detail": "",
            "at": leaf.at, "not_run": left,
        }  # fmt: skip


def _stack(home):
    """The lines at which the process stood, the innermost first, as (path, line)."""
    with contextlib.suppress(OSError), open(os.path.join(home, _STACK), errors="replace") as stream:
        return [[path, int(line)] for path, line in _FRAME.findall(stream.read(100_000))]
    return []


def _ending(status):
    """What a process did that ended without its result."""
    if os.WIFSIGNALED(status):
        return "crashed", "its process was killed by %s" % signal.Signals(os.WTERMSIG(status)).name
    if os.WEXITSTATUS(status) == forks.LOST_CHANNEL:
        return "crashed", "it closed descriptors that are not its own, or used up all memory"
    return "exited", "it ended its process with code %d" % os.WEXITSTATUS(status)
