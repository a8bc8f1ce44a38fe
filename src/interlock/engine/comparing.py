"""What a work tree is compared with besides its base: releases that are live, and earlier versions of its schemas."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from interlock.catalog.git import Base
from interlock.catalog.git_versions import MOST_COMMITS, History, Past, content_of, history_of
from interlock.catalog.sources import Sources, is_below
from interlock.catalog.store import ReadingCache
from interlock.config import ProjectConfig
from interlock.engine.live_release import Earlier, LiveRelease, Versions
from interlock.model.canonical import digest_of
from interlock.model.findings import Compared, NotChecked
from interlock.release.sources import ALONGSIDE, Sections
from interlock.rules.dbt_project import INSTALLED
from interlock.rules.examine import Examined, Examiner
from interlock.rules.files import Layout
from interlock.rules.inspection import Keep, Live, Version
from interlock.rules.registry import FAMILIES
from interlock.rules.rule import Held
from interlock.rules.run import inspection_of
from interlock.rules.schema_files import is_sample
from interlock.rules.schema_subjects import AVRO, JSON, PROTO, transitive
from interlock.rules.surroundings import is_less_serious

_SPACE = "git-versions"
_NAMED = 3


@dataclass(frozen=True)
class Tree:
    """A work tree whose files were examined. ``digests``: of those that rules look into, by path."""

    sources: Sources
    config: ProjectConfig | None
    paths: frozenset[str]
    examined: Mapping[str, Examined]
    digests: Mapping[str, str]
    examiner: Examiner

    def with_facts(self, held: Held) -> list[str]:
        """Files that have facts which a release holds in this way, but for what was deployed into the project."""
        names = {kind.name for family in FAMILIES for kind in family.facts if kind.held is held}
        found = [path for path, one in self.examined.items() if not names.isdisjoint(one.facts)]
        roots = self._roots() if found else ()
        return [path for path in found if not any(is_below(path, root) for root in roots)]

    def _roots(self) -> list[str]:
        """Roots of environments that lie in the project: what they hold is deployed, and nobody's source."""
        environments = self.config.environments.values() if self.config else ()
        targets = (one for each in environments for one in (each.airflow, each.spark, each.dbt) if one is not None)
        top = self.sources.root
        places = {os.path.relpath(top / target.root, top) for target in targets}
        return [place for place in places if place != "." and not place.startswith("..")]

    def transitive(self, changed: Iterable[str]) -> list[str]:
        """The changed schema files that promise something to every earlier version."""
        schemas = {AVRO, JSON, PROTO}
        there = [path for path in changed if path in self.examined]
        return transitive((path for path in there if not schemas.isdisjoint(self.examined[path].facts)), self.config)


def carried(tree: Tree) -> tuple[str, ...]:
    """What a release holds wherever it lies: schemas, contracts and expectations that are no samples."""
    return tuple(path for path in tree.with_facts(Held.EVERYWHERE) if not is_sample(path))


@dataclass(frozen=True)
class SeenLive:
    """What the files of a live release told: ``changed`` are other now, or gone, and ``again`` is of these."""

    paths: tuple[str, ...] = ()
    changed: frozenset[str] = frozenset()
    again: Mapping[str, Examined] = field(default_factory=dict)
    earlier: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)

    def as_live(
        self, release: LiveRelease, layout: Layout, examined: Mapping[str, Examined], config: ProjectConfig, keep: Keep
    ) -> Live:
        """What the rules compare with. ``examined``: the files of the work tree."""
        same = {path: examined[path] for path in self.paths if path in examined and path not in self.changed}
        inspection = inspection_of(
            layout, self.paths, release.read, {**same, **self.again}, config=config, keep=keep, earlier=self.earlier
        )
        return Live(inspection, self.changed, release.compared, release.parts)


def look_at_live(tree: Tree, release: LiveRelease) -> tuple[SeenLive, list[NotChecked]]:
    """What is live as the rules see it, and which of its earlier versions could not be seen."""
    files = {path: digest for path, digest in release.files.items() if _is_seen(tree, path)}
    changed = frozenset(
        path for path, digest in files.items()
        if path not in tree.paths or tree.digests.get(path, digest) != digest
    )  # fmt: skip
    again = tree.examiner.examine({path: partial(release.read, path) for path in changed}, files)
    told, unknown = release.earlier(tree.transitive(changed))
    return SeenLive(tuple(sorted(files)), changed, again, versions(tree, told)), unknown


