"""Modules that Spark jobs import and that neither the project nor their runtime has."""

import ast
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from interlock.catalog.python_imports import ModuleIndex
from interlock.catalog.reading import Absent, Context
from interlock.catalog.sources import is_below
from interlock.config import SparkSection
from interlock.model.findings import NotChecked
from interlock.runtimes.environments import Runtime
from interlock.runtimes.importable import importable

# Spark puts these on the import path itself, from `python/lib`.
_OF_SPARK = frozenset({"pyspark", "py4j"})


@dataclass(frozen=True)
class Script:
    """One job. ``closure``: its script and all that this may import; ``folder``: the script's own."""

    key: str
    path: str
    index: ModuleIndex
    closure: tuple[str, ...]
    folder: str


def absent_modules(
    context: Context, section: SparkSection, runtime: Runtime, paths: Sequence[str], scripts: Sequence[Script]
) -> tuple[tuple[Absent, ...], tuple[NotChecked, ...]]:
    """What the scripts surely import and do not find; ``paths`` are the files of their folders and includes.

    Where it cannot be told what the runtime has, that is said instead.
    """
    if not scripts:
        return (), ()
    held = importable(runtime.python)
    there = _OF_SPARK | (sys.stdlib_module_names if held.unknown else held.names)
    own = {one: there | _top_names(paths, (one, *section.include)) for one in {script.folder for script in scripts}}
    imports = _Imports(context)
    jobs: dict[tuple[str, int, str], list[str]] = {}
    for script in scripts:
        known = own[script.folder]
        if not any(imports.names(path) - known for path in script.closure):
            continue
        for path in imports.surely_reached(script):
            for module, line in imports.sure(path):
                if module not in known:
                    jobs.setdefault((path, line, module), []).append(script.key)
    if held.unknown and jobs:
        return (), (NotChecked(f"whether runtime '{runtime.name}' has what Spark jobs import", held.unknown),)
    return tuple(
        Absent(module, path, line, runtime.name, tuple(sorted(keys)))
        for (path, line, module), keys in sorted(jobs.items())
    ), ()


def _top_names(paths: Iterable[str], roots: Iterable[str]) -> set[str]:
    """Every module, package and folder at the top of the roots."""
    names = set()
    for root in (PurePosixPath(one) for one in roots):
        depth = len(root.parts)
        names |= {PurePosixPath(path).parts[depth] for path in paths if is_below(path, str(root))}
    return {name.partition(".")[0] for name in names}


class _Imports:
    """What files import from the top of the import path, worked out once for all scripts that reach them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.names = cache(self._names)
        self._lines = cache(self._sure_lines)

    def _names(self, path: str) -> frozenset[str]:
        if not path.endswith(".py"):
            return frozenset()
        imports = self._context.python.facts(path).imports
        return frozenset(name.partition(".")[0] for name, level, _ in imports if not level)

    def sure(self, path: str) -> dict[tuple[str, int], None]:
        """(module, line) of each import that nothing can keep from being run."""
        lines = self._lines(path)
        imports = self._context.python.facts(path).imports
        return {(name.partition(".")[0], line): None for name, level, line in imports if not level and line in lines}

    def surely_reached(self, script: Script) -> Collection[str]:
        """The script and what such imports make it run."""
        queue = [script.path]
        seen = dict.fromkeys(queue)
        for path in queue:
            for other in script.index.direct_at(path, self._lines(path)):
                if other not in seen:
                    seen[other] = None
                    queue.append(other)
        return seen

    def _sure_lines(self, path: str) -> frozenset[int]:
        try:
            tree = ast.parse(self._context.sources.read(path))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return frozenset()
        return frozenset(node.lineno for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
