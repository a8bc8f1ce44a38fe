"""Rules about providers: what pins them, and where a lock disagrees with its configuration or with other locks."""

import re
from collections.abc import Iterator
from posixpath import dirname
from typing import Any

from packaging.version import InvalidVersion, Version

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, FileFacts, Rule
from interlock.rules.surroundings import weighed
from interlock.rules.terraform_facts import LOCK_NAME, Folder, closure_of, folders_of, installed
from interlock.rules.terraform_syntax import parse
from interlock.rules.terraform_versions import BUILT_IN, address_of, allows

LOCK_FACTS = "terraform-lock"
# Root modules whose paths differ in such a word alone are meant to be alike.
_ENVIRONMENT = re.compile(r"(?<![^/_-])(?:dev|development|test|qa|uat|stage|staging|preprod|prod|production)(?![^/_-])")


def lock_facts(file: SourceFile) -> dict[str, Any] | None:
    """The providers of a lock file as [address, version, line, last line]."""
    if installed(file.path):
        return None
    locked = []
    for block in parse(file.text).body.of("provider"):
        version = block.value("version")
        if len(block.labels) == 1 and isinstance(version, str):
            locked.append([address_of("", block.labels[0]), version, block.line, block.end_line])
    return {"locked": locked}


def lock_of(inspection: Inspection, folder: str) -> dict[str, str] | None:
    """The versions that the lock of a root module holds, by address; None where it has no lock."""
    told = inspection.of(LOCK_FACTS).get(f"{folder}/{LOCK_NAME}".lstrip("/"))
    return {one[0]: one[1] for one in told["locked"]} if told is not None else None


def unpinned(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TF006 and ILK-TF007: root modules (with a backend) whose providers are whatever is newest today."""
    roots = [
        folder for folder in folders_of(inspection).values()
        if folder.complete and any(facts.get("backend") for facts in folder.files.values())
    ]  # fmt: skip
    unlocked = [folder for folder in roots if _lacks_lock(inspection, folder)]
    for folder in roots:
        pinned = {one[0] for _, one in folder.all("required") if one[1]}
        said: set[str] = set()
        for path, (name, line, end, versioned) in folder.all("provider"):
            if name not in pinned and not versioned and name not in said:
                said.add(name)
                yield Finding(
                    "ILK-TF006", Severity.WARNING, Place(path, line, end),
                    f"the provider '{name}' has no version constraint", "Give it one in required_providers.",
                )  # fmt: skip
    # Where no root module of several has one, that is how this repository works: said once.
    for folder in unlocked[:1] if len(unlocked) == len(roots) else unlocked:
        first = next(path for path, facts in folder.files.items() if facts.get("backend"))
        others = f", nor has any of the other {len(roots) - 1}" if len(unlocked) == len(roots) > 1 else ""
        yield Finding(
            "ILK-TF007", Severity.WARNING, Place(first, 1, 1),
            f"the root module '{folder.path or '.'}' has no .terraform.lock.hcl{others}",
            "Run 'terraform init' there, and commit .terraform.lock.hcl.",
        )  # fmt: skip


def _lacks_lock(inspection: Inspection, folder: Folder) -> bool:
    needs = folder.names("provider") or folder.names("resource") or folder.names("data")
    return bool(needs) and lock_of(inspection, folder.path) is None


def disagreeing(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TF008 and ILK-TF009: what a root module and its modules ask for, and its lock does not hold."""
    folders = folders_of(inspection)
    for root in folders.values():
        locked = lock_of(inspection, root.path)
        where = root.path or "."
        said: set[tuple[str, int]] = set()
        for folder in closure_of(root, folders) if locked is not None else ():
            for path, (name, _, source, constraint, line, end) in folder.all("required"):
                address = address_of(name, source)
                if address == BUILT_IN or (path, line) in said:
                    continue
                said.add((path, line))
                version = (locked or {}).get(address)
                if version is None:
                    yield Finding(
                        "ILK-TF009", weighed(Severity.WARNING, path), Place(path, line, end),
                        f"the lock of '{where}' does not hold the provider '{address}'",
                        f"Run 'terraform init' in {where}, and commit {LOCK_NAME}.",
                    )  # fmt: skip
                elif constraint and allows(constraint, version) is False:
                    yield Finding(
                        "ILK-TF008", weighed(Severity.ERROR, path), Place(path, line, end),
                        f"'{constraint}' excludes {address} {version}, which the lock of '{where}' holds: "
                        "terraform init refuses that",
                        f"Run 'terraform init -upgrade' in {where}, and commit {LOCK_NAME}.",
                    )  # fmt: skip


def drifting(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TF017: root modules of several environments whose locks hold different versions of one provider."""
    newest: dict[tuple[str, str], tuple[Version, str]] = {}
    held: list[tuple[tuple[str, str], str, Version, Place]] = []
    for path, told in inspection.of(LOCK_FACTS).items():
        folder = dirname(path)
        for address, text, line, end in told["locked"] if _ENVIRONMENT.search(folder) else ():
            try:
                version = Version(text)
            except InvalidVersion:
                continue
            key = (_ENVIRONMENT.sub("*", folder), address)
            held.append((key, folder, version, Place(path, line, end)))
            newest[key] = max(newest.get(key, (version, folder)), (version, folder))
    for key, folder, version, place in held:
        most, other = newest[key]
        if version < most:
            yield Finding(
                "ILK-TF017", Severity.WARNING if version.major != most.major else Severity.INFO, place,
                f"'{folder}' locks {key[1]} {version}, and '{other}' {most}",
                "Lock the same version in both: what one of them shows is else not what the other does.",
            )  # fmt: skip


FAMILY = Family(
    "terraform-providers",
    (
        Rule("ILK-TF006", "provider-without-version", "a provider has no version constraint", Severity.WARNING),
        Rule("ILK-TF007", "no-provider-lock", "a root module has no lock file", Severity.WARNING),
        Rule("ILK-TF008", "lock-excluded", "a lock file holds a version that the configuration excludes"),
        Rule("ILK-TF009", "provider-not-locked", "a lock file lacks a required provider", Severity.WARNING),
        Rule("ILK-TF017", "providers-drift", "environments lock different versions of a provider", Severity.WARNING),
    ),
    facts=(FileFacts(LOCK_FACTS, (LOCK_NAME,), lock_facts),),
    project_checks=(unpinned, disagreeing, drifting),
)
