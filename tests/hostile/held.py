"""A deployment that stands still inside a step until the test lets it go on."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from interlock.ledger.store import open_ledger
from interlock.model.canonical import digest_bytes
from tests.hostile.cli_project import Said, interlock, start


class Held:
    """``interlock deploy prod`` of the newest release, inside the step that lays the version down.

    One file of the release stands in the store as a named pipe: whoever reads it waits until somebody writes. That is
    what a slow store looks like, and no clock is involved.
    """

    def __init__(self, root: Path, path: str, env: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._env = env
        self.content = (root / path).read_bytes()
        digest = digest_bytes(self.content)
        self.blob = root / ".interlock/artifacts/blobs" / digest[:2] / digest

    def __enter__(self) -> Self:
        self.live = interlock(self.root, "status", env=self._env).body["environments"][0]["release"]
        self.blob.unlink()
        os.mkfifo(self.blob)
        self.running = start(self.root, "deploy", "prod", "--yes", env=self._env)
        self.pid = self.running.process.pid
        self.running.wait_for(lambda: self._step_began(), "its first step")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.running.end()

    def _step_began(self) -> bool:
        """A reader at the pipe: opening it to write fails as long as there is none."""
        try:
            self._gate = os.open(self.blob, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        with open_ledger("sqlite:///.interlock/ledger.db", self.root) as ledger:
            self.deployment = [one for one in ledger.events() if one.event.type == "step.started"][-1].event.deployment
        return True

    def mend(self) -> None:
        """The file is a file again for whoever reads it from now on."""
        self.blob.unlink()
        self.blob.write_bytes(self.content)

    def open_gate(self) -> None:
        """The file is a file again, and a reader that waited gets its bytes."""
        self.mend()
        with contextlib.suppress(BrokenPipeError):
            os.write(self._gate, self.content)
        os.close(self._gate)

    def let_go(self) -> Said:
        """How the deployment ended, once nothing held it any more."""
        self.open_gate()
        return self.running.said()
