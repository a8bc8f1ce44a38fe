"""Rules about the packages of a dbt project: what they follow, and which dbt they and the project ask for."""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from packaging.specifiers import SpecifierSet

from interlock.catalog.sources import is_below
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.requirement_files import FACTS, Line, disjoint, installed, specifiers, version
from interlock.rules.rule import Family, FileFacts, Rule

_PACKAGES, _PROJECT = "dbt-packages", "dbt-requires"
_MOVING = {"main", "master", "head", "develop", "dev", "trunk", "latest"}
# What releases of dbt_utils write into require-dbt-version (dbt-labs/dbt-utils, dbt_project.yml of each tag).
_UTILS_NEED = (
    (SpecifierSet(">=0.8,<0.9"), SpecifierSet(">=1.0.0")),
    (SpecifierSet(">=0.9,<1.0"), SpecifierSet(">=1.2.0")),
    (SpecifierSet(">=1.0,<2.0"), SpecifierSet(">=1.3.0")),
)


def _value(node: yaml.Node | None) -> Any:
    """Text, or a list of texts; None for what is something else."""
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [one.value for one in node.value if isinstance(one, yaml.ScalarNode)]
    return None


def _entries(file: SourceFile, key: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    for document in file.documents or ():
        for name, value in document.value if isinstance(document, yaml.MappingNode) else ():
            if isinstance(name, yaml.ScalarNode) and name.value == key and isinstance(value, yaml.SequenceNode):
                for one in value.value:
                    if isinstance(one, yaml.MappingNode):
                        told = {k.value: _value(v) for k, v in one.value if isinstance(k, yaml.ScalarNode)}
                        yield told, one.start_mark.line + 1, max(one.end_mark.line, one.start_mark.line + 1)


def package_facts(file: SourceFile) -> list[Any] | None:
    """Each package: [kind, name, version or revision, line, last line]."""
    if installed(file.path):
        return None
    found = []
    for told, line, end in _entries(file, "packages"):
        for kind, key in (("hub", "package"), ("git", "git")):
            name = told.get(key)
            if isinstance(name, str):
                wanted = told.get("version" if kind == "hub" else "revision")
                found.append([kind, name, wanted if wanted is not None else told.get("version"), line, end])
    return found or None


def project_facts(file: SourceFile) -> list[Any] | None:
    """``require-dbt-version`` with its line; None where there is none."""
    if installed(file.path):
        return None
    for document in file.documents or ():
        for name, value in document.value if isinstance(document, yaml.MappingNode) else ():
            if isinstance(name, yaml.ScalarNode) and name.value == "require-dbt-version":
                wanted = dbt_specifiers(_value(value))
                return [str(wanted), name.start_mark.line + 1] if wanted is not None else None
    return None


def dbt_specifiers(wanted: Any) -> SpecifierSet | None:
    """dbt's way of writing versions (``">=1.3.0"``, a list of such, ``"=1.0.0"``, ``"1.0.0"``) as PEP 440's."""
    parts = [part.strip() for one in (wanted if isinstance(wanted, list) else [wanted]) for part in str(one).split(",")]
    if any("{{" in part for part in parts) or wanted is None:
        return None
    plain = [re.sub(r"^(?:=(?!=)|(?=\d))", "==", part) for part in parts if part]
    return specifiers(",".join(plain)) if plain else None


def check_packages(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP009: git packages that follow a branch. A package-lock.yml pins what it was written for."""
    for path, packages in inspection.of(_PACKAGES).items():
        folder = path.rpartition("/")[0]
        locked = inspection.exists(f"{folder}/package-lock.yml".lstrip("/"))
        for kind, name, wanted, line, end in packages:
            # Hub packages without a version are refused by dbt itself; addresses may hold a token: never shown whole.
            if kind != "git" or locked or "{{" in str(wanted):
                continue
            called = re.sub(r"\.git$", "", re.split(r"[/:]", name)[-1]) if "{{" not in name else "a git package"
            if wanted is None:
                summary = f"the dbt package '{called}' has no revision: each 'dbt deps' takes what is newest"
            elif str(wanted).lower() in _MOVING:
                summary = f"the dbt package '{called}' follows the branch '{wanted}'"
            else:
                continue
            yield Finding(
                "ILK-DP009", Severity.WARNING, Place(path, line, end), summary,
                "Write a tag or a commit: revision: 1.2.3. Or commit package-lock.yml.",
            )  # fmt: skip


def check_versions(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP010: said where every dbt-core that the repository pins is one that the project or its package refuses."""
    pins = _core_pins(inspection)
    for path, (wanted, line) in inspection.of(_PROJECT).items():
        allowed = specifiers(wanted)
        near, surely = _nearest(path, pins)
        if allowed is not None and near and all(disjoint(SpecifierSet(f"=={one}"), allowed) for one in near):
            yield Finding(
                "ILK-DP010", Severity.ERROR if surely else Severity.WARNING, Place(path, line, line),
                f"require-dbt-version is '{wanted}', and dbt-core is pinned to {', '.join(sorted(near))}",
                "Widen require-dbt-version, or pin a dbt-core that it allows.",
            )  # fmt: skip
    for path, packages in inspection.of(_PACKAGES).items():
        near, surely = _nearest(path, pins)
        for kind, name, wanted, line, end in packages:
            chosen = dbt_specifiers(wanted) if kind == "hub" and name == "dbt-labs/dbt_utils" and near else None
            for releases, needs in _UTILS_NEED if chosen is not None else ():
                exact = [one.version for one in chosen or () if one.operator == "=="]
                there = version(exact[0]) if len(exact) == 1 else None
                if (
                    there
                    and releases.contains(there)
                    and all(not needs.contains(one, prereleases=True) for one in near)
                ):
                    yield Finding(
                        "ILK-DP010", Severity.ERROR if surely else Severity.WARNING, Place(path, line, end),
                        f"dbt_utils {there} requires dbt {needs}, and dbt-core is pinned to {', '.join(sorted(near))}",
                        "Take the dbt_utils that belongs to this dbt, or a newer dbt-core.",
                    )  # fmt: skip


def _core_pins(inspection: Inspection) -> dict[str, str]:
    found = {}
    for facts in (inspection.of(FACTS), inspection.of("pyproject-requirements")):
        for path, told in facts.items():
            for one in map(Line.of, told["lines"]):
                if one.name == "dbt-core" and one.pin and not one.marker:
                    found[path] = one.pin
    return found


def _nearest(path: str, pins: dict[str, str]) -> tuple[set[str], bool]:
    """The pins of the innermost folder around ``path`` that has some, or, less certainly, of the whole repository."""
    folder = path.rpartition("/")[0]
    while True:
        here = {pin for one, pin in pins.items() if one.rpartition("/")[0] == folder}
        if here or not folder:
            return (here, True) if here else (set(pins.values()), False)
        below = {pin for one, pin in pins.items() if is_below(one, folder)}
        if below:
            return below, True
        folder = folder.rpartition("/")[0]


FAMILY = Family(
    "dependencies-dbt",
    (
        Rule("ILK-DP009", "unpinned-dbt-package", "a dbt package follows a branch", Severity.WARNING),
        Rule("ILK-DP010", "dbt-version-conflict", "the pinned dbt-core is one that the project or a package refuses"),
    ),
    facts=(
        FileFacts(_PACKAGES, ("packages.yml", "packages.yaml", "dependencies.yml"), package_facts),
        FileFacts(_PROJECT, ("dbt_project.yml", "dbt_project.yaml"), project_facts),
    ),
    project_checks=(check_packages, check_versions),
)
