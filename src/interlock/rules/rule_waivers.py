"""Waivers: ``interlock: ignore[ILK-AF012] reason="..." until=2027-01-31`` in a comment.

A waiver stands on the line of what it waives, or alone on the line above. It takes its findings out of the verdict, not
out of the report. One without a reason, or whose day is over, waives nothing and is a finding itself.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from difflib import get_close_matches
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.days import day_of, is_over
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, FileFacts, Rule

_FACTS = "waivers"
_WAIVER = re.compile(r"(?:#|--|//|/\*|\{#|<!--)\s*interlock:\s*ignore(?:\[(?P<rules>[^\]]*)\])?(?P<rest>.*)")
_REASON = re.compile(r"""\breason\s*=\s*(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)')""")
_UNTIL = re.compile(r"\buntil\s*=\s*[\"']?(?P<day>[^\s\"'#*}>-][^\s\"'*}>]*)")
_PATTERNS = ("*.py", "*.sql", "*.y*ml", "*.tf", "*.proto", "*.toml", "*.txt", "*.in", "*.cfg", "*.ini", "*.md", "*.sh")
_REMEDY = 'Write: interlock: ignore[ID] reason="why it is right here" until=YYYY-MM-DD'


@dataclass(frozen=True)
class Waiver:
    """``lines``: the lines whose findings it is about; ``line`` is its own. ``until`` is empty where it has no end."""

    line: int
    lines: tuple[int, int]
    rules: tuple[str, ...]
    reason: str
    until: str


def waivers_of(file: SourceFile) -> list[list[Any]] | None:
    """The waivers of a file, as JSON: [line, last line, rules, reason, until]."""
    if b"interlock:" not in file.source:
        return None
    found = []
    for number, text in enumerate(file.lines, 1):
        match = _WAIVER.search(text)
        if match is None:
            continue
        alone = not text[: match.start()].strip()
        rules = [one.strip() for one in (match["rules"] or "").split(",") if one.strip()]
        reason = _REASON.search(match["rest"])
        until = _UNTIL.search(match["rest"])
        told = (reason["double"] or reason["single"] or "").strip() if reason else ""
        found.append([number, number + 1 if alone else number, rules, told, until["day"] if until else ""])
    return found or None


def check_waivers(inspection: Inspection) -> Iterator[Finding]:
    """ILK-IG001 to ILK-IG003: waivers that waive nothing because of how they are written, or when."""
    for path, waivers in inspection.of(_FACTS).items():
        for waiver in map(_waiver, waivers):
            yield from _wrong(path, waiver, inspection.known_rules, inspection.today)


def _wrong(path: str, waiver: Waiver, known: Iterable[str], today: date) -> Iterator[Finding]:
    place = Place(path, waiver.line, waiver.line)
    if not waiver.reason or not waiver.rules:
        lacking = "a reason" if waiver.rules else "the rules that it is about"
        summary = f"a waiver of {', '.join(waiver.rules) or 'everything'} lacks {lacking}, so it waives nothing"
        yield Finding("ILK-IG001", Severity.ERROR, place, summary, _REMEDY)
    if waiver.until and day_of(waiver.until) is None:
        summary = f"a waiver ends on {waiver.until!r}, which is no day"
        yield Finding("ILK-IG001", Severity.ERROR, place, summary, _REMEDY)
    elif waiver.until and is_over(waiver.until, today):
        summary = f"a waiver of {', '.join(waiver.rules)} ended on {waiver.until}"
        yield Finding(
            "ILK-IG002", Severity.ERROR, place, summary, "Mend what it waived, or decide anew and move its day."
        )
    for rule in waiver.rules:
        if rule not in known:
            near = get_close_matches(rule, known, n=1, cutoff=0.6)
            remedy = f"Name '{near[0]}'." if near else "'interlock rules list' shows the rules there are."
            yield Finding("ILK-IG003", Severity.ERROR, place, f"a waiver names '{rule}', which is no rule", remedy)


def waive(findings: Iterable[Finding], inspection: Inspection) -> list[Finding]:
    """The findings, those that a valid waiver is about with its reason in ``waived``."""
    valid: dict[tuple[str, str], list[Waiver]] = {}
    for path, waivers in inspection.of(_FACTS).items():
        for waiver in map(_waiver, waivers):
            until = waiver.until
            if waiver.reason and not (until and (day_of(until) is None or is_over(until, inspection.today))):
                for rule in waiver.rules:
                    valid.setdefault((path, rule), []).append(waiver)
    return [_waived(one, valid.get((one.place.path, one.rule), ())) for one in findings]


def _waived(finding: Finding, waivers: Iterable[Waiver]) -> Finding:
    first = finding.place.line
    last = max(first, finding.place.end_line)
    for waiver in waivers:
        if waiver.lines[0] <= last and first <= waiver.lines[1]:
            until = f" (until {waiver.until})" if waiver.until else ""
            return replace(finding, waived=f"{waiver.reason}{until}")
    return finding


def _waiver(told: list[Any]) -> Waiver:
    line, last, rules, reason, until = told
    return Waiver(line, (line, last), tuple(rules), reason, until)


FAMILY = Family(
    "waivers",
    (
        Rule("ILK-IG001", "incomplete-waiver", "a waiver lacks its reason or its rules, or its day is no day"),
        Rule("ILK-IG002", "expired-waiver", "the day of a waiver is over"),
        Rule("ILK-IG003", "waiver-of-nothing", "a waiver names a rule that does not exist"),
    ),
    facts=(FileFacts(_FACTS, _PATTERNS, waivers_of),),
    project_checks=(check_waivers,),
)
