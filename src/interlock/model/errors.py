"""Every failure that Interlock raises on purpose.

The tree (exit code in brackets)::

    InterlockError [70]
    ├── UsageError [2]               the command line makes no sense
    │   └── ConfigError [2]          interlock.yaml or a project file is wrong; carries places
    ├── RefusedError [1]             the answer is no: findings, a failed gate, a tampered bundle
    │   ├── TamperedError            bytes are not what their digest says
    │   ├── StaleError               what was looked at has moved since
    │   └── GateFailedError          a gate said no; the deployment was turned round
    ├── WaitingError [3]             a person or a window is awaited
    ├── HeldError [4]                another deployment, or another process, holds what is needed
    │   └── FencedError              our lease was taken over; nothing may be changed any more
    ├── UnreachableError [5]         a system did not answer (transient)
    │   └── WarehouseError           the warehouse refused or vanished
    ├── RuntimeBuildError [1]        a runtime could not be locked or built
    └── WorkerError [1]              a worker inside a project runtime died or answered nonsense

``transient`` says whether trying the same again may succeed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A range of lines in a file of the project. ``line`` counts from 1; 0 means the whole file."""

    path: str
    line: int = 0
    end_line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


class InterlockError(Exception):
    """A failure with a remedy. Raised as such only for defects of Interlock itself."""

    exit_code = 70
    transient = False

    def __init__(self, summary: str, *, remedy: str = "", detail: str = "", place: Place | None = None) -> None:
        super().__init__(summary)
        self.summary = summary
        self.remedy = remedy
        self.detail = detail
        self.place = place


class UsageError(InterlockError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file is wrong; ``problems`` holds one line per mistake, with its place."""

    def __init__(self, summary: str, *, problems: tuple[str, ...] = (), **rest: object) -> None:
        super().__init__(summary, **rest)  # type: ignore[arg-type]
        self.problems = problems


class RefusedError(InterlockError):
    """The answer is no."""

    exit_code = 1


class TamperedError(RefusedError):
    """Stored bytes do not match their digest, or an archive holds what it must not."""


class StaleError(RefusedError):
    """What was looked at has moved since: the environment that a plan was made for, files that were checked."""


class GateFailedError(RefusedError):
    """A gate said no."""


class WaitingError(InterlockError):
    """A person or a release window is awaited."""

    exit_code = 3


class HeldError(InterlockError):
    """Somebody else holds what is needed; the message names the holder."""

    exit_code = 4
    transient = True


class FencedError(HeldError):
    """The lease was lost to another holder: this process may change nothing any more."""

    transient = False


class UnreachableError(InterlockError):
    """A system did not answer."""

    exit_code = 5
    transient = True


class WarehouseError(UnreachableError):
    """The warehouse refused a statement, or is not there."""


class RuntimeBuildError(InterlockError):
    """A runtime could not be locked or built."""

    exit_code = 1


class WorkerError(InterlockError):
    """A worker process died, hung beyond its limit, or answered nonsense."""

    exit_code = 1
