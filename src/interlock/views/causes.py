"""Findings in the order and the groups in which people want to read them; every report for people starts here."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from interlock.model.findings import Finding, Severity

_ORDER = list(Severity)


@dataclass(frozen=True)
class Cause:
    """What one change would mend: the finding to look at first, and those that go with it."""

    root: Finding
    follow: tuple[Finding, ...] = ()


def by_weight(finding: Finding) -> tuple[bool, int, str, int, str, str]:
    """The order of reports: what is new before what was there, then the worst, then by place."""
    place = finding.place
    return (
        not finding.new, _ORDER.index(finding.severity), place.path, place.line, finding.rule, finding.summary,
    )  # fmt: skip


def by_cause(findings: Iterable[Finding]) -> list[Cause]:
    """Groups of findings, in the order of their roots.

    Where the root is not among ``findings`` (it is waived, or was there before), the first of those that follow from it
    stands for it.
    """
    groups: dict[str, list[Finding]] = {}
    lone = 0
    for one in sorted(findings, key=by_weight):
        group = one.caused_by or one.key
        if not one.caused_by and any(not other.caused_by for other in groups.get(group, ())):
            # Two findings with one key, at two lines: neither follows from the other.
            lone += 1
            group = f"{group} {lone}"
        groups.setdefault(group, []).append(one)
    found = []
    for members in groups.values():
        root = next((one for one in members if not one.caused_by), members[0])
        found.append(Cause(root, tuple(one for one in members if one is not root)))
    return sorted(found, key=lambda cause: by_weight(cause.root))


def shares(findings: Sequence[Finding]) -> tuple[list[Finding], list[Finding], list[Finding]]:
    """The new ones that count, the old ones that count, and the waived ones, each in the order of reports."""
    listed = sorted(findings, key=by_weight)
    return (
        [one for one in listed if one.new and not one.waived],
        [one for one in listed if not one.new and not one.waived],
        [one for one in listed if one.waived],
    )


def counted(findings: Iterable[Finding]) -> str:
    """How many of each severity: ``2 errors, 1 warning, 3 info``; "" for none."""
    counts = Counter(one.severity for one in findings)
    told = {
        Severity.ERROR: count_of(counts[Severity.ERROR], "error"),
        Severity.WARNING: count_of(counts[Severity.WARNING], "warning"),
        Severity.INFO: f"{counts[Severity.INFO]} info",
    }
    return ", ".join(text for severity, text in told.items() if counts[severity])


def count_of(count: int, word: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
