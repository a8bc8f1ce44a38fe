"""Holding an environment: one deployment at a time, and one that lost its hold changes nothing."""

import contextlib
import threading
from types import TracebackType
from typing import Self

from interlock.ledger import Lease, Ledger
from interlock.model.errors import FencedError, HeldError, InterlockError, UnreachableError

TTL_SECONDS = 30.0


def scope_of(project: str, environment: str) -> str:
    """The lease's scope: an environment of a project."""
    return f"{project}/{environment}"


class Holding:
    """A lease that renews itself while the block runs. ``HeldError`` on entry when somebody else holds the scope."""

    def __init__(self, ledger: Ledger, scope: str, holder: str) -> None:
        self._ledger = ledger
        self._scope = scope
        self._holder = holder
        self._lost: InterlockError | None = None
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self.lease: Lease = self._ledger.leases.acquire(self._scope, self._holder, TTL_SECONDS)
        self._thread = threading.Thread(target=self._keep, name="interlock-lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        with contextlib.suppress(InterlockError):  # it expires by itself
            self._ledger.leases.release(self.lease)

    def fence(self) -> None:
        """Returns only while the lease is ours; ``FencedError`` otherwise, ``UnreachableError`` if nobody can tell."""
        if isinstance(self._lost, FencedError):
            raise self._lost
        self._ledger.leases.check(self.lease)

    def _keep(self) -> None:
        while not self._ended.wait(TTL_SECONDS / 3):
            try:
                self._ledger.leases.renew(self.lease)
            except FencedError as error:
                self._lost = error
                return
            except (UnreachableError, HeldError):
                continue  # away, or busy with another's writing: the next fence decides
