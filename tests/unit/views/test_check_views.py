"""Every format of ``--format`` makes a report, whatever was found."""

import json
from xml.etree import ElementTree

import pytest

from interlock.cli.commands.check import Format
from interlock.model.findings import Compared, Severity
from interlock.suites.results import SuiteCounts
from interlock.views.check_views import render, show
from interlock.views.output import Output
from tests.support.findings import HOSTILE, checked, finding, hostile_check


@pytest.mark.parametrize("form", [one.value for one in Format if one is not Format.TEXT])
def test_every_format_takes_any_text(form):
    for text in HOSTILE:
        assert render(hostile_check(text), form).encode()
    assert isinstance(render(checked(), form), str)


def test_reports_for_machines_can_be_read():
    one = checked(finding())
    assert json.loads(render(one, "json"))["kind"] == "check"
    assert json.loads(render(one, "sarif"))["version"] == "2.1.0"
    assert ElementTree.fromstring(render(one, "junit").encode()).tag == "testsuites"
    assert render(one, "github").startswith("::error ")
    assert render(one, "markdown").startswith("<!-- interlock check -->")


LIVE = Compared("prod", "ab" * 32, "cd" * 20, "2026-01-31T08:15:00.000000Z")
PAST = Compared("prod", "ef" * 32, "", "2026-01-01T08:15:00.000000Z", "2026-01-31T08:15:00.000000Z")


def test_every_report_says_what_a_finding_was_told_by(capsys):
    told = "environment prod, release abababababab, live since 2026-01-31 08:15 UTC"
    one = checked(finding(against=(LIVE, PAST, Compared(commit="c0ffee" * 7, since="2026-01-02T00:00:00Z"))))
    show(one, Output(as_json=False, verbose=False).console, False)
    for text in (capsys.readouterr().out, *(render(one, form) for form in ("sarif", "junit", "github", "markdown"))):
        plain = text.replace("&#58;", ":").replace("\u2060", "")
        assert told in plain
        assert "release efefefefefef, live from 2026-01-01 08:15 UTC to 2026-01-31 08:15 UTC" in plain
        assert "commit c0ffeec0ffee of 2026-01-02" in plain


def test_every_report_for_people_says_what_is_live_that_it_was_compared_with(capsys):
    one = checked(compared_with=(Compared(commit="c0ffee"), LIVE, Compared("qa")))
    show(one, Output(as_json=False, verbose=False).console, False)
    for text in (capsys.readouterr().out, render(one, "markdown").replace("&#58;", ":").replace("\u2060", "")):
        assert "ompared with environment prod, release abababababab, live since 2026-01-31 08:15 UTC" in text or (
            "and with environment prod, release abababababab, live since 2026-01-31 08:15 UTC" in text
        )
        assert "environment qa, where nothing is live" in text


def test_report_for_people_counts_the_tests(capsys):
    counts = SuiteCounts(passed=12, flaky=1, not_run=2, reused=11)
    show(checked(tests=counts), Output(as_json=False, verbose=False).console, False)
    assert "tests 12 passed, 1 flaky, 2 not run (11 of them known already)" in capsys.readouterr().out.splitlines()
    show(checked(), Output(as_json=False, verbose=False).console, False)
    assert "tests" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("one", "last"),
    [
        (checked(finding()), "✗ 1 error in 3 resources 1.5s"),
        (checked(finding(Severity.WARNING)), "✓ 3 resources checked 1.5s"),
        (checked(finding(waived="known")), "✓ 3 resources checked 1.5s"),
        (checked(static=True), "✓ source text checked 1.5s"),
    ],
)
def test_report_for_people_ends_with_the_verdict(capsys, one, last):
    show(one, Output(as_json=False, verbose=False).console, False)
    assert capsys.readouterr().out.splitlines()[-1] == last
