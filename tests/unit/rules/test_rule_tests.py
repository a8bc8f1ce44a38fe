"""What is said of the project's own tests, and what the quarantine keeps from blocking."""

from dataclasses import replace
from datetime import date

import pytest

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import Layout, SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.quarantine import ENTRIES, NAMES, entries_in, names_in
from interlock.rules.rule_tests import counts_of, of_quarantine, of_runs
from interlock.suites.results import (
    FAILED,
    PASSED,
    SKIPPED,
    UNCLEAR,
    UNFINISHED,
    Ran,
    SuiteCounts,
    SuiteFile,
    SuiteResults,
    Verdict,
)

PATH = "tests/test_a.py"
MIXED = (Ran("passed", "2026-11-21T10:00:00+00:00", "c" * 40, 0.25), Ran("failed", "2026-11-20T09:00:00+00:00", "", 1))


def inspection(*files: SuiteFile, quarantine: str = "", source: str = "", left_out: int = 0) -> Inspection:
    text = f"version: 1\ntests:\n  quarantine:\n{quarantine}".encode()
    names = names_in(SourceFile(PATH, source.encode())) if source else None
    facts = {
        ENTRIES: {"interlock.yaml": entries_in(SourceFile("interlock.yaml", text)) or []},
        NAMES: {PATH: names} if names is not None else {},
    }  # fmt: skip
    suites = SuiteResults(files, left_out=left_out) if files or left_out else None
    return Inspection(Layout(), (PATH,), facts, lambda path: b"", today=date(2026, 11, 21), suites=suites)


def file(*verdicts: Verdict, **more: object) -> SuiteFile:
    return SuiteFile(PATH, verdicts, **more)  # type: ignore[arg-type]


def verdict(name: str, outcome: str, **more: object) -> Verdict:
    return replace(Verdict(f"{PATH}::{name}", outcome, place=Place(PATH, 3)), **more)  # type: ignore[arg-type]


def entry(test: str, **changes: str) -> str:
    told = {"test": f'"{test}"', "owner": "data", "reason": "its clock", "until": "2027-01-31", **changes}
    return "    - {" + ", ".join(f"{name}: {value}" for name, value in told.items() if value) + "}\n"


def found(checked: Inspection) -> list[Finding]:
    return [*of_runs(checked), *of_quarantine(checked)]


def test_failing_test_blocks_at_its_line_with_its_message() -> None:
    [one] = found(inspection(file(verdict("test_b", FAILED, message="assert 1 == 2\n + more", detail="Traceback"))))
    assert (one.rule, str(one.place), one.blocks) == ("ILK-TE001", f"{PATH}:3", True)
    assert one.summary == "the test test_b fails: assert 1 == 2" and one.detail == "Traceback"
    assert one.resource == f"test:{PATH}::test_b"


def test_passing_and_skipped_ones_are_no_findings() -> None:
    assert found(inspection(file(verdict("test_b", PASSED), verdict("test_c", SKIPPED)))) == []


def test_long_message_is_cut_in_the_summary() -> None:
    [one] = found(inspection(file(verdict("test_b", FAILED, message="x" * 5000))))
    assert len(one.summary) < 300 and one.summary.endswith("…")


@pytest.mark.parametrize("outcome", [PASSED, FAILED])
def test_flaky_test_blocks_whatever_it_did_last_and_shows_its_history(outcome: str) -> None:
    [one] = found(inspection(file(verdict("test_b", outcome, mixed=MIXED, message="boom"))))
    assert (one.rule, one.blocks) == ("ILK-TE002", True)
    assert one.detail.splitlines() == [
        "2026-11-21 10:00:00 UTC: passed at cccccccccccc (0.25 s)",
        "2026-11-20 09:00:00 UTC: failed (1.00 s)",
        "the last time: boom",
    ]


def test_commit_with_changes_is_told_as_such() -> None:
    [one] = found(inspection(file(verdict("test_b", PASSED, mixed=(replace(MIXED[0], commit="c" * 40 + "-dirty"),)))))
    assert "at cccccccccccc-dirty" in one.detail


@pytest.mark.parametrize("problem", ["timeout", "processes", "crashed", "exited", "stopped"])
def test_file_that_does_not_end_names_the_test_it_came_to(problem: str) -> None:
    stopped = verdict("test_c", UNFINISHED)
    checked = inspection(
        file(
            stopped,
            problem=problem,
            message="it is over",
            place=Place(PATH, 7),
            stopped_at=stopped.test,
            not_run=("x",),
        )
    )
    [one] = found(checked)
    assert (one.rule, str(one.place)) == ("ILK-TE003", f"{PATH}:7") and one.blocks
    assert one.summary == "the test test_c does not run to its end: it is over" and one.remedy
    assert counts_of(checked) == SuiteCounts(not_run=2)


def test_file_that_cannot_be_imported_shares_its_cause_with_whatever_else_misses_the_module() -> None:
    checked = inspection(file(problem="uncollected", message="ModuleNotFoundError: No module named 'helpers.dates'"))
    [one] = found(checked)
    assert one.rule == "ILK-TE003" and one.cause == "module:helpers.dates"
    assert counts_of(checked) == SuiteCounts(not_run=1)


