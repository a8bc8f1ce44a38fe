"""A dbt project as its files tell it: which models, sources, macros and tests it has, and what may come from elsewhere.

``projects(inspection)`` puts the facts of all files together once for each inspection.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from posixpath import normpath
from typing import Any

from interlock.catalog.sources import is_below
from interlock.model.findings import NotChecked
from interlock.rules.dbt_names import MACRO_PACKAGES
from interlock.rules.dbt_sql_facts import SQL_FACTS
from interlock.rules.dbt_yaml_facts import PROJECT_FACTS, YAML_FACTS, project_facts
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection

_PATHS = {
    "model": (("model-paths", "source-paths"), ("models",)),
    "seed": (("seed-paths", "data-paths"), ("seeds",)),
    "snapshot": (("snapshot-paths",), ("snapshots",)),
    "macro": (("macro-paths",), ("macros",)),
    "test": (("test-paths",), ("tests",)),
    "analysis": (("analysis-paths",), ("analyses",)),
    "function": (("function-paths",), ("functions",)),
}
INSTALLED = frozenset({"dbt_packages", "dbt_modules"})
_NAMES_IN_URL = re.compile(r"([\w.-]+?)(?:\.git)?/?$")


@dataclass
class Node:
    """A model, seed or snapshot. ``enabled`` is False only where it is switched off plainly. ``config`` is what its
    file says; ``open`` are keys that it computes. ``versions`` are those that its YAML declares."""

    kind: str
    name: str
    path: str
    line: int = 1
    config: dict[str, Any] = field(default_factory=dict)
    open: tuple[str, ...] = ()
    enabled: bool | None = True
    versions: tuple[str, ...] = ()
    off_by: str = ""


@dataclass
class DbtProject:
    """``roles``: path -> "model", "macro", ... for its files. ``missing`` are packages that are named and not there,
    ``brings`` says whether one of them may bring models, sources and tests of its own. ``certain`` is False where paths
    are computed, or other things make what the project has unknowable; ``unread`` is true where one of its YAML files
    is none, ``doubtful`` where one of its macro files is no Jinja. ``entries`` are (path, facts entry). ``had`` and
    ``had_sources`` are what the base commit's project had itself, so that no package need be asked for it.
    """

    folder: str
    name: str
    data: dict[str, Any]
    lines: dict[str, int]
    path: str = ""
    certain: bool = True
    installed: bool = False
    roles: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, list[Node]] = field(default_factory=dict)
    sources: dict[str, dict[str, tuple[str, int]]] = field(default_factory=dict)
    source_off: set[tuple[str, str]] = field(default_factory=set)
    macros: dict[str, tuple[str, list[Any]]] = field(default_factory=dict)
    entries: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    sql: dict[str, dict[str, Any]] = field(default_factory=dict)
    yaml: dict[str, dict[str, Any]] = field(default_factory=dict)
    packages: list["DbtProject"] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    broken: bool = False
    unread: bool = False
    doubtful: bool = False
    had: frozenset[str] = frozenset()
    had_sources: frozenset[tuple[str, str]] = frozenset()

    @property
    def brings(self) -> bool:
        """Whether a package that is not there may bring models, seeds or sources."""
        return any(one not in MACRO_PACKAGES for one in self.missing)

    def named(self, name: str) -> list[Node]:
        """The nodes of this name, in the project and in the packages that are there."""
        return [one for project in (self, *self.packages) for one in project.nodes.get(name, ())]

    def all_names(self) -> Iterator[str]:
        for project in (self, *self.packages):
            yield from project.nodes

    def macro(self, name: str) -> tuple[str, list[Any]] | None:
        """Path and facts of a macro of the project itself."""
        return self.macros.get(name)

    @cached_property
    def entry_of(self) -> dict[tuple[str, str], tuple[str, dict[str, Any]]]:
        """The first YAML entry (path, facts) of each kind ("models") and name."""
        found: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {}
        for path, one in self.entries:
            found.setdefault((one["kind"], one["name"]), (path, one))
        return found

    @cached_property
    def off(self) -> frozenset[str]:
        """Files whose models are switched off, or may be: dbt leaves alone what they name."""
        return frozenset(one.path for named in self.nodes.values() for one in named if one.enabled is not True)


@dataclass
class Projects:
    """All projects of one inspection. ``own`` are those that findings are about; installed packages are not."""

    everything: list[DbtProject]

    @property
    def own(self) -> list[DbtProject]:
        return [one for one in self.everything if not one.installed]

    @property
    def certain(self) -> list[DbtProject]:
        """Those of ``own`` of which all is known."""
        return [one for one in self.own if one.certain]

    def beside(self, project: DbtProject) -> set[str]:
        """The names of what the other projects hold, installed ones too."""
        return {name for one in self.everything if one is not project for name in one.nodes}


def projects(inspection: Inspection) -> Projects:
    """The dbt projects that the facts tell of; computed once for an inspection."""
    return inspection.once("dbt projects", lambda: _assembled(inspection))


def on_both_sides(inspection: Inspection, base: Inspection) -> Iterator[tuple[DbtProject, DbtProject]]:
    """The project's own dbt projects, as they are and as they were."""
    before = {one.path: one for one in projects(base).own}
    return ((one, before[one.path]) for one in projects(inspection).own if one.path in before)


