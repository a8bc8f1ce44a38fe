"""Runs a job for every file, in forked processes that start with the file's imports already done.

The files are arranged as a tree by the project modules that they import first: a template process imports a module
once, and only files that import that very module are forked from it. So a file's process holds what the file itself
would have loaded, at the price of a fork. Files with the same imports share a process, a few at a time, as long as none
leaves a trace in it; a file that fails, dies or takes too long in company is done again alone before it is blamed.
The process that runs this loop holds all clocks and runs no project code.
"""

import contextlib
import os
import secrets
import selectors
import signal
import socket
import time
from collections import Counter, deque

import _interlock_forks as forks

_GRACE_SECONDS = 1.5
_LOOK_AROUND_SECONDS = 0.25


class Job:
    """One file and what must be imported for it."""

    def __init__(self, path, modules):
        self.path, self.modules = path, modules


class Process:
    """A template or a leaf, as the commander knows it, from the moment it is wanted."""

    def __init__(self, parent, role, **about):
        self.role, self.about = role, about
        self.nonce = secrets.token_hex(8)
        self.buffer = bytearray()
        self.sock = self.pid = self.status = self.parent = None
        self.deadline = 0.0
        # The file or module that it is at, and whether it is past its first.
        self.at, self.past_first = None, False
        # The result of that file, while it is imported a second time.
        self.parsed = None
        # For templates: who is still forked from it, and what its imports took in seconds.
        self.children = set()
        self.ready, self.seconds = False, 0.0
        self.adopt(parent)

    def adopt(self, parent):
        """From now on this is (to be) forked from ``parent``."""
        if self.parent is not None:
            self.parent.children.discard(self)
        self.parent = parent
        self.seconds = parent.seconds if parent is not None else 0.0
        if parent is not None:
            parent.children.add(self)