def test_unit_test_that_dbt_could_not_run_only_warns() -> None:
    one = replace(verdict("", UNCLEAR, message="no column"), test="unit_test.shop.orders.x")
    [finding] = found(inspection(SuiteFile("unit_test.shop.orders.x", (one,), about="dbt.model:shop.orders")))
    assert (finding.rule, finding.severity) == ("ILK-TE003", Severity.WARNING)
    assert finding.affected == ("dbt.model:shop.orders",)


def test_quarantined_test_never_blocks_and_stays_listed_whatever_it_does() -> None:
    names = ("fails", "flaky", "passes")
    checked = inspection(
        file(verdict("fails", FAILED), verdict("flaky", PASSED, mixed=MIXED), verdict("passes", PASSED)),
        quarantine="".join(entry(f"{PATH}::{name}") for name in names),
    )
    told = {one.summary.split()[2]: one for one in found(checked)}
    assert {name: one.rule for name, one in told.items()} == {
        "fails": "ILK-TE001", "flaky": "ILK-TE002", "passes": "ILK-TE007",
    }  # fmt: skip
    assert all(one.waived == "its clock; owner: data (until 2027-01-31)" and not one.blocks for one in told.values())
    assert counts_of(checked) == SuiteCounts(quarantined=3)


def test_hanging_test_in_quarantine_does_not_block() -> None:
    stopped = verdict("test_c", UNFINISHED)
    checked = inspection(file(stopped, problem="timeout", stopped_at=stopped.test), quarantine=entry(f"{PATH}::test_c"))
    assert [(one.rule, bool(one.waived)) for one in found(checked)] == [("ILK-TE003", True)]


@pytest.mark.parametrize(
    ("test", "covered"),
    [
        (f"{PATH}::test_b[1]", True),
        (f"{PATH}::test_b", True),
        (PATH, True),
        (f"{PATH}::test_", False),
        ("tests", False),
    ],
)
def test_entry_covers_a_test_its_parameters_and_all_of_a_file(test: str, covered: bool) -> None:
    checked = inspection(file(verdict("test_b[1]", FAILED)), quarantine=entry(test))
    [one] = list(of_runs(checked))
    assert bool(one.waived) is covered


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"owner": ""}, "ILK-TE004"), ({"reason": ""}, "ILK-TE004"), ({"until": ""}, "ILK-TE004"),
        ({"until": "soon"}, "ILK-TE004"), ({"until": "2026-11-20"}, "ILK-TE005"),
    ],
)  # fmt: skip
def test_quarantine_that_is_incomplete_or_over_keeps_nothing_from_blocking(changes: dict[str, str], rule: str) -> None:
    checked = inspection(file(verdict("test_b", FAILED)), quarantine=entry(f"{PATH}::test_b", **changes))
    assert [(one.rule, one.blocks, one.place.line) for one in found(checked)] == [
        ("ILK-TE001", True, 3), (rule, True, 4),
    ]  # fmt: skip


def test_last_day_of_a_quarantine_counts() -> None:
    checked = inspection(file(verdict("test_b", FAILED)), quarantine=entry(f"{PATH}::test_b", until="2026-11-21"))
    assert [one.blocks for one in found(checked)] == [False]


@pytest.mark.parametrize(
    ("test", "source", "unknown"),
    [
        (f"{PATH}::test_b", "def test_b(): ...", False), (f"{PATH}::test_c", "def test_b(): ...", True),
        (f"{PATH}::TestA::test_b", "class TestA:\n    def test_b(self): ...", False),
        (f"{PATH}::TestA::test_c", "class TestA:\n    def test_b(self): ...", True),
        (f"{PATH}::TestA::test_c", "class TestA(Base):\n    def test_b(self): ...", False),
        (f"{PATH}::test_c", "from shared import *", False), (f"{PATH}::test_c", "for x in y: make(x)", False),
        (f"{PATH}::test_b[1]", "def test_b(): ...", False), (f"{PATH}::test_c", "def broken(:", False),
        ("tests/test_gone.py::test_b", "", True), ("tests/test_gone.py", "", True), (PATH, "", False),
        ("unit_test.shop.orders.x", "", False),
    ],
)  # fmt: skip
def test_entry_that_names_no_test_is_found_where_text_alone_can_tell(test: str, source: str, unknown: bool) -> None:
    assert [one.rule for one in of_quarantine(inspection(quarantine=entry(test), source=source))] == [
        "ILK-TE006"
    ] * unknown


def test_what_was_run_says_more_than_the_text() -> None:
    source = "for x in y: make(x)"
    ran = inspection(file(verdict("test_b[1]", PASSED)), quarantine=entry(f"{PATH}::test_c"), source=source)
    assert [one.rule for one in of_quarantine(ran)] == ["ILK-TE006"]
    died = inspection(file(problem="crashed"), quarantine=entry(f"{PATH}::test_c"), source=source)
    assert [one.rule for one in of_quarantine(died)] == [], "it may be one that was not come to"


def test_every_test_counts_once() -> None:
    checked = inspection(
        file(verdict("a", PASSED), verdict("b", FAILED), verdict("c", SKIPPED), verdict("d", FAILED, mixed=MIXED)),
        replace(file(verdict("e", PASSED), verdict("f", UNCLEAR)), reused=True),
        left_out=3,
    )
    assert counts_of(checked) == SuiteCounts(passed=2, failed=1, skipped=1, flaky=1, not_run=4, reused=2)
    assert counts_of(inspection()) == SuiteCounts()
