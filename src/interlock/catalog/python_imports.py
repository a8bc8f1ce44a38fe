"""What Python files import, read from their syntax trees: nothing is executed."""

import ast
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.catalog.fingerprint import VERSION, python_part
from interlock.catalog.sources import Sources, is_below
from interlock.catalog.store import ReadingCache

# What this Python cannot parse a newer one may.
_SPACE = f"python-{VERSION}-{sys.version_info[1]}"
_FILE_NAME = re.compile(r"[\w./{}%*-]{0,200}\.[A-Za-z]\w{0,9}")
_DYNAMIC = frozenset({"import_module", "__import__", "exec_module", "run_path", "run_module", "iter_modules",
                      "walk_packages", "exec", "load_module", "entry_points"})  # fmt: skip
_LISTING = frozenset({"glob", "iglob", "rglob", "iterdir", "listdir", "scandir", "walk", "with_suffix", "with_name",
                      "with_stem"})  # fmt: skip


@dataclass(frozen=True)
class PythonFacts:
    """What one source file says about itself.

    ``imports``: (dotted name, level, line); level counts the dots of a relative import. ``part`` is its fingerprint.
    ``dynamic``: it imports by names that only running it can tell. ``listing``: it looks for files by pattern or by
    making up a name. ``names``: its string literals that look like file names. ``error``: (line, message) of a syntax
    error, line 0 without one.
    """

    imports: tuple[tuple[str, int, int], ...]
    part: str
    dynamic: bool
    listing: bool
    names: tuple[str, ...]
    error: tuple[int, str] = (0, "")


def facts_of(source: bytes) -> PythonFacts:
    """The facts of one file; one that cannot be parsed has no imports and says where its error is."""
    part = python_part(source)
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return PythonFacts((), part, False, False, (), (error.lineno or 1, error.msg))
    except (ValueError, RecursionError, MemoryError) as error:
        return PythonFacts((), part, False, False, (), (1, str(error) or "the file is nested too deeply"))
    imports: list[tuple[str, int, int]] = []
    names: set[str] = set()
    called: set[str] = set()
    for node in _at_run_time(tree):
        if isinstance(node, ast.Import):
            imports += [(alias.name, 0, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            imports.append((base, node.level, node.lineno))
            # `from package import name`: only the file tree can tell whether the name is a module.
            imports += [(f"{base}.{a.name}".lstrip("."), node.level, node.lineno) for a in node.names if a.name != "*"]
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and _FILE_NAME.fullmatch(node.value):
                names.add(node.value)
        elif isinstance(node, (ast.Name, ast.Attribute)):
            called.add(node.id if isinstance(node, ast.Name) else node.attr)
    return PythonFacts(
        tuple(dict.fromkeys(imports)), part, bool(called & _DYNAMIC), bool(called & _LISTING), tuple(sorted(names))
    )


def _at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but the bodies of ``if TYPE_CHECKING:``, which never run."""
    stack = [tree]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            stack += node.orelse
        else:
            stack += ast.iter_child_nodes(node)


def _is_type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"


class PythonFiles:
    """The facts of Python files, computed once per content and kept in the cache."""

    def __init__(self, sources: Sources, cache: ReadingCache) -> None:
        self._sources = sources
        self._cache = cache
        self._stored = cache.load(_SPACE)
        self._new: dict[str, Any] = {}
        self._known: dict[str, PythonFacts] = {}

    def facts(self, path: str) -> PythonFacts:
        digest = self._sources.digest(path)
        if digest not in self._known:
            stored = self._stored.get(digest)
            facts = _from_json(stored) if stored else facts_of(self._sources.read(path))
            if not stored:
                self._new[digest] = _to_json(facts)
            self._known[digest] = facts
        return self._known[digest]

    def save(self) -> None:
        """What was found out stays; what no file of the project has any more is dropped once it is the larger half."""
        if self._new:
            stale = len(self._stored) > 2 * len(self._known) + 64
            self._cache.save(_SPACE, self._new, keep=list(self._known) if stale else None)


def _to_json(facts: PythonFacts) -> list[Any]:
    return [facts.imports, facts.part, facts.dynamic, facts.listing, facts.names, facts.error]


def _from_json(data: list[Any]) -> PythonFacts:
    imports, part, dynamic, listing, names, error = data
    return PythonFacts(tuple((n, lv, ln) for n, lv, ln in imports), part, dynamic, listing, tuple(names), tuple(error))


class ModuleIndex:
    """Which project file a dotted name stands for, and what a file reaches by its imports.

    ``roots`` are the folders of the import path, in order: the first that has a name wins.
    """

    def __init__(self, paths: Iterable[str], roots: Sequence[str], files: PythonFiles) -> None:
        self._files = files
        self._by_name: dict[str, str] = {}
        self._name_of: dict[str, str] = {}
        self._direct: dict[str, tuple[str, ...]] = {}
        self._resolved: dict[str, tuple[str, ...]] = {}
        known = [path for path in sorted(set(paths)) if path.endswith(".py")]
        for root in dict.fromkeys(roots):
            for path in known:
                if is_below(path, root):
                    name = module_name(path, root)
                    self._by_name.setdefault(name, path)
                    self._name_of.setdefault(path, name)

    @property
    def names(self) -> tuple[str, ...]:
        """Every dotted name of the project, sorted."""
        return tuple(sorted(self._by_name))

    @property
    def by_name(self) -> Mapping[str, str]:
        return self._by_name

    def resolve(self, name: str) -> tuple[str, ...]:
        """The files that importing ``name`` runs, parents first; empty when it is not the project's."""
        if name not in self._resolved:
            parts = name.split(".")
            prefixes = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
            self._resolved[name] = tuple(self._by_name[prefix] for prefix in prefixes if prefix in self._by_name)
        return self._resolved[name]

    def direct(self, path: str) -> tuple[str, ...]:
        """The project files that ``path`` imports itself."""
        if path not in self._direct:
            self._direct[path] = self._run_by(path, self._files.facts(path).imports)
        return self._direct[path]

    def direct_at(self, path: str, lines: Collection[int]) -> tuple[str, ...]:
        """Those of them that it imports in certain lines."""
        return self._run_by(path, [one for one in self._files.facts(path).imports if one[2] in lines])

    def _run_by(self, path: str, imports: Iterable[tuple[str, int, int]]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for name, level, _ in imports:
            absolute = self._absolute(path, name, level)
            found.update(dict.fromkeys(self.resolve(absolute) if absolute else ()))
        return tuple(other for other in found if other != path)

    def _absolute(self, path: str, name: str, level: int) -> str:
        if not level:
            return name
        own = self._name_of.get(path, "").split(".")
        package = own if path.endswith("/__init__.py") else own[:-1]
        base = package[: len(package) - level + 1]
        return ".".join([*base, name] if name else base)

    def closure(self, path: str, also: Iterable[str] = ()) -> tuple[str, ...]:
        """``path``, what it imports, what that imports, and so on; ``also`` are further starting points. Sorted."""
        queue = [path, *also]
        seen = dict.fromkeys(queue)
        for one in queue:
            for other in self.direct(one) if one.endswith(".py") else ():
                if other not in seen:
                    seen[other] = None
                    queue.append(other)
        return tuple(sorted(seen))


def module_name(path: str, root: str) -> str:
    """``a.b`` for ``root/a/b.py`` and for ``root/a/b/__init__.py``."""
    root = root.removeprefix("./").rstrip("/")
    inner = (path if root in ("", ".") else path[len(root) + 1 :]).removesuffix(".py")
    return inner.removesuffix("__init__").rstrip("/").replace("/", ".")
