"""Looking at the whole ledger with distrust."""

import json
from collections.abc import Iterator

from sqlalchemy import Connection, select

from interlock.ledger.chain import ChainProblem, Head, find_problems
from interlock.ledger.migrations.m0001_events import GUARDS
from interlock.ledger.projections import STATE_TYPES, StateFold
from interlock.ledger.records import RawEvent, recorded
from interlock.ledger.tables import ANCHOR, EVENT, PROJECTION
from interlock.model.errors import TamperedError

_STATE_NAMES = frozenset(kind.value for kind in STATE_TYPES)


def all_rows(connection: Connection) -> Iterator[RawEvent]:
    """Every row of events as it is, by number, a few at a time in memory."""
    stream = connection.execution_options(yield_per=2000).execute(select(EVENT).order_by(EVENT.c.number))
    for row in stream:
        yield RawEvent(*row)


def problems(connection: Connection, expected_head: Head | None) -> list[ChainProblem]:
    """What is wrong with the guards, the chain, its end and the stored states."""
    found = [*_file(connection), *_guards(connection)]
    anchors = {row.number: row.hash for row in connection.execute(select(ANCHOR))}
    folds = _Folds(connection)
    chain = find_problems(folds.watch(all_rows(connection)), anchors, expected_head)
    # Against a broken chain no state can be right or wrong.
    return [*found, *chain, *([] if chain else folds.problems())]


def _file(connection: Connection) -> Iterator[ChainProblem]:
    if connection.dialect.name == "sqlite":
        said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if said != "ok":
            yield ChainProblem(0, "unreadable", f"the database file is damaged: {said}")


def _guards(connection: Connection) -> Iterator[ChainProblem]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = (
            "SELECT tgname FROM pg_trigger WHERE tgrelid IN ('event'::regclass, 'anchor'::regclass)"
            " AND tgenabled IN ('O', 'A')"
        )
    there = set(connection.exec_driver_sql(query).scalars())
    for guard in sorted(GUARDS - there):
        yield ChainProblem(0, "unprotected", f"the trigger {guard} is missing or switched off")


class _Folds:
    """The stored states, each folded again up to the event that it was stored at."""

    def __init__(self, connection: Connection) -> None:
        self._stored = list(connection.execute(select(PROJECTION)))
        self._folds = {row.environment: StateFold(row.environment) for row in self._stored}
        self._until = {row.environment: row.number for row in self._stored}
        self._hashes: dict[int, str] = dict.fromkeys(self._until.values(), "")

    def watch(self, rows: Iterator[RawEvent]) -> Iterator[RawEvent]:
        for row in rows:
            yield row
            if row.number in self._hashes:
                self._hashes[row.number] = row.hash
            if row.type in _STATE_NAMES and row.number <= self._until.get(row.environment, 0):
                try:
                    self._folds[row.environment].apply(recorded(row))
                except (TamperedError, KeyError, TypeError):
                    continue  # the chain's own check says it better

    def problems(self) -> Iterator[ChainProblem]:
        for row in self._stored:
            if self._hashes[row.number] != row.hash:
                why = "was stored for another chain of events"
            elif not _same(self._folds[row.environment], row.state):
                why = "is not what its events add up to"
            else:
                continue
            yield ChainProblem(row.number, "projection", f"the stored state of {row.environment} {why}")


def _same(fold: StateFold, text: str) -> bool:
    try:
        return bool(json.loads(text) == json.loads(fold.to_text()))
    except ValueError:
        return False
