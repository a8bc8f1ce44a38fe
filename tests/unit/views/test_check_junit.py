"""JUnit XML of a check: well-formed for any text, a failure only for what blocks."""

from xml.etree import ElementTree

import pytest

from interlock.model.findings import NotChecked, Severity
from interlock.views.check_junit import check_junit
from tests.support.findings import HOSTILE, checked, finding, hostile_check


def suite(*findings, **more) -> ElementTree.Element:
    root = ElementTree.fromstring(check_junit(checked(*findings, **more)).encode())
    assert root.tag == "testsuites"
    return root[0]


def test_nothing_found_is_one_test_that_passes():
    found = suite()
    assert found.attrib["tests"] == "1" and found.attrib["failures"] == "0"
    assert [(case.tag, len(case)) for case in found] == [("testcase", 0)]


def test_each_rule_and_file_is_one_test():
    found = suite(finding(line=3), finding(line=9), finding(path="dags/b.py"), finding(rule="ILK-AF002"))
    names = [(case.attrib["classname"], case.attrib["name"]) for case in found]
    assert names == [
        ("dags/a.py", "ILK-AF001 dag-import"),
        ("dags/b.py", "ILK-AF001 dag-import"),
        ("dags/a.py", "ILK-AF002 duplicate-dag-id"),
    ]
    assert found.attrib["tests"] == found.attrib["failures"] == "3"
    assert found[0].attrib["line"] == "3"


def test_only_what_blocks_fails_and_the_rest_is_told():
    found = suite(
        finding(summary="it blocks"),
        finding(summary="it was there", new=False),
        finding(Severity.WARNING, rule="ILK-AF008", summary="it is slow"),
        finding(rule="ILK-AF003", summary="it is known", waived="on purpose"),
    )
    [failing] = [case for case in found if case.find("failure") is not None]
    failure = failing.find("failure")
    assert failure.attrib == {"message": "it blocks", "type": "ILK-AF001"}
    assert failure.text.startswith("dags/a.py:1: it blocks (error)\n-> mend it")
    assert "it was there (error; was there before)" in failing.find("system-out").text
    told = [case.find("system-out").text for case in found if case is not failing]
    assert "it is slow (warning)" in told[0]
    assert "waived: on purpose" in told[1]
    assert found.attrib["failures"] == "1"


def test_what_was_not_checked_is_told_beside_the_tests():
    found = suite(not_checked=[NotChecked("spark plans", "no Java")])
    assert found.find("system-out").text == "not checked: spark plans: no Java"
    assert len(found.findall("testcase")) == 1


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_makes_well_formed_xml_of_limited_size(text):
    written = check_junit(hostile_check(text))
    root = ElementTree.fromstring(written.encode())
    tests = root[0].findall("testcase")
    assert len(tests) == int(root[0].attrib["tests"])
    assert not [case for case in tests for part in case if part.tag not in ("failure", "system-out")]
    assert "\x1b" not in written
    assert len(written) < 500_000
