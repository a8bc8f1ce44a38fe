"""Rules about requirements files: what pip refuses, what contradicts, what does not go together.

Facts of the files are enough for all of them; the table of what Airflow allows is the packages' own metadata.
"""

import re
import tomllib
from collections.abc import Iterator
from posixpath import dirname, normpath
from typing import Any

from packaging.specifiers import SpecifierSet

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.package_names import misspelt
from interlock.rules.requirement_files import (
    FACTS,
    PATTERNS,
    Line,
    disjoint,
    facts_of,
    read,
    requirement,
    specifiers,
    version,
)
from interlock.rules.rule import Family, FileCheck, FileFacts, Rule

_BUILDS = "runtime-builds"
_BUILD_PATTERNS = ("Dockerfile*", "*.Dockerfile", "*.dockerfile", "*.sh")
# What releases of Airflow require, by the metadata of their wheels on PyPI: (Airflow, package, what it allows).
AIRFLOW_ALLOWS = (
    (SpecifierSet(">=2.0,<3.1"), "sqlalchemy", SpecifierSet("<2.0")),
    (SpecifierSet(">=2.0,<=2.11.0"), "flask", SpecifierSet("<2.3")),
    (SpecifierSet("==2.8.0"), "pydantic", SpecifierSet(">=2.3")),
    (SpecifierSet("==2.6.3"), "pydantic", SpecifierSet(">=1.10,<2")),
)
# Adapters of dbt Labs: up to 1.7 each required dbt-core of its own minor version; from 1.8 on dbt-core 1.8 or newer.
_ADAPTERS = ("dbt-postgres", "dbt-redshift", "dbt-snowflake", "dbt-bigquery", "dbt-spark")
_CONSTRAINTS = re.compile(r"constraints-(\d+\.\d+\.\d+)")


def check_lines(file: SourceFile) -> Iterator[Finding]:
    """ILK-DP001, ILK-DP002 within one file, and ILK-DP012."""
    lines, _, refused = read(file)
    for one in refused:
        yield file.finding(
            "ILK-DP001", one.line, f"pip cannot read the requirement '{one.text}'",
            "Write: name==version, one requirement a line.",
            severity=Severity.ERROR if one.surely else Severity.WARNING,
        )  # fmt: skip
    yield from _contradictions(file.path, lines, lines)
    for line in lines:
        near = misspelt(line.name)
        if near:
            yield file.finding(
                "ILK-DP012", line.line, f"'{line.name}' is one letter away from '{near}'",
                f"Write '{near}', if that is meant: a package of another name can be anybody's.",
                severity=Severity.WARNING,
            )  # fmt: skip


def _contradictions(path: str, lines: list[Line], others: list[Line], where: str = "") -> Iterator[Finding]:
    """ILK-DP002: a pin that another requirement of the same package excludes."""
    known: dict[str, Line] = {}
    for one in others:
        if one.pin and not one.marker:
            known.setdefault(one.name, one)
    for line in lines:
        pinned = known.get(line.name)
        if pinned is None or pinned is line or line.marker or not line.specifier:
            continue
        allowed, there = specifiers(line.specifier), version(pinned.pin)
        if allowed is None or there is None or allowed.contains(there, prereleases=True):
            continue
        place = f" in {where}" if where else " in the same file"
        yield Finding(
            "ILK-DP002", Severity.ERROR, Place(path, line.line, line.line),
            f"'{line.name}{line.specifier}' and '{pinned.name}=={pinned.pin}'{place} exclude each other",
            f"Keep one version of '{line.name}'.", cause=f"package:{line.name}",
        )  # fmt: skip


def check_pyproject(file: SourceFile) -> Iterator[Finding]:
    """ILK-DP001 and ILK-DP012 for ``[project]`` in pyproject.toml."""
    for text, line in _project_dependencies(file):
        one = requirement(text, line)
        if one is None:
            yield file.finding(
                "ILK-DP001", line, f"'{text[:60]}' is no requirement", "Write it as PEP 508 says: name>=version."
            )
        elif misspelt(one.name):
            yield file.finding(
                "ILK-DP012", line, f"'{one.name}' is one letter away from '{misspelt(one.name)}'",
                f"Write '{misspelt(one.name)}', if that is meant.", severity=Severity.WARNING,
            )  # fmt: skip