def unknowable(inspection: Inspection) -> tuple[NotChecked, ...]:
    """The projects of which nothing can be said, because what belongs to them is not known."""
    why = "dbt_project.yml is broken, or the name or the paths in it are computed or lie outside of what is checked"
    return tuple(
        NotChecked(f"the dbt project {one.folder or '.'}: its models, tests and SQL", why)
        for one in projects(inspection).own
        if not one.certain
    )


def _assembled(inspection: Inspection) -> Projects:
    found: list[DbtProject] = []
    for path, told in inspection.of(PROJECT_FACTS).items():
        folder, _, name = path.rpartition("/")
        if name == "dbt_project.yml" and not re.search(r"[{}<>]", path):
            data = told.get("data") or {}
            project = DbtProject(folder, str(data.get("name") or ""), data, told.get("lines") or {}, path)
            project.broken = bool(told.get("error"))
            project.installed = any(part in INSTALLED for part in folder.split("/"))
            if not project.installed and inspection.layout.dbt_project(path) is None:
                project.installed = True
            found.append(project)
    found.sort(key=lambda one: len(one.folder), reverse=True)
    for project in found:
        _roles_config(project)
    folders = {one.folder: one for one in found}
    for path in inspection.paths:
        owner = _owner(path, folders)
        if owner is not None:
            role = _role(path, owner)
            if role:
                owner.roles[path] = role
    for project in found:
        _outside(project, inspection)
        _fill(project, inspection)
    before = {one.path: one for one in projects(inspection.base).own} if inspection.base is not None else {}
    for project in found:
        _packages(project, found, inspection)
        if project.path in before:
            old = before[project.path]
            project.had = frozenset(old.nodes)
            project.had_sources = frozenset((name, table) for name, tables in old.sources.items() for table in tables)
    return Projects(sorted(found, key=lambda one: one.folder))


def _owner(path: str, folders: Mapping[str, DbtProject]) -> DbtProject | None:
    folder = path.rpartition("/")[0]
    while True:
        if folder in folders:
            return folders[folder]
        if not folder:
            return None
        folder = folder.rpartition("/")[0]


def _outside(project: DbtProject, inspection: Inspection) -> None:
    """Folders that a project takes from beside itself (``../shared_macros``)."""
    for role in _PATHS:
        for folder in project.data[f"/{role}"]:
            if is_below(folder, project.folder):
                continue
            if inspection.layout.dbt_project(f"{folder}/x") is None:
                project.certain = False  # nobody looked into these files
            for path in inspection.paths:
                if is_below(path, folder):
                    project.roles.setdefault(path, role)


