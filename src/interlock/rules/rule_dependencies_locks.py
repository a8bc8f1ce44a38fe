"""Rules about locks: what does not fit what was asked for, what uv cannot solve, what its index advises against."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from posixpath import dirname, normpath
from typing import Any

from packaging.utils import canonicalize_name

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.inspection import Inspection
from interlock.rules.requirement_files import FACTS, Line, specifiers, version
from interlock.rules.rule import Family, Needs, Rule
from interlock.rules.runtime_requirements import beside, facts_by_path, runtimes_of

# pip-compile leaves them out of its output.
_NEVER_LOCKED = {"pip", "setuptools", "distribute", "wheel", "pkg-resources"}
_REQUIRED = re.compile(r"you require (.*?), we can conclude", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_LONGEST_REASON = 300


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


def conflicts(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP013, in the words of uv."""
    for runtime in runtimes_of(inspection.config):
        told = inspection.index.get(runtime.name)
        if told is None or not told.conflict:
            continue
        named = _named(inspection, runtime.requirements, told.conflict)
        path, line = named[0] if named else (runtime.requirements, None)
        others = [f"'{one.name}{one.specifier}'" for _, one in named[1:]]
        what = f"'{line.name}{line.specifier}' cannot be met" if line else "they cannot be met"
        yield Finding(
            "ILK-DP013", Severity.ERROR, Place(path, line.line if line else 0),
            f"the requirements of runtime '{runtime.name}' have no solution: {what}"
            + (f" together with {' and '.join(others[:3])}" if others else ""),
            "Relax or remove one of the versions that uv names, and lock the runtime again.", detail=told.conflict,
            affected=(runtime.lock,), cause=f"package:{line.name}" if line else "",
        )  # fmt: skip


def _named(inspection: Inspection, source: str, words: str) -> list[tuple[str, Line]]:
    """The requirements that uv's words are about, the one to look at first: what was changed, then what uv names last.

    uv says last what stands nearest to the requirements themselves.
    """
    lines: dict[str, list[tuple[str, Line]]] = {}
    for path, line, _ in _wanted(inspection, {}, source):
        lines.setdefault(line.name, []).append((path, line))
    names = [canonicalize_name(name) for clause in _REQUIRED.findall(words) for name in _NAME.findall(clause)]
    found = [one for name in dict.fromkeys(reversed(names)) for one in reversed(lines.get(name, ()))]
    base = inspection.base
    before = {(one.name, one.specifier) for _, one, _ in _wanted(base, {}, source)} if base is not None else set()
    return sorted(found, key=lambda one: base is not None and (one[1].name, one[1].specifier) in before)


def yanked(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DP014: it is still installed, but its authors took it back."""
    runtimes = [one for one in runtimes_of(inspection.config) if getattr(inspection.index.get(one.name), "yanked", ())]
    facts = facts_by_path(inspection, [one.lock for one in runtimes])
    for runtime in runtimes:
        lines = {(one.name, one.pin): one for one in map(Line.of, facts.get(runtime.lock, {}).get("lines", ()))}
        for one in inspection.index[runtime.name].yanked:
            line = lines.get((str(canonicalize_name(one.name)), one.version))
            source = runtime.requirements or "REQUIREMENTS"
            yield Finding(
                "ILK-DP014", Severity.WARNING, Place(runtime.lock, line.line if line else 0),
                f"'{one.name}=={one.version}' of runtime '{runtime.name}' was yanked from its index",
                f"Lock another version: uv pip compile --generate-hashes --upgrade-package {one.name} {source} "
                f"-o {runtime.lock}.",
                detail=one.reason[:_LONGEST_REASON],
            )  # fmt: skip


FAMILY = Family(
    "dependency-locks",
    (
        Rule("ILK-DP011", "stale-lock", "a compiled requirements file is older than its input"),
        Rule("ILK-DP013", "no-solution", "the requirements of a runtime cannot be met together", needs=Needs.INDEX),
        Rule("ILK-DP014", "yanked-version", "a locked version was yanked", Severity.WARNING, Needs.INDEX),
    ),
    project_checks=(stale_locks, conflicts, yanked),
)
