"""What the rules say of single files, computed once for each content and kept in the cache."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.catalog.store import ReadingCache
from interlock.model.canonical import digest_of, plain
from interlock.model.findings import Finding
from interlock.rules.files import LARGEST_BYTES, Layout, SourceFile
from interlock.rules.masking import masked
from interlock.rules.rule import Family, matches
from interlock.rules.spread import spread
from interlock.rules.version import version


@dataclass(frozen=True)
class Examined:
    """What one file's content decides: findings, and facts by name."""

    findings: tuple[Finding, ...]
    facts: Mapping[str, Any]


def patterns_of(families: Sequence[Family]) -> tuple[str, ...]:
    """The patterns of all paths that any rule looks into."""
    patterns: list[str] = []
    for one in families:
        for parts in (one.file_checks, one.facts, one.batch_checks):
            patterns += [pattern for part in parts for pattern in part.patterns]
    return tuple(dict.fromkeys(patterns))


def examine(file: SourceFile, families: Sequence[Family]) -> Examined:
    """One file through every file check and facts function that is meant for it; batch checks are left out."""
    findings: list[Finding] = []
    facts: dict[str, Any] = {}
    if len(file.source) > LARGEST_BYTES:
        return Examined((), {})
    for family in families:
        for part in family.file_checks:
            if matches(file.path, part.patterns):
                findings += part.check(file)
        for kind in family.facts:
            if matches(file.path, kind.patterns):
                told = kind.extract(file)
                if told is not None:
                    facts[kind.name] = told
    return Examined(tuple(map(masked, findings)), facts)


class Examiner:
    """Examines files, with what earlier examinations found. ``jobs`` processes are used where there is much to do."""

    def __init__(self, families: Sequence[Family], layout: Layout, cache: ReadingCache | None, jobs: int = 1) -> None:
        self._families = families
        self._patterns = patterns_of(families)
        self._layout = layout
        self._cache = cache
        self._jobs = jobs
        self._space = f"rules-{version()}-{digest_of(plain(layout))[:16]}"
        self._stored = cache.load(self._space) if cache else {}
        self._new: dict[str, Any] = {}
        self._used: set[str] = set()

    def examine(
        self, files: Mapping[str, bytes | Callable[[], bytes]], digests: Mapping[str, str]
    ) -> dict[str, Examined]:
        """Every file that a rule looks into, by path. ``files`` gives the bytes, or how to get them when needed."""
        found: dict[str, Examined] = {}
        unknown: list[SourceFile] = []
        for path, source in files.items():
            if not matches(path, self._patterns):
                continue
            key = f"{path} {digests[path]}"
            self._used.add(key)
            stored = self._stored.get(key)
            if stored is not None:
                found[path] = _from_json(stored)
            else:
                unknown.append(SourceFile(path, source if isinstance(source, bytes) else source(), self._layout))
        fresh = self._examined(unknown)
        for file in unknown:
            one = fresh[file.path]
            self._new[f"{file.path} {digests[file.path]}"] = _to_json(one)
            found[file.path] = one
        return found

    def _examined(self, files: Sequence[SourceFile]) -> dict[str, Examined]:
        by_path = {file.path: file for file in files}
        found: dict[str, Examined] = spread(
            lambda paths: {path: examine(by_path[path], self._families) for path in paths}, list(by_path), self._jobs
        )
        return _with_batches(files, found, self._families) if files else {}

    def save(self) -> bool:
        """What was found out stays; of what no file has any more, as much as is in use. Whether there was anything."""
        if self._new and self._cache is not None:
            stale = len(self._stored) > 2 * len(self._used) + 64
            self._cache.save(self._space, self._new, keep=self._used if stale else None)
        return bool(self._new)


def _with_batches(
    files: Sequence[SourceFile], found: dict[str, Examined], families: Sequence[Family]
) -> dict[str, Examined]:
    more: dict[str, list[Finding]] = {}
    for family in families:
        for batch in family.batch_checks:
            meant = [f for f in files if matches(f.path, batch.patterns) and len(f.source) <= LARGEST_BYTES]
            for finding in batch.check(meant) if meant else ():
                more.setdefault(finding.place.path, []).append(masked(finding))
    for path, findings in more.items():
        found[path] = Examined((*found[path].findings, *findings), found[path].facts)
    return found


def _to_json(examined: Examined) -> list[Any]:
    return [[one.packed() for one in examined.findings], dict(examined.facts)]


def _from_json(stored: Iterable[Any]) -> Examined:
    findings, facts = stored
    return Examined(tuple(map(Finding.unpacked, findings)), facts)
