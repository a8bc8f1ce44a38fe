"""What is kept of runs: results by what they read, and a history that nobody's write takes from another."""

import multiprocessing
from pathlib import Path
from typing import Any

from interlock.catalog.store import ReadingCache
from interlock.suites.kept import Kept, KeptResults, Moment
from interlock.suites.traces import Trace

MOMENT = Moment("2026-11-21T10:00:00+00:00", "abc")


def told(retried: bool = False, at: str = "", **outcomes: str) -> dict[str, Any]:
    tests = [
        {"test": name, "outcome": outcome, "seconds": 0.5, "retried": retried} for name, outcome in outcomes.items()
    ]
    return {"tests": tests, "seconds": 1.0, "at": at}


def add(cache: ReadingCache, fingerprint: str, moment: Moment = MOMENT, **what: Any) -> Kept:
    fresh = Kept(fingerprint, fingerprint, Trace(files=("a.py",)), told(**what))
    return KeptResults(cache).add("t.py", fresh, moment)


def test_test_that_passes_and_fails_on_one_fingerprint_is_mixed(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    assert add(cache, "one", a="failed", b="passed").mixed == ()
    kept = add(cache, "one", a="passed", b="passed")
    assert kept.mixed == ("a",)
    history = KeptResults(cache).history("t.py", kept, "a")
    assert [(ran.outcome, ran.at, ran.commit, ran.seconds) for ran in history] == [
        ("passed", MOMENT.at, "abc", 0.5), ("failed", MOMENT.at, "abc", 0.5),
    ]  # fmt: skip


def test_on_another_fingerprint_nothing_is_contradicted(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    add(cache, "one", a="failed")
    assert add(cache, "two", a="passed").mixed == ()
    assert add(cache, "one", a="passed").mixed == ("a",), "back on the branch where it failed"


def test_skipped_contradicts_nothing(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    add(cache, "one", a="skipped", b="skipped")
    assert add(cache, "one", a="passed", b="failed").mixed == ()


def test_test_that_does_not_end_and_then_passes_is_mixed(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    add(cache, "one", at="a", b="passed")
    assert add(cache, "one", a="passed", b="passed").mixed == ("a",)


def test_test_that_a_plugin_ran_again_until_it_passed_is_mixed_at_once(tmp_path: Path) -> None:
    assert add(ReadingCache(tmp_path), "one", a="passed", retried=True).mixed == ("a",)
    (tmp_path / "file").write_text("")
    nowhere = ReadingCache(tmp_path / "file" / "where nobody can write")
    assert add(nowhere, "one", a="passed", retried=True).mixed == ("a",)


def test_verdict_outlives_the_runs_that_led_to_it(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    add(cache, "one", a="failed")
    for _ in range(40):
        kept = add(cache, "one", a="passed")
    assert kept.mixed == ("a",)
    assert len(KeptResults(cache).history("t.py", kept, "a")) == 30


def test_newest_result_that_holds_is_found_and_old_ones_go(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    for number in range(6):
        add(cache, f"state {number}", a="passed")
    results = KeptResults(cache)
    found = results.holding("t.py", lambda one: True)
    assert found is not None and found.fingerprint == "state 5"
    assert results.holding("t.py", lambda one: one.digest == "state 2") is not None
    assert results.holding("t.py", lambda one: one.digest == "state 1") is None
    assert results.holding("other.py", lambda one: True) is None


def test_run_of_which_nobody_knows_what_it_read_stands_in_the_history_alone(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    add(cache, "one", a="passed")
    for outcome in ("failed", "passed"):
        unknown = add(cache, "", a=outcome)
    assert unknown.mixed == (), "such runs contradict nothing"
    found = KeptResults(cache).holding("t.py", lambda one: True)
    assert found is not None and found.fingerprint == "one" and found.mixed == ()
    assert len(KeptResults(cache).history("t.py", unknown, "a")) == 2


def test_clock_that_jumps_changes_no_order(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    for at, outcome in (("2026-11-21", "failed"), ("2031-01-01", "passed"), ("1970-01-01", "failed")):
        kept = add(cache, "one", Moment(at, ""), a=outcome)
    assert [ran.at for ran in KeptResults(cache).history("t.py", kept, "a")] == [
        "1970-01-01",
        "2031-01-01",
        "2026-11-21",
    ]


def _add_many(folder: str, name: str) -> None:
    for _ in range(10):
        add(ReadingCache(Path(folder)), "one", Moment(name, ""), a="passed")


def test_two_checks_at_once_lose_no_run(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_add_many, args=(str(tmp_path), name)) for name in ("one", "two")]
    for process in both:
        process.start()
    for process in both:
        process.join()
    kept = add(ReadingCache(tmp_path), "one", a="passed")
    runs = [ran.at for ran in KeptResults(ReadingCache(tmp_path)).history("t.py", kept, "a")]
    assert (runs.count("one"), runs.count("two")) == (10, 10)
