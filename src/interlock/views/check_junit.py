"""A check as JUnit XML, which every CI system shows as tests."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from interlock.model.findings import Finding
from interlock.rules import registry
from interlock.views.against import in_words
from interlock.views.text import clipped, harmless

if TYPE_CHECKING:
    from interlock.engine.checking import Checked

# What XML 1.0 cannot hold, besides what ``harmless`` took away.
_NO_XML = dict.fromkeys((0xFFFE, 0xFFFF), "\ufffd")
_LONGEST = 4000
_MOST = 100_000


def check_junit(checked: "Checked") -> str:
    """One test for each rule and file that has findings; it fails where one of them blocks, and else tells the rest.

    One test that passes where nothing was found. What was not checked is the output of the whole.
    """
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in checked.findings:
        groups.setdefault((one.place.path, one.rule), []).append(one)
    failed = sum(any(one.blocks for one in members) for members in groups.values())
    counts = {"tests": str(max(1, len(groups))), "failures": str(failed), "errors": "0", "skipped": "0"}
    seconds = f"{checked.timings.get('total', 0.0):.3f}"
    root = ElementTree.Element("testsuites", {"name": "interlock", **counts, "time": seconds})
    suite = ElementTree.SubElement(root, "testsuite", {"name": "interlock check", **counts, "time": seconds})
    for (path, rule), members in groups.items():
        _case(suite, path, rule, members)
    if not groups:
        ElementTree.SubElement(suite, "testcase", {"classname": "interlock", "name": "nothing found", "time": "0"})
    if checked.not_checked:
        lines = [f"not checked: {item.what}: {item.why}" for item in checked.not_checked]
        ElementTree.SubElement(suite, "system-out").text = _text("\n".join(lines), _MOST)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, path: str, rule_id: str, members: Sequence[Finding]) -> None:
    rule = registry.RULES.get(rule_id)
    name = f"{rule_id} {rule.name}" if rule else rule_id
    attributes = {"classname": _line(path), "name": _line(name), "file": _line(path), "time": "0"}
    if members[0].place.line:
        attributes["line"] = str(members[0].place.line)
    case = ElementTree.SubElement(suite, "testcase", attributes)
    blocking = [one for one in members if one.blocks]
    others = [one for one in members if not one.blocks]
    if blocking:
        more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
        failure = {"message": _line(blocking[0].summary) + more, "type": _line(rule_id)}
        ElementTree.SubElement(case, "failure", failure).text = _told(blocking)
    if others:
        ElementTree.SubElement(case, "system-out").text = _told(others)


def _told(findings: Sequence[Finding]) -> str:
    return _text("\n\n".join(_one(finding) for finding in findings), _MOST)


def _one(finding: Finding) -> str:
    states = [
        finding.severity.value,
        *([] if finding.new else ["was there before"]),
        *([f"waived: {finding.waived}"] if finding.waived else []),
    ]
    lines = [f"{finding.place}: {finding.summary} ({'; '.join(states)})", f"-> {finding.remedy}"]
    if finding.detail:
        lines.append(finding.detail)
    if finding.affected:
        lines.append(f"affects {', '.join(finding.affected)}")
    if finding.against:
        lines.append(f"against {in_words(finding.against)}")
    return "\n".join(clipped(line, _LONGEST) for line in lines)


def _line(text: str) -> str:
    return " ".join(_text(text, _LONGEST).split())


def _text(text: str, most: int) -> str:
    return clipped(harmless(text).translate(_NO_XML), most)
