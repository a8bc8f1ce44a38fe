"""SARIF 2.1.0: what GitHub and editors read.

No dependency ships the official schema, so the parts of it that a report uses are written down here: every property that
it has, its type, its values, what is required; anything else is refused.
"""

import json
from typing import Any

import jsonschema
import pytest

from interlock.model.errors import Place
from interlock.model.findings import Finding, NotChecked, Severity
from interlock.rules.explain import page_of
from interlock.rules.registry import RULES
from interlock.views.check_sarif import check_sarif, uri
from tests.support.findings import HOSTILE, checked, finding, hostile_check

_TEXT = {"type": "string"}


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "additionalProperties": False, "properties": properties}


def _list(item: Any, unique: bool = False) -> dict[str, Any]:
    return {"type": "array", "items": item, "uniqueItems": unique}


_MESSAGE = _object(("text",), text={"type": "string", "minLength": 1})
_MULTIFORMAT = _object(("text",), text=_TEXT, markdown=_TEXT)
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_BAG = {"type": "object"}
_INDEX = {"type": "integer", "minimum": 0}
_ONE = {"type": "integer", "minimum": 1}
_ARTIFACT = _object(
    ("uri",), uri={"type": "string", "pattern": r"^([A-Za-z0-9_.~/-]|%[0-9A-F]{2})*$"},
    uriBaseId={"const": "SRCROOT"}, index=_INDEX,
)  # fmt: skip
_LOCATION = _object(
    id=_INDEX,
    message=_MESSAGE,
    physicalLocation=_object(
        ("artifactLocation",), artifactLocation=_ARTIFACT,
        region=_object(("startLine",), startLine=_ONE, endLine=_ONE, startColumn=_ONE),
    ),
    logicalLocations=_list(_object(fullyQualifiedName=_TEXT, kind=_TEXT), unique=True),
)  # fmt: skip
_RESULT = _object(
    ("message", "ruleId"),
    ruleId=_TEXT, ruleIndex=_INDEX, level=_LEVEL, message=_MESSAGE, locations=_list(_LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": _TEXT},
    baselineState={"enum": ["new", "unchanged", "updated", "absent"]},
    suppressions=_list(_object(
        ("kind",), kind={"enum": ["inSource", "external"]}, justification=_TEXT,
        status={"enum": ["accepted", "underReview", "rejected"]},
    ), unique=True),
    relatedLocations=_list(_LOCATION, unique=True), properties=_BAG,
)  # fmt: skip
_RULE = _object(
    ("id",), id=_TEXT, name=_TEXT, shortDescription=_MULTIFORMAT, fullDescription=_MULTIFORMAT, help=_MULTIFORMAT,
    defaultConfiguration=_object(level=_LEVEL), properties=_BAG,
)  # fmt: skip
_RUN = _object(
    ("tool",),
    tool=_object(("driver",), driver=_object(
        ("name",), name=_TEXT, version=_TEXT, semanticVersion=_TEXT, rules=_list(_RULE, unique=True),
    )),
    invocations=_list(_object(
        ("executionSuccessful",), executionSuccessful={"type": "boolean"},
        toolExecutionNotifications=_list(_object(("message",), level=_LEVEL, message=_MESSAGE)),
    )),
    originalUriBaseIds={"type": "object", "additionalProperties": _object(description=_MESSAGE)},
    artifacts=_list(_object(location=_ARTIFACT), unique=True),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(_RESULT), properties=_BAG,
)  # fmt: skip
_LOG = jsonschema.Draft7Validator(
    {**_object(("version", "runs"), version={"const": "2.1.0"}, runs=_list(_RUN), **{"$schema": _TEXT})}
)


def report(*findings: Finding, **more: Any) -> dict[str, Any]:
    """The one run of a report that was held against the schema."""
    return valid(check_sarif(checked(*findings, **more)))


def valid(document: dict[str, Any]) -> dict[str, Any]:
    written = json.dumps(document, ensure_ascii=False).encode()  # raises for halves of characters
    read = json.loads(written)
    assert [error.message[:300] for error in _LOG.iter_errors(read)] == []
    [run] = read["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        for one in (*result.get("locations", ()), *result.get("relatedLocations", ())):
            named = one["physicalLocation"]["artifactLocation"]
            assert run["artifacts"][named["index"]]["location"]["uri"] == named["uri"]
    return run


def test_result_has_place_reason_and_remedy():
    one = Finding("ILK-AF001", Severity.ERROR, Place("dags/a.py", 3, 5, 7), "wrong", "mend it", "airflow.dag:a")
    [result] = report(one)["results"]
    assert result["message"]["text"] == "wrong\nmend it"
    assert result["level"] == "error" and result["baselineState"] == "new" and "suppressions" not in result
    [location] = result["locations"]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "dags/a.py", "uriBaseId": "SRCROOT", "index": 0}
    assert location["physicalLocation"]["region"] == {"startLine": 3, "startColumn": 7, "endLine": 5}
    assert location["logicalLocations"] == [{"fullyQualifiedName": "airflow.dag:a", "kind": "resource"}]


def test_whole_file_has_no_region():
    [result] = report(finding(line=0))["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]


def test_finding_keeps_its_fingerprint_while_other_lines_change():
    before, after = (report(finding(line=line))["results"][0]["partialFingerprints"] for line in (3, 90))
    assert before == after
    twice = [one["partialFingerprints"] for one in report(finding(line=3), finding(line=9))["results"]]
    assert twice[0]["interlockKey/v1"] == twice[1]["interlockKey/v1"] == finding().key
    assert [one["primaryLocationLineHash"][-2:] for one in twice] == [":1", ":2"]


def test_rules_that_were_broken_are_explained_and_no_others():
    rules = report(finding(), finding(Severity.WARNING, rule="ILK-AF008"), finding(Severity.INFO, rule="ILK-SP003"))
    first, slow, never = rules["tool"]["driver"]["rules"]
    assert first["id"] == "ILK-AF001" and first["name"] == "dag-import"
    assert first["shortDescription"] == {"text": RULES["ILK-AF001"].summary}
    assert first["fullDescription"]["text"].startswith("The project's own Airflow could not import")
    assert first["help"]["markdown"] == page_of("ILK-AF001")
    levels = [one["defaultConfiguration"]["level"] for one in (first, slow, never)]
    assert levels == ["error", "warning", "note"]


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_can_be_described(rule):
    [described] = report(finding(rule=rule))["tool"]["driver"]["rules"]
    assert 0 < len(described["shortDescription"]["text"]) <= 1024
    assert 0 < len(described["fullDescription"]["text"]) <= 1024


def test_old_and_waived_findings_are_told_apart():
    old, waived = report(finding(new=False), finding(rule="ILK-AF002", waived="known (until 2027-01-31)"))["results"]
    assert old["baselineState"] == "unchanged"
    assert waived["suppressions"] == [
        {"kind": "inSource", "status": "accepted", "justification": "known (until 2027-01-31)"}
    ]


def test_files_that_are_affected_and_the_root_are_related():
    root = finding(path="helpers/dates.py", line=2, summary="is gone")
    one = finding(affected=("dags/a.py", "dags/b.py", "dbt.model:shop.x"), caused_by=root.key)
    result = next(r for r in report(one, root)["results"] if "relatedLocations" in r)
    told = [
        (r["message"]["text"], r["physicalLocation"]["artifactLocation"]["uri"]) for r in result["relatedLocations"]
    ]
    assert told == [("what it follows from", "helpers/dates.py"), ("affected", "dags/b.py")]
    assert result["properties"]["affected"] == ["dags/a.py", "dags/b.py", "dbt.model:shop.x"]


def test_what_was_not_checked_is_a_notification():
    [invocation] = report(not_checked=[NotChecked("plans", "no Java")])["invocations"]
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "not checked: plans: no Java"


def test_text_with_brackets_is_no_link():
    texts = [report(finding(summary=text))["results"][0]["message"]["text"] for text in ("[a](1)", "[a\\](1)")]
    assert texts == ["[a\\](1)\nmend it", "[a\\\\\\](1)\nmend it"]


@pytest.mark.parametrize(
    ("path", "reference"),
    [
        ("a b/ü.py", "a%20b/%C3%BC.py"),
        ("c:/x?y#z%20", "c%3A/x%3Fy%23z%2520"),
        ("/etc/x", "%2Fetc/x"),
        ("//host/x", "%2F/host/x"),
        ("odd\udcff.py", "odd%FF.py"),
        ("\ud800", "%3F"),
    ],
)
def test_path_is_a_relative_reference(path, reference):
    assert uri(path) == reference


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_text_makes_a_valid_report(text):
    run = valid(check_sarif(hostile_check(text)))
    assert len(run["results"]) == 5
    assert not any(sign in json.dumps(run["results"], ensure_ascii=False) for sign in ("\x1b", "\x9b", "\u202e"))
    assert max(len(one["message"]["text"]) for one in run["results"]) < 5000
