"""The ledger: an append-only, hash-chained record of events in SQLite or PostgreSQL."""

import contextlib
import threading
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Select, insert, select

from interlock.ledger import audit, snapshots
from interlock.ledger.chain import ChainProblem, Head
from interlock.ledger.clock import Clock, wall_clock
from interlock.ledger.database import Database, open_database
from interlock.ledger.export import write_export
from interlock.ledger.leases import Lease, Leases, require
from interlock.ledger.projections import STATE_TYPES, StateFold
from interlock.ledger.records import RawEvent, as_recorded, data_text, raw_event, recorded
from interlock.ledger.snapshots import Snapshot
from interlock.ledger.tables import ANCHOR, EVENT
from interlock.model.errors import InterlockError, TamperedError, UnreachableError
from interlock.model.events import Event, EventType, Recorded
from interlock.model.state import EnvironmentState

_PAGE = 2000  # events read at a time: no transaction stays open while a caller works through them
_STORE_AFTER = 500  # events after which a state is worth storing again


def open_ledger(url: str, root: Path, create: bool = True, *, clock: Clock = wall_clock) -> "Ledger":
    """The ledger that ``url`` names, migrated; ``sqlite:///relative.db`` counts from ``root``.

    ``ConfigError`` for a wrong URL, a missing ledger (with ``create`` false) or one of a newer Interlock;
    ``UnreachableError`` for a server that does not answer; ``TamperedError`` for a damaged file. ``clock`` is the
    machine's, and only used with SQLite.
    """
    return Ledger(open_database(url, root, create=create, clock=clock))


