"""Findings for people: what is new first, worst first, by cause, with who is affected and what to do."""

import pytest

from interlock.model.errors import Place
from interlock.model.findings import Finding, NotChecked, Severity
from interlock.views.findings_view import render_findings
from interlock.views.output import Output
from tests.support.findings import HOSTILE, hostile_check


def finding(severity: Severity = Severity.ERROR, path: str = "dags/a.py", line: int = 1, **more) -> Finding:
    fields = {"rule": "ILK-AF-1", "summary": "it does not import", "remedy": "mend it", **more}
    return Finding(severity=severity, place=Place(path, line), **fields)


def shown(capsys, *findings: Finding, not_checked=(), verbose=False) -> list[str]:
    render_findings(findings, not_checked, Output(as_json=False, verbose=verbose).console, verbose=verbose)
    return capsys.readouterr().out.splitlines()


def test_finding_has_place_summary_rule_and_remedy(capsys):
    assert shown(capsys, finding(line=7)) == ["error dags/a.py:7 it does not import ILK-AF-1", "      → mend it"]


def test_errors_come_first_then_by_file_and_line(capsys):
    given = [
        finding(Severity.INFO, "a.py"),
        finding(Severity.WARNING, "a.py"),
        finding(path="b.py"),
        finding(path="a.py", line=10),
        finding(path="a.py", line=9),
    ]
    heads = [line.split()[:2] for line in shown(capsys, *given)[:-1] if "→" not in line]
    assert heads == [
        ["error", "a.py:9"],
        ["error", "a.py:10"],
        ["error", "b.py:1"],
        ["warning", "a.py:1"],
    ], "what only informs is counted"


def test_line_number_followed_by_a_colon_is_no_emoji(capsys):
    assert "dags/a.py:100: boom" in shown(capsys, finding(summary="dags/a.py:100: boom"))[0]


def test_whole_file_has_no_line(capsys):
    assert shown(capsys, finding(line=0))[0].startswith("error dags/a.py it")


def test_detail_ends_with_its_last_lines(capsys):
    lines = shown(capsys, finding(detail="\n".join(f"line {i}" for i in range(20))))
    assert [line.strip() for line in lines[1:-1]] == [f"line {i}" for i in range(14, 20)]


def test_many_affected_resources_are_counted(capsys):
    lines = shown(capsys, finding(affected=tuple(f"airflow.dag:d{i}" for i in range(7))))
    assert lines[1].strip() == "affects airflow.dag:d0, airflow.dag:d1, airflow.dag:d2, airflow.dag:d3 and 3 more"


def test_what_was_not_checked_is_said(capsys):
    assert shown(capsys, not_checked=[NotChecked("spark plans", "no Java")]) == ["not checked spark plans: no Java"]


def test_nothing_found_prints_nothing(capsys):
    assert shown(capsys) == []


def test_dag_named_like_markup_cannot_break_the_output(capsys):
    name = "[bold]\x1b[31mred[/]\nerror fake.py:1"
    fields = dict.fromkeys(("rule", "summary", "remedy"), name)
    given = Finding(**fields, severity=Severity.ERROR, place=Place(name, 1), detail=name, affected=(name, name + "2"))
    lines = shown(capsys, given, not_checked=[NotChecked(name, name)])
    assert "\x1b" not in "".join(lines)
    assert not [line for line in lines if line.startswith("error fake.py")]
    assert sum(line.count("[bold]␛[31mred[/]") for line in lines) == 9


def test_more_than_one_finding_is_counted_by_severity(capsys):
    lines = shown(capsys, finding(), finding(line=2), finding(Severity.WARNING), finding(Severity.INFO))
    assert lines[-1] == "found 2 errors, 1 warning, 1 info (-v shows all)"


def caused() -> list[Finding]:
    root = finding(path="helpers/dates.py", summary="is gone")
    return [*(finding(path=f"dags/d{i}.py", summary=f"cannot import {i}", caused_by=root.key) for i in range(2)), root]


def test_one_cause_is_shown_once(capsys):
    assert shown(capsys, *caused()) == [
        "error helpers/dates.py:1 is gone ILK-AF-1",
        "      and 2 more follow from it (-v shows where)",
        "      → mend it",
        "found 3 errors",
    ]


def test_what_follows_is_shown_on_demand(capsys):
    assert shown(capsys, *caused(), verbose=True)[1:4] == [
        "      and 2 more follow from it:",
        "        dags/d0.py:1 cannot import 0 ILK-AF-1",
        "        dags/d1.py:1 cannot import 1 ILK-AF-1",
    ]


def test_old_and_waived_findings_are_counted(capsys):
    given = [finding(path="a.py", new=False), finding(Severity.WARNING, path="a.py", new=False), finding(path="z.py"),
             finding(path="a.py", waived="on purpose")]  # fmt: skip
    assert shown(capsys, *given) == [
        "error z.py:1 it does not import ILK-AF-1",
        "      → mend it",
        "found 1 error new, 1 error, 1 warning that were there before, 1 finding waived (-v shows all)",
    ]


def test_old_and_waived_findings_are_shown_on_demand_after_the_new_ones(capsys):
    given = [finding(path="a.py", new=False), finding(path="z.py"), finding(path="b.py", waived="on purpose")]
    assert [line for line in shown(capsys, *given, verbose=True) if "→" not in line] == [
        "error z.py:1 it does not import ILK-AF-1",
        "error a.py:1 it does not import ILK-AF-1 (was there before)",
        "error b.py:1 it does not import ILK-AF-1 (waived: on purpose)",
        "found 1 error new, 1 error that was there before, 1 finding waived",
    ]


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_breaks_the_terminal(capsys, text, verbose):
    checked = hostile_check(text)
    render_findings(
        checked.findings, checked.not_checked, Output(as_json=False, verbose=verbose).console, verbose=verbose
    )
    printed = capsys.readouterr().out
    assert not set(printed) & {"\x1b", "\x07", "\x00", "\r", "\x9b", "\u202e", "\udcff"}
    assert len(printed) < 150_000
    heads = ("error", "warning", "info", "not checked", "found", " ")
    assert all(line.startswith(heads) for line in printed.splitlines())