def shared_folders(file: SourceFile) -> list[str]:
    """The folders outside of a project that its dbt_project.yml names, as far as they lie in the repository."""
    data = (project_facts(file) or {}).get("data", {})
    folder = file.path.rpartition("/")[0]
    named = [one for role in _PATHS for one in _folders(data, role, folder)]
    return [one for one in named if not is_below(one, folder) and one != "." and not one.startswith(("..", "/"))]


def _folders(data: Mapping[str, Any], role: str, folder: str) -> list[str]:
    """The folders of one role from the root on, as dbt_project.yml tells them or dbt assumes them."""
    keys, default = _PATHS[role]
    told = next((data[key] for key in keys if isinstance(data.get(key), list)), default)
    prefix = f"{folder}/" if folder else ""
    return [normpath(f"{prefix}{one}").removeprefix("./") for one in told]


def _roles_config(project: DbtProject) -> None:
    for role in _PATHS:
        folders = _folders(project.data, role, project.folder)
        if any("{" in one for one in folders):
            project.certain = False
        project.data[f"/{role}"] = folders
    if project.broken or not project.name or "{" in project.name:
        project.certain = False


def _role(path: str, project: DbtProject) -> str:
    inner = path[len(project.folder) + 1 :] if project.folder else path
    if inner.split("/", 1)[0] in ("target", *INSTALLED, "logs"):
        return ""
    best, role = -1, ""
    for name in _PATHS:
        for folder in project.data[f"/{name}"]:
            if len(folder) > best and is_below(path, folder):
                best, role = len(folder), name
    return role


def _fill(project: DbtProject, inspection: Inspection) -> None:
    sql, yamls = inspection.of(SQL_FACTS), inspection.of(YAML_FACTS)
    for path, role in project.roles.items():
        if path in yamls:
            project.yaml[path] = yamls[path]
            project.unread |= "error" in yamls[path]
        told = sql.get(path)
        if told is None:
            if role in ("seed", "model", "snapshot"):
                _add_file(project, path, role, {})
            continue
        if path.endswith(".py") and role != "model":
            continue
        project.sql[path] = told
        project.doubtful |= "error" in told and role in ("macro", "test")
        for macro in told.get("macros", ()):
            # Blocks of macro files, and of tests/generic; elsewhere dbt does not look for them.
            if role in ("macro", "test"):
                project.macros.setdefault(macro[0], (path, macro))
        _add_file(project, path, role, told)
    for path, told in project.yaml.items():
        project.entries += [(path, one) for one in told.get("entries", ())]
        for source in told.get("sources", ()):
            tables = project.sources.setdefault(source["name"], {})
            for name, line, _, off in source["tables"]:
                tables.setdefault(name, (path, line))
                if off:
                    project.source_off.add((source["name"], name))
    _from_yaml(project)


def _add_file(project: DbtProject, path: str, role: str, told: dict[str, Any]) -> None:
    stem, _, ending = path.rpartition("/")[2].rpartition(".")
    if role == "model" and ending in ("sql", "py"):
        if told.get("snapshots"):
            _snapshots(project, path, told)
            return
        node = Node("model", stem, path, 1, told.get("config", {}), tuple(told.get("open", ())))
        _switched(node, project)
        project.nodes.setdefault(stem, []).append(node)
    elif role == "seed" and ending in ("csv", "parquet"):
        node = Node("seed", stem, path)
        _switched(node, project)
        project.nodes.setdefault(stem, []).append(node)
    elif role == "snapshot" and ending == "sql":
        _snapshots(project, path, told)


def _snapshots(project: DbtProject, path: str, told: dict[str, Any]) -> None:
    for name, line, config, opened in told.get("snapshots", ()):
        node = Node("snapshot", name, path, line, config, tuple(opened))
        _switched(node, project)
        project.nodes.setdefault(name, []).append(node)