def _project_dependencies(file: SourceFile) -> Iterator[tuple[str, int]]:
    try:
        data = tomllib.loads(file.text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    project = data.get("project")
    listed = project.get("dependencies") if isinstance(project, dict) else None
    for text in listed if isinstance(listed, list) else ():
        if isinstance(text, str) and "{" not in text:
            line = next((n for n, raw in enumerate(file.lines, 1) if text in raw), 1)
            yield text, line


def pyproject_facts(file: SourceFile) -> dict[str, Any] | None:
    """The dependencies of ``[project]`` in the form of a requirements file's facts."""
    lines = [one.facts() for text, line in _project_dependencies(file) if (one := requirement(text, line))]
    return {"lines": lines, "includes": [], "compiled": False, "inputs": [], "partial": False} if lines else None


def build_facts(file: SourceFile) -> dict[str, Any] | None:
    """Requirements files that a Dockerfile or a script installs, and whether Airflow's constraints are among it."""
    text = file.text
    if "pip" not in text:
        return None
    joined = re.sub(r"\\\r?\n", " ", text)
    installs = re.findall(r"pip3?(?:\.\d+)?[^\n;&|]*\sinstall\b[^\n;&|]*", joined)
    told = [path for one in installs for path in re.findall(r"(?:-r|--requirement)[= ]?\s*[\"']?([\w./-]+)", one)]
    constrained = "constraint" in text
    return {"installs": sorted(set(told)), "constrained": constrained} if told or constrained else None


def contradictions(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP002 between a file and what it includes."""
    facts = inspection.of(FACTS)
    for path, told in facts.items():
        for option, target in told["includes"]:
            other = normpath(f"{dirname(path)}/{target}".lstrip("/"))
            if other in facts and other != path:
                lines = [Line.of(one) for one in told["lines"]]
                yield from _contradictions(path, lines, [Line.of(one) for one in facts[other]["lines"]], other)
                if option == "-r":
                    pinned = [one for one in lines if one.pin]
                    for line in (Line.of(one) for one in facts[other]["lines"]):
                        if line.specifier and not line.pin:
                            yield from _contradictions(other, [line], pinned, path)


def unpinned(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP003: a runtime is built from requirements that are not pinned, and no constraints pin them."""
    facts = inspection.of(FACTS)
    said: set[str] = set()
    for builder, told in inspection.of(_BUILDS).items():
        for target in () if told["constrained"] else told["installs"]:
            name = target.rpartition("/")[2]
            found = [p for p in (normpath(f"{dirname(builder)}/{t}".lstrip("/")) for t in (target, name)) if p in facts]
            if (
                not found
                or found[0] in said
                or facts[found[0]]["compiled"]
                or any(one[0] == "-c" for one in facts[found[0]]["includes"])
            ):
                continue
            lines = [Line.of(one) for one in facts[found[0]]["lines"]]
            loose = sorted({one.name for one in lines if not one.pin})
            if loose:
                said.add(found[0])
                shown = ", ".join(loose[:5]) + (" and others" if len(loose) > 5 else "")
                yield Finding(
                    "ILK-DP003", Severity.INFO, Place(found[0], 1, 1),
                    f"{builder} is built from versions that nothing pins: {shown}",
                    "Compile it: uv pip compile requirements.in -o requirements.txt.",
                )  # fmt: skip


def airflow(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP004 and ILK-DP005: what is installed beside Airflow."""
    builds = inspection.of(_BUILDS).values()
    constrained = any(one["constrained"] for one in builds)
    for path, told in inspection.of(FACTS).items():
        lines = [Line.of(one) for one in told["lines"]]
        pinned = next((one for one in lines if one.name == "apache-airflow" and one.pin and not one.marker), None)
        if pinned is None or told["compiled"]:
            continue
        release = version(pinned.pin)
        for line in lines:
            for releases, name, allowed in AIRFLOW_ALLOWS:
                wanted = (
                    specifiers(line.specifier) if line.name == name and line.specifier and not line.marker else None
                )
                if wanted and release and releases.contains(release) and disjoint(wanted, allowed):
                    yield Finding(
                        "ILK-DP004", Severity.ERROR, Place(path, line.line, line.line),
                        f"'{name}{line.specifier}' does not go together with apache-airflow {pinned.pin}, "
                        f"which requires {name}{allowed}",
                        f"Write '{name}{allowed}', or leave it to Airflow's constraints.",
                    )  # fmt: skip
        named = [match[1] for one in told["includes"] if (match := _CONSTRAINTS.search(one[1]))]
        if named and pinned.pin not in named:
            yield Finding(
                "ILK-DP005", Severity.WARNING, Place(path, pinned.line, pinned.line),
                f"apache-airflow {pinned.pin} is installed with the constraints of {named[0]}",
                f"Name constraints-{pinned.pin} in the constraint's URL.",
            )  # fmt: skip
        elif not told["includes"] and not told["compiled"] and not constrained and not _is_frozen(lines):
            yield Finding(
                "ILK-DP005", Severity.INFO, Place(path, pinned.line, pinned.line),
                f"apache-airflow {pinned.pin} is installed without its constraints file",
                "Add: --constraint https://raw.githubusercontent.com/apache/airflow/constraints-"
                f"{pinned.pin}/constraints-3.11.txt (with your Python).",
            )  # fmt: skip


def _is_frozen(lines: list[Line]) -> bool:
    return len(lines) > 40 and all(one.pin for one in lines)


def dbt_adapters(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP006: dbt-core and an adapter of which one does not take the other."""
    for path, told in inspection.of(FACTS).items():
        pins = {one.name: one for one in map(Line.of, told["lines"]) if one.pin and not one.marker}
        core = pins.get("dbt-core")
        core_version = version(core.pin) if core else None
        for name in _ADAPTERS if core_version else ():
            adapter = pins.get(name)
            there = version(adapter.pin) if adapter else None
            if adapter is None or there is None or core_version is None or core is None:
                continue
            ours, theirs = core_version.release[:2], there.release[:2]
            if ours[0] == theirs[0] == 1 and ours != theirs and min(ours, theirs) < (1, 8):
                yield Finding(
                    "ILK-DP006", Severity.ERROR, Place(path, adapter.line, adapter.line),
                    f"{name} {adapter.pin} does not take dbt-core {core.pin}",
                    f"Pin both to one minor version, such as {name}~={'.'.join(map(str, ours))}.0.",
                )  # fmt: skip


FAMILY = Family(
    "dependencies",
    (
        Rule("ILK-DP001", "requirement-syntax", "pip cannot read a requirement"),
        Rule("ILK-DP002", "contradicting-pins", "one package is asked for in versions that exclude each other"),
        Rule("ILK-DP003", "unpinned-runtime", "a runtime is built from versions that nothing pins", Severity.INFO),
        Rule("ILK-DP004", "airflow-conflict", "a requirement does not go together with the pinned Airflow"),
        Rule("ILK-DP005", "airflow-constraints", "Airflow is installed without its constraints file", Severity.WARNING),
        Rule("ILK-DP006", "dbt-adapter-conflict", "dbt-core and its adapter do not take each other"),
        Rule("ILK-DP012", "misspelt-package", "a name is one letter away from a well-known package", Severity.WARNING),
    ),
    file_checks=(FileCheck(PATTERNS, check_lines), FileCheck(("pyproject.toml",), check_pyproject)),
    facts=(
        FileFacts(FACTS, PATTERNS, facts_of),
        FileFacts("pyproject-requirements", ("pyproject.toml",), pyproject_facts),
        FileFacts(_BUILDS, _BUILD_PATTERNS, build_facts),
    ),
    project_checks=(contradictions, unpinned, airflow, dbt_adapters),
)
