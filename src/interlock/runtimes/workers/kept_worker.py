"""Keeps a worker's engine imported, and forks a fresh process from itself for each who asks.

Started as ``kept_worker.py WORKER LISTENER PLACE SECONDS``: the worker's module, the descriptor of a listening socket,
the path that leads to it, and how long to stay without work. ``interlock.runtimes.keeping`` is the other end. Nothing
of any project runs in this process: what is the project's is read and run in the forked ones.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import sys
import tempfile
import traceback

import _interlock_confine as confine
import _interlock_forks as forks

_LOST = 70
_READY = b"forked\n"
_LEAVE = "leave"
_DESCRIPTORS = 3
_MOST_BYTES = 1 << 20


class Keeper:
    """The sessions that are alive: each has a connection (its end ends the session) and a process."""

    def __init__(self, module, listener, place, seconds):
        self.module, self.listener, self.place, self.seconds = module, listener, place, seconds
        # Held open: workers cover the folder, and share this process's view of it.
        self.folder = os.open(os.path.dirname(place), os.O_PATH)
        self.inode = self.found()
        self.selector = selectors.DefaultSelector()
        self.sessions = {}
        self.served = self.leaving = False

    def serve(self):
        """Forks on request until nobody came for a while, or another keeper has taken the place."""
        steps = list(self.module.warming())
        woken, waker = os.pipe()
        for end in (woken, waker):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        # The first process of a namespace is spared every signal that it does not ask for.
        signal.signal(signal.SIGTERM, lambda signum, frame: os._exit(0))
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(woken, selectors.EVENT_READ, lambda fd: self.bury(fd))
        while True:
            # Whoever is the first shall not wait for what only the next ones gain by.
            warming = bool(steps) and self.served
            ready = self.selector.select(0 if warming else None if self.sessions else self.seconds)
            for key, _ in ready:
                key.data(key.fileobj)
            if warming and not ready:
                steps.pop(0)()
                gc.freeze()
            elif not self.sessions and (self.leaving or not ready or not self.wanted()):
                return

    def wanted(self):
        """Whether the socket's path still leads here."""
        try:
            return self.found() == self.inode
        except OSError:
            return False

    def found(self):
        """What the socket's path leads to."""
        return os.stat(os.path.basename(self.place), dir_fd=self.folder).st_ino

    def accept(self, listener):
        connection, _ = listener.accept()
        if _owner(connection) != os.getuid():
            connection.close()
            return
        connection.settimeout(5.0)
        try:
            command, descriptors = _receive(connection)
            if command == _LEAVE:
                self.leaving = True
                connection.close()
                return
        except (OSError, ValueError):
            connection.close()
            return
        connection.settimeout(None)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            connection.sendall(_READY)
            become(self, connection, command, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self.served = True
        self.sessions[pid] = connection
        self.selector.register(connection, selectors.EVENT_READ, lambda sock: self.end(pid))

    def end(self, pid):
        """Whoever asked is gone, or wants it ended: so are the process and its group."""
        self.selector.unregister(self.sessions[pid])
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)

    def bury(self, woken):
        """Tells how each process ended; with what it left behind, where that became ours."""
        with contextlib.suppress(BlockingIOError):
            os.read(woken, 4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            connection = self.sessions.pop(pid, None)
            if connection is None:
                continue
            self.end_orphans()
            with contextlib.suppress(KeyError):
                self.selector.unregister(connection)
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps({"code": _exit_code(status)}).encode() + b"\n")
            connection.close()

    def end_orphans(self):
        """Whatever a session started and did not end came to this process, and is ended."""
        me = os.getpid()
        for pid, parent in forks.parents().items():
            if parent == me and pid not in self.sessions:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


def _owner(connection):
    """The user id of whoever is at the other end (Linux; elsewhere the folder's permissions must do)."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.getuid()
    return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]


def _receive(connection):
    data, descriptors, _, _ = socket.recv_fds(connection, 65536, _DESCRIPTORS)
    try:
        while not data.endswith(b"\n"):
            chunk = connection.recv(65536)
            if not chunk or len(data) > _MOST_BYTES:
                raise ValueError("no whole command")
            data += chunk
        command = json.loads(data.decode())
        if len(descriptors) != (0 if command == _LEAVE else _DESCRIPTORS):
            raise ValueError("not the descriptors of a session")
        return command, descriptors
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def _exit_code(status):
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def become(keeper, connection, command, descriptors):
    """The forked process is a worker like one that was started by itself; never returns."""
    code = _LOST
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        keeper.selector.close()
        keeper.listener.close()
        connection.close()
        for other in keeper.sessions.values():
            other.close()
        ask, answer, output = descriptors
        for standard in (1, 2):
            os.dup2(output, standard)
        os.close(output)
        os.environ.clear()
        os.environ.update(command["env"])
        os.chdir(command["cwd"])
        tempfile.tempdir = None
        sys.argv[:] = [command["script"], str(ask), str(answer)]
        if command["limits"]:
            confine.confine(**command["limits"])
        keeper.module.main()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def main():
    name, descriptor, place, seconds = sys.argv[1:5]
    listener = socket.socket(fileno=int(descriptor))
    listener.set_inheritable(False)
    module = importlib.import_module(name)
    gc.collect()
    # Objects that exist now are left alone by the collectors of the forked processes: their pages stay shared.
    gc.freeze()
    forks.adopt_orphans()
    Keeper(module, listener, place, float(seconds)).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
