"""The modules of a project, by every dotted name under which something could import them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock.rules.inspection import Inspection
from interlock.rules.python_places import is_aside

FACTS = "python-module"
_AIRFLOWS = frozenset(("dags", "plugins"))
_BINARY = (".pyi", ".pyx", ".pyd", ".so")


@dataclass
class Modules:
    """``files`` and ``folders``: by slashed name (``helpers/dates``), what it may mean wherever a path may begin.

    A name counts as existing when any folder of the project could make it so: scripts change ``sys.path``, images copy
    folders, and nobody tells. ``stems``: the same of files, from the root. ``data``: folders without any module.
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    folders: dict[str, list[str]] = field(default_factory=dict)
    stems: dict[str, str] = field(default_factory=dict)
    data: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, paths: Sequence[str]) -> "Modules":
        """The modules among these files."""
        self = cls()
        seen: set[str] = set()
        others: set[str] = set()
        for path in paths:
            folder, _, name = path.rpartition("/")
            if not name.endswith((".py", *_BINARY)):
                others.add(folder)
                continue
            last = name.partition(".")[0]
            stem = folder if last == "__init__" else f"{folder}/{last}".lstrip("/")
            if name.endswith(".py") or stem not in self.stems:
                self.stems[stem] = path
            for ending in _endings(stem):
                self.files.setdefault(ending, []).append(path)
            while folder and folder not in seen:
                seen.add(folder)
                for ending in _endings(folder):
                    self.folders.setdefault(ending, []).append(folder)
                folder = folder.rpartition("/")[0]
        for folder in others - seen:
            self.data.update(_endings(folder))
        return self

    def exists(self, name: str) -> bool:
        """Whether a slashed name is a module or a folder with modules, from anywhere."""
        return name in self.files or name in self.folders or name in self.data

    def exactly(self, stem: str) -> bool:
        """Whether a path from the root is a module or a folder with modules."""
        return stem in self.stems or stem in self.folders.get(stem, ()) or stem in self.data

    def roots(self, top: str) -> Iterator[tuple[str, bool]]:
        """The folders from which ``top`` can be imported ("" is the project's), and whether it is a whole package."""
        for path in self.files.get(top, ()):
            stem = path.removesuffix("/__init__.py") if path.endswith("/__init__.py") else path.rpartition(".")[0]
            yield stem.rpartition("/")[0], path.endswith("/__init__.py")
        for folder in self.folders.get(top, ()):
            yield folder.rpartition("/")[0], False


def _endings(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.partition("/")[2]


@dataclass
class Project:
    """Modules with their facts; ``layout_roots`` are the folders that imports surely begin at."""

    inspection: Inspection
    modules: Modules
    layout_roots: frozenset[str]
    _names: dict[str, frozenset[str] | None] = field(default_factory=dict)

    @classmethod
    def of(cls, inspection: Inspection) -> "Project":
        layout = inspection.layout
        roots = frozenset("" if one == "." else one for one in (*layout.dags, *layout.python_roots))
        return cls(inspection, Modules.of(inspection.paths), roots)

    def facts(self, path: str) -> Mapping[str, Any] | None:
        told = self.inspection.of(FACTS).get(path)
        return told if isinstance(told, dict) else None

    def is_root(self, root: str, importer: str) -> bool:
        """Whether imports of a file may begin at a folder: a declared one, a usual one, its own, or one above it.

        The folders of DAGs and plugins are Airflow's: a script that runs elsewhere finds nothing in them.
        """
        if not root or importer.startswith(f"{root}/"):
            return True
        layout, last = self.inspection.layout, root.rpartition("/")[2]
        if root in layout.dags or last in _AIRFLOWS:
            in_airflow = layout.dag_folder(importer) is not None or not _AIRFLOWS.isdisjoint(importer.split("/"))
            return in_airflow or is_aside(importer, layout)
        return root in self.layout_roots or last in ("src", "lib", "libs")

    def names_of(self, path: str, seen: frozenset[str] = frozenset()) -> frozenset[str] | None:
        """What can be imported from a module, star imports followed; None where that cannot be known."""
        if path not in self._names:
            found = self._find_names(path, seen)
            if seen:  # within a circle of star imports the answer may depend on where it was entered
                return found
            self._names[path] = found
        return self._names[path]

    def _find_names(self, path: str, seen: frozenset[str]) -> frozenset[str] | None:
        told = self.facts(path)
        if told is None or told["open"] or path in seen:
            return None
        names = set(told["defines"])
        for level, module in told["stars"]:
            found = self._star(path, level, module)
            more = self.names_of(found, seen | {path}) if found else None
            if more is None:
                return None
            names |= more
        return frozenset(names)

    def _star(self, path: str, level: int, module: str) -> str | None:
        slashed = module.replace(".", "/")
        if level:
            base = package_of(path, level)
            stem = "/".join(filter(None, (base, slashed))) if base is not None else ""
            return self.modules.stems.get(stem)
        found = self.modules.files.get(slashed, [])
        return found[0] if len(found) == 1 else None


def package_of(path: str, level: int) -> str | None:
    """The folder that a relative import of so many dots begins at; None beyond the project."""
    folder = path.rpartition("/")[0]
    for _ in range(level - 1):
        if not folder:
            return None
        folder = folder.rpartition("/")[0]
    return folder
