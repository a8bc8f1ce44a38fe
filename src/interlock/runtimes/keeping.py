"""Workers that stay: a keeper has an engine imported and forks workers from itself, so that only the first one waits.

Importing dbt takes two seconds, four times as long as looking at a changed model. A keeper belongs to one user and one
runtime. It leaves when nobody came for a while; ``INTERLOCK_KEEP`` says how long in seconds, 0 is never to have one.
Automation (``CI`` is set) has none by itself: its machines are gone before anybody comes back.
"""

import contextlib
import hashlib
import json
import os
import secrets
import socket
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from interlock.runtimes.environments import WORKERS, Runtime
from interlock.runtimes.processes import KeptProcess
from interlock.runtimes.sandbox import Isolation

_SECONDS = 900.0
_PATIENCE_SECONDS = 60.0
_FORKED = b"forked\n"
# Started by this process and still to be buried when they end: it may be a worker that lives for days.
_started: list[subprocess.Popen[bytes]] = []


def seconds_to_keep() -> float:
    """How long a keeper stays without work; 0 where there shall be none."""
    chosen = os.environ.get("INTERLOCK_KEEP", "")
    try:
        return max(0.0, float(chosen))
    except ValueError:
        return 0.0 if os.environ.get("CI") else _SECONDS


def ask_keeper(
    runtime: Runtime,
    worker: str,
    isolation: Isolation,
    *,
    env: Mapping[str, str],
    cwd: Path,
    descriptors: tuple[int, int, int],
    limits: Mapping[str, Sequence[str]] | None = None,
) -> KeptProcess | None:
    """A worker forked by the keeper of ``runtime``, which is started when there is none; None where that cannot be: a
    worker of its own can tell why.

    ``descriptors``: where the worker hears, where it answers, where it prints. They stay open here. ``limits``: the
    arguments of its confinement.
    """
    seconds = seconds_to_keep()
    if not seconds or not hasattr(socket, "send_fds"):
        return None
    _started[:] = [process for process in _started if process.poll() is None]
    try:
        place = _folder() / f"{_key(runtime, worker, isolation)}.sock"
        connection = _connected(place) or _new_keeper(runtime, worker, isolation, place, seconds, env)
    except OSError:
        return None
    try:
        command = {"env": dict(env), "cwd": str(cwd), "script": worker, "limits": limits}
        socket.send_fds(connection, [json.dumps(command).encode() + b"\n"], descriptors)
        connection.settimeout(_PATIENCE_SECONDS)
        if connection.recv(len(_FORKED), socket.MSG_WAITALL) != _FORKED:
            raise ConnectionAbortedError("the keeper could not import the engine")
    except OSError:
        connection.close()
        return None
    return KeptProcess(connection)


def dismiss_keepers() -> None:
    """The keepers of this user leave as soon as they have no worker any more; they are not waited for."""
    with contextlib.suppress(OSError):
        for place in _folder().glob("*.sock"):
            connection = _connected(place)
            if connection is not None:
                with connection, contextlib.suppress(OSError):
                    connection.sendall(b'"leave"\n')


def _folder() -> Path:
    """A folder that only this user can look into; OSError where somebody else made it. Its path is short: a socket's
    may have 107 bytes."""
    folder = Path(tempfile.gettempdir()) / f"interlock-kept-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not ours alone")
    return folder


def _key(runtime: Runtime, worker: str, isolation: Isolation) -> str:
    """Another runtime, another version of the workers or another isolation has another keeper."""
    parts = [str(runtime.python), runtime.lock_digest, worker, *isolation.prefix]
    for path in sorted(WORKERS.glob("*.py")):
        found = path.stat()
        parts.append(f"{path.name} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _connected(place: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(place))
    except OSError:
        connection.close()
        return None
    return connection


def _new_keeper(
    runtime: Runtime,
    worker: str,
    isolation: Isolation,
    place: Path,
    seconds: float,
    env: Mapping[str, str],
) -> socket.socket:
    """A connection to a keeper that was started just now and still imports its engine."""
    fresh = place.with_suffix(f".{secrets.token_hex(4)}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(fresh))
        listener.listen(16)
        connection = _connected(fresh)
        # By a rename: of two keepers that start at once one is found from now on, the other leaves after its work.
        fresh.replace(place)
        if connection is None:
            raise ConnectionRefusedError(f"nobody listens at {place}")
        home = place.with_suffix(".home")
        home.mkdir(exist_ok=True)
        script = WORKERS / "kept_worker.py"
        command = [
            str(runtime.python),
            str(script),
            Path(worker).stem,
            str(listener.fileno()),
            str(place),
            str(seconds),
        ]
        plain = {name: value for name, value in env.items() if name in ("PATH", "LANG", "TZ")}
        nowhere = subprocess.DEVNULL
        keeper = subprocess.Popen(
            [*isolation.prefix, *command], env={**plain, "HOME": str(home), "TMPDIR": str(home)}, cwd=home,
            pass_fds=(listener.fileno(),), start_new_session=True, stdin=nowhere, stdout=nowhere, stderr=nowhere,
        )  # fmt: skip
    _started.append(keeper)
    return connection
