"""A subprocess inside a project's runtime, asked over pipes of its own.

Requests and answers are JSON, one object a line, on two descriptors beside the standard ones: the project's code may
print what it likes. What it prints is kept (the end of it) for error messages.
"""

import contextlib
import json
import os
import selectors
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from interlock.model.errors import WorkerError
from interlock.runtimes.environments import WORKERS, Runtime
from interlock.runtimes.keeping import ask_keeper
from interlock.runtimes.processes import Process, StartedProcess
from interlock.runtimes.sandbox import Confinement, isolation

_TAIL_BYTES = 16_384
_GRACE_SECONDS = 2.0


class Worker:
    """A worker that is alive until closed; closing ends it and everything it started.

    ``script``: a file name in ``runtimes/workers`` or a path. ``env`` is all the environment it gets besides PATH, an
    empty HOME, LANG and TZ. ``secrets`` are values that are blotted out of every message. Without ``network`` it has
    none, where the kernel allows that (``isolated`` says so). With ``keep`` its engine may stay imported for the next
    worker of the same runtime (``interlock.runtimes.keeping``); the worker itself is a fresh process all the same. With
    a ``confinement`` it finds no files but those, Python's and the system's, where the kernel allows that. With a
    ``niceness`` (of nice(1)) it and what it starts give way to others; a kept engine's worker does not.
    """

    def __init__(
        self,
        runtime: Runtime,
        script: str | Path,
        *,
        env: Mapping[str, str] | None = None,
        network: bool = False,
        cwd: Path | None = None,
        secrets: Collection[str] = (),
        keep: bool = False,
        confinement: Confinement | None = None,
        niceness: int = 0,
    ) -> None:
        self.runtime = runtime
        self._secrets = sorted((value for value in secrets if value), key=len, reverse=True)
        self._home = Path(tempfile.mkdtemp(prefix="interlock-worker-"))
        self._isolation = isolation(network)
        self._tail = bytearray()
        self._pending = bytearray()
        self._next_id = 0
        self._why_dead = ""
        self._confinement, self._niceness = confinement, niceness
        self._start(script, dict(env or {}), cwd, keep)

    @property
    def isolated(self) -> bool:
        """Whether the worker really has no network."""
        return self._isolation.network

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, script: str | Path, env: dict[str, str], cwd: Path | None, keep: bool) -> None:
        ask_read, self._ask = os.pipe()
        self._answer, answer_write = os.pipe()
        self._printed, output = os.pipe()
        scrubbed = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            # The project's folders stay as they are: no caches are left behind in them.
            "PYTHONDONTWRITEBYTECODE": "1",
            **env,
        }
        try:
            self._process = self._made(script, scrubbed, cwd or self._home, (ask_read, answer_write, output), keep)
        except OSError as error:
            for descriptor in (self._ask, self._answer, self._printed):
                os.close(descriptor)
            shutil.rmtree(self._home, ignore_errors=True)
            raise WorkerError(
                f"the worker of runtime '{self.runtime.name}' could not be started",
                remedy="Build the runtime anew: its interpreter is not there or does not run.",
                detail=str(error),
            ) from error
        finally:
            for descriptor in (ask_read, answer_write, output):
                os.close(descriptor)
        os.set_blocking(self._answer, False)
        self._drain = threading.Thread(target=self._keep_tail, daemon=True)
        self._drain.start()

    def _made(
        self, script: str | Path, env: dict[str, str], cwd: Path, descriptors: tuple[int, int, int], keep: bool
    ) -> Process:
        limits = self._confinement.arguments(self._home) if self._confinement else None
        if keep:
            kept = ask_keeper(
                self.runtime, str(script), self._isolation, env=env, cwd=cwd, descriptors=descriptors, limits=limits
            )
            if kept is not None:
                return kept
        ask, answer, output = descriptors
        started = [str(WORKERS / script)]
        if limits is not None:
            started = [str(WORKERS / "confined_worker.py"), Path(script).stem, json.dumps(limits)]
        command = [*self._isolation.prefix, str(self.runtime.python), *started, str(ask), str(answer)]
        return StartedProcess(
            command, env=env, cwd=cwd, pass_fds=(ask, answer), output=output, contained=self._isolation.processes,
            niceness=self._niceness,
        )  # fmt: skip

    def _keep_tail(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._printed, 65536):
                self._tail += chunk
                del self._tail[:-_TAIL_BYTES]

    def output_tail(self) -> str:
        """The end of what the worker and the project's code printed, without secrets."""
        return self._blot(bytes(self._tail).decode("utf-8", "replace"))

    def _blot(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def request(
        self,
        op: str,
        *,
        timeout: float = 600.0,
        on_event: Callable[[dict[str, Any]], None] | None = None,
        **args: Any,
    ) -> dict[str, Any]:
        """The answer to one operation; ``timeout`` in seconds, for all of it.

        Events that the worker emits before its answer go to ``on_event``. Raises WorkerError when the worker dies,
        exceeds its time (it is ended then), or answers that the operation failed.
        """
        if self._why_dead:
            raise self._dead(self._why_dead)
        self._next_id += 1
        message = json.dumps({"id": self._next_id, "op": op, "args": args}).encode() + b"\n"
        deadline = time.monotonic() + timeout
        try:
            self._send(message)
            while True:
                answer = json.loads(self._line(deadline))
                if "event" in answer:
                    if on_event is not None:
                        on_event(answer["event"])
                elif answer.get("id") == self._next_id:
                    break
        except TimeoutError:
            raise self._dead(f"did not answer '{op}' within {timeout:g} s and was ended") from None
        except (EOFError, OSError):
            raise self._dead(f"died while it did '{op}'") from None
        except ValueError:
            raise self._dead(f"answered nonsense to '{op}'") from None
        if "error" in answer:
            error = answer["error"]
            raise WorkerError(
                self._blot(f"{op} failed in runtime '{self.runtime.name}': {error.get('message', 'unknown')}"),
                remedy=error.get("remedy", "Read the detail: it is the traceback inside the worker."),
                detail=self._blot(error.get("traceback", "")),
            )
        result: dict[str, Any] = answer["result"]
        return result

    def _send(self, message: bytes) -> None:
        view = memoryview(message)
        while view:
            view = view[os.write(self._ask, view) :]

    def _line(self, deadline: float) -> bytes:
        """The next line of the worker; raises TimeoutError, EOFError."""
        searched = 0
        with selectors.DefaultSelector() as selector:
            selector.register(self._answer, selectors.EVENT_READ)
            while True:
                end = self._pending.find(b"\n", searched)
                if end >= 0:
                    line = bytes(self._pending[:end])
                    del self._pending[: end + 1]
                    return line
                searched = len(self._pending)
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                chunk = os.read(self._answer, 1 << 20)
                if not chunk:
                    raise EOFError
                self._pending += chunk

    def _dead(self, why: str) -> WorkerError:
        self._why_dead = why
        self.close()
        code = self._process.returncode
        ending = f" (exit code {code})" if code is not None and code >= 0 else ""
        return WorkerError(
            f"the worker of runtime '{self.runtime.name}' {why}{ending}",
            remedy="Read the end of its output in the detail; if it needs longer, raise the limit.",
            detail=self.output_tail(),
        )

    def close(self) -> None:
        """The worker and all it started are gone, and its temporary folder too. Safe to call again."""
        if self._ask >= 0:
            os.close(self._ask)
            os.close(self._answer)
            self._ask = self._answer = -1
            self._why_dead = self._why_dead or "was closed"
            # A worker whose request pipe is closed leaves by itself and takes its children along; only one that is
            # stuck has to be killed.
            if self._why_dead == "was closed":
                self._process.wait(_GRACE_SECONDS)
            self._process.end()
            self._drain.join(_GRACE_SECONDS)
            if not self._drain.is_alive():
                os.close(self._printed)
            shutil.rmtree(self._home, ignore_errors=True)