class Ledger:
    """One ledger. Threads may share it; a child process opens its own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._states: dict[str, Snapshot] = {}
        self._states_lock = threading.Lock()

    @cached_property
    def leases(self) -> Leases:
        """The leases kept beside the events."""
        return Leases(self.database)

    def append(self, events: Sequence[Event], *, fence: Lease | None = None) -> list[Recorded]:
        """All of ``events`` are in the ledger, in their order, numbered without gaps, in one transaction; or none is.

        With ``fence`` they are only written while that lease is the current one (``FencedError``), which the same
        transaction makes sure of. Times never go backwards, whatever the clock does. ``InterlockError`` for data that
        is no JSON or larger than 32 MiB; ``HeldError`` when another writer did not end in time; ``UnreachableError``
        when the disk is full or the server gone.
        """
        texts = [data_text(event) for event in events]
        if not events:
            return []
        rows: list[RawEvent] = []
        try:
            with self.database.writing() as connection:
                if fence is not None:
                    require(connection, fence)
                head = _sound_head(connection)
                at = max(self.database.now(connection), head.at)
                for event, text in zip(events, texts, strict=True):
                    before = rows[-1] if rows else head
                    rows.append(raw_event(event, text, before.number + 1, at, before.hash))
                connection.execute(insert(EVENT), [row._asdict() for row in rows])
                connection.execute(insert(ANCHOR), {"number": rows[-1].number, "hash": rows[-1].hash})
        except UnreachableError:
            # The connection may have broken after the server committed and before it could say so.
            if not rows or not self._landed(rows[-1]):
                raise
        return [as_recorded(event, row) for event, row in zip(events, rows, strict=True)]

    def events(
        self,
        after: int = 0,
        environment: str | None = None,
        deployment: str | None = None,
        types: Collection[EventType] | None = None,
        limit: int | None = None,
    ) -> Iterator[Recorded]:
        """Events with a number above ``after``, oldest first, that fit every given filter; at most ``limit``.

        Events appended while the caller reads may or may not be among them. ``TamperedError`` for one that cannot
        be read.
        """
        query = select(EVENT).order_by(EVENT.c.number)
        if environment is not None:
            query = query.where(EVENT.c.environment == environment)
        if deployment is not None:
            query = query.where(EVENT.c.deployment == deployment)
        if types is not None:
            query = query.where(EVENT.c.type.in_([kind.value for kind in types]))
        left = limit
        while left is None or left > 0:
            size = _PAGE if left is None else min(_PAGE, left)
            page = self._page(query.where(EVENT.c.number > after).limit(size))
            for row in page:
                yield recorded(row)
            if len(page) < size:
                return
            after = page[-1].number
            left = None if left is None else left - size

    def head(self) -> Head:
        """The end of the chain. Kept elsewhere, it lets ``verify`` find what nothing inside the ledger can show."""
        with self.database.reading() as connection:
            return _head(connection)

    def state(self, environment: str) -> EnvironmentState:
        """What is live in ``environment`` now; reads only the events since it was last asked or stored."""
        with self._states_lock:
            known = self._states.get(environment)
            with self.database.reading() as connection:
                snapshot = known or snapshots.load(connection, environment)
                head = _head(connection)
            self._catch_up(snapshot, head)
            self._states[environment] = snapshot
            return snapshot.fold.state()

    def rebuild(self) -> list[str]:
        """Every stored state is thrown away and folded anew from the first event; the environments it was done for."""
        with self._states_lock:
            self._states.clear()
            with self.database.writing() as connection:
                snapshots.forget(connection)
                head = _head(connection)
                query = select(EVENT.c.environment).where(EVENT.c.type.in_([t.value for t in STATE_TYPES])).distinct()
                found = sorted(connection.execute(query).scalars())
            for environment in found:
                snapshot = Snapshot(StateFold(environment))
                self._catch_up(snapshot, head, store=True)
                self._states[environment] = snapshot
            return found

    def verify(self, expected_head: Head | None = None) -> list[ChainProblem]:
        """Everything that is wrong with the ledger, [] when it is whole: see ``chain`` for what can be found.

        ``expected_head`` is a head that was kept elsewhere; events after it are fine. ``TamperedError`` where the
        database cannot even be read.
        """
        with self.database.reading() as connection:
            return audit.problems(connection, expected_head)

    def export(self, path: Path) -> Head:
        """``path`` holds every event as JSON lines, for ``verify_export``; the head that the file ends with."""
        with self.database.reading() as connection:
            head = _head(connection)
            write_export(path, head, audit.all_rows(connection))
        return head

    def close(self) -> None:
        """The connections are closed."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _page(self, query: Select[Any]) -> list[RawEvent]:
        with self.database.reading() as connection:
            return [RawEvent(*row) for row in connection.execute(query)]

    def _landed(self, row: RawEvent) -> bool:
        with self.database.reading() as connection:
            found = connection.execute(select(EVENT.c.hash).where(EVENT.c.number == row.number)).scalar()
        return found == row.hash

    def _catch_up(self, snapshot: Snapshot, head: Head, *, store: bool = False) -> None:
        if head.number > snapshot.number:
            for fact in self.events(snapshot.number, snapshot.fold.environment, types=STATE_TYPES):
                if fact.number > head.number:
                    break  # appended meanwhile: the next call takes it, together with the head it belongs to
                snapshot.fold.apply(fact)
            snapshot.number = head.number
        if store or (self.database.writable and snapshot.number - snapshot.stored >= _STORE_AFTER):
            # Storing saves time later and nothing else: a role that may only read does without.
            with contextlib.suppress(InterlockError), self.database.writing() as connection:
                snapshots.store(connection, snapshot, head.hash)


def _head(connection: Connection) -> Head:
    query = select(EVENT.c.number, EVENT.c.hash, EVENT.c.at).order_by(EVENT.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return Head(*row) if row is not None else Head()


def _sound_head(connection: Connection) -> Head:
    """The head, which the last anchor agrees with: else appending would bury that events were removed."""
    head = _head(connection)
    query = select(ANCHOR.c.number, ANCHOR.c.hash).order_by(ANCHOR.c.number.desc()).limit(1)
    anchor = connection.execute(query).one_or_none()
    if (head.number, head.hash) != (tuple(anchor) if anchor is not None else (0, Head().hash)):
        raise TamperedError(
            f"The end of the ledger was changed: the last event is {head.number},"
            f" and {anchor.number if anchor else 0} were recorded.",
            remedy="Nothing was recorded. `interlock audit verify` says what is wrong; restore a backup.",
        )
    return head
