"""Every format of ``--format`` makes a report, whatever was found."""

import json
from xml.etree import ElementTree

import pytest

from interlock.cli.commands.check import Format
from interlock.model.findings import Severity
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
