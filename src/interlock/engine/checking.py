"""Check a work tree: what the readers and the rules say of it, less what the base and the baseline had already."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from interlock.catalog.discover import discover
from interlock.catalog.git import Base, base_of, listed
from interlock.catalog.reading import ProjectReading
from interlock.catalog.shared_cache import shared_cache
from interlock.catalog.sources import SKIPPED_FOLDERS, Sources
from interlock.catalog.store import ReadingCache
from interlock.config import ProjectConfig
from interlock.engine.project import Project
from interlock.model.canonical import digest_bytes
from interlock.model.errors import RuntimeBuildError
from interlock.model.findings import Finding, NotChecked
from interlock.model.progress import Progress
from interlock.rules.baseline import read_baseline
from interlock.rules.dbt_project import unknowable
from interlock.rules.examine import Examined, Examiner, version, wanted
from interlock.rules.files import Layout
from interlock.rules.inspection import Inspection
from interlock.rules.layout import layout_of, layout_of_found, with_shared_folders
from interlock.rules.registry import FAMILIES, RULES
from interlock.rules.rule import Needs
from interlock.rules.run import find, inspection_of
from interlock.rules.spread import spread

_READ = frozenset({Needs.DAGS, Needs.MANIFEST, Needs.CATALOG, Needs.PLAN})


@dataclass(frozen=True)
class Checked:
    """What a check found. ``passed`` is false when a finding blocks: an error that is new and not waived.

    ``base``: the commit that new is told by, "" where everything counts as new. ``static``: no runtime was used.
    ``outgrown``: how many findings the baseline file lists that are there no more. ``reading`` is None in a static one.
    """

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    timings: dict[str, float]
    resources: int
    base: str = ""
    static: bool = False
    outgrown: int = 0
    reading: ProjectReading | None = None

    @property
    def passed(self) -> bool:
        return not any(finding.blocks for finding in self.findings)


def check_project(
    project: Project, *, since: str | None = None, static: bool = False, must_read: bool = False
) -> Checked:
    """Read the project and ask every rule.

    ``since``: a commit, "" for the one where this branch left the trunk: only what was not there yet is new. None: all
    is new. ``static``: no runtime is built and none of the project's code is run; the same happens by itself where a
    runtime cannot be built, unless the project ``must_read`` be by its own engines. Raises ``UsageError`` for a commit
    that is not there.
    """
    begun = perf_counter()
    base = base_of(project.root, since) if since is not None else None
    config = None if project.unconfigured else project.config
    shared = shared_cache(project.cache, project.cache.name)

    def say(text: str) -> None:
        project.on_progress(Progress("note", text))

    if shared is not None:
        shared.fetch(say)
    static = static or config is None
    look = _Look(project, config, base, alone=static)
    # Most of the readers' time is waiting for a worker: the rules over source text use it.
    with ThreadPoolExecutor(1, thread_name_prefix="rules") if not static else nullcontext() as pool:
        sources = pool.submit(look.at_files) if pool else None
        reading, skipped = _read(project, must_read) if not static else (None, ())
        examined = sources.result() if sources else look.at_files()
    found = look.ask(examined, reading)
    if shared is not None and (look.fresh or (reading is not None and any(reading.parsed.values()))):
        shared.publish(say)
    findings, outgrown = read_baseline(project.root).over(found)
    timings = {**(reading.timings if reading else {}), **look.timings, "total": perf_counter() - begun}
    static_too = (_unread(static),) if static else ()
    return Checked(
        tuple(findings),
        (*(reading.not_checked if reading else ()), *skipped, *static_too, *look.not_checked),
        timings,
        len(reading.catalog.resources) if reading else 0,
        base.commit if base else "",
        reading is None,
        outgrown,
        reading,
    )


def _unread(static: bool) -> NotChecked:
    count = sum(rule.needs in _READ for rule in RULES.values())
    return NotChecked(
        f"{count} rules that need parsed DAGs, dbt's manifest or the catalog",
        "this was a static check: run 'interlock init', lock the runtimes, and check without --static",
    )


def _read(project: Project, must_read: bool) -> tuple[ProjectReading | None, tuple[NotChecked, ...]]:
    try:
        return project.read(), ()
    except RuntimeBuildError as error:
        if must_read:
            raise
        return None, (
            NotChecked("DAGs, dbt models and jobs as their own runtimes see them", f"{error.summary}. {error.remedy}"),
        )


class _Look:
    """One look at the files of a project, and of the base where there is one."""

    def __init__(self, project: Project, config: ProjectConfig | None, base: Base | None, *, alone: bool) -> None:
        self._project, self._config, self._base, self._alone = project, config, base, alone
        self.timings: dict[str, float] = {}
        self.not_checked: tuple[NotChecked, ...] = ()
        self.fresh = False
        self._cache = ReadingCache(project.cache)
        self._sources = Sources(project.root)
        self._paths: list[str] = []
        self._layout = Layout()

    def at_files(self) -> "_Seen":
        """Every file that a rule looks into was examined, now and at the base."""
        begun = perf_counter()
        self._paths = _files(self._project.root, self._sources)
        if self._config is not None:
            self._layout = layout_of(self._config, self._paths)
        else:
            self._layout = layout_of_found(discover(self._project.root))
        self._layout = with_shared_folders(self._layout, self._paths, self._sources.read)
        meant = [path for path in self._paths if wanted(path, FAMILIES)]
        examiner = Examiner(FAMILIES, self._layout, self._cache, os.cpu_count() or 1, self._alone)
        lazily: dict[str, Callable[[], bytes]] = {path: _reader(self._sources, path) for path in meant}
        examined = examiner.examine(lazily, self._sources.digests(meant), self._say)
        old_texts: dict[str, bytes] = {}
        before: dict[str, Examined] = {}
        if self._base is not None:
            old_texts = self._base.contents(sorted(self._base.changed))
            old = {path: text for path, text in old_texts.items() if wanted(path, FAMILIES)}
            again = examiner.examine(old, {path: digest_bytes(text) for path, text in old.items()})
            before = {path: one for path, one in examined.items() if path not in self._base.changed} | again
        self.fresh = examiner.save()
        self.timings["rules: files"] = perf_counter() - begun
        return _Seen(examined, before, old_texts)

    def ask(self, seen: "_Seen", reading: ProjectReading | None) -> tuple[Finding, ...]:
        """Every finding, those that were there at the base no longer new."""
        begun = perf_counter()
        before = self._before(seen)
        inspection = inspection_of(
            self._layout, self._paths, self._sources.read, seen.examined, config=self._config, reading=reading,
            base=before, changed=self._base.changed if self._base else (), keep=self._keep,
            passing=self._base.passing() if self._base else None,
        )  # fmt: skip
        found = find(inspection, seen.examined)
        if before is not None and self._base is not None:
            found = _told_by_base(found, find(before, seen.before), inspection, self._base.changed)
        self.timings["rules: project"] = perf_counter() - begun
        self.not_checked = (*self._sources.said(), *unknowable(inspection))
        return found

    def _before(self, seen: "_Seen") -> Inspection | None:
        if self._base is None:
            return None
        gone = [path for path in self._base.changed if path in seen.old_texts]
        paths = {path for path in self._paths if path not in self._base.changed} | set(gone)

        def read(path: str) -> bytes:
            return seen.old_texts[path] if path in seen.old_texts else self._sources.read(path)

        return inspection_of(self._layout, sorted(paths), read, seen.before, config=self._config, keep=self._keep)

    def _keep(
        self, space: str, keys: Mapping[str, str], compute: Callable[[Sequence[str]], Mapping[str, Any]]
    ) -> dict[str, Any]:
        """See ``Inspection.kept``."""
        return kept(self._cache, space, keys, compute)

    def _say(self, done: int, total: int) -> None:
        self._project.on_progress(Progress("rules", "reading source files", done, total))


@dataclass(frozen=True)
class _Seen:
    examined: dict[str, Examined]
    before: dict[str, Examined]
    old_texts: dict[str, bytes]


def kept(
    cache: ReadingCache, space: str, keys: Mapping[str, str], compute: Callable[[Sequence[str]], Mapping[str, Any]]
) -> dict[str, Any]:
    """Values by path from the cache, and those that are not there from ``compute``, which are there from then on."""
    space = f"kept-{space}-{version()}"
    stored = cache.load(space)
    wanted_keys = {path: f"{path} {key}" for path, key in keys.items()}
    found = {path: stored[key] for path, key in wanted_keys.items() if key in stored}
    missing = [path for path in keys if path not in found]
    if missing:
        made = spread(compute, missing, os.cpu_count() or 1)
        found |= made
        new = {wanted_keys[path]: value for path, value in made.items()}
        stale = len(stored) > 2 * len(keys) + 64
        cache.save(space, new, keep=list(wanted_keys.values()) if stale else None)
    return found


def _told_by_base(
    found: Iterable[Finding], before: Iterable[Finding], inspection: Inspection, changed: frozenset[str]
) -> tuple[Finding, ...]:
    """What source text alone tells is old when the base had it too; the rest when nothing that it is about changed."""
    known = Counter(one.key for one in before)
    files = {r.key: (r.path, *r.files) for r in inspection.reading.catalog.resources} if inspection.reading else {}
    told = []
    for one in found:
        rule = RULES.get(one.rule)
        if rule is not None and rule.needs in _READ:
            about = {one.place.path, *files.get(one.resource, ()), *one.affected}
            old = changed.isdisjoint(about)
        else:
            old = known[one.key] > 0
            known[one.key] -= old
        told.append(replace(one, new=False) if old else one)
    return tuple(told)


def _files(root: Path, sources: Sources) -> list[str]:
    """The project's files: what git has and does not ignore, else all but what tools make."""
    paths = listed(root)
    if paths is None:
        return sources.under(".")
    return [path for path in paths if SKIPPED_FOLDERS.isdisjoint(path.split("/")) and not (root / path).is_symlink()]


def _reader(sources: Sources, path: str) -> Callable[[], bytes]:
    return lambda: sources.read(path)
