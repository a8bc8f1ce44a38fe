"""A check for scripts: the JSON contract that docs/cli.md describes."""

from typing import TYPE_CHECKING, Any

from interlock.model.canonical import plain
from interlock.model.findings import Finding

if TYPE_CHECKING:
    from interlock.engine.checking import Checked


def check_document(checked: "Checked") -> dict[str, Any]:
    """The object of a check, without ``version`` and ``kind``; JSON-ready values only."""
    return {
        "verdict": "pass" if checked.passed else "fail",
        "resource_count": checked.resources,
        "base": checked.base,
        "compared_with": plain(checked.compared_with),
        "static": checked.static,
        "plans": list(checked.plans),
        "findings": [finding_document(one) for one in checked.findings],
        "not_checked": plain(checked.not_checked),
        "tests": plain(checked.tests),
        "timings": {name: round(seconds, 3) for name, seconds in checked.timings.items()},
    }


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding, flat. ``key`` tells it from others and stays while other lines of its file change."""
    place = finding.place
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "path": place.path,
        "line": place.line,
        "end_line": place.end_line,
        "column": place.column,
        "resource": finding.resource,
        "summary": finding.summary,
        "remedy": finding.remedy,
        "detail": finding.detail,
        "affected": list(finding.affected),
        "new": finding.new,
        "waived": finding.waived,
        "caused_by": finding.caused_by,
        "against": plain(finding.against),
        "key": finding.key,
    }
