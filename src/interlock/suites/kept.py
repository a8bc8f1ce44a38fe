"""Results of runs and their history, in the project's cache.

A result holds as long as what its run read is the same: a verifying trace, as in build systems. Several are kept for
each file, so that who goes back and forth between branches finds both. The history of a file is one value that is only
ever changed together with the results, in one transaction: two checks at once, a kill and a clock that jumps leave it
whole. Runs stand in it in the order in which they were written down.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from interlock.catalog.store import ReadingCache
from interlock.model.canonical import digest_of
from interlock.suites.results import FAILED, PASSED, RETRIED, UNFINISHED, Ran
from interlock.suites.traces import Trace

# Raised whenever what is stored changes its shape: older entries are then not found.
_RESULTS, _HISTORY = "suites-2", "suite-history-2"
_MOST_RESULTS, _MOST_RUNS = 4, 30
_MEANS = {PASSED: {PASSED}, FAILED: {FAILED}, UNFINISHED: {FAILED}, RETRIED: {PASSED, FAILED}}


@dataclass(frozen=True)
class Kept:
    """A result. ``digest`` is that of all its run read, ``fingerprint`` what its runs have in common in the history.

    Both are "" where nobody knows what the run read. ``told`` is the worker's answer, ``mixed`` names the tests whose
    runs on this fingerprint contradict each other, ``at`` is when the last of these was.
    """

    fingerprint: str
    digest: str
    trace: Trace
    told: Mapping[str, Any]
    mixed: tuple[str, ...] = ()
    at: str = ""

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Kept":
        """The result in JSON."""
        return cls(
            stored["fingerprint"], stored["digest"], Trace.of(stored["trace"]), stored["told"], tuple(stored["mixed"]),
            stored["at"],
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """What ``of`` reads."""
        return {
            "fingerprint": self.fingerprint, "digest": self.digest, "trace": self.trace.as_json(),
            "told": dict(self.told), "mixed": list(self.mixed), "at": self.at,
        }  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """When, and at which commit, a check runs tests."""

    at: str
    commit: str


class KeptResults:
    """What is kept of the tests of one project; ``key`` names a file of tests, or a unit test."""

    def __init__(self, cache: ReadingCache) -> None:
        self._cache = cache
        self._stored = cache.load(_RESULTS)

    def holding(self, key: str, holds: Callable[[Kept], bool]) -> Kept | None:
        """The newest result that ``holds``; None where none does."""
        return next((one for stored in self._stored.get(key, ()) if holds(one := Kept.of(stored))), None)

    def state(self) -> str:
        """A digest that changes whenever a run is written down."""
        told = {
            key: [[one["fingerprint"], one["mixed"], one["at"]] for one in results]
            for key, results in self._stored.items()
        }
        return digest_of(told)

    def add(self, key: str, fresh: Kept, moment: Moment) -> Kept:
        """A run is written down; returns its result as it is kept.

        Where nobody knows what the run read its fingerprint is "": then it stands in the history alone.
        """
        fingerprint = fresh.fingerprint
        run = {
            "fingerprint": fingerprint, "at": moment.at, "commit": moment.commit,
            "tests": dict(_outcomes(fresh.told)),
        }  # fmt: skip
        mixed = _contradictory([run], fingerprint)

        def changed(values: list[Any]) -> list[Any]:
            results, runs = values[0] or [], [run, *(values[1] or [])]
            if fingerprint:
                before = [one for one in results if one["fingerprint"] == fingerprint]
                mixed.update(*(one["mixed"] for one in before), _contradictory(runs, fingerprint))
                kept = replace(fresh, mixed=tuple(sorted(mixed)), at=moment.at).as_json()
                results = [kept, *(one for one in results if one not in before)]
            return [results[:_MOST_RESULTS], runs[:_MOST_RUNS]]

        self._cache.revise((_RESULTS, _HISTORY), key, changed)
        return replace(fresh, mixed=tuple(sorted(mixed)), at=moment.at)

    def history(self, key: str, kept: Kept, test: str) -> tuple[Ran, ...]:
        """Every run of one test on one fingerprint that is still known, newest first."""
        runs = self._cache.get(_HISTORY, key) or []
        return tuple(
            Ran(run["tests"][test][0], run["at"], run["commit"], run["tests"][test][1])
            for run in runs
            if run["fingerprint"] == kept.fingerprint and test in run["tests"]
        )


def _outcomes(told: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, float]]]:
    """Each test of a run with its outcome and its seconds."""
    for one in told["tests"]:
        yield one["test"], (RETRIED if one["retried"] and one["outcome"] == PASSED else one["outcome"], one["seconds"])
    if told.get("at"):
        yield told["at"], (UNFINISHED, told["seconds"])


def _contradictory(runs: list[Any], fingerprint: str) -> set[str]:
    """The tests that passed and failed on one fingerprint; "" is none."""
    seen: dict[str, set[str]] = {}
    for run in runs:
        if fingerprint and run["fingerprint"] == fingerprint:
            for test, (outcome, _) in run["tests"].items():
                seen.setdefault(test, set()).update(_MEANS.get(outcome, ()))
    return {test for test, outcomes in seen.items() if {PASSED, FAILED} <= outcomes}
