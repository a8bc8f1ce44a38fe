"""Every case: the broken project is found by the rule meant for it, at its line; the fixed twin is clean."""

from pathlib import Path

import pytest

from interlock.model.findings import Finding, Severity
from interlock.rules.registry import FAMILIES, RULES
from interlock.rules.rule import Needs
from tests.regressions.case import LIVE, Case, check_files, inspected, read_case

CASES = [read_case(path) for path in sorted((Path(__file__).parent / "cases").rglob("*.case"))]
COMPARED = [one for one in CASES if RULES[one.rule].needs is Needs.BASE]


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


@pytest.mark.parametrize("case", COMPARED, ids=lambda case: case.name)
def test_what_the_base_tells_a_live_release_tells_too(case: Case) -> None:
    by_base = _compared(check_files(case.broken, case.base, today=case.today, dialect=case.dialect))
    by_live = _compared(check_files(case.broken, live=case.base, today=case.today, dialect=case.dialect))
    assert [one.key for one in by_live] == [one.key for one in by_base]
    assert all(one.against == (LIVE,) for one in by_live) and not any(one.against for one in by_base)
    by_both = _compared(check_files(case.broken, case.base, live=case.base, today=case.today, dialect=case.dialect))
    assert by_both == by_live


def _compared(found: tuple[Finding, ...]) -> list[Finding]:
    return [one for one in found if one.rule in RULES and RULES[one.rule].needs is Needs.BASE]


def test_every_comparison_is_of_rules_that_need_something_to_compare_with() -> None:
    for family in FAMILIES:
        needy = {rule.id for rule in family.rules if rule.needs is Needs.BASE}
        assert bool(needy) is bool(family.comparisons), family.name
        for case in CASES:
            if case.rule in needy:
                inspection, _ = inspected(case.broken, case.base, today=case.today, dialect=case.dialect)
                told = {one.rule for check in family.comparisons for one in check(inspection)}
                assert case.rule in told <= needy, case.name


def test_cases_name_rules_that_exist() -> None:
    assert {case.rule for case in CASES} <= RULES.keys()
    assert len({case.name for case in CASES}) == len(CASES)
