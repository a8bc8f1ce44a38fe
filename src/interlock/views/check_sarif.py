"""A check as SARIF 2.1.0 (OASIS), which GitHub, GitLab and editors read.

Paths are relative to the project and percent-encoded; texts are plain, without control characters, and hold no links.
"""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from interlock import __version__
from interlock.model.errors import Place
from interlock.model.findings import Finding, NotChecked, Severity
from interlock.rules import explain, registry
from interlock.views.against import said
from interlock.views.text import clipped, harmless

if TYPE_CHECKING:
    from interlock.engine.checking import Checked

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "SRCROOT"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_LONGEST = 4000
_DESCRIPTION = 1000  # GitHub takes no more than 1024
_RELATED = 50
# [text](1) in a message is a link to a location (SARIF 3.11.6).
_LINK = re.compile(r"(\\*)\]\(")


def check_sarif(checked: "Checked") -> dict[str, Any]:
    """The report with one run: rules that were broken, a result for each finding, every file that one is about.

    Findings that were there at the base are ``unchanged``, waived ones suppressed in the source.
    """
    findings = checked.findings
    ids = sorted({one.rule for one in findings})
    paths = sorted({path for one in findings for path in (one.place.path, *_files(one)) if path})
    places = {one.key: one.place for one in reversed(findings) if not one.caused_by}
    rules = {rule: number for number, rule in enumerate(ids)}
    artifacts = {path: number for number, path in enumerate(paths)}
    seen: Counter[str] = Counter()
    results = []
    for one in findings:
        seen[one.key] += 1
        results.append(_result(one, rules[one.rule], artifacts, places, seen[one.key]))
    run = {
        "tool": {"driver": {
            "name": "Interlock", "version": __version__, "semanticVersion": __version__,
            "rules": [_rule(rule) for rule in ids],
        }},
        "invocations": [{
            "executionSuccessful": True,
            "toolExecutionNotifications": [_notification(item) for item in checked.not_checked],
        }],
        "originalUriBaseIds": {_BASE: {"description": {"text": "The folder of the project."}}},
        "artifacts": [{"location": {"uri": uri(path), "uriBaseId": _BASE}} for path in paths],
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {
            "base": _text(checked.base), "static": checked.static,
            "comparedWith": [_text(said(one)) for one in checked.compared_with],
        },
    }  # fmt: skip
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def uri(path: str) -> str:
    """A path as a relative reference: no part of it is taken for a scheme, a host, a query or an escape."""
    try:
        name = path.encode("utf-8", "surrogateescape")  # a file name that is no UTF-8 keeps its bytes
    except UnicodeEncodeError:
        name = path.encode("utf-8", "replace")
    quoted = quote(name, safe="/")
    return f"%2F{quoted[1:]}" if quoted.startswith("/") else quoted


def _rule(rule_id: str) -> dict[str, Any]:
    rule = registry.RULES.get(rule_id)
    if rule is None:
        return {"id": _text(rule_id)}
    page = explain.page_of(rule_id)
    level = _LEVELS[rule.severity]
    why = explain.reason_of(page) or rule.summary
    found: dict[str, Any] = {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": clipped(rule.summary, _DESCRIPTION)},
        "fullDescription": {"text": clipped(" ".join(why.split()), _DESCRIPTION)},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": [rule.needs.value], "problem.severity": "recommendation" if level == "note" else level},
    }
    if page:
        found["help"] = {"text": page, "markdown": page}
    return found


def _result(
    finding: Finding, rule: int, artifacts: dict[str, int], places: dict[str, Place], number: int
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ruleId": _text(finding.rule),
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": _text(f"{finding.summary}\n{finding.remedy}".strip() or "no reason was given")},
        "partialFingerprints": {
            "interlockKey/v1": finding.key,
            # The one that GitHub looks at: the number tells findings with one key from each other.
            "primaryLocationLineHash": f"{finding.key}:{number}",
        },
        "baselineState": "new" if finding.new else "unchanged",
        "properties": {
            "blocks": finding.blocks,
            "resource": _text(finding.resource),
            "affected": [_text(one) for one in finding.affected],
            "detail": _text(finding.detail),
            "causedBy": finding.caused_by,
            "against": [_text(said(one)) for one in finding.against],
        },
    }
    if finding.place.path:
        location: dict[str, Any] = {"physicalLocation": _physical(finding.place, artifacts)}
        if finding.resource:
            location["logicalLocations"] = [{"fullyQualifiedName": _text(finding.resource), "kind": "resource"}]
        told["locations"] = [location]
    if finding.waived:
        told["suppressions"] = [{"kind": "inSource", "status": "accepted", "justification": _text(finding.waived)}]
    related = _related(finding, artifacts, places)
    if related:
        told["relatedLocations"] = related
    return told


def _related(finding: Finding, artifacts: dict[str, int], places: dict[str, Place]) -> list[dict[str, Any]]:
    wanted = [(Place(path), "affected") for path in _files(finding)]
    root = places.get(finding.caused_by)
    if root is not None and root.path:
        wanted.insert(0, (root, "what it follows from"))
    return [
        {"id": number, "physicalLocation": _physical(place, artifacts), "message": {"text": why}}
        for number, (place, why) in enumerate(wanted[:_RELATED], 1)
    ]


def _files(finding: Finding) -> list[str]:
    """Those of ``affected`` that are files: resource keys and datasets hold a colon."""
    return [
        one for one in dict.fromkeys(finding.affected) if one and ":" not in one and one != finding.place.path
    ][:_RELATED]  # fmt: skip


def _physical(place: Place, artifacts: dict[str, int]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "artifactLocation": {"uri": uri(place.path), "uriBaseId": _BASE, "index": artifacts[place.path]}
    }
    if place.line > 0:
        region = {"startLine": place.line}
        if place.column > 0:
            region["startColumn"] = place.column
        if place.end_line > place.line:
            region["endLine"] = place.end_line
        found["region"] = region
    return found


def _notification(item: NotChecked) -> dict[str, Any]:
    return {"level": "warning", "message": {"text": _text(f"not checked: {item.what}: {item.why}")}}


def _text(text: str) -> str:
    return _LINK.sub(lambda found: f"{found[1] * 2}\\](", clipped(harmless(text), _LONGEST))
