"""Holding an environment: renewed while the work runs, lost without harm, and deaf to a clock that jumps."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from interlock.engine import holding as holding_module
from interlock.engine.holding import Holding, scope_of
from interlock.ledger.store import Ledger, open_ledger
from interlock.model.errors import FencedError, HeldError, UnreachableError
from interlock.model.events import Event, EventType

SCOPE = scope_of("shop", "prod")
FACT = Event(EventType.RELEASE_BUILT, "", "", "ada", {})


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def jump(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    with open_ledger("sqlite:///ledger.db", tmp_path, clock=clock) as opened:
        yield opened


@pytest.fixture
def renewals(ledger: Ledger, monkeypatch):
    """Renewals happen at once, one after the other; the semaphore counts them."""
    monkeypatch.setattr(holding_module, "TTL_SECONDS", 0.03)
    done = threading.Semaphore(0)
    renew = ledger.leases.renew

    def counted(lease):
        try:
            return renew(lease)
        finally:
            done.release()

    ledger.leases.renew = counted
    return done


def test_environment_is_held_while_the_block_runs_and_free_afterwards(ledger):
    with Holding(ledger, SCOPE, "d1") as holding:
        holding.fence()
        assert ledger.leases.current(SCOPE).holder == "d1"
    assert ledger.leases.current(SCOPE) is None


def test_environment_is_free_after_a_failure_in_the_block(ledger):
    with pytest.raises(RuntimeError), Holding(ledger, SCOPE, "d1"):
        raise RuntimeError
    assert ledger.leases.current(SCOPE) is None


def test_second_holder_is_refused_and_told_who_holds_it(ledger):
    with Holding(ledger, SCOPE, "d1"):
        with pytest.raises(HeldError, match="d1"), Holding(ledger, SCOPE, "d2"):
            raise AssertionError("never gets here")
        with Holding(ledger, scope_of("shop", "dev"), "d2"):
            pass  # another environment is another matter
        assert ledger.leases.current(SCOPE).holder == "d1", "the refused one left it alone"


def test_lease_is_renewed_as_long_as_the_work_runs(ledger, clock, renewals):
    with Holding(ledger, SCOPE, "d1") as holding:
        first = ledger.leases.current(SCOPE).expires_at
        clock.jump(0.02)
        assert renewals.acquire(timeout=10) and renewals.acquire(timeout=10)
        assert ledger.leases.current(SCOPE).expires_at > first
        holding.fence()


def test_renewals_end_with_the_block(ledger, renewals):
    with Holding(ledger, SCOPE, "d1") as holding:
        assert renewals.acquire(timeout=10)
    assert not holding._thread.is_alive()


def test_lease_that_was_taken_over_is_noticed_by_fence_and_ledger(ledger, clock):
    with Holding(ledger, SCOPE, "d1") as holding:
        ledger.leases.release(holding.lease)
        other = ledger.leases.acquire(SCOPE, "d2", 30)
        with pytest.raises(FencedError, match="d2"):
            holding.fence()
        with pytest.raises(FencedError):
            ledger.append([FACT], fence=holding.lease)
    assert ledger.leases.current(SCOPE).token == other.token, "leaving does not end the other's hold"


def test_loss_that_a_renewal_noticed_stays_even_if_the_scope_is_free_again(ledger, renewals):
    with Holding(ledger, SCOPE, "d1") as holding:
        ledger.leases.release(holding.lease)
        ledger.leases.release(ledger.leases.acquire(SCOPE, "d2", 30))
        holding._thread.join(timeout=10)
        assert not holding._thread.is_alive(), "nothing is renewed any more"
        with pytest.raises(FencedError):
            holding.fence()


def test_laptop_that_slept_goes_on_if_nobody_took_over(ledger, clock):
    with Holding(ledger, SCOPE, "d1") as holding:
        clock.jump(8 * 3600)
        assert ledger.leases.current(SCOPE) is None
        holding.fence()
        assert ledger.leases.current(SCOPE).holder == "d1", "the fence renewed it"


def test_laptop_that_slept_changes_nothing_if_somebody_took_over(ledger, clock):
    with Holding(ledger, SCOPE, "d1") as holding:
        clock.jump(8 * 3600)
        ledger.leases.acquire(SCOPE, "d2", 30)
        with pytest.raises(FencedError):
            holding.fence()


@pytest.mark.parametrize("seconds", [-3600, -1, 1, 29])
def test_small_or_backward_jump_of_the_clock_ends_no_lease(ledger, clock, seconds):
    with Holding(ledger, SCOPE, "d1") as holding:
        clock.jump(seconds)
        holding.fence()
        with pytest.raises(HeldError):
            ledger.leases.acquire(SCOPE, "d2", 30)


def test_ledger_that_does_not_answer_for_a_moment_does_not_end_the_renewals(ledger, renewals, monkeypatch):
    """As when PostgreSQL restarts: the next renewal, or the next fence, decides."""
    renew, left = ledger.leases.renew, [UnreachableError("restarting")] * 2

    def shaky(lease):
        if left:
            raise left.pop()
        return renew(lease)

    ledger.leases.renew = shaky
    with Holding(ledger, SCOPE, "d1") as holding:
        assert renewals.acquire(timeout=10)
        holding.fence()


def test_ledger_that_is_busy_for_a_moment_does_not_end_the_renewals(ledger, renewals):
    renew, left = ledger.leases.renew, [HeldError("another process has been writing the ledger for too long")]

    def busy(lease):
        if left:
            raise left.pop()
        return renew(lease)

    ledger.leases.renew = busy
    with Holding(ledger, SCOPE, "d1"):
        assert renewals.acquire(timeout=2)


def test_fence_says_that_nobody_can_tell_when_the_ledger_is_away(ledger, monkeypatch):
    with Holding(ledger, SCOPE, "d1") as holding:

        def away(lease):
            raise UnreachableError("the ledger is away")

        monkeypatch.setattr(ledger.leases, "check", away)
        with pytest.raises(UnreachableError):
            holding.fence()
