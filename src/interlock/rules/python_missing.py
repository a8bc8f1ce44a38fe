"""Imports of modules and names that the project does not have. What may come from elsewhere is left alone."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatch
from functools import cached_property

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.inspection import Inspection
from interlock.rules.python_around import ignored_by_airflow, ignored_by_git, required
from interlock.rules.python_imports import SURE
from interlock.rules.python_modules import FACTS, Project, package_of
from interlock.rules.python_names import AIRFLOW, VENDORS
from interlock.rules.python_places import is_aside

# Made by a build, a code generator or each developer, and not committed.
_MADE = re.compile(
    r"_?version|__version__|\w*_pb2(?:_grpc)?|\w*local(?:_\w+)?|\w*secrets?|\w*credentials?|private\w*|"
    r"_?generated\w*|gen|\w*_gen|build|\w*_rc|_\w+"
)


@dataclass(frozen=True)
class _Import:
    path: str
    level: int
    module: str
    names: tuple[str, ...]
    line: int
    end_line: int
    sure: bool

    @property
    def slashed(self) -> str:
        return self.module.replace(".", "/")

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def missing(inspection: Inspection) -> Iterator[Finding]:
    """ILK-PY003, ILK-PY004, and ILK-PY005 for files that Airflow loads by their path."""
    told = inspection.of(FACTS)
    imports = [
        _Import(path, level, module, tuple(names), line, end, sure == SURE)
        for path, one in told.items()
        if "{{" not in path
        for level, module, names, line, end, sure in one["imports"]
    ]
    if not imports:
        return
    check = _Check(inspection, imports)
    for one in imports:
        if one.level and one.sure and check.loaded_by_path(one):
            yield check.relative(one)
        else:
            yield from check.relatively(one) if one.level else check.absolutely(one)


class _Check:
    def __init__(self, inspection: Inspection, imports: Sequence[_Import]) -> None:
        self.project = Project.of(inspection)
        self.modules = self.project.modules
        self.inspection = inspection
        self.vendors = VENDORS | required(inspection)
        self.imports = imports
        self._base: Project | None = None
        self._below: dict[str, list[str]] = {}
        # Packages of which at least one import is known to mean this project's.
        self.proven = {one.top for one in imports if not one.level and self._resolves(one)}

    def _resolves(self, one: _Import) -> bool:
        files = self.modules.files.get(one.slashed)
        if not one.names:
            return "." in one.module and bool(files)
        known = [self.project.names_of(path) for path in files or ()]
        return (bool(files) or "." in one.module) and all(
            self.modules.exists(f"{one.slashed}/{name}") or any(name in names for names in known if names is not None)
            for name in one.names
        )

    @property
    def base(self) -> Project | None:
        if self._base is None and self.inspection.base is not None:
            self._base = Project.of(self.inspection.base)
        return self._base

    def loaded_by_path(self, one: _Import) -> bool:
        """Airflow loads each file with a DAG under a made-up name that belongs to no package."""
        folder = self.inspection.layout.dag_folder(one.path)
        told = self.project.facts(one.path)
        if folder is None or not told:
            return False
        return (bool(told["dag"]) or self._has_no_package(one.path, folder)) and not ignored_by_airflow(
            self.inspection, one.path
        )

    def _has_no_package(self, path: str, folder: str) -> bool:
        """Whether a module at the top of a DAG folder is imported by its bare name, or could only be."""
        above, _, name = path.rpartition("/")
        if above != folder:
            return False
        stem, package = name.removesuffix(".py"), folder.rpartition("/")[2]
        absolute = [other for other in self.imports if not other.level]
        if any(one.module == stem and self.inspection.layout.dag_folder(one.path) == folder for one in absolute):
            return True
        if self.inspection.exists(f"{folder}/__init__.py"):
            return False
        return not any(
            one.module.endswith(f"{package}.{stem}") or (one.module.endswith(package) and stem in one.names)
            for one in absolute
        )

    def relative(self, one: _Import) -> Finding:
        written = "." * one.level + one.module
        target = f"{package_of(one.path, one.level) or ''}/{one.slashed}".strip("/")
        folder = self.inspection.layout.dag_folder(one.path) or ""
        inner = target.removeprefix("" if folder == "." else folder).strip("/").replace("/", ".")
        remedy = f"Import it from the DAG folder on: {f'from {inner} import' if inner else 'import'} ..."
        return Finding(
            "ILK-PY005", self._severity(one, True), Place(one.path, one.line, one.end_line),
            f"the relative import of '{written}' fails: Airflow loads DAG files by their path, outside of any package",
            remedy,
        )  # fmt: skip

    def relatively(self, one: _Import) -> Iterator[Finding]:
        folder = package_of(one.path, one.level)
        if folder is None:
            return
        stem = "/".join(filter(None, (folder, one.slashed)))
        written = "." * one.level + one.module
        if stem and not self.modules.exactly(stem):
            if not _MADE.fullmatch(one.module.rpartition(".")[2]) and not self._hidden(stem):
                yield self._no_module(one, written, stem, True)
            return
        path = self.modules.stems.get(stem)
        for name in one.names:
            if self.modules.exactly(f"{stem}/{name}".lstrip("/")):
                continue
            if path is None or not path.endswith(".py"):
                if path is None and not _MADE.fullmatch(name) and not self._hidden(f"{stem}/{name}"):
                    dots = "." if one.module else ""
                    yield self._no_module(one, f"{written}{dots}{name}", f"{stem}/{name}".lstrip("/"), True)
                continue
            known = self.project.names_of(path)
            if known is not None and name not in known and not _is_special(name) and not self._hidden(f"{stem}/{name}"):
                yield self._no_name(one, written, name, path, known, True)

    def absolutely(self, one: _Import) -> Iterator[Finding]:
        if one.top == "airflow":
            yield from self._of_airflow(one)
        if one.top in self.vendors:
            return
        if not self.modules.exists(one.slashed):
            yield from self._absent(one, one.module)
            return
        files = self.modules.files.get(one.slashed, [])
        for name in one.names:
            if self.modules.exists(f"{one.slashed}/{name}") or _is_special(name):
                continue
            if not files:
                if one.module != one.top or one.top in self.proven:
                    yield from self._absent(one, f"{one.module}.{name}")
                continue
            known = [self.project.names_of(path) if path.endswith(".py") else None for path in files]
            if any(names is None or name in names for names in known):
                continue
            yield from self._nameless(one, name, files)

    def _of_airflow(self, one: _Import) -> Iterator[Finding]:
        """A module that Airflow has in no version, and that is written almost as one of its own."""
        second = one.module.split(".")[1]
        near = get_close_matches(second, AIRFLOW, n=1, cutoff=0.75)
        if near and not self.modules.exists(f"airflow/{second}"):
            yield Finding(
                "ILK-PY003", self._severity(one, True), Place(one.path, one.line, one.end_line),
                f"Airflow has no module '{second}', of which something is imported here", f"Write 'airflow.{near[0]}'.",
                cause=f"module:airflow.{second}",
            )  # fmt: skip

    def _nameless(self, one: _Import, name: str, files: Sequence[str]) -> Iterator[Finding]:
        slashes = one.slashed.count("/") + 1
        for path in sorted(files, key=lambda p: (self._root_of(p, slashes) not in self.project.layout_roots, p)):
            root = self._root_of(path, slashes)
            if not self.project.is_root(root, one.path) or path == one.path:
                continue
            known = self.project.names_of(path) or frozenset()
            before = self.base.names_of(path) if self.base and path in self.base.inspection.of(FACTS) else None
            sure = (
                one.top in self.proven
                or (before is not None and name in before)
                or (slashes > 1 and root in self.project.layout_roots)
                or bool(get_close_matches(name, sorted(known), n=1, cutoff=0.8))
            )
            told = self.project.facts(path)
            if (sure or not (told and told["dag"])) and not self._hidden(f"{one.slashed}/{name}"):
                yield self._no_name(one, one.module, name, path, known, sure)
            return

    @staticmethod
    def _root_of(path: str, slashes: int) -> str:
        parts = path.removesuffix("/__init__.py").split("/")
        return "/".join(parts[:-slashes])

    def _absent(self, one: _Import, module: str) -> Iterator[Finding]:
        """A module that nothing in the project is: said where its first part is surely the project's."""
        slashed = module.replace(".", "/")
        if _MADE.fullmatch(module.rpartition(".")[2]) or self._hidden(slashed):
            return
        gone = self._gone(one, slashed)
        roots = [
            (root, whole)
            for root, whole in self.modules.roots(one.top)
            if self.project.is_root(root, one.path)
            and f"{root}/{one.top}".strip("/") in self.modules.folders.get(one.top, ())
        ]
        if not roots and not gone:
            near = self._misspelt(slashed, one.path)
            if near:
                yield self._no_module(one, module, slashed, "/" in slashed or "_" in slashed, near)
            elif moved := self._under_another_name(slashed, one.path):
                yield self._no_module(one, module, slashed, False, [moved])
            return
        whole = any(
            whole and root in self.project.layout_roots and self._is_closed(f"{root}/{one.top}/__init__.py".lstrip("/"))
            for root, whole in roots
        )
        if any(self._is_namespace(f"{root}/{one.top}/__init__.py".lstrip("/")) for root, _ in roots):
            return
        sure = gone or one.top in self.proven or whole or bool(self._near(slashed, 0.8))
        if not sure and not any(root in self.project.layout_roots for root, _ in roots):
            return  # a folder happens to be called as somebody's package is
        yield self._no_module(one, module, slashed, sure)

    def _is_closed(self, path: str) -> bool:
        told = self.project.facts(path)
        return told is not None and not told["open"]

    def _is_namespace(self, path: str) -> bool:
        """Whether a package says that its modules may lie elsewhere too, or be made when they are asked for."""
        told = self.project.facts(path)
        return told is not None and bool(told["open"])

    def _gone(self, one: _Import, slashed: str) -> bool:
        if self.base is None:
            return False
        slashes = slashed.count("/") + 1
        return any(
            self.base.is_root(self._root_of(path, slashes), one.path) and not self.inspection.exists(path)
            for path in self.base.modules.files.get(slashed, ())
        )

    def _hidden(self, slashed: str) -> bool:
        """Whether .gitignore names a module, so that it may be there on the machines where it runs."""
        name = slashed.rpartition("/")[2]
        return any(fnmatch(f"{name}.py", ignored) or fnmatch(name, ignored) for ignored in self._gitignored)

    @cached_property
    def _gitignored(self) -> list[str]:
        return ignored_by_git(self.inspection)

    def _near(self, slashed: str, cutoff: float) -> list[str]:
        """Modules with a similar name, the nearest first: in the same package, or of the same name elsewhere in it."""
        top, _, rest = slashed.partition("/")
        if not rest:
            return get_close_matches(slashed, [one for one in self.modules.files if "/" not in one], n=1, cutoff=cutoff)
        inside = [one for one in self.modules.files if one.startswith(f"{top}/")]
        last = slashed.rpartition("/")[2]
        moved = [one for one in inside if one.endswith(f"/{last}")]
        within = [one.removeprefix(f"{top}/") for one in inside]
        return [f"{top}/{one}" for one in get_close_matches(rest, within, n=1, cutoff=cutoff)] or moved[:1]

    def _severity(self, one: _Import, sure: bool) -> Severity:
        certain = sure and one.sure and not is_aside(one.path, self.inspection.layout)
        return Severity.ERROR if certain else Severity.WARNING

    def _misspelt(self, slashed: str, path: str) -> list[str]:
        """The module of the DAG folder that was meant, where nothing but a letter or two is wrong."""
        folder = self.inspection.layout.dag_folder(path)
        if folder is None or len(slashed) < 5:
            return []
        if folder not in self._below:
            stems = {*self.modules.stems, *(one for found in self.modules.folders.values() for one in found)}
            start = "" if folder == "." else f"{folder}/"
            self._below[folder] = sorted(one.removeprefix(start) for one in stems if one.startswith(start))
        alike = [one for one in self._below[folder] if one[:1] == slashed[0] and abs(len(one) - len(slashed)) <= 2]
        return get_close_matches(slashed, alike, n=1, cutoff=0.85)

    def _under_another_name(self, slashed: str, path: str) -> str:
        """The one module of the DAG folder that is called so but for its package, where the name says a lot."""
        folder, rest = self.inspection.layout.dag_folder(path), slashed.partition("/")[2]
        if folder is None or len(rest) < 8 or "_" not in rest:
            return ""
        start = "" if folder == "." else f"{folder}/"
        found = {
            stem.removeprefix(start)
            for stem in self.modules.stems
            if stem.startswith(start) and stem.endswith(f"/{rest}") and stem.removeprefix(start).count("/") == 1
        }
        return found.pop() if len(found) == 1 else ""

    def _no_module(self, one: _Import, module: str, slashed: str, sure: bool, meant: Sequence[str] = ()) -> Finding:
        if meant:
            near = [name.replace("/", ".") for name in meant]
        elif one.level:
            folder, _, last = slashed.rpartition("/")
            there = [stem.rpartition("/")[2] for stem in self.modules.stems if stem.rpartition("/")[0] == folder]
            near = [f"{module.rpartition('.')[0]}.{n}" for n in get_close_matches(last, there, n=1, cutoff=0.6)]
        else:
            near = [name.replace("/", ".") for name in self._near(slashed, 0.6)]
        near = [name for name in near if name != module]
        remedy = f"Name '{near[0]}', or add the module." if near else "Add the module, or take out what imports it."
        cause = f"module:{slashed.replace('/', '.')}"
        return Finding(
            "ILK-PY003", self._severity(one, sure), Place(one.path, one.line, one.end_line),
            f"the project has no module '{module}', which is imported here", remedy, cause=cause,
            detail="" if sure else "If another repository or package brings it, this is right as it is.",
        )  # fmt: skip

    def _no_name(self, one: _Import, module: str, name: str, path: str, known: frozenset[str], sure: bool) -> Finding:
        near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
        remedy = f"Name '{near[0]}'." if near else f"Define '{name}' in {path}, or take out what imports it."
        return Finding(
            "ILK-PY004", self._severity(one, sure), Place(one.path, one.line, one.end_line),
            f"{path if one.level else repr(module)} has no '{name}', which is imported from it", remedy,
            detail=f"The module is {path}.", cause=f"name:{path}:{name}",
        )  # fmt: skip


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
