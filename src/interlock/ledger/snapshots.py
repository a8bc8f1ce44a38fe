"""Stored states of environments, so that 100,000 events need not be read again. Each can be thrown away."""

import importlib
import json
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from interlock.ledger.projections import StateFold, state_fold_from
from interlock.ledger.tables import EVENT, PROJECTION


@dataclass
class Snapshot:
    """A fold with the last event that was looked at, and the number up to which it is stored."""

    fold: StateFold
    number: int = 0
    stored: int = 0


def load(connection: Connection, environment: str) -> Snapshot:
    """The stored snapshot, or an empty one where there is none that belongs to this very chain of events."""
    row = connection.execute(
        select(PROJECTION.c.number, PROJECTION.c.state)
        .join(EVENT, (EVENT.c.number == PROJECTION.c.number) & (EVENT.c.hash == PROJECTION.c.hash))
        .where(PROJECTION.c.environment == environment)
    ).one_or_none()
    if row is None:
        return Snapshot(StateFold(environment))
    try:
        return Snapshot(state_fold_from(json.loads(row.state)), row.number, row.number)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Snapshot(StateFold(environment))


def store(connection: Connection, snapshot: Snapshot, chain_hash: str) -> None:
    """The snapshot is stored, unless a later one is there already."""
    # Whatever needs SQLite alone does not wait for the other dialect.
    dialect = importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    statement = dialect.insert(PROJECTION).values(
        environment=snapshot.fold.environment, number=snapshot.number, hash=chain_hash, state=snapshot.fold.to_text()
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[PROJECTION.c.environment],
            set_={name: statement.excluded[name] for name in ("number", "hash", "state")},
            where=PROJECTION.c.number < statement.excluded.number,
        )
    )
    snapshot.stored = snapshot.number


def forget(connection: Connection) -> None:
    """No snapshot is stored."""
    connection.execute(delete(PROJECTION))
