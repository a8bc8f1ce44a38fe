"""Readiness for Airflow 3: what ruff's AIR rules know, as rules of ours. Nothing of it breaks an Airflow 2."""

import re
from collections.abc import Iterator, Sequence

from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.ruff_tool import diagnostics
from interlock.rules.rule import BatchCheck, Family, Rule

_RULES = {
    "AIR002": Rule(
        "ILK-AR002", "dag-without-schedule", "a DAG has no schedule: daily in Airflow 2, never in Airflow 3",
        Severity.INFO,
    ),
    "AIR301": Rule("ILK-AR301", "removed-in-airflow3", "something is used that Airflow 3 removed", Severity.INFO),
    "AIR302": Rule(
        "ILK-AR302", "moved-to-provider", "an import is used that Airflow 3 has only in a provider", Severity.INFO
    ),
    "AIR303": Rule(
        "ILK-AR303", "changed-signature", "a call does not fit the signature that Airflow 3 has", Severity.INFO
    ),
    "AIR311": Rule(
        "ILK-AR311", "deprecated-in-airflow3", "something is used that Airflow 3 still has, but deprecates",
        Severity.INFO,
    ),
    "AIR312": Rule(
        "ILK-AR312", "moving-to-provider", "an import is used that a provider has now, and Airflow 3 deprecates",
        Severity.INFO,
    ),
}  # fmt: skip


_LOOK = "The upgrade notes of Airflow 3 name what takes its place."
_REMEDIES = {
    "ILK-AR002": "Give it schedule=None, or the schedule that it runs on.",
    "ILK-AR303": "Pass its arguments by name.",
}


def readiness(files: Sequence[SourceFile]) -> Iterator[Finding]:
    """ILK-AR002 to ILK-AR312 in files that import Airflow; each thing once a file."""
    meant = {file.path: file for file in files if b"airflow" in file.source}
    seen: set[tuple[str, str, str]] = set()
    for one in diagnostics(files):
        rule = _RULES.get(one.code)
        if rule is None or one.path not in meant or (one.path, one.code, one.message) in seen:
            continue
        seen.add((one.path, one.code, one.message))
        remedy = one.advice.replace("`", "'").strip() or _REMEDIES.get(rule.id, _LOOK)
        yield meant[one.path].finding(
            rule.id, one.line, _summary(rule.id, one.message), remedy, severity=rule.severity, end_line=one.end_line,
            column=one.column,
        )  # fmt: skip


def _summary(rule: str, message: str) -> str:
    """What ruff says, in one line; of what still works it also says that it is removed."""
    name = re.match(r"`([^`]+)`", message)
    if rule == "ILK-AR002":
        return "the DAG has no schedule: Airflow 2 runs it daily, Airflow 3 never"
    if rule == "ILK-AR311" and name:
        return f"'{name[1]}' is deprecated in Airflow 3"
    return re.sub(r"\s+", " ", message.partition(";")[0]).replace("`", "'").rstrip(".;: ")


FAMILY = Family("airflow 3", tuple(_RULES.values()), batch_checks=(BatchCheck(("*.py",), readiness),))
