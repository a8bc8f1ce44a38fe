"""Which files of a project belong to a release: what git knows, or a walk where there is no repository."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from interlock.catalog.git import in_git, run_git
from interlock.config.models import ProjectConfig
from interlock.model.errors import ConfigError
from interlock.release.manifest import path_problem

# Folders that a release carries when a project has them, without being named in interlock.yaml.
ALONGSIDE = ("schemas", "contracts", "expectations", "terraform")

# Never part of a release: by-products, files that differ on every machine, and the likeliest places of secrets.
_LEFT_OUT_FOLDERS = frozenset(
    {".git", ".hg", ".svn", ".interlock", "__pycache__", ".venv", ".terraform", ".mypy_cache", ".ruff_cache"}
    | {".pytest_cache", ".ipynb_checkpoints"}
)
_LEFT_OUT_FILES = re.compile(r".*\.py[co]|\.DS_Store|\.user\.yml|\.env|.*\.tfstate(\..*)?|.*\.swp|.*~")


def release_files(root: Path, config: ProjectConfig, carried: Iterable[str] = ()) -> tuple[str, ...]:
    """Every path that a release of this project holds: relative, POSIX, NFC, sorted.

    These are the declared sections (``dbt_packages`` too, ignored by git or not: a deployment must not fetch them),
    the locks, interlock.yaml, ``ALONGSIDE``, and what it carries besides: ``carried``. Symlinks inside the project are
    followed: a release holds what they point to. ``ConfigError`` names links that leave the project, loop or dangle,
    and names that do not travel.
    """
    selection = _Selection.of(root, config, carried)
    listing = dict.fromkeys(_listing(root))
    for folder in selection.packages:
        listing.update(dict.fromkeys(_walk(root, folder)))
    return tuple(sorted(_checked(dict.fromkeys(p for p in _expanded(root, listing, selection) if selection.holds(p)))))


@dataclass(frozen=True)
class Sections:
    """What interlock.yaml names for the engines: folders, scripts as patterns, and single files (locks, itself)."""

    folders: tuple[str, ...]
    patterns: tuple[str, ...]
    files: frozenset[str]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Sections":
        """From the configuration as JSON, or from its shape in a manifest."""
        told = config.get("runtimes")
        runtimes: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
        places = (("airflow", "dags"), ("airflow", "include"), ("spark", "include"), ("dbt", "project"))
        return cls(
            tuple(path for section, key in places for path in _paths(config, section, key)),
            tuple(path for key in ("jobs", "streams") for path in _paths(config, "spark", key)),
            frozenset(
                path for name in runtimes for key in ("lock", "requirements") for path in _paths(runtimes, name, key)
            ) | {"interlock.yaml"},
        )  # fmt: skip

    def hold(self, path: str) -> bool:
        """Whether a path is meant by one of them."""
        return (
            path in self.files
            or any(_under(path, folder) for folder in self.folders)
            or any(_glob(pattern).fullmatch(path) for pattern in self.patterns)
        )


@dataclass(frozen=True)
class _Selection:
    sections: Sections
    alongside: tuple[str, ...]
    carried: frozenset[str]
    above_globs: tuple[str, ...]
    without: tuple[str, ...]
    packages: tuple[str, ...]

    @classmethod
    def of(cls, root: Path, config: ProjectConfig, carried: Iterable[str]) -> "_Selection":
        sections = Sections.of(config.model_dump(mode="json"))
        without: list[str] = []
        packages: list[str] = []
        if config.dbt:
            paths = _dbt_paths(root / config.dbt.project)
            without += [_join(config.dbt.project, paths[name]) for name in ("target-path", "log-path")]
            packages.append(_join(config.dbt.project, paths["packages-install-path"]))
        return cls(
            sections,
            ALONGSIDE,
            frozenset(map(_join, carried)),
            tuple(re.split(r"[*?]", pattern, maxsplit=1)[0] for pattern in sections.patterns),
            tuple(without),
            tuple(packages),
        )

    def holds(self, path: str) -> bool:
        if _left_out(path) or any(_under(path, folder) for folder in self.without):
            return False
        return path in self.carried or self.sections.hold(path) or any(_under(path, one) for one in self.alongside)

    def reaches(self, path: str) -> bool:
        """Whether something chosen may stand at, below or above ``path``."""
        below = (*self.alongside, *self.sections.folders, *self.sections.files, *self.carried, *self.above_globs)
        return not _left_out(path) and (self.holds(path) or any(_under(name, path) for name in below))


def _dbt_paths(project: Path) -> dict[str, str]:
    import yaml

    paths = {"target-path": "target", "log-path": "logs", "packages-install-path": "dbt_packages"}
    try:
        said = yaml.safe_load((project / "dbt_project.yml").read_bytes())
    except (OSError, yaml.YAMLError, ValueError):
        return paths  # the catalog has said already that this project cannot be read
    if isinstance(said, dict):
        for name in paths:
            value = said.get(name)
            if isinstance(value, str) and value and "{" not in value and not value.startswith(("/", "..")):
                paths[name] = value
    return paths


def _paths(config: Mapping[str, Any], section: str, key: str) -> list[str]:
    """What a key of a section names: one path or several. A manifest may have been written by anybody."""
    inner = config.get(section)
    told = inner.get(key) if isinstance(inner, Mapping) else None
    return [_join(one) for one in (told if isinstance(told, (list, tuple)) else [told]) if isinstance(one, str)]


def _join(*parts: str) -> str:
    return unicodedata.normalize("NFC", str(PurePosixPath(*parts)))


def _under(path: str, folder: str) -> bool:
    return folder == "." or path == folder or path.startswith(folder + "/")


def _left_out(path: str) -> bool:
    *folders, name = path.split("/")
    return not _LEFT_OUT_FOLDERS.isdisjoint(folders) or _LEFT_OUT_FILES.fullmatch(name) is not None


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return re.compile("".join(words.get(piece) or re.escape(piece) for piece in pieces))


def _listing(root: Path) -> tuple[str, ...]:
    if not in_git(root):
        return tuple(_walk(root, "."))
    paths: list[str] = []
    for line in run_git(root, "ls-files", "-z", "-t", "--cached", "--recurse-submodules").split(b"\0"):
        if line.startswith(b"S "):
            raise ConfigError(
                f"{os.fsdecode(line[2:])} is in the commit, but not checked out (a sparse checkout)",
                remedy="Run 'git sparse-checkout disable', and build again.",
            )
        paths.append(os.fsdecode(line[2:]))
    paths += map(os.fsdecode, run_git(root, "ls-files", "-z", "--others", "--exclude-standard").split(b"\0"))
    # A tracked file that was deleted is listed, and is not there; a nested repository is listed as a folder.
    return tuple(p for p in dict.fromkeys(paths) if p and not p.endswith("/") and os.path.lexists(root / p))


def _walk(root: Path, folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise ConfigError(f"{folder} could not be read", remedy="Check its permissions.", detail=str(error)) from error

    start = root / folder
    if not start.is_dir():
        return
    for place, folders, files in os.walk(start, onerror=refuse):
        folders[:] = sorted(f for f in folders if f not in _LEFT_OUT_FOLDERS)
        links = [f for f in folders if os.path.islink(os.path.join(place, f))]  # noqa: PTH114, PTH118
        for name in (*files, *links):
            yield Path(place, name).relative_to(root).as_posix()


def _expanded(root: Path, listing: Iterable[str], selection: _Selection) -> Iterator[str]:
    base = root.resolve()
    listing = tuple(listing)
    for path in listing:
        if (root / path).is_symlink():
            if selection.reaches(unicodedata.normalize("NFC", path)):
                yield from _followed(base, path, listing, (str(Path(base, path).parent.resolve()),))
        else:
            yield path


def _followed(base: Path, link: str, listing: tuple[str, ...], chain: tuple[str, ...]) -> Iterator[str]:
    """What stands behind a symlink, under the link's own name."""
    try:
        target = (base / link).resolve(strict=True)
    except (OSError, RuntimeError) as error:  # Python 3.11 and 3.12 say RuntimeError for a loop
        why = "points to nothing" if isinstance(error, FileNotFoundError) else "points to itself in a loop"
        raise ConfigError(f"the symlink {link} {why}", remedy="Remove the link, or point it at a file.") from error
    if not target.is_relative_to(base) or _left_out(target.relative_to(base).as_posix() + "/x"):
        raise ConfigError(
            f"the symlink {link} leads out of the project",
            remedy="Copy what it points to into the project: a release must hold all that it runs.",
        )
    if not target.is_dir():
        yield link
        return
    if any(Path(folder).is_relative_to(target) for folder in chain):
        raise ConfigError(f"the symlink {link} leads back to a folder that holds it", remedy="Remove the link.")
    inside = target.relative_to(base).as_posix()
    for path in listing:
        if path.startswith(inside + "/"):
            here = link + path[len(inside) :]
            if (base / path).is_symlink():
                # Followed from where it really stands, then shown under the outer link.
                for found in _followed(base, path, listing, (*chain, str(target))):
                    yield link + found[len(inside) :]
            else:
                yield here


def _checked(paths: Iterable[str]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for path in paths:
        name = unicodedata.normalize("NFC", path)
        problem = path_problem(name)
        if problem:
            raise ConfigError(
                f"the path {path!r} {problem}", remedy="Rename the file: releases travel between systems."
            )
        if seen.setdefault(name, path) != path:
            raise ConfigError(f"two files are both named {name!r} in Unicode's NFC form", remedy="Rename one of them.")
        yield name
