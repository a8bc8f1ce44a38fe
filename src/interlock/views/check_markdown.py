"""A check as a comment for a pull request: the verdict, what is new and why, who is affected, what nobody looked at."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from interlock.model.findings import Finding, NotChecked, Severity
from interlock.rules import registry
from interlock.views.against import environments, in_words
from interlock.views.causes import Cause, by_cause, count_of, counted, shares
from interlock.views.markdown_text import code, prose

if TYPE_CHECKING:
    from interlock.engine.checking import Checked

LIMIT = 60_000
# By it a bot finds its comment again.
MARK = "<!-- interlock check -->"
# Characters for each part. All of them together leave room for the rest within LIMIT.
_FINDINGS, _AFFECTED, _NOT_CHECKED, _WAIVED = 30_000, 8_000, 8_000, 9_000
_SIGNS = {Severity.ERROR: "❌ error", Severity.WARNING: "⚠️ warning", Severity.INFO: "💡 info"}
_FOLLOW, _NAMES = 5, 5
_UNTIL = re.compile(r"(.*) \(until (\S+)\)$", re.DOTALL)
_KINDS = {
    "airflow.dag": "DAG",
    "dbt.model": "dbt model",
    "dbt.seed": "dbt seed",
    "dbt.snapshot": "dbt snapshot",
    "spark.batch": "Spark job",
    "spark.stream": "Spark stream",
    "exposure": "exposure",
    "source": "source",
}


def check_markdown(checked: "Checked") -> str:
    """The comment, at most ``LIMIT`` characters. Nothing in a finding's text is obeyed by Markdown or by the site."""
    new, old, waived = shares(checked.findings)
    causes = by_cause(new)
    parts = [
        MARK,
        _verdict(checked, new),
        _findings(causes),
        _affected(new),
        _not_checked(checked.not_checked, checked.static),
        _others(checked, old),
        _waived(waived),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(checked: "Checked", new: Sequence[Finding]) -> str:
    blocking = sum(one.blocks for one in new)
    if checked.passed:
        head = "### ✅ Interlock: nothing blocks"
    else:
        head = f"### ❌ Interlock: {count_of(blocking, 'finding')} {'blocks' if blocking == 1 else 'block'}"
    compared = f"Compared with {code(checked.base[:12])}" if checked.base else "Compared with no other commit"
    for live in environments(checked.compared_with):
        compared += f" and with {prose(live)}"
    how = "from source text alone" if checked.static else f"{count_of(checked.resources, 'resource')} read"
    return f"{head}\n\n{counted(new) or 'Nothing'} new. {compared}, {how}."


def _findings(causes: Sequence[Cause]) -> str:
    if not causes:
        return ""
    rows, left = _fitting((_row(cause) for cause in causes), _FINDINGS)
    table = ["| | where | what is wrong | what to do |", "|---|---|---|---|", *rows]
    if left:
        rest = [one for cause in causes[len(rows) :] for one in (cause.root, *cause.follow)]
        table += ["", f"… and {count_of(len(rest), 'more finding')}; `interlock check` shows all of them."]
    return "\n".join(table)


def _row(cause: Cause) -> str:
    root = cause.root
    rule = registry.RULES.get(root.rule)
    what = f"{prose(root.summary)}<br><sub>{code(root.rule, 40)} {prose(rule.name) if rule else ''}</sub>"
    if root.against:
        what += f"<br>against {prose(in_words(root.against))}"
    if cause.follow:
        places = list(dict.fromkeys(code(one.place, 120) for one in cause.follow))
        more = f" and {len(places) - _FOLLOW} more places" if len(places) > _FOLLOW else ""
        verb = "follows" if len(cause.follow) == 1 else "follow"
        what += f"<br>**{len(cause.follow)} more** {verb} from it: {', '.join(places[:_FOLLOW])}{more}"
    return f"| {_SIGNS[root.severity]} | {code(root.place)} | {what} | {prose(root.remedy)} |"


def _affected(new: Iterable[Finding]) -> str:
    kinds: dict[str, dict[str, None]] = {}
    for finding in new:
        for name in finding.affected:
            if name and name not in (finding.place.path, finding.resource):
                kind, shown = _kind(name)
                kinds.setdefault(kind, {})[shown] = None
    order = [*_KINDS.values(), "dataset", "file"]
    lines = []
    for kind in sorted(kinds, key=order.index):
        names = list(kinds[kind])
        listed = ", ".join(code(name, 80) for name in names[:_NAMES])
        more = ", …" if len(names) > _NAMES else ""
        lines.append(f"- **{count_of(len(names), kind)}**: {listed}{more}")
    rows, left = _fitting(lines, _AFFECTED)
    if left:
        rows.append(f"- … and {count_of(left, 'more kind')}")
    return "\n".join(["#### Affected downstream", "", *rows]) if rows else ""


def _kind(name: str) -> tuple[str, str]:
    """What an affected thing is, and its name without that."""
    kind, colon, rest = name.partition(":")
    if not colon:
        return "file", name
    return (_KINDS[kind], rest) if kind in _KINDS else ("dataset", name)


def _not_checked(items: Sequence[NotChecked], static: bool) -> str:
    if not items and not static:
        return ""
    rows, left = _fitting((f"- <b>{prose(item.what, 200)}</b>: {prose(item.why)}" for item in items), _NOT_CHECKED)
    if left:
        rows.append(f"- … and {left} more")
    if not items:
        rows.append("- what only Airflow and dbt themselves can tell: `interlock check` without `--static` asks them")
    return "\n".join(["#### Not checked", "", *rows])


def _others(checked: "Checked", old: Sequence[Finding]) -> str:
    lines = []
    if old:
        verb = "was" if len(old) == 1 else "were"
        lines.append(
            f"{count_of(len(old), 'finding')} {verb} there before ({counted(old)}), which does not block; "
            "`interlock check -v` shows them."
        )
    if checked.outgrown:
        lines.append(
            f"{count_of(checked.outgrown, 'finding')} of the baseline file are gone: "
            "`interlock check --write-baseline` takes them out."
        )
    return "\n".join(lines)


def _waived(waived: Sequence[Finding]) -> str:
    if not waived:
        return ""
    rows, left = _fitting((_waived_row(one) for one in waived), _WAIVED)
    table = ["| where | what | why it is waived | until |", "|---|---|---|---|", *rows]
    if left:
        table += ["", f"… and {left} more."]
    return "\n".join([f"<details><summary>{len(waived)} waived</summary>", "", *table, "", "</details>"])


def _waived_row(finding: Finding) -> str:
    dated = _UNTIL.match(finding.waived)
    reason, until = (dated[1], dated[2]) if dated else (finding.waived, "")
    what = f"{prose(finding.summary, 200)} ({code(finding.rule, 40)})"
    return f"| {code(finding.place)} | {what} | {prose(reason, 200)} | {prose(until, 20) or 'no end'} |"


def _fitting(rows: Iterable[str], budget: int) -> tuple[list[str], int]:
    """As many rows, from the first, as fit in ``budget`` characters; and how many are left."""
    listed = list(rows)
    shown: list[str] = []
    for row in listed:
        budget -= len(row) + 1
        if budget < 0:
            break
        shown.append(row)
    return shown, len(listed) - len(shown)
