"""A disk of a few megabytes that fills up: a file system in memory, in a mount namespace of its own."""

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_HOLD = 'mount -t tmpfs -o "size=$1" none "$2" && echo ready && exec cat'


class SmallDisk:
    """``folder`` is the disk for every command that is run with ``inside``; ``seen`` is the same folder for the test.

    The test is skipped where an ordinary account may make no mount namespace.
    """

    def __init__(self, folder: Path, size: str) -> None:
        folder.mkdir()
        self.folder = folder
        self._size = size

    def __enter__(self) -> Self:
        if (
            shutil.which("nsenter") is None
            or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode
        ):
            pytest.skip("this system lets an ordinary account make no mount namespace")
        self._holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", _HOLD, "sh", self._size, str(self.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        pid = str(self._holder.pid)
        self.inside = ["nsenter", "--preserve-credentials", "-U", "-m", "-t", pid]
        self.seen = Path(f"/proc/{pid}/root{self.folder}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.kill()
        self._holder.communicate()

    def fill(self, leave: int) -> None:
        """Only ``leave`` bytes are free."""
        self.free()
        with (self.seen / "filler").open("wb") as file:
            file.write(b"x" * max(0, shutil.disk_usage(self.seen).free - leave))

    def free(self) -> None:
        """What filled the disk is gone."""
        (self.seen / "filler").unlink(missing_ok=True)
