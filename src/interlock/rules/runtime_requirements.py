"""The requirements and locks that interlock.yaml names for its runtimes, whatever the files are called."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from posixpath import dirname, normpath
from typing import Any

from interlock.config import ProjectConfig
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.requirement_files import FACTS, facts_of, included, refused_by_check

_MOST_FILES = 50


@dataclass(frozen=True)
class RuntimeFiles:
    """What one runtime is made from; paths are relative to the project. ``requirements`` is "" where none are named."""

    name: str
    python: str | None
    requirements: str
    lock: str


def runtimes_of(config: ProjectConfig | None) -> Iterator[RuntimeFiles]:
    """Every runtime that has a lock."""
    for name, given in config.runtimes.items() if config is not None else ():
        if given.lock is not None:
            requirements = normpath(given.requirements) if given.requirements else ""
            yield RuntimeFiles(name, given.python, requirements, normpath(given.lock))


def beside(path: str, target: str) -> str:
    """What a file means by the path ``target``; what begins with "/" or ".." lies outside the project."""
    return normpath(target if target.startswith("/") else f"{dirname(path)}/{target}".lstrip("/"))


@dataclass(frozen=True)
class Closure:
    """A requirements file and what it includes, by path. ``why`` uv is not asked about them; "" where it may be."""

    texts: Mapping[str, bytes]
    why: str


def closure(path: str, read: Callable[[str], bytes | None]) -> Closure:
    """``read`` gives None for a file that the project does not have."""
    texts: dict[str, bytes] = {}
    todo = [path]
    while todo:
        if len(texts) > _MOST_FILES:
            return Closure(texts, f"{path} includes more than {_MOST_FILES} files")
        one = todo.pop()
        if one in texts:
            continue
        source = read(one)
        if source is None:
            return Closure(texts, f"the project has no {one}")
        texts[one] = source
        file = SourceFile(one, source)
        why = refused_by_check(file)
        if why:
            return Closure(texts, f"{one} {why}")
        for target in included(file):
            if "://" not in target:
                todo.append(beside(one, target))
    return Closure(texts, "")


def facts_by_path(inspection: Inspection, paths: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The facts of these requirements files and locks; files that hold nothing, or are not there, are left out."""
    known = inspection.of(FACTS)
    wanted = {path: known.get(path) for path in dict.fromkeys(paths) if inspection.exists(path)}
    others = {path: inspection.digest(path) for path, told in wanted.items() if told is None}
    if others:
        wanted |= inspection.kept(
            "runtime-requirements", others, lambda missing: {path: facts_of(inspection.file(path)) for path in missing}
        )
    return {path: told for path, told in wanted.items() if told is not None}