class Forest:
    """``run`` hands each job's result to ``done(path, result)`` as it comes."""

    def __init__(self, limits, jobs, group_size, work, done):
        self.limits, self.jobs, self.group_size, self.work, self.done = limits, jobs, group_size, work, done
        self.selector = selectors.DefaultSelector()
        self.tasks = deque()
        self.busy = set()
        self.templates = set()
        self.by_pid = {}

    def run(self, foreign, jobs):
        """All jobs are done when this returns. ``foreign``: modules of the runtime that many files import."""
        # Small enough that all processes have work to the end.
        self.size = max(1, min(self.group_size, -(-len(jobs) // (2 * self.jobs))))
        self._spawn(Process(None, "template", modules=foreign, own=False, files=jobs))
        try:
            while self.busy or self.tasks:
                while self.tasks and len(self.busy) < self.jobs:
                    self._spawn(self.tasks.popleft())
                self._listen()
        finally:
            for process in [*self.busy, *self.templates]:
                self._kill(process)
            self._reap()
            self.selector.close()

    # Making processes

    def _spawn(self, process):
        while process.parent is not None and process.parent.sock is None:
            process.adopt(process.parent.parent)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        process.sock = ours
        self.selector.register(ours, selectors.EVENT_READ, process)
        self.busy.add(process)
        self._allow_time(process)
        command = {"role": process.role, "nonce": process.nonce, **self.limits}
        if process.role == "leaf":
            command["files"] = [job.path for job in process.about["files"]]
        else:
            command["modules"], command["own"] = process.about["modules"], process.about["own"]
        if process.parent is None:
            self._fork(theirs, command)
        else:
            # A template that is just dying takes no command: its end is heard of, and the process is wanted again.
            with contextlib.suppress(OSError):
                forks.send_command(process.parent.sock, command, theirs.fileno())
        theirs.close()

    def _fork(self, theirs, command):
        """The first template, and whatever must run when that one has fallen, is forked from this very process."""
        if os.fork() == 0:
            with contextlib.suppress(Exception):
                for held in list(self.selector.get_map().values()):
                    held.fileobj.close()
                self.selector.close()
            self.work.prepare()
            forks.become(theirs, command, self.work)

    def _allow_time(self, process):
        process.deadline = time.monotonic() + self.limits["timeout_s"] + _GRACE_SECONDS

    # Hearing from them

    def _listen(self):
        wait = min([process.deadline for process in self.busy], default=0.0) - time.monotonic()
        for key, _ in self.selector.select(max(0.0, min(wait, _LOOK_AROUND_SECONDS))):
            self._read(key.data)
        self._reap()
        now = time.monotonic()
        for process in [one for one in self.busy if one.deadline <= now]:
            self._conclude(process, expired=True)

    def _read(self, process):
        if forks.listen(process, self._heard):
            self._hung_up(process)

    def _heard(self, process, message):
        if "pid" in message:
            process.pid = message["pid"]
            self.by_pid[process.pid] = process
        elif "began" in message:
            process.at = message["began"]
            self._allow_time(process)
        elif "parsed" in message:
            process.parsed = message["parsed"]
            self._allow_time(process)
        elif "result" in message:
            self._took(process, message["result"])
        elif "finished" in message:
            self._conclude(process)
        elif "exited" in message:
            if message["exited"] not in self.by_pid:
                for child in [one for one in process.children if one in self.busy]:
                    self._read(child)
            self._ended(self.by_pid.get(message["exited"]), message["status"])
        elif "warming" in message:
            process.at = message["warming"]
            self._allow_time(process)
        elif "warmed" in message:
            process.seconds += message["seconds"]
        elif "ready" in message:
            self._grow(process)
        elif "failed" in message:
            self._without(process, message["expired"], message["error"])

    def _hung_up(self, process):
        """The other end is closed: the process ended, or its code closed the descriptor; its status will tell."""
        if process.sock is None:
            return
        self.selector.unregister(process.sock)
        process.sock.close()
        process.sock = None
        if process.role == "template":
            self._fell(process)

    def _ended(self, process, status):
        if process is None:
            return
        process.status = status
        # What it said before it ended may still be in the channel.
        self._read(process)
        if process in self.busy:
            self._conclude(process)

    def _reap(self):
        """Takes note of processes that ended and are children of this one: those forked here, and orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(self.by_pid.get(pid), status)

    # Ends

    def _took(self, process, result):
        """A file's result counts if the file was alone in its process so far, or is fine."""
        job = next((job for job in process.about["files"] if job.path == result["path"]), None)
        if job is None or process not in self.busy:
            return
        process.about["files"].remove(job)
        if (result["outcome"] != "ok" or result["second"]) and process.past_first:
            self._again([job], process.parent)
        else:
            result["import_seconds"] = round(result["import_seconds"] + process.seconds, 4)
            self.done(job.path, result)
        process.at, process.parsed, process.past_first = None, None, True

    def _conclude(self, process, expired=False):
        """The process does no more: what it left undone is done again, or blamed on the file it was at."""
        if process.role == "template":
            return self._without(process, expired) if expired else self._fell(process)
        left = process.about["files"]
        culprit = next((job for job in left if job.path == process.at), None)
        if culprit is None and left and (expired or not process.past_first):
            culprit = left[0]
        if culprit is not None:
            left.remove(culprit)
            if process.past_first:
                self._again([culprit], process.parent)
            else:
                result = self._died(process, culprit, expired)
                result["import_seconds"] = round(result["import_seconds"] + process.seconds, 4)
                self.done(culprit.path, result)
        if left:
            self._again(left, process.parent)
        self._kill(process)
        self._leave(process)

    def _again(self, files, parent):
        self.tasks.append(Process(parent, "leaf", files=files))

    def _leave(self, process):
        """The process needs its template no more; a template that nobody needs goes."""
        parent = process.parent
        if parent is not None:
            parent.children.discard(process)
            if parent.ready and not parent.children:
                self._kill(parent)
                self._leave(parent)

    def _kill(self, process):
        """The process and what it left behind in its group are gone."""
        self.busy.discard(process)
        self.templates.discard(process)
        process.ready = False
        if process.sock is not None:
            self.selector.unregister(process.sock)
            process.sock.close()
            process.sock = None
        if process.pid is not None:
            for end in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    if end is os.killpg or process.status is None:
                        end(process.pid, signal.SIGKILL)
            self.by_pid.pop(process.pid, None)

    def _died(self, process, job, expired):
        """The result of a file whose process said nothing."""
        outcome, message, status = "crashed", "the process that parsed it ended without a word", process.status
        if expired:
            outcome = "timeout"
            message = "not finished after %g s, and could not be interrupted" % self.limits["timeout_s"]
        elif status is not None and os.WIFSIGNALED(status):
            message = "the process that parsed it was killed by %s" % signal.Signals(os.WTERMSIG(status)).name
        elif status is not None and os.WEXITSTATUS(status) == forks.LOST_CHANNEL:
            message = "it closed descriptors that are not its own, or used up all memory"
        elif status is not None:
            outcome, message = "exited", "it ended the process with code %d" % os.WEXITSTATUS(status)
        died = failure(job.path, outcome, message, self.limits["timeout_s"] if expired else 0.0)
        if process.parsed is None or process.parsed["path"] != job.path:
            return died
        return {**process.parsed, "second": {**died["errors"][0], "outcome": outcome}}

    # The tree

    def _grow(self, template):
        """The template is ready: what is forked from it is wanted first, so that few templates live at a time."""
        self.busy.discard(template)
        self.templates.add(template)
        template.ready = True
        self.tasks.extendleft(reversed(self._planted(template, template.about["files"])))

    def _without(self, template, expired, error=None):
        """A module could not be imported ahead: its files import it themselves, or share its failure if it hangs."""
        jobs, parent = template.about["files"], template.parent
        self._kill(template)
        if expired and template.about["own"]:
            for job in jobs:
                message = "its import of %s was not finished after %g s" % (template.at, self.limits["timeout_s"])
                result = failure(job.path, "timeout", message, self.limits["timeout_s"])
                if error is not None:
                    result["errors"][0].update(file=error["file"] or job.path, line=error["line"])
                    result["errors"][0]["traceback_tail"] = error["traceback_tail"]
                self.done(job.path, result)
        else:
            self.tasks.extend(self._planted(parent, jobs))
        self._leave(template)

    def _fell(self, template):
        """A template is gone unbidden: all that hung on it is wanted again, from the nearest one that lives."""
        if not template.ready:
            if template in self.busy:
                self._without(template, expired=False)
            return
        self._kill(template)
        for process in list(template.children):
            if process in self.templates:
                continue
            process.adopt(template.parent)
            if process in self.busy:
                self._kill(process)
                process.pid = process.status = process.at = process.parsed = None
                process.past_first = False
                process.buffer.clear()
                self.tasks.append(process)
        if not template.children:
            self._leave(template)

    def _planted(self, parent, jobs):
        """What to make so that all jobs get done: templates for modules that several share, then leaves."""
        plain, groups = divide(jobs)
        made = [Process(parent, "template", modules=[module], own=True, files=own) for module, own in groups]
        # A file that loads more of the project than its template did would end a shared process anyway.
        alone = [job for job in plain if job.modules]
        shared = [job for job in plain if not job.modules]
        size = self.size
        made += [Process(parent, "leaf", files=shared[at : at + size]) for at in range(0, len(shared), size)]
        return made + [Process(parent, "leaf", files=[job]) for job in alone]


def divide(jobs):
    """(jobs that share no further module, [(module, its jobs)]): the module most of them share comes first."""
    groups, rest = [], list(jobs)
    while True:
        counts = Counter(module for job in rest for module in job.modules)
        module, count = max(counts.items(), key=lambda item: (item[1], item[0]), default=(None, 0))
        if count < 2:
            return rest, groups
        with_it = [job for job in rest if module in job.modules]
        rest = [job for job in rest if module not in job.modules]
        for job in with_it:
            job.modules = [one for one in job.modules if one != module]
        groups.append((module, with_it))


def failure(path, outcome, message, seconds=0.0):
    """The result of a file that could not tell its own."""
    error = {"type": outcome.capitalize(), "message": message, "file": path, "line": None, "traceback_tail": ""}
    return {
        "path": path, "dags": [], "errors": [error], "import_seconds": seconds,
        "imports": [path], "reads": [], "outcome": outcome, "second": None,
    }  # fmt: skip
