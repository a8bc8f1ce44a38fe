"""The JSON of a check: flat findings, and nothing that JSON cannot hold."""

import json

import pytest

from interlock.model.errors import Place
from interlock.model.findings import Compared, Finding, NotChecked, Severity
from interlock.views.check_json import check_document
from tests.support.findings import HOSTILE, checked, finding, hostile_check


def test_finding_is_flat_and_whole():
    one = Finding(
        "ILK-AF001", Severity.ERROR, Place("dags/a.py", 3, 5, 7), "wrong", "mend it", "airflow.dag:a", "more",
        ("dbt.model:b",), "module:x", "0123456789abcdef", False, "known", (Compared("prod", "ab", "cd", "then", ""),),
    )  # fmt: skip
    assert check_document(checked(one))["findings"] == [
        {
            "rule": "ILK-AF001", "severity": "error", "path": "dags/a.py", "line": 3, "end_line": 5, "column": 7,
            "resource": "airflow.dag:a", "summary": "wrong", "remedy": "mend it", "detail": "more",
            "affected": ["dbt.model:b"], "new": False, "waived": "known", "caused_by": "0123456789abcdef",
            "against": [{"environment": "prod", "release": "ab", "commit": "cd", "since": "then", "until": ""}],
            "key": one.key,
        }
    ]  # fmt: skip


def test_document_says_how_it_came_about():
    document = check_document(
        checked(
            not_checked=[NotChecked("a", "b")],
            timings={"total": 0.12345},
            base="abc",
            static=True,
            compared_with=(Compared(commit="abc"),),
        )
    )  # fmt: skip
    assert document == {
        "verdict": "pass", "resource_count": 3, "base": "abc", "static": True, "plans": [], "findings": [],
        "not_checked": [{"what": "a", "why": "b"}], "timings": {"total": 0.123},
        "compared_with": [{"environment": "", "release": "", "commit": "abc", "since": "", "until": ""}],
        "tests": {"passed": 0, "failed": 0, "skipped": 0, "flaky": 0, "quarantined": 0, "not_run": 0, "reused": 0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (finding(), "fail"),
        (finding(new=False), "pass"),
        (finding(waived="known"), "pass"),
        (finding(Severity.WARNING), "pass"),
    ],
)
def test_verdict_is_about_what_blocks(one, verdict):
    assert check_document(checked(one))["verdict"] == verdict


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_comes_through_as_it_is(text):
    read = json.loads(json.dumps(check_document(hostile_check(text))))
    assert read["findings"][0]["summary"] == text
