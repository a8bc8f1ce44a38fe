"""Findings are read in one order everywhere, and those that one change would mend are one."""

from interlock.model.findings import Severity
from interlock.views.causes import by_cause, counted, shares
from tests.support.findings import finding


def test_what_follows_from_a_root_stands_with_it():
    root = finding(path="b.py", summary="no module")
    one, two = (finding(path=path, summary="cannot import", caused_by=root.key) for path in ("a.py", "c.py"))
    [cause] = by_cause([one, two, root])
    assert cause.root is root
    assert cause.follow == (one, two)


def test_first_that_follows_stands_for_a_root_that_is_not_there():
    one, two = (finding(path=path, caused_by="0" * 16) for path in ("a.py", "c.py"))
    [cause] = by_cause([two, one])
    assert (cause.root, cause.follow) == (one, (two,))


def test_findings_that_only_look_alike_are_two():
    assert len(by_cause([finding(line=1), finding(line=9)])) == 2


def test_new_comes_before_old_and_the_worst_before_the_others():
    old = finding(path="a.py", new=False)
    warning = finding(Severity.WARNING, path="a.py")
    error = finding(path="z.py")
    assert [cause.root for cause in by_cause([old, warning, error])] == [error, warning, old]


def test_every_finding_has_one_share():
    new, old, waived, both = finding(), finding(new=False), finding(waived="known"), finding(new=False, waived="known")
    assert shares([new, old, waived, both]) == ([new], [old], [waived, both])


def test_counts_name_each_severity():
    assert counted([finding(), finding(), finding(Severity.WARNING)]) == "2 errors, 1 warning"
    assert counted([finding(Severity.INFO)] * 2) == "2 info"
    assert counted([]) == ""
