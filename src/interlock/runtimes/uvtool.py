"""Runs uv, and turns what it says into errors with a remedy."""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from interlock.model.errors import RuntimeBuildError

Progress = Callable[[str], None]

_NO_SPACE = ("No space left on device", "os error 28", "Disk quota exceeded")
_NO_INDEX = ("dns error", "error sending request", "Failed to fetch", "Name or service not known", "timed out")
_NOT_ASKED = ("network was disabled", "could not be queried", "Request failed", "Unauthorized", "Forbidden")
_BAD_HASH = ("Hash mismatch", "--require-hashes", "hash mismatch")


def run_uv(arguments: Sequence[str], *, cwd: Path, what: str, progress: Progress | None = None) -> str:
    """What uv printed on standard output. Each line it writes for people goes to ``progress`` as it comes.

    Raises RuntimeBuildError with uv's own explanation when uv fails.
    """
    import uv

    said: list[str] = []
    try:
        process = subprocess.Popen(
            [*_tied_to_us(), uv.find_uv_bin(), *arguments], cwd=cwd, env=_environment(), text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except OSError as error:
        raise RuntimeBuildError(
            f"{what}: uv could not be started", remedy=_remedy(str(error), cwd), detail=str(error)
        ) from error
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if progress is not None and line.strip():
                progress(line.strip())
    text = "".join(said)
    if process.returncode != 0:
        raise RuntimeBuildError(f"{what} failed", remedy=_remedy(text, cwd), detail=text.strip()[-8000:])
    return text


@dataclass(frozen=True)
class Said:
    """What uv printed and how it ended. ``words`` are for people; ``code`` is None when its time ran out."""

    code: int | None
    output: str = ""
    words: str = ""


def ask_uv(arguments: Sequence[str], *, cwd: Path, seconds: float, given: str = "", env: Mapping[str, str]) -> Said:
    """What uv answers to a question that may well have no answer: nothing is raised, and ``seconds`` are the limit.

    ``given`` is its standard input; ``env`` are variables of environment that it gets besides those of this process.
    """
    import uv

    command = [*_tied_to_us(), uv.find_uv_bin(), *arguments]
    try:
        done = subprocess.run(
            command, cwd=cwd, env={**_environment(), **env}, input=given.encode(), capture_output=True, check=False,
            timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Said(None)
    except OSError as error:
        return Said(127, words=str(error))
    return Said(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


def is_unreachable(words: str) -> bool:
    """Whether uv failed because an index did not answer, or did not let it in."""
    return any(mark in words for mark in (*_NO_INDEX, *_NOT_ASKED))


def _environment() -> dict[str, str]:
    """This process's environment without the virtual environment that happens to be active: it is not the one meant."""
    env = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "CONDA_PREFIX"}}
    return env | {"NO_COLOR": "1"}


@functools.cache
def _tied_to_us() -> tuple[str, ...]:
    """A command prefix that ends uv together with this process, where there is one.

    Without it, a uv whose Interlock was killed goes on filling a folder that nobody will ever point to.
    """
    setpriv = shutil.which("setpriv")
    prefix = (setpriv or "", "--pdeathsig", "KILL")
    if setpriv is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        return ()
    return prefix


def _remedy(text: str, folder: Path) -> str:
    """What a person can do about uv's words."""
    if any(mark in text for mark in _NO_SPACE):
        return f"The disk is full: free space under {folder}, or point INTERLOCK_CACHE at a larger disk, and try again."
    if "No solution found" in text:
        return "The requirements contradict each other: relax or remove one of the versions named in the detail."
    if any(mark in text for mark in _BAD_HASH):
        return "A package differs from its hash in the lock: write the lock anew only if you trust the new package."
    if any(mark in text for mark in _NO_INDEX):
        return "The package index did not answer: check the network and uv's index settings, then try again."
    return "Read uv's explanation in the detail; nothing was changed, so it is safe to try again."
