"""Rules about locks: what does not fit what was asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import dirname, normpath
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.inspection import Inspection
from interlock.rules.requirement_files import FACTS, Line, specifiers, version
from interlock.rules.rule import Family, Rule
from interlock.rules.runtime_requirements import beside, facts_by_path, runtimes_of

# pip-compile leaves them out of its output.
_NEVER_LOCKED = {"pip", "setuptools", "distribute", "wheel", "pkg-resources"}


@dataclass(frozen=True)
class _Lock:
    """A file that was made from another. ``named``: interlock.yaml says so, and nothing is left out of it."""

    path: str
    source: str
    omits: frozenset[str]
    named: bool = False


def stale_locks(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP011: what was compiled before its input was changed."""
    runtimes = [one for one in runtimes_of(inspection.config) if one.requirements]
    facts = {
        **inspection.of(FACTS),
        **facts_by_path(inspection, [path for one in runtimes for path in (one.requirements, one.lock)]),
    }
    locks = {one.path: one for one in _compiled(facts)}
    locks |= {one.lock: _Lock(one.lock, one.requirements, frozenset(), named=True) for one in runtimes}
    for lock in locks.values():
        if lock.path in facts and lock.source in facts:
            yield from _stale(inspection, facts, lock)


def _compiled(facts: Mapping[str, Any]) -> Iterator[_Lock]:
    """Files that say themselves what they were compiled from."""
    for path, told in facts.items():
        for given in told["inputs"]:
            near = f"{dirname(path)}/{given.rpartition('/')[2]}".lstrip("/")
            source = next((one for one in (normpath(given), near) if one in facts and one.endswith(".in")), "")
            if source and dirname(source) == dirname(path):
                yield _Lock(path, source, frozenset(told["omits"]))


def _stale(inspection: Inspection, facts: Mapping[str, Any], lock: _Lock) -> Iterator[Finding]:
    if facts[lock.source]["partial"] or facts[lock.path]["partial"]:
        return
    locked: dict[str, list[Line]] = {}
    for one in map(Line.of, facts[lock.path]["lines"]):
        locked.setdefault(one.name, []).append(one)
    hashes = "--generate-hashes " if lock.named else ""
    for path, line, constrains in _wanted(inspection, facts, lock.source):
        there = locked.get(line.name, [])
        # What a marker decides holds on some machines; and a lock for several has a line for each.
        if line.marker or line.name in lock.omits or any(not one.pin or _allows(line, one.pin) for one in there):
            continue
        if not there and (constrains or (line.name in _NEVER_LOCKED and not lock.named)):
            continue
        what = f"has '{there[0].name}=={there[0].pin}'" if there else f"lacks '{line.name}'"
        yield Finding(
            "ILK-DP011", Severity.ERROR, Place(path, line.line, line.line),
            f"{lock.path} is older than its input: it {what}, and {path} wants '{line.name}{line.specifier}'",
            f"Compile it again: uv pip compile {hashes}{lock.source} -o {lock.path}.", cause=f"lock:{lock.path}",
        )  # fmt: skip


def _wanted(inspection: Inspection, facts: Mapping[str, Any], source: str) -> Iterator[tuple[str, Line, bool]]:
    """What a requirements file and those that it includes ask for: path, line, and whether it is a constraint."""
    todo, seen = [(source, False)], {source}
    while todo:
        path, constrains = todo.pop()
        told = facts.get(path) or facts_by_path(inspection, [path]).get(path)
        if told is None:
            continue
        for line in map(Line.of, told["lines"]):
            yield path, line, constrains
        for option, target in told["includes"]:
            other = beside(path, target)
            if other not in seen:
                seen.add(other)
                todo.append((other, constrains or option == "-c"))


def _allows(line: Line, pin: str) -> bool:
    allowed, there = specifiers(line.specifier), version(pin)
    return allowed is None or there is None or allowed.contains(there, prereleases=True)


FAMILY = Family(
    "dependency-locks",
    (Rule("ILK-DP011", "stale-lock", "a compiled requirements file is older than its input"),),
    project_checks=(stale_locks,),
)
