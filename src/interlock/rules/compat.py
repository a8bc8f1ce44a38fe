"""What a change of a schema means for those who read and write with the other version.

``backward``: the new schema reads what the old one wrote, so consumers can go first. ``forward``: the old schema reads
what the new one writes, so producers can go first. None: this cannot be known, and is said so instead of guessed.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from interlock.model.compatibility import Mode


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
        if mode.backward:
            answers.append(change.backward)
        if mode.forward:
            answers.append(change.forward)
    if False in answers:
        return False
    return None if None in answers else True
