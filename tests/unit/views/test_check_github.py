"""Workflow commands: every finding is one command on one line, and no text can add another."""

import re

import pytest

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.views.check_github import check_github
from tests.support.findings import HOSTILE, checked, finding, hostile_check

_COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")


def commands(*findings) -> list[str]:
    return check_github(checked(*findings)).splitlines()


def test_command_names_the_range_and_the_rule():
    one = Finding("ILK-AF001", Severity.ERROR, Place("dags/a.py", 3, 5, 7), "wrong", "mend it")
    assert commands(one) == [
        "::error file=dags/a.py,line=3,endLine=5,col=7,title=ILK-AF001 dag-import::wrong%0Amend it"
    ]


def test_whole_file_has_no_line():
    assert commands(finding(line=0)) == [
        "::error file=dags/a.py,title=ILK-AF001 dag-import::it does not import%0Amend it"
    ]


def test_what_means_something_to_a_command_is_escaped():
    [line] = commands(finding(path="a,b:c%.py", summary="50% of: a, b\nc"))
    assert line.startswith("::error file=a%2Cb%3Ac%25.py,line=1,")
    assert line.endswith("::50%25 of: a, b%0Ac%0Amend it")


def test_only_what_blocks_is_an_error_and_it_comes_first():
    lines = commands(
        finding(Severity.INFO),
        finding(Severity.WARNING),
        finding(new=False),
        finding(path="z.py"),
        finding(waived="known"),
    )
    assert [line.split()[0] for line in lines] == ["::error", "::warning", "::notice", "::notice"]


def test_affected_are_named_and_counted():
    [line] = commands(finding(affected=("dags/a.py", *(f"airflow.dag:d{i}" for i in range(5)))))
    assert line.endswith("affects dags/a.py, airflow.dag:d0, airflow.dag:d1, airflow.dag:d2 and 2 more")


def test_nothing_found_prints_nothing():
    assert check_github(checked()) == ""


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_adds_a_command_or_a_property(text):
    written = check_github(hostile_check(text))
    lines = written.split("\n")
    assert len(lines) == 4
    for line in lines:
        match = _COMMAND.fullmatch(line)
        assert match, line[:200]
        names = [one.partition("=")[0] for one in match[2].split(",")]
        assert names == [name for name in ("file", "line", "title") if name in names]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", written)
