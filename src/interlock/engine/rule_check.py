"""All rules over a work tree and over its base. Loading them takes a fifth of a second: only who asks them does."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from interlock.catalog.discover import discover
from interlock.catalog.git import Base
from interlock.catalog.reading import ProjectReading
from interlock.catalog.sources import Sources, is_below
from interlock.catalog.store import ReadingCache
from interlock.config import ProjectConfig
from interlock.engine.comparing import SeenLive, Tree, before_base, carried, look_at_live, not_held
from interlock.engine.infrastructure import NOTHING, Infrastructure
from interlock.engine.live_release import LiveRelease
from interlock.engine.project import Project
from interlock.model.canonical import digest_bytes
from interlock.model.findings import Finding, NotChecked
from interlock.rules.dbt_project import unknowable
from interlock.rules.examine import Examined, Examiner, patterns_of
from interlock.rules.inspection import Compute, Inspection, Live, Version, Waves
from interlock.rules.layout import layout_of, layout_of_found, with_shared_folders
from interlock.rules.registry import FAMILIES, RULES
from interlock.rules.rule import Needs, matches
from interlock.rules.rule_tests import counts_of
from interlock.rules.run import find, inspection_of
from interlock.rules.spread import spread
from interlock.rules.version import version
from interlock.runtimes.resolving import Answer
from interlock.suites.results import SuiteCounts, SuiteResults

_READ = frozenset({Needs.DAGS, Needs.MANIFEST, Needs.CATALOG, Needs.SPARK_RUNTIME, Needs.INDEX, Needs.TERRAFORM})
_TOLD_BY_FILES = _READ | {Needs.TESTS}


class RuleCheck:
    """One look at the files of a project (``paths``), of the base where there is one, and of what is live.

    ``fresh``: something was looked at that the cache did not know. ``missed``: what a tool did not tell.
    ``not_checked``: what text alone cannot tell. ``timings``: seconds by step. ``counts``: what became of the project's
    own tests.
    """

    def __init__(
        self,
        project: Project,
        config: ProjectConfig | None,
        base: Base | None,
        against: Sequence[LiveRelease],
        sources: Sources,
        paths: Sequence[str],
    ) -> None:
        self._config, self._base, self._against = config, base, against
        self._sources, self._paths = sources, paths
        self.timings: dict[str, float] = {}
        self.fresh = False
        self.missed: tuple[NotChecked, ...] = ()
        self.not_checked: tuple[NotChecked, ...] = ()
        self.counts = SuiteCounts()
        self._cache = ReadingCache(project.cache)
        layout = layout_of(config, paths) if config is not None else layout_of_found(discover(project.root))
        self._layout = with_shared_folders(layout, paths, sources.read)

    def at_files(self) -> "Seen":
        """Every file that a rule looks into was examined, now, at the base, and where it is live."""
        begun = perf_counter()
        patterns = patterns_of(FAMILIES)
        meant = [path for path in self._paths if matches(path, patterns)]
        examiner = Examiner(FAMILIES, self._layout, self._cache, os.cpu_count() or 1)
        lazily: dict[str, Callable[[], bytes]] = {path: _reader(self._sources, path) for path in meant}
        digests = self._sources.digests(meant)
        examined = examiner.examine(lazily, digests)
        tree = Tree(self._sources, self._config, frozenset(self._paths), examined, digests, examiner)
        old_texts: dict[str, bytes] = {}
        before: dict[str, Examined] = {}
        earlier: dict[str, tuple[Version, ...]] = {}
        unknown: list[NotChecked] = []
        if self._base is not None:
            old_texts = self._base.contents(sorted(self._base.changed))
            old = {path: text for path, text in old_texts.items() if matches(path, patterns)}
            again = examiner.examine(old, {path: digest_bytes(text) for path, text in old.items()})
            before = {path: one for path, one in examined.items() if path not in self._base.changed} | again
            earlier, unknown = before_base(tree, self._base, self._cache)
        live = []
        not_checked: list[NotChecked] = []
        for release in self._against:
            one, lacking = look_at_live(tree, release)
            live.append(one)
            unknown += lacking
            not_checked += (*release.not_checked, *not_held(tree, release))
        self.fresh = examiner.save()
        self.timings["rules: files"] = perf_counter() - begun
        return Seen(
            examined, before, old_texts, earlier, tuple(live), carried(tree), tuple(not_checked), tuple(unknown)
        )

    def ask(
        self,
        seen: "Seen",
        reading: ProjectReading | None,
        index: Mapping[str, Answer],
        infrastructure: Infrastructure = NOTHING,
        suites: SuiteResults | None = None,
    ) -> tuple[Finding, ...]:
        """Every finding, those that were there at the base no longer new. ``index``, ``suites``: see ``Inspection``."""
        begun = perf_counter()
        before = self._before(seen)
        inspection = inspection_of(
            self._layout, self._paths, self._sources.read, seen.examined, config=self._config, reading=reading,
            base=before, changed=self._base.changed if self._base else (), keep=self._keep,
            passing=self._base.passing() if self._base else None, index=index, digests=self._sources.digest,
            plans=infrastructure.plans, told=infrastructure.findings, live=self._live(seen),
            suites=suites,
        )  # fmt: skip
        found = find(inspection, seen.examined)
        if before is not None and self._base is not None:
            old, modules = find(before, seen.before), infrastructure.modules
            found = _told_by_base(found, old, inspection, self._base.changed, modules)
        self.timings["rules: project"] = perf_counter() - begun
        self.missed, self.not_checked = inspection.not_checked, tuple(unknowable(inspection))
        self.counts = counts_of(inspection)
        return found

    def _live(self, seen: "Seen") -> list[Live]:
        if self._config is None:
            return []
        return [
            one.as_live(release, self._layout, seen.examined, self._config, self._keep)
            for one, release in zip(seen.live, self._against, strict=True)
        ]

    def _before(self, seen: "Seen") -> Inspection | None:
        if self._base is None:
            return None
        gone = [path for path in self._base.changed if path in seen.old_texts]
        paths = {path for path in self._paths if path not in self._base.changed} | set(gone)

        def read(path: str) -> bytes:
            return seen.old_texts[path] if path in seen.old_texts else self._sources.read(path)

        def digest(path: str) -> str:
            return digest_bytes(seen.old_texts[path]) if path in seen.old_texts else self._sources.digest(path)

        return inspection_of(
            self._layout,
            sorted(paths),
            read,
            seen.before,
            config=self._config,
            keep=self._keep,
            digests=digest,
            earlier=seen.earlier,
        )

    def _keep(self, space: str, keys: Mapping[str, str], compute: Compute, waves: Waves | None) -> dict[str, Any]:
        """See ``Inspection.kept``."""
        return kept(self._cache, space, keys, compute, waves)


@dataclass(frozen=True)
class Seen:
    """What every file told, now and at the base, and the texts of the base that differ.

    ``earlier``: versions of schemas before the base. ``live``: what each release that is live told. ``carried``: see
    ``Checked``. ``not_checked`` and ``unknown``: what was not compared; what is ``unknown`` may be there the next time.
    """

    examined: dict[str, Examined]
    before: dict[str, Examined]
    old_texts: dict[str, bytes]
    earlier: dict[str, tuple[Version, ...]]
    live: tuple[SeenLive, ...]
    carried: tuple[str, ...]
    not_checked: tuple[NotChecked, ...]
    unknown: tuple[NotChecked, ...]


def kept(
    cache: ReadingCache, space: str, keys: Mapping[str, str], compute: Compute, waves: Waves | None = None
) -> dict[str, Any]:
    """Values by path from the cache, and those that are not there from ``compute``, which are there from then on."""
    space = f"kept-{space}-{version()}"
    stored = cache.load(space)
    wanted_keys = {path: f"{path} {key}" for path, key in keys.items()}
    found = {path: stored[key] for path, key in wanted_keys.items() if key in stored}
    missing = [path for path in keys if path not in found]
    if missing:
        for wave in waves(missing, found) if waves else (missing,):
            found |= spread(compute, wave, os.cpu_count() or 1)
        new = {wanted_keys[path]: found[path] for path in missing}
        stale = len(stored) > 2 * len(keys) + 64
        cache.save(space, new, keep=list(wanted_keys.values()) if stale else None)
    return found


def _told_by_base(
    found: Iterable[Finding],
    before: Iterable[Finding],
    inspection: Inspection,
    changed: frozenset[str],
    modules: Mapping[str, Sequence[str]],
) -> tuple[Finding, ...]:
    """What source text alone tells is old when the base had it too; the rest when nothing that it is about changed.

    What a plan would do now is always new: the base has none. ``modules``: the folders of Terraform's root modules, by
    resource.
    """
    known = Counter(one.key for one in before)
    files = {r.key: (r.path, *r.files) for r in inspection.reading.catalog.resources} if inspection.reading else {}
    reads = {f"test:{name}": read for name, read in inspection.suites.reads.items()} if inspection.suites else {}
    told = []
    for one in found:
        rule = RULES.get(one.rule)
        if rule is not None and rule.needs in _TOLD_BY_FILES:
            about = {one.place.path, *files.get(one.resource, ()), *one.affected}
            if rule.needs is Needs.SPARK_RUNTIME:
                about |= _spark_locks(inspection.config)
            inside = any(_lies_in(path, folder) for folder in modules.get(one.resource, ()) for path in changed)
            read = one.resource in reads and any(map(reads[one.resource].is_about, changed))
            old = not inside and not read and changed.isdisjoint(about)
        else:
            old = known[one.key] > 0
            known[one.key] -= old
        told.append(replace(one, new=False) if old else one)
    return tuple(told)


def _spark_locks(config: ProjectConfig | None) -> set[str]:
    """The lock of the runtime that Spark jobs are written for, where it has one."""
    runtime = config.runtimes.get(config.spark.runtime) if config and config.spark else None
    return {runtime.lock} if runtime and runtime.lock else set()


def _lies_in(path: str, module: str) -> bool:
    """Whether a file is part of a module folder; below the project's own folder lies everything else too."""
    return is_below(path, module) if module else "/" not in path


def _reader(sources: Sources, path: str) -> Callable[[], bytes]:
    return lambda: sources.read(path)


def unread_rules() -> NotChecked:
    """What a check says that used no runtime."""
    count = sum(rule.needs in _READ for rule in RULES.values())
    return NotChecked(
        f"{count} rules that need parsed DAGs, dbt's manifest, the catalog, a package index or Terraform itself",
        "this was a static check: run 'interlock init', lock the runtimes, and check without --static",
    )
