"""Cases: one text file each, with a small broken project and its fixed twin.

::

    rule: ILK-PY003
    class: module path
    at: dags/orders.py:3
    --- both: dags/helpers/dates.py
    def to_day(): ...
    --- broken: dags/orders.py
    ...
    --- fixed: dags/orders.py
    ...

``rule`` is found in the broken project at the line of ``at`` (a line within its range), and nowhere in the fixed one.
``class`` names the class of breakage. Further headers: ``also`` lists rules that the broken one breaks besides,
``today`` is the day of the check, ``dialect`` the warehouse's SQL. Sections: ``both`` are in the broken, the fixed and
the base project, ``base`` only in the commit that the check is compared with, ``broken`` and ``fixed`` in one of them.
A project has a DAG folder ``dags``, dbt projects wherever a dbt_project.yml lies, and Spark scripts in ``jobs``; what an
interlock.yaml says besides is known to the rules.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import yaml

from interlock.config import ProjectConfig
from interlock.model.canonical import digest_bytes
from interlock.model.findings import Compared, Finding
from interlock.rules.examine import Examined, Examiner
from interlock.rules.files import Layout
from interlock.rules.inspection import Inspection, Live
from interlock.rules.registry import FAMILIES
from interlock.rules.run import find, inspection_of

LIVE = Compared("prod", "ab" * 32)
_SECTION = re.compile(r"^--- (both|base|broken|fixed): (\S+)$")


@dataclass
class Case:
    """One case; files by path. ``base`` is None where nothing is compared."""

    name: str
    rule: str
    breakage: str
    path: str
    line: int
    also: tuple[str, ...]
    today: date
    dialect: str
    broken: dict[str, bytes] = field(default_factory=dict)
    fixed: dict[str, bytes] = field(default_factory=dict)
    base: dict[str, bytes] | None = None


def read_case(path: Path) -> Case:
    """The case in one file."""
    head, parts = _split(path.read_text("utf-8"))
    place, _, line = head["at"].rpartition(":")
    case = Case(
        path.stem, head["rule"], head["class"], place, int(line), tuple(head.get("also", "").split()),
        date.fromisoformat(head.get("today", "2026-06-01")), head.get("dialect", ""),
    )  # fmt: skip
    bases = {}
    for kind, name, text in parts:
        data = text.encode()
        if kind in ("both", "broken"):
            case.broken[name] = data
        if kind in ("both", "fixed"):
            case.fixed[name] = data
        if kind in ("both", "base"):
            bases[name] = data
    if any(kind == "base" for kind, _, _ in parts):
        case.base = bases
    return case


def _split(text: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    head: dict[str, str] = {}
    parts: list[tuple[str, str, str]] = []
    kind = name = ""
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        match = _SECTION.match(line.rstrip("\n"))
        if match:
            if kind:
                parts.append((kind, name, "".join(lines)))
            kind, name, lines = match[1], match[2], []
        elif kind:
            lines.append(line)
        elif line.strip():
            key, _, value = line.partition(":")
            head[key.strip()] = value.strip()
    if kind:
        parts.append((kind, name, "".join(lines)))
    return head, parts


def layout_of(files: Mapping[str, bytes], dialect: str = "") -> Layout:
    """Where what lies in the small projects of the cases."""
    dbt = tuple(sorted(p.rpartition("/")[0] or "." for p in files if p.endswith("dbt_project.yml")))
    jobs = tuple(sorted(p for p in files if p.startswith("jobs/") and p.endswith(".py")))
    return Layout(("dags",), ("dags", "."), dbt, jobs, dialect or ("duckdb" if dbt else ""))


def check_files(
    files: Mapping[str, bytes],
    base: Mapping[str, bytes] | None = None,
    *,
    live: Mapping[str, bytes] | None = None,
    today: date = date(2026, 6, 1),
    dialect: str = "",
) -> tuple[Finding, ...]:
    """What a static check finds in a project that consists of these files, compared with a base and what is live."""
    return find(*inspected(files, base, live=live, today=today, dialect=dialect))


def inspected(
    files: Mapping[str, bytes],
    base: Mapping[str, bytes] | None = None,
    *,
    live: Mapping[str, bytes] | None = None,
    today: date = date(2026, 6, 1),
    dialect: str = "",
) -> tuple[Inspection, dict[str, Examined]]:
    """What the rules look at in such a check."""
    before = _inspected(base, None, (), today, dialect)[0] if base is not None else None
    inspection, examined = _inspected(files, before, _changed(files, base), today, dialect)
    if live is not None:
        released = _inspected(live, None, (), today, dialect)[0]
        inspection = replace(inspection, live=[Live(released, _changed(files, live), LIVE)])
    return inspection, examined


def _changed(files: Mapping[str, bytes], before: Mapping[str, bytes] | None) -> frozenset[str]:
    return frozenset(p for p in {*files, *(before or ())} if before is not None and files.get(p) != before.get(p))


def _inspected(files, base, changed, today, dialect) -> tuple[Inspection, dict[str, Examined]]:
    layout = layout_of(files, dialect)
    told = files.get("interlock.yaml")
    config = ProjectConfig.model_validate(yaml.safe_load(told)) if told is not None else None
    examined = Examiner(FAMILIES, layout, None).examine(files, {p: digest_bytes(s) for p, s in files.items()})
    return (
        inspection_of(
            layout, list(files), lambda p: files[p], examined, config=config, base=base, changed=changed, today=today
        ),
        examined,
    )
