"""All rules over one state of a project: examined files, project checks, waivers, causes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from interlock.catalog.reading import ProjectReading
from interlock.config import ProjectConfig
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.examine import Examined
from interlock.rules.files import Layout
from interlock.rules.inspection import Inspection, Keep, Live, Version, computed
from interlock.rules.masking import masked
from interlock.rules.registry import FAMILIES, RULES
from interlock.rules.rule import Family
from interlock.rules.rule_terraform_validate import unrepeated
from interlock.rules.rule_waivers import waive
from interlock.rules.terraform_plan_file import JudgedPlan
from interlock.runtimes.resolving import Answer
from interlock.suites.results import SuiteResults

_ORDER = list(Severity)


def inspection_of(
    layout: Layout,
    paths: Sequence[str],
    read: Callable[[str], bytes],
    examined: Mapping[str, Examined],
    *,
    config: ProjectConfig | None = None,
    reading: ProjectReading | None = None,
    base: Inspection | None = None,
    changed: Iterable[str] = (),
    today: date | None = None,
    keep: Keep | None = None,
    passing: Mapping[str, Sequence[bytes]] | None = None,
    index: Mapping[str, Answer] | None = None,
    digests: Callable[[str], str] | None = None,
    plans: Sequence[JudgedPlan] = (),
    told: Sequence[Finding] = (),
    live: Sequence[Live] = (),
    earlier: Mapping[str, Sequence[Version]] | None = None,
    suites: SuiteResults | None = None,
) -> Inspection:
    """What project checks look at, from what the files told."""
    facts: dict[str, dict[str, object]] = {}
    for path, one in sorted(examined.items()):
        for name, fact in one.facts.items():
            facts.setdefault(name, {})[path] = fact
    return Inspection(
        layout, tuple(sorted(paths)), facts, read, config, reading, base, frozenset(changed), frozenset(RULES),
        today or datetime.now(UTC).date(), keep or computed, passing or {}, index or {}, digests, plans, told, live,
        earlier or {}, suites,
    )  # fmt: skip


def find(
    inspection: Inspection, examined: Mapping[str, Examined], families: Sequence[Family] = FAMILIES
) -> tuple[Finding, ...]:
    """Every finding, by place: what the files told, what readers and tools found, what checks and comparisons add.

    Waived ones are among them, with their reason. ``affected`` names what lies downstream of the resource. What several
    of the states that the project is compared with tell is one finding.
    """
    found = [finding for one in examined.values() for finding in one.findings]
    if inspection.reading is not None:
        found += map(masked, inspection.reading.findings)
    for family in families:
        for check in family.project_checks:
            found += map(masked, check(inspection))
    found += _compared(inspection, families)
    found += unrepeated(inspection.told, found)
    distinct = dict.fromkeys(_with_downstream(finding, inspection.reading) for finding in found)
    return tuple(sorted(with_causes(waive(distinct, inspection)), key=by_place))


def _compared(inspection: Inspection, families: Sequence[Family]) -> Iterable[Finding]:
    found: dict[tuple[str, Place], Finding] = {}
    for live in (None, *inspection.live):
        seen = inspection if live is None else inspection.against(live)
        for check in (check for family in families for check in family.comparisons):
            for one in map(masked, check(seen)):
                told = one if live is None else live.told(one)
                same = found.get((told.key, told.place))
                found[told.key, told.place] = told if same is None else _both(same, told)
    return found.values()


def _both(one: Finding, other: Finding) -> Finding:
    """The worse of two that are the same but for their weight, told by what tells either."""
    worse = min(one, other, key=lambda each: _ORDER.index(each.severity))
    return replace(worse, against=tuple(dict.fromkeys((*one.against, *other.against))))


def by_place(finding: Finding) -> tuple[str, int, str, str]:
    """The order in which findings are reported."""
    return (finding.place.path, finding.place.line, finding.rule, finding.summary)


def with_causes(findings: Iterable[Finding]) -> list[Finding]:
    """Of findings with one cause the most severe, and among these the first by place, is the root of the others."""
    listed = list(findings)
    roots: dict[str, Finding] = {}
    for one in sorted(listed, key=lambda f: (_ORDER.index(f.severity), by_place(f))):
        if one.cause:
            roots.setdefault(one.cause, one)
    return [
        replace(one, caused_by=roots[one.cause].key) if one.cause and roots[one.cause] is not one else one
        for one in listed
    ]


def _with_downstream(finding: Finding, reading: ProjectReading | None) -> Finding:
    if not finding.resource or reading is None:
        return finding
    below = reading.catalog.downstream(finding.resource)
    return replace(finding, affected=tuple(dict.fromkeys((*finding.affected, *below))))
