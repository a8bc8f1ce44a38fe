"""The append-only, hash-chained record of events, the leases kept beside it, and the states folded from it."""

from interlock.ledger.chain import ChainProblem, Head
from interlock.ledger.export import verify_export
from interlock.ledger.leases import Lease, Leases
from interlock.ledger.projections import environment_state
from interlock.ledger.roles import grant_application_role
from interlock.ledger.store import Ledger, open_ledger

__all__ = [
    "ChainProblem",
    "Head",
    "Lease",
    "Leases",
    "Ledger",
    "environment_state",
    "grant_application_role",
    "open_ledger",
    "verify_export",
]
