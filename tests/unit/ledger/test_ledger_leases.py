"""Who may change an environment, on SQLite: one holder, and whoever lost it finds out."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from interlock.ledger import Ledger, open_ledger
from interlock.ledger.processes import provably_dead, this_process
from interlock.model.errors import FencedError, HeldError

URL = "sqlite:///ledger.db"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def jump(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Any:
    with open_ledger(URL, tmp_path, clock=clock) as opened:
        yield opened


def test_the_second_one_is_told_who_holds_the_environment_and_since_when(ledger: Ledger) -> None:
    held = ledger.leases.acquire("prod", "d-1", ttl=60, info={"deployment": "d-1", "host": "build-7", "pid": 42})
    with pytest.raises(HeldError) as refusal:
        ledger.leases.acquire("prod", "d-2", ttl=60)
    for part in ("d-1", "build-7", "42", held.acquired_at):
        assert part in str(refusal.value)
    assert held.expires_at in refusal.value.remedy
    assert ledger.leases.acquire("dev", "d-2", ttl=60).token == 1


def test_the_same_name_does_not_get_a_second_lease(ledger: Ledger) -> None:
    ledger.leases.acquire("prod", "d-1", ttl=60)
    with pytest.raises(HeldError):
        ledger.leases.acquire("prod", "d-1", ttl=60)


def test_tokens_only_grow_whatever_happens_to_the_holders(ledger: Ledger, clock: Clock) -> None:
    tokens = []
    for round_ in range(6):
        lease = ledger.leases.acquire("prod", f"d-{round_}", ttl=60)
        tokens.append(lease.token)
        if round_ % 2:
            ledger.leases.release(lease)
            ledger.leases.release(lease)
        else:
            clock.jump(61)
    assert tokens == [1, 2, 3, 4, 5, 6]


def test_a_holder_that_renews_keeps_the_lease(ledger: Ledger, clock: Clock) -> None:
    lease = ledger.leases.acquire("prod", "d-1", ttl=60)
    for _ in range(5):
        clock.jump(50)
        lease = ledger.leases.renew(lease)
        ledger.leases.check(lease)
        with pytest.raises(HeldError):
            ledger.leases.acquire("prod", "d-2", ttl=60)
    assert ledger.leases.current("prod") == lease


def test_a_lease_that_ran_out_can_be_taken_and_the_old_holder_is_fenced(ledger: Ledger, clock: Clock) -> None:
    old = ledger.leases.acquire("prod", "d-1", ttl=60)
    clock.jump(60)
    assert ledger.leases.current("prod") is None
    new = ledger.leases.acquire("prod", "d-2", ttl=60)
    for use in (ledger.leases.check, ledger.leases.renew):
        with pytest.raises(FencedError, match="went to d-2"):
            use(old)
    ledger.leases.release(old)
    ledger.leases.check(new)


def test_a_released_lease_is_over_for_its_holder_too(ledger: Ledger) -> None:
    lease = ledger.leases.acquire("prod", "d-1", ttl=60)
    ledger.leases.release(lease)
    assert ledger.leases.current("prod") is None
    with pytest.raises(FencedError, match="was released"):
        ledger.leases.check(lease)


def test_a_laptop_that_slept_goes_on_when_nobody_took_the_lease(ledger: Ledger, clock: Clock) -> None:
    lease = ledger.leases.acquire("prod", "d-1", ttl=60)
    clock.jump(8 * 3600)
    ledger.leases.check(lease)
    with pytest.raises(HeldError):
        ledger.leases.acquire("prod", "d-2", ttl=60)


def test_a_clock_that_jumps_back_ends_no_lease_and_revives_none(ledger: Ledger, clock: Clock) -> None:
    first = ledger.leases.acquire("prod", "d-1", ttl=60)
    clock.jump(-3600)
    ledger.leases.check(first)
    with pytest.raises(HeldError):
        ledger.leases.acquire("prod", "d-2", ttl=60)
    renewed = ledger.leases.renew(first)
    assert renewed.expires_at >= first.expires_at
    clock.jump(2 * 3600)
    second = ledger.leases.acquire("prod", "d-2", ttl=60)
    clock.jump(-7200)
    with pytest.raises(FencedError):
        ledger.leases.check(first)
    ledger.leases.check(second)


_HOLD = """
import sys
from pathlib import Path
from interlock.ledger import open_ledger
lease = open_ledger("sqlite:///ledger.db", Path(sys.argv[1])).leases.acquire("prod", "d-1", ttl=3600)
print(lease.token, flush=True)
sys.stdin.read()
"""


def _holder(root: Path) -> "subprocess.Popen[str]":
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "1\n"
    return child


@pytest.mark.parametrize("collected", [True, False], ids=["gone", "zombie"])
def test_a_killed_process_of_this_machine_need_not_be_waited_for(tmp_path: Path, collected: bool) -> None:
    with open_ledger(URL, tmp_path) as ledger, _holder(tmp_path) as child:
        with pytest.raises(HeldError):
            ledger.leases.acquire("prod", "d-2", ttl=60)
        child.kill()
        if collected:
            child.wait()
        else:
            assert child.stdout is not None
            child.stdout.read()  # ends when the process has ended, which nobody has collected
            while not provably_dead({**this_process(), "pid": child.pid, "pid_started": ""}):
                pass
        assert ledger.leases.current("prod") is None
        assert ledger.leases.acquire("prod", "d-2", ttl=60).token == 2


def test_only_proof_counts_as_death() -> None:
    me = this_process()
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    dead = {**me, "pid": gone.pid}
    assert provably_dead(dead)
    assert provably_dead({**me, "pid_started": "1"})  # the pid was given again
    assert not provably_dead(me)
    for doubt in (
        {"host": "elsewhere"},
        {"boot": "another"},
        {"boot": ""},
        {"space": "pid:[1]"},
        {"pid": None},
        {"pid": -1},
    ):
        assert not provably_dead({**dead, **doubt}), doubt
    assert not provably_dead({})


_RACE = """
import sys
from pathlib import Path
from interlock.ledger import open_ledger
from interlock.model.errors import HeldError
ledger = open_ledger("sqlite:///ledger.db", Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    print(ledger.leases.acquire("prod", sys.argv[2], ttl=3600).token, flush=True)
except HeldError:
    print("held", flush=True)
sys.stdin.readline()
"""


def test_of_processes_that_race_exactly_one_wins(tmp_path: Path) -> None:
    # None has made the ledger before: they race for that, too.
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, str(tmp_path), f"d-{n}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for n in range(4)
    ]  # fmt: skip

    def said(child: "subprocess.Popen[str]") -> str:
        assert child.stdout is not None
        return child.stdout.readline().strip()

    def go(child: "subprocess.Popen[str]") -> None:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()

    try:
        assert [said(child) for child in children] == ["ready"] * 4
        for child in children:
            go(child)
        assert sorted(said(child) for child in children) == ["1", "held", "held", "held"]
    finally:
        for child in children:
            child.communicate()
