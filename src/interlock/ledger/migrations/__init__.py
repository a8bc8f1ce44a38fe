"""Numbered migrations of the ledger's database, oldest first. One that has been released never changes again."""

from collections.abc import Callable

from sqlalchemy import Connection

from interlock.ledger.migrations import m0001_events, m0002_leases, m0003_projections

MIGRATIONS: tuple[tuple[int, Callable[[Connection], None]], ...] = (
    (1, m0001_events.upgrade),
    (2, m0002_leases.upgrade),
    (3, m0003_projections.upgrade),
)
LATEST = MIGRATIONS[-1][0]
