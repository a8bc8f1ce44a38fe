"""What a change of a schema means for those who read and write with the other version.

``backward``: the new schema reads what the old one wrote, so consumers can go first. ``forward``: the old schema reads
what the new one writes, so producers can go first. None: this cannot be known, and is said so instead of guessed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

_Schema = TypeVar("_Schema")


class Mode(StrEnum):
    """The compatibility that a subject promises. ``_TRANSITIVE``: with every earlier version, not only the last."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


@dataclass(frozen=True)
class Change:
    """One difference. ``path`` is dotted and names fields (``customer.address``); "" is the schema itself.

    ``what`` says it in words. ``logical``: every checker calls it compatible, yet values mean something else then.
    ``kind`` tells differences apart for whoever weighs them ("removed", "type", ...).
    """

    path: str
    what: str
    backward: bool | None
    forward: bool | None
    note: str = ""
    kind: str = ""
    logical: bool = False

    @property
    def unknown(self) -> bool:
        """Whether nothing can be said of one direction."""
        return self.backward is None or self.forward is None


def holds(changes: Iterable[Change], mode: Mode) -> bool | None:
    """Whether the changes keep what ``mode`` promises. None: nothing is broken for certain, but not all is known."""
    answers: list[bool | None] = []
    for change in changes:
        if not mode.startswith("FORWARD") and mode is not Mode.NONE:
            answers.append(change.backward)
        if not mode.startswith("BACKWARD") and mode is not Mode.NONE:
            answers.append(change.forward)
    if False in answers:
        return False
    return None if None in answers else True


def versions_hold(
    versions: Sequence[_Schema], new: _Schema, mode: Mode, changes: Callable[[_Schema, _Schema], Iterable[Change]]
) -> bool | None:
    """Whether ``new`` may follow ``versions`` (oldest first) under ``mode``."""
    against = versions if mode.endswith("_TRANSITIVE") else versions[-1:]
    answers = [holds(changes(old, new), mode) for old in against]
    if False in answers:
        return False
    return None if None in answers else True
