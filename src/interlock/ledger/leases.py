"""Fenced leases: one holder a scope, and a number that only grows to tell holders apart.

Times are PostgreSQL's own. On SQLite they are this machine's clock, but never earlier than any time that a lease was
renewed at: a clock that jumps back makes leases last longer and never ends one early. A clock that jumps ahead can end
one early; then the token decides, because whoever takes over gets a higher one, and the old holder can only ever find
out that it lost.
"""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from interlock.ledger import clock
from interlock.ledger.database import Database
from interlock.ledger.processes import provably_dead, this_process
from interlock.ledger.tables import LEASE
from interlock.model.canonical import canonical_json
from interlock.model.errors import FencedError, HeldError


@dataclass(frozen=True)
class Lease:
    """A holder's right to change a scope, valid for ``ttl`` seconds after it was acquired or last renewed.

    ``token`` is higher than that of every earlier lease on the scope. ``info`` says who holds it (host, pid, and
    whatever the holder added); times are text as in events.
    """

    scope: str
    holder: str
    token: int
    ttl: float
    acquired_at: str
    expires_at: str
    info: dict[str, Any] = field(default_factory=dict)


class Leases:
    """The leases of one ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, scope: str, holder: str, ttl: float, info: dict[str, Any] | None = None) -> Lease:
        """The lease on ``scope``, with a token never given before.

        Taken from a holder that released it, let it expire, or is dead beyond doubt (a process of this machine that
        ended). ``HeldError`` otherwise, also for the same ``holder`` name: two processes may resume one deployment.
        """
        with self._database.writing() as connection:
            row = _row(connection, scope)
            now = self._now(connection)
            if row is not None and row.holder:
                known = json.loads(row.info)
                if now < row.expires_at and not provably_dead(known):
                    raise _held(scope, row, known)
            token = 1 if row is None else row.token + 1
            lease = Lease(scope, holder, token, ttl, now, _later(now, ttl), {**this_process(), **(info or {})})
            values = {
                "holder": holder,
                "token": token,
                "acquired_at": now,
                "renewed_at": now,
                "expires_at": lease.expires_at,
                "info": canonical_json({**lease.info, "ttl": ttl}).decode(),
            }
            if row is None:
                connection.execute(insert(LEASE).values(scope=scope, **values))
            else:
                connection.execute(update(LEASE).where(LEASE.c.scope == scope).values(**values))
        return lease

    def renew(self, lease: Lease) -> Lease:
        """The same lease for another ``ttl`` from now; ``FencedError`` once it was taken over or released.

        A lease that expired and that nobody took (a laptop that slept) is still its holder's and can be renewed.
        """
        with self._database.writing() as connection:
            require(connection, lease)
            now = self._now(connection)
            expires = max(_later(now, lease.ttl), lease.expires_at)
            connection.execute(
                update(LEASE).where(LEASE.c.scope == lease.scope).values(renewed_at=now, expires_at=expires)
            )
        return Lease(lease.scope, lease.holder, lease.token, lease.ttl, lease.acquired_at, expires, lease.info)

    def check(self, lease: Lease) -> None:
        """The lease is ours and runs; ``FencedError`` when it was taken over or released. Renews one that expired."""
        with self._database.reading() as connection:
            row = require(connection, lease)
            runs = self._now(connection) < row.expires_at
        if not runs:
            self.renew(lease)

    def release(self, lease: Lease) -> None:
        """The scope is free, unless somebody else has taken it meanwhile; releasing twice is fine."""
        with self._database.writing() as connection:
            now = self._now(connection)
            connection.execute(
                update(LEASE)
                .where(LEASE.c.scope == lease.scope, LEASE.c.token == lease.token)
                .values(holder="", renewed_at=now, expires_at=now)
            )

    def current(self, scope: str) -> Lease | None:
        """Who holds ``scope``, or None. One that expired, or whose holder is dead, may be taken and counts as free."""
        with self._database.reading() as connection:
            row = _row(connection, scope)
            if row is None or not row.holder or self._now(connection) >= row.expires_at:
                return None
        info = json.loads(row.info)
        if provably_dead(info):
            return None
        ttl = info.pop("ttl", 0.0)
        return Lease(scope, row.holder, row.token, ttl, row.acquired_at, row.expires_at, info)

    def held(self, prefix: str) -> list[Lease]:
        """The leases on scopes that begin with ``prefix`` and that somebody alive holds, in the order of the scopes."""
        with self._database.reading() as connection:
            theirs = (LEASE.c.scope.startswith(prefix, autoescape=True), LEASE.c.holder != "")
            scopes = connection.execute(select(LEASE.c.scope).where(*theirs).order_by(LEASE.c.scope)).scalars().all()
        return [lease for scope in scopes if (lease := self.current(scope)) is not None]

    def _now(self, connection: Connection) -> str:
        now = self._database.now(connection)
        if not self._database.sqlite:
            return now
        latest = connection.execute(select(func.max(LEASE.c.renewed_at))).scalar_one()
        return max(now, latest or "")


def require(connection: Connection, lease: Lease) -> Row[Any]:
    """The row of ``lease``, which is the current one of its scope; ``FencedError`` otherwise."""
    row = _row(connection, lease.scope)
    if row is not None and row.token == lease.token and row.holder == lease.holder:
        return row
    if row is None or row.token == lease.token:
        now = "it was released"
    else:
        now = f"it went to {_who(row.holder, json.loads(row.info))}" if row.holder else "others held it since"
    raise FencedError(
        f"The lease on {lease.scope} (token {lease.token}) is lost: {now}.",
        remedy="Nothing more was changed here. See `interlock status`, and resume once the other deployment is over.",
    )


def _row(connection: Connection, scope: str) -> Row[Any] | None:
    return connection.execute(select(LEASE).where(LEASE.c.scope == scope)).one_or_none()


def _later(at: str, seconds: float) -> str:
    return clock.written(clock.read(at) + timedelta(seconds=seconds))


def _held(scope: str, row: Row[Any], info: dict[str, Any]) -> HeldError:
    return HeldError(
        f"{scope} is held by {_who(row.holder, info)} since {row.acquired_at}.",
        remedy=f"Wait for it to end, or end it. If its machine is gone, the lease ends at {row.expires_at}; then"
        " `interlock resume` takes over.",
        detail=f"token {row.token}",
    )


def _who(holder: str, info: dict[str, Any]) -> str:
    return f"{holder} (host {info.get('host', 'unknown')}, process {info.get('pid', 'unknown')})"
