"""Every case: the broken project is found by the rule meant for it, at its line; the fixed twin is clean."""

from pathlib import Path

import pytest

from interlock.model.findings import Severity
from interlock.rules.registry import RULES
from tests.regressions.case import Case, check_files, read_case

CASES = [read_case(path) for path in sorted((Path(__file__).parent / "cases").rglob("*.case"))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_broken_is_found_by_its_rule_at_its_line(case: Case) -> None:
    found = check_files(case.broken, case.base, today=case.today, dialect=case.dialect)
    meant = [one for one in found if one.rule == case.rule and one.place.path == case.path]
    assert any(one.place.line <= case.line <= max(one.place.line, one.place.end_line) for one in meant), [
        (one.rule, str(one.place), one.summary) for one in found
    ]
    others = {one.rule for one in found if one.severity is not Severity.INFO} - {case.rule, *case.also}
    assert not others, [(one.rule, str(one.place), one.summary) for one in found]
    assert all(one.remedy and one.summary for one in found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fixed_twin_is_clean(case: Case) -> None:
    found = check_files(case.fixed, case.base, today=case.today, dialect=case.dialect)
    assert [(one.rule, str(one.place), one.summary) for one in found if one.severity is not Severity.INFO] == []


def test_cases_name_rules_that_exist() -> None:
    assert {case.rule for case in CASES} <= RULES.keys()
    assert len({case.name for case in CASES}) == len(CASES)
