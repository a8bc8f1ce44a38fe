"""What a runtime is declared to be, before anything is built."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from interlock.model.errors import ConfigError


@dataclass(frozen=True)
class RuntimeSpec:
    """One entry of ``runtimes:``: either a Python version with a lock, or an existing interpreter."""

    name: str
    python: str | None = None
    lock: Path | None = None
    requirements: Path | None = None
    interpreter: Path | None = None


def normalised_lock(text: str) -> str:
    """The lines of a lock that say what is installed: no comments, no blank lines, no indentation."""
    lines = []
    for line in text.splitlines():
        # A hash sign inside a requirement (a URL fragment) has no space before it, a comment has.
        content = "" if line.lstrip().startswith("#") else line.split(" #", 1)[0]
        if content.strip():
            lines.append(" ".join(content.split()))
    return "\n".join(lines) + "\n"


def lock_digest(spec: RuntimeSpec) -> str:
    """The lock's content as 64 hexadecimal digits; comments, blank lines and indentation do not count.

    Raises ConfigError when the runtime has no lock, or when the lock cannot be read.
    """
    if spec.lock is None:
        raise ConfigError(
            f"runtime '{spec.name}' has no lock",
            remedy=f"Give runtimes.{spec.name}.lock a path, then run `interlock lock {spec.name}`.",
        )
    try:
        text = spec.lock.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            f"the lock of runtime '{spec.name}' is not there: {spec.lock}",
            remedy=f"Write it with `interlock lock {spec.name}` and commit it.",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the lock of runtime '{spec.name}' cannot be read: {spec.lock}",
            remedy=f"Write it anew with `interlock lock {spec.name}`.",
            detail=str(error),
        ) from error
    return hashlib.sha256(normalised_lock(text).encode()).hexdigest()
