"""What decides, beside their text, what Terraform says of root modules: the program, what ``init`` left, files."""

import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from interlock.catalog.sources import SKIPPED_FOLDERS
from interlock.model.canonical import digest_bytes, digest_of
from interlock.runtimes.terraform import PROGRAMS, plugin_caches


@dataclass(frozen=True)
class Around:
    """What was around root modules when they were looked at.

    ``reads``: one of them reads files that are none of Terraform's.
    """

    roots: tuple[str, ...]
    reads: bool
    digest: str

    @classmethod
    def of(cls, project: Path, roots: Sequence[str], *, reads: bool) -> "Around":
        """What is around these root modules now."""
        programs = [program_state(path) for name in PROGRAMS if (path := shutil.which(name))]
        told = [programs, [installed(project, root) for root in roots], files(project) if reads else []]
        return cls(tuple(roots), reads, digest_of(told))

    def holds(self, project: Path) -> bool:
        """Whether it is so now too."""
        return Around.of(project, self.roots, reads=self.reads).digest == self.digest


def program_state(path: str | Path) -> str:
    """What tells one version of a program from another without running it."""
    found = Path(path).resolve()
    try:
        return _state(str(found), found.stat())
    except OSError:
        return str(found)


def installed(project: Path, root: str) -> list[list[str]]:
    """The modules and providers that ``init`` put into a root module's ``.terraform``."""
    there = project / root / ".terraform"
    try:
        modules = digest_bytes((there / "modules" / "modules.json").read_bytes())
    except OSError:
        modules = ""
    return [[modules, *map(str, plugin_caches())], list(_states(there / "providers", ()))]


def files(project: Path) -> list[str]:
    """All files of a project by name, size and time."""
    return list(_states(project, SKIPPED_FOLDERS | {".terraform"}))


def _states(folder: Path, skipped: Collection[str]) -> Iterator[str]:
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if one not in skipped)
        # A folder that is a link is not walked: what it leads to counts by its own time.
        links = [one for one in folders if Path(here, one).is_symlink()]
        for path in (Path(here, name) for name in sorted([*names, *links])):
            try:
                yield _state(os.path.relpath(path, folder), path.stat())
            except OSError:
                continue


def _state(name: str, found: os.stat_result) -> str:
    return f"{name.encode('utf-8', 'backslashreplace').decode()} {found.st_size} {found.st_mtime_ns}"