def _is_seen(tree: Tree, path: str) -> bool:
    """Whether a file of a release is gone or one that rules look at here: not one that git ignores, nor a link."""
    if path in tree.paths:
        return True
    return INSTALLED.isdisjoint(path.split("/")) and not tree.sources.exists(path)


def not_held(tree: Tree, release: LiveRelease) -> list[NotChecked]:
    """Files whose live version nobody can know, because no release holds them."""
    if not release.compared.release or tree.config is None:
        return []
    where = f"what is live in {release.compared.environment}"
    sections = Sections.of(tree.config.model_dump(mode="json"))
    outside = [
        path for path in tree.with_facts(Held.WHERE_NAMED)
        if path not in release.files and not sections.hold(path) and path.partition("/")[0] not in ALONGSIDE
        and not is_less_serious(path)
    ]  # fmt: skip
    found = []
    if outside:
        why = "no release holds them: streams are held where 'spark' names them, Terraform in the folder 'terraform'"
        found.append(NotChecked(f"{_listed(outside)} against {where}", why))
    lacking = [path for path in carried(tree) if path not in release.files]
    if lacking and not release.complete:
        why = (
            f"release {release.compared.release[:12]} was built by an Interlock that left out schemas and contracts "
            "outside of the folders of these names: deploy a release that was built by this one"
        )
        found.append(NotChecked(f"{_listed(lacking)} against {where}", why))
    return found


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more files" if len(paths) > _NAMED else ""
    return ", ".join(sorted(paths)[:_NAMED]) + more


def versions(tree: Tree, told: Versions) -> dict[str, tuple[Version, ...]]:
    """The facts of earlier contents, by path."""
    found: dict[str, list[Version]] = {}
    for number in range(max(map(len, told.values()), default=0)):
        these = {path: ones[number] for path, ones in told.items() if number < len(ones)}
        examined = tree.examiner.examine(
            {path: one.read for path, one in these.items()}, {path: one.digest for path, one in these.items()}
        )
        for path, one in these.items():
            if path in examined:
                found.setdefault(path, []).append(Version(one.compared, one.digest, examined[path].facts))
    return {path: tuple(ones) for path, ones in found.items()}


def before_base(tree: Tree, base: Base, cache: ReadingCache) -> tuple[dict[str, tuple[Version, ...]], list[NotChecked]]:
    """What the trunk's commits before the base held of transitive subjects that changed since."""
    paths = sorted(tree.transitive(base.changed))
    history = _history(base, paths, cache)
    told = {path: [_committed(base.root, one) for one in ones] for path, ones in history.by_path.items()}
    return versions(tree, told), [NotChecked(f"earlier versions of {_listed(paths)}", why) for why in _lacking(history)]


def _committed(root: Path, past: Past) -> Earlier:
    compared = Compared(commit=past.commit, since=past.at)
    return Earlier(compared, f"git:{past.blob}", partial(content_of, root, past.blob))


def _lacking(history: History) -> list[str]:
    found = []
    if history.full:
        found.append(f"only the newest {MOST_COMMITS} commits that touch them are looked at")
    if history.shallow:
        found.append("this clone is shallow: fetch the whole history ('fetch-depth: 0' in GitHub Actions)")
    return found


def _history(base: Base, paths: Sequence[str], cache: ReadingCache) -> History:
    """The history of these files. It is kept unless it ends with the clone: else it never changes."""
    if not paths:
        return History({})
    key = f"{base.commit} {digest_of(list(paths))}"
    kept = cache.get(_SPACE, key)
    if kept is not None:
        full, told = kept
        return History({path: [Past(*one) for one in ones] for path, ones in told.items()}, full)
    found = history_of(base.root, base.commit, paths)
    if not found.shallow:
        by_path = {path: [[one.commit, one.at, one.blob] for one in ones] for path, ones in found.by_path.items()}
        cache.save(_SPACE, {key: [found.full, by_path]}, keep=())
    return found
