"""The hash chain: what is wrong with a sequence of rows. Pure.

What can be found. Each row's hash covers its content, its number and the hash before it, so a change, a gap, a swap or
an insertion in the middle shows. Each append also leaves an *anchor* (number and hash of its last event): events cut
off at the end, or a chain that was computed anew, contradict it. Somebody who may rewrite both tables can still make a
ledger that is consistent in itself; only a head kept elsewhere (``expected_head``, an export, a ticket) shows that.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from interlock.ledger.records import NOTHING_BEFORE, RawEvent

MOST_PROBLEMS = 1000
_MOST_PLACES = 200  # how many places a displaced row is tried at


@dataclass(frozen=True)
class Head:
    """The end of the chain: the last event's number (0 for an empty ledger), its hash and its time."""

    number: int = 0
    hash: str = NOTHING_BEFORE
    at: str = ""


@dataclass(frozen=True)
class ChainProblem:
    """One thing that is wrong. ``number`` is the event it is about (0: the whole ledger).

    ``kind`` is ``changed``, ``removed``, ``reordered``, ``inserted``, ``unprotected`` (a guard of the database is
    missing), ``projection`` (stored state is not what the events add up to) or ``unreadable``.
    """

    number: int
    kind: str
    why: str


def find_problems(
    rows: Iterable[RawEvent], anchors: Mapping[int, str] | None = None, expected_head: Head | None = None
) -> list[ChainProblem]:
    """All problems of ``rows`` by number, at most ``MOST_PROBLEMS``; without ``anchors`` the end is not checked."""
    check = _Check(anchors, expected_head)
    for row in rows:
        check.row(row)
        if len(check.problems) + len(check.displaced) >= MOST_PROBLEMS:
            break
    else:
        check.end()
    return sorted([*check.problems, *check.explained()], key=lambda p: (p.number, p.kind))


class _Check:
    def __init__(self, anchors: Mapping[int, str] | None, expected_head: Head | None) -> None:
        self.problems: list[ChainProblem] = []
        self.displaced: list[RawEvent] = []  # rows that are not what their hash says
        self._anchors = anchors
        self._last_anchor = max(anchors, default=0) if anchors is not None else 0
        self._head = expected_head
        self._number = 0
        self._hash: str | None = NOTHING_BEFORE  # None: the row before is known to be wrong, or not there
        self._blamed = 0

    def row(self, row: RawEvent) -> None:
        if not isinstance(row.number, int) or row.number <= self._number:
            self._say(self._number, "reordered", f"event {row.number} stands after event {self._number}")
            return
        if row.number > self._number + 1:
            for number in _some(range(self._number + 1, row.number)):
                self._say(number, "removed", "there is no such event any more, and a later one is there")
            self._hash = None
        sound = row.hashed() == row.hash
        if not sound:
            self.displaced.append(row)
        elif self._hash is not None and row.previous != self._hash:
            if self._number == 0:
                self._say(row.number, "removed", "the first event follows one that is not there")
            elif self._number != self._blamed:
                self._say(
                    self._number,
                    "changed",
                    f"event {row.number} follows another event than this one: it was replaced, hash and all",
                )
        if sound:
            self._against_witnesses(row)
        self._number, self._hash = row.number, row.hash
        if not sound:
            self._blamed = row.number

    def _against_witnesses(self, row: RawEvent) -> None:
        if self._anchors is not None:
            if row.number > self._last_anchor:
                self._say(row.number, "inserted", "no append of Interlock's put it there")
            elif self._anchors.get(row.number, row.hash) != row.hash:
                self._say(row.number, "changed", "when it was appended it had another hash")
                self._blamed = row.number
        head = self._head
        if head is not None and row.number == head.number and row.hash != head.hash:
            self._say(row.number, "changed", "it is not the event that the expected head names")

    def end(self) -> None:
        last = max(self._last_anchor, self._head.number if self._head else 0)
        for number in _some(range(self._number + 1, last + 1)):
            self._say(number, "removed", "it was recorded at the end of the ledger and is not there any more")

    def explained(self) -> Iterator[ChainProblem]:
        """For each row that is not what its hash says: changed, or another row's place?"""
        places = [row.number for row in self.displaced[:_MOST_PLACES]]
        recorded_as: dict[int, int] = {}
        for row in self.displaced:
            tried = {*places, *range(max(1, row.number - 3), row.number + 4)} - {row.number}
            was = next((place for place in sorted(tried) if row.hash and row.hashed(number=place) == row.hash), None)
            if was is None:
                yield ChainProblem(row.number, "changed", "its content is not what its hash says")
            else:
                recorded_as[row.number] = was
                yield ChainProblem(row.number, "reordered", f"it was recorded as event {was}")
        yield from self._causes(recorded_as)

    def _causes(self, recorded_as: dict[int, int]) -> Iterator[ChainProblem]:
        """What moved other rows: an event whose place was taken and that stands nowhere, one that took a place."""
        found = set(recorded_as.values())
        for place in sorted(set(recorded_as) - found):
            if place < max(found):
                yield ChainProblem(place, "removed", "another event stands in its place, and it stands nowhere")
        displaced = {row.number for row in self.displaced}
        for place in sorted(found - displaced):
            if place <= self._number:
                yield ChainProblem(place, "inserted", "the event that was recorded in its place stands elsewhere")

    def _say(self, number: int, kind: str, why: str) -> None:
        self.problems.append(ChainProblem(number, kind, why))


def _some(numbers: range) -> Iterator[int]:
    """The numbers, or the first hundred of very many."""
    yield from numbers[:100]
