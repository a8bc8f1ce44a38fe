"""Processes that fork from each other on command, each with a channel of its own to the one that commands them.

A *template* has imported modules and waits; it forks further templates, or *leaves* that do one job and end. All of
them run the project's code, so the commander trusts none of them: it knows them by process id, holds all the clocks,
and takes for an answer only what carries the job's nonce.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time

LOST_CHANNEL = 81
_RESERVE = 256 * 1024 * 1024
_ROUNDS = 50
_LARGEST_FILE = 1024 * 1024 * 1024


class Expired(BaseException):
    """The time of a job is over. Not an Exception, so that ordinary handlers do not swallow it."""


def send_command(sock, command, descriptor):
    """One command, with one descriptor for the process that it makes."""
    data = json.dumps(command).encode()
    fds = struct.pack("i", descriptor)
    data = struct.pack("!I", len(data)) + data
    sent = sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    if sent < len(data):
        sock.sendall(data[sent:])


def _receive_command(sock):
    """(command, descriptor), or None when the commander has closed its end."""
    size = struct.calcsize("i")
    head, ancillary, _, _ = sock.recvmsg(4, socket.CMSG_LEN(size))
    if len(head) < 4:
        return None
    rest = b""
    wanted = struct.unpack("!I", head)[0]
    while len(rest) < wanted:
        chunk = sock.recv(wanted - len(rest))
        if not chunk:
            return None
        rest += chunk
    return json.loads(rest.decode()), struct.unpack("i", ancillary[0][2][:size])[0]


class Voice:
    """How a forked process speaks: lines that carry its nonce, so that stray bytes on the descriptor do no harm."""

    def __init__(self, sock, nonce):
        self.sock, self.nonce, self.pid = sock, nonce.encode(), os.getpid()
        # Kept, for the project's code may replace them in their modules.
        self._getpid, self._leave, self._encoded = os.getpid, os._exit, json.JSONEncoder(default=str).encode

    def say(self, **message):
        # A child that the project's code forked comes back here too, and must not speak for its parent.
        if self._getpid() != self.pid:
            self._leave(0)
        self.sock.sendall(b"\n" + self.nonce + self._encoded(message).encode() + b"\n")


def understand(buffer, nonce):
    """The messages in whole lines of a buffer (which is shortened); lines without the nonce are dropped."""
    end = buffer.rfind(b"\n")
    if end < 0:
        return []
    lines = bytes(buffer[:end]).split(b"\n")
    del buffer[: end + 1]
    mark = nonce.encode()
    return [json.loads(line[len(mark) :].decode()) for line in lines if line.startswith(mark)]


def listen(peer, heard):
    """Hands every message that a process sent to ``heard(peer, message)``; whether it hung up.

    ``peer`` has ``sock``, which becomes None where it is heard no more, ``buffer`` and ``nonce``.
    """
    while peer.sock is not None:
        try:
            data = peer.sock.recv(1 << 20)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        peer.buffer += data
        for message in understand(peer.buffer, peer.nonce):
            heard(peer, message)
        if not data:
            return True
    return False


@contextlib.contextmanager
def limited(seconds):
    """Raises Expired inside the block once the time is over."""

    def expire(signum, frame):
        raise Expired("not finished after %g s" % seconds)

    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def limit_memory(megabytes):
    """From now on this process may map that much more than it has mapped already."""
    _limit_growth(resource.RLIMIT_AS, 0, megabytes)


def limit_data(megabytes):
    """From now on this process, and each that it starts, may fill that much more memory, and only files below 1 GiB.

    Other than ``limit_memory`` it counts what is written: a Java reserves far more than it fills.
    """
    if _limit_growth(resource.RLIMIT_DATA, 5, megabytes):
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))


def _limit_growth(limit, field, megabytes):
    """Whether it could be limited. ``field``: what counts for that limit in /proc/self/statm, see proc_pid_statm(5)."""
    try:
        with open("/proc/self/statm") as stream:
            pages = int(stream.read().split()[field])
    except OSError:
        return False
    most = pages * resource.getpagesize() + megabytes * 1024 * 1024
    resource.setrlimit(limit, (most, most + _RESERVE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return True


def open_memory_reserve():
    """Room to tell that the memory was used up."""
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (hard, hard))


def adopt_orphans():
    """Processes below this one that lose their parent become its children, so that none can slip away (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def die_with_parent():
    """This process is killed when the process that forked it ends (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


def parents():
    """{process: its parent}, for every process that /proc shows."""
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        with contextlib.suppress(OSError, IndexError, ValueError), open("/proc/%d/stat" % int(name)) as stream:
            # The name may hold spaces and brackets: fields are counted after its last bracket.
            found[int(name)] = int(stream.read().rsplit(")", 1)[1].split()[1])
    return found


def family():
    """{process: the child of this process that it descends from or is}."""
    known, me = parents(), os.getpid()
    found = {}
    for pid in known:
        top = pid
        while top in known and known[top] != me:
            top = known[top]
        if top in known:
            found[pid] = top
    return found


def end_strays(keep):
    """Whatever descends from this process is gone, but for the processes in ``keep`` and what descends from them."""
    stopped = set()
    for _ in range(_ROUNDS):
        strays = {pid for pid, top in family().items() if top not in keep} - stopped
        if not strays:
            break
        # Stopped before any is ended: one that starts others without end would outrun us.
        _signal(strays, signal.SIGSTOP)
        stopped |= strays
    _signal(stopped, signal.SIGKILL)
    for pid in stopped:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _signal(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def in_child(work):
    """``work`` was done, or failed, in a forked process: nothing of it is left in this one."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def become(sock, command, work):
    """Does what a freshly forked process was made for; never returns.

    ``work`` has ``parse(path, command)``, ``module_of(result, command)``, ``again(result, name, command)`` and
    ``untouched()`` for leaves, ``neutral()`` and ``describe(error, path)`` for templates.
    """
    code = LOST_CHANNEL
    try:
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
        die_with_parent()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        voice = Voice(sock, command["nonce"])
        voice.say(pid=os.getpid())
        if command["role"] == "leaf":
            limit_memory(command["memory_mb"])
            _do_files(voice, command, work)
        elif _warm(voice, command, work):
            _serve_forks(voice, work)
        code = 0
    except BaseException as error:
        with contextlib.suppress(BaseException):
            sys.__stderr__.write("forked worker process: %r\n" % (error,))
    finally:
        os._exit(code)


def _do_files(voice, command, work):
    """One file after the other, as long as none leaves a trace that the next could notice."""
    work.untouched()
    for path in command["files"]:
        voice.say(began=path)
        result = work.parse(path, command)
        name = work.module_of(result, command)
        if name is not None:
            voice.say(parsed=result)
            work.again(result, name, command)
        clean = result["outcome"] == "ok" and work.untouched()
        voice.say(result=result)
        if not clean:
            break
    voice.say(finished=True)


def _warm(voice, command, work):
    """Whether all modules of a template could be imported; says which one it is at, and how long each took."""
    for module in command["modules"]:
        voice.say(warming=module)
        begun = time.perf_counter()
        try:
            with limited(command["timeout_s"]):
                __import__(module)
                # A module that makes DAGs must be imported by the file itself: they belong to that file.
                if not work.neutral() and command["own"]:
                    raise ImportError("makes DAGs while it is imported")
        except BaseException as error:
            if command["own"] or isinstance(error, Expired):
                voice.say(failed=module, expired=isinstance(error, Expired), error=work.describe(error, ""))
                return False
        voice.say(warmed=module, seconds=time.perf_counter() - begun)
    return True


def _serve_forks(voice, work):
    """Forks on command until the commander hangs up, and tells how each child ended."""
    gc.collect()
    # Objects that exist now are left alone by the collectors of the children, so their pages stay shared.
    gc.freeze()
    woken, waker = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda signum, frame: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    voice.say(ready=True)
    while True:
        readable, _, _ = select.select([voice.sock, woken], [], [])
        if woken in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            _report_ended(voice)
        if voice.sock in readable:
            received = _receive_command(voice.sock)
            if received is None:
                return
            command, descriptor = received
            if os.fork() == 0:
                voice.sock.close()
                signal.set_wakeup_fd(-1)
                os.close(woken)
                os.close(waker)
                become(socket.socket(fileno=descriptor), command, work)
            os.close(descriptor)


def _report_ended(voice):
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        voice.say(exited=pid, status=status)
