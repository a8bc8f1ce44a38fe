"""A check as GitHub's workflow commands: a run prints them, and GitHub shows them at the lines that they name."""

from typing import TYPE_CHECKING

from interlock.model.findings import Finding, Severity
from interlock.rules import registry
from interlock.views.against import in_words
from interlock.views.causes import by_weight
from interlock.views.text import clipped, harmless

if TYPE_CHECKING:
    from interlock.engine.checking import Checked

_DATA = {ord("%"): "%25", ord("\r"): "%0D", ord("\n"): "%0A"}
_PROPERTY = {**_DATA, ord(":"): "%3A", ord(","): "%2C"}
_LONGEST = 2000


def check_github(checked: "Checked") -> str:
    """One command a line, what blocks first: GitHub shows only the first ten of each kind. Waived ones are left out."""
    shown = [one for one in checked.findings if not one.waived]
    return "\n".join(_command(one) for one in sorted(shown, key=lambda one: (not one.blocks, by_weight(one))))


def _command(finding: Finding) -> str:
    rule = registry.RULES.get(finding.rule)
    place = finding.place
    properties = {"file": place.path} if place.path else {}
    if place.path and place.line > 0:
        properties["line"] = str(place.line)
        if place.end_line > place.line:
            properties["endLine"] = str(place.end_line)
        if place.column > 0:
            properties["col"] = str(place.column)
    properties["title"] = f"{finding.rule} {rule.name}" if rule else finding.rule
    listed = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items())
    lines = [finding.summary, finding.remedy]
    if set(finding.affected) - {place.path}:
        more = f" and {len(finding.affected) - 4} more" if len(finding.affected) > 4 else ""
        lines.append(f"affects {', '.join(finding.affected[:4])}{more}")
    if finding.against:
        lines.append(f"against {in_words(finding.against)}")
    message = "\n".join(clipped(line, _LONGEST) for line in lines if line)
    return f"::{_kind(finding)} {listed}::{_escaped(message, _DATA)}"


def _kind(finding: Finding) -> str:
    if finding.blocks:
        return "error"
    return "notice" if finding.severity is Severity.INFO or not finding.new else "warning"


def _escaped(text: str, escapes: dict[int, str]) -> str:
    return harmless(text).translate(escapes)