def _from_yaml(project: DbtProject) -> None:
    for path, entry in project.entries:
        kind = entry["kind"].removesuffix("s")
        name = entry["name"]
        if kind == "snapshot" and entry.get("relation"):
            node = Node("snapshot", name, path, entry["line"], dict(entry["config"]))
            _switched(node, project)
            project.nodes.setdefault(name, []).append(node)
            continue
        files = [name]
        for version, defined, _ in entry.get("versions", ()):
            stem = defined.removesuffix(".sql").removesuffix(".py") or f"{name}_v{version}"
            files.append(stem)
            for one in project.nodes.pop(stem, []) if stem != name else ():
                one.name = name
                project.nodes.setdefault(name, []).append(one)
        for one in project.nodes.get(name, ()):
            if one.kind == kind:
                if entry.get("versions"):
                    one.versions = tuple(version for version, _, _ in entry["versions"])
                enabled = entry["config"].get("enabled")
                if "enabled" not in one.config and "enabled" not in one.open and enabled is not None:
                    one.enabled = enabled if isinstance(enabled, bool) else None
                    one.off_by = path


def _switched(node: Node, project: DbtProject) -> None:
    """Whether dbt_project.yml or the file switches it off; the file wins."""
    node.enabled, node.off_by = _configured(project, node), project.path
    if "enabled" in node.open or "*" in node.open:
        node.enabled = None
    elif "enabled" in node.config:
        told = node.config["enabled"]
        node.enabled, node.off_by = (told if isinstance(told, bool) else None), node.path


def _configured(project: DbtProject, node: Node) -> bool | None:
    told = inherited(project, node.kind, node.path).get("enabled", True)
    return told if isinstance(told, bool) else None


def inherited(project: DbtProject, kind: str, path: str) -> dict[str, Any]:
    """The configs that dbt_project.yml gives to a file, the innermost winning; what is Jinja there is left as text."""
    section = project.data.get(f"{kind}s")
    found: dict[str, Any] = {}
    folder = next((one for one in project.data[f"/{kind}"] if is_below(path, one)), None)
    if not isinstance(section, dict) or folder is None:
        return found
    inner = path if folder in ("", ".") else path[len(folder) + 1 :]
    parts = inner.split("/")
    parts[-1] = parts[-1].rpartition(".")[0]
    levels: list[Any] = [section]
    inside = section.get(project.name)
    levels.append(inside)
    for part in parts:
        inside = inside.get(part) if isinstance(inside, dict) else None
        levels.append(inside)
    for level in levels:
        if isinstance(level, dict):
            for key, value in level.items():
                if key.startswith("+") or not isinstance(value, dict):
                    found[key.removeprefix("+")] = value
    return found


def _packages(project: DbtProject, every: list[DbtProject], inspection: Inspection) -> None:
    facts = inspection.of(PROJECT_FACTS)
    missing: list[str] = []
    prefix = f"{project.folder}/" if project.folder else ""
    for name in ("packages.yml", "dependencies.yml"):
        data = (facts.get(f"{prefix}{name}") or {}).get("data") or {}
        for section in ("packages", "projects"):
            told = data.get(section)
            for one in told if isinstance(told, list) else ():
                if isinstance(one, dict):
                    _package(project, one, every, missing)
    known_by = ("packages.yml", "dependencies.yml")
    if any((facts.get(f"{prefix}{name}") or {}).get("error") for name in known_by) or inspection.exists(
        f"{prefix}dbt_loom.config.yml"
    ):
        missing.append("?")
    project.missing = tuple(missing)


def _package(project: DbtProject, told: dict[str, Any], every: list[DbtProject], missing: list[str]) -> None:
    if "local" in told:
        folder = normpath(f"{project.folder}/{told['local']}" if project.folder else str(told["local"]))
        folder = "" if folder == "." else folder
        there = next((one for one in every if one.folder == folder), None)
        if there is not None:
            project.packages.append(there)
        else:
            missing.append("?")
        return
    named = str(told.get("package") or told.get("git") or told.get("name") or told.get("tarball") or "?")
    match = _NAMES_IN_URL.search(named)
    short = match[1] if match else "?"
    for one in every:
        if one.installed and one.folder.rpartition("/")[2] in (short, short.replace("-", "_")):
            project.packages.append(one)
            return
    missing.append(short)
