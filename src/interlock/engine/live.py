"""What is live in an environment, for a check: the ledger says which release it is, the store what is in it."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from interlock.catalog.store import ReadingCache
from interlock.config.models import SchemasSection
from interlock.engine.ledgers import ledger_of
from interlock.engine.live_release import Earlier, LiveRelease, Versions
from interlock.engine.project import Project
from interlock.ledger.projections import Span, spans
from interlock.ledger.store import Ledger
from interlock.model.canonical import digest_of
from interlock.model.compatibility import ENDINGS
from interlock.model.errors import TamperedError
from interlock.model.events import EventType, Recorded
from interlock.model.findings import Compared, NotChecked
from interlock.model.release import Manifest
from interlock.model.state import EnvironmentState
from interlock.release.carried import carried, is_complete
from interlock.release.store import MissingError, Store
from interlock.release.stores import open_store

_SPACE = "live-1"  # the number is raised when ``_content`` tells something else
_DEPLOYMENTS = (EventType.DEPLOYMENT_STARTED, EventType.DEPLOYMENT_FINISHED)


def live_in(project: Project, environments: Iterable[str]) -> list[LiveRelease]:
    """What is live in each of these environments, of each once. Nothing of the project is written.

    ``UsageError`` where there is no such environment or no ledger, ``UnreachableError`` where the ledger or the store
    does not answer, or the store has the release no more.
    """
    names = list(dict.fromkeys(environments))
    for name in names:
        project.environment(name)
    with ledger_of(project, create=False) as ledger:
        told = {name: _Told.of(ledger, name, project.config.schemas) for name in names}
    return [_live(project, told[name]) for name in names]


def _live(project: Project, told: "_Told") -> LiveRelease:
    environment = told.state.environment
    if not told.state.release and not told.state.resources:
        nothing = NotChecked(f"what is live in {environment}", "nothing is live there yet")
        return LiveRelease(Compared(environment), told.digest, not_checked=(nothing, *told.under_way()))
    return _Live(project, told).release()


@dataclass(frozen=True)
class _Attempt:
    """A deployment that has not succeeded: not yet (``ended`` is ""), or not at all."""

    deployment: str
    release: str
    ended: str = ""


@dataclass(frozen=True)
class _Told:
    """What the ledger tells of an environment; the ledger itself is closed when files are read.

    ``spans``: releases that it was at. ``tried``: those that were live in part, of deployments that switched something
    and did not succeed; looked for where a schema promises something to every earlier version.
    """

    state: EnvironmentState
    digest: str
    attempts: tuple[_Attempt, ...]
    spans: tuple[Span, ...]
    tried: tuple[Span, ...]

    @classmethod
    def of(cls, ledger: Ledger, environment: str, schemas: SchemasSection | None) -> "_Told":
        state = ledger.state(environment)
        told = list(ledger.events(environment=environment, types=_DEPLOYMENTS))
        attempts = _attempts(told)
        transitive = schemas is not None and any(mode.transitive for mode in (schemas.mode, *schemas.subjects.values()))
        tried = [span for one in attempts for span in _tried(ledger, one)] if transitive else []
        digest = digest_of([state.basis, told[-1].hash if told else ""])
        return cls(state, digest, tuple(attempts), tuple(spans(told)), tuple(tried))

    def under_way(self) -> list[NotChecked]:
        """Deployments that have begun and not ended."""
        return [
            NotChecked(
                f"release {one.release[:12]} in {self.state.environment}",
                f"deployment {one.deployment} is under way there: what it has not switched yet is not compared with",
            )
            for one in self.attempts
            if not one.ended
        ]


def _attempts(told: Iterable[Recorded]) -> list[_Attempt]:
    begun: dict[str, _Attempt] = {}
    for fact in told:
        name, data = fact.event.deployment, fact.event.data
        if fact.event.type is EventType.DEPLOYMENT_STARTED:
            begun[name] = _Attempt(name, data.get("release", ""))
        elif data.get("outcome") == "succeeded":
            begun.pop(name, None)
        elif name in begun:
            begun[name] = replace(begun[name], ended=fact.at)
    return list(begun.values())


def _tried(ledger: Ledger, attempt: _Attempt) -> Iterator[Span]:
    for first in ledger.events(deployment=attempt.deployment, types=[EventType.RESOURCE_LIVE], limit=1):
        yield Span(attempt.release, first.at, attempt.ended)


class _Live:
    """One environment: where its files come from."""

    def __init__(self, project: Project, told: _Told) -> None:
        self._project, self._told, self._state = project, told, told.state
        self._cache = ReadingCache(project.cache)
        self._space = f"{_SPACE}-{told.state.environment}"
        self._kept: dict[str, Any] = self._cache.load(self._space)
        self._used: dict[str, Any] = {}
        self._opened: tuple[int, Store] | None = None

    @property
    def _store(self) -> Store:
        """The store, opened anew in every process: connections do not outlive a fork."""
        if self._opened is None or self._opened[0] != os.getpid():
            self._opened = (os.getpid(), open_store(self._project.config.artifacts, self._project.root))
        return self._opened[1]

    def release(self) -> LiveRelease:
        """What is live now: the release that was deployed last, but for single resources that are live from another."""
        state = self._state
        main = state.release or next(one.release for one in state.resources.values())
        whole = self._held(main)
        files: dict[str, str] = dict(whole["files"])
        parts: dict[str, Compared] = {}
        absent: set[str] = set()
        present: set[str] = set()
        for key, (fingerprint, path, paths) in whole["resources"].items():
            live = state.resources.get(key)
            (absent if live is None else present).update((path, *paths))
            if live is not None and live.fingerprint != fingerprint:
                self._take(live.release, key, files, parts)
        for key in state.resources.keys() - whole["resources"].keys():
            self._take(state.resources[key].release, key, files, parts)
        # What is not live here (an engine without a target, a resource that was taken back) is nothing to compare with.
        for path in absent - present - parts.keys():
            files.pop(path, None)
        self._save()
        origin = dict.fromkeys(files, main) | {path: one.release for path, one in parts.items()}
        return LiveRelease(
            self._compared(main),
            self._told.digest,
            files,
            lambda path: self._read(origin[path], path, files[path]),
            parts,
            whole["complete"],
            lambda paths: self._earlier(paths, files),
            tuple(self._told.under_way()),
        )

    def _take(self, release: str, key: str, files: dict[str, str], parts: dict[str, Compared]) -> None:
        """The file that defines a resource as it is in another release."""
        other = self._held(release)
        if key in other["resources"]:
            path = other["resources"][key][1]
            if path in other["files"] and files.get(path) != other["files"][path]:
                files[path] = other["files"][path]
                parts[path] = self._compared(release)

    def _held(self, release: str) -> dict[str, Any]:
        """What is in a release: ``MissingError`` where the store has it no more, kept or not."""
        if release not in self._used:
            if not self._store.has_release(release):
                raise MissingError(
                    f"release {release[:12]} is live in {self._state.environment}, and is not in the artifact store",
                    remedy="Put it back ('interlock release import'), or see that 'artifacts' in interlock.yaml names "
                    "the store that it was deployed from.",
                )
            kept = self._kept.get(release)
            self._used[release] = kept if kept is not None else _content(self._store.manifest(release))
        found: dict[str, Any] = self._used[release]
        return found

    def _save(self) -> None:
        if self._used.keys() != self._kept.keys():
            self._cache.save(self._space, self._used, keep=())

    def _compared(self, release: str) -> Compared:
        """A release that is live, since it was deployed the last time."""
        since = next((span.since for span in reversed(self._told.spans) if span.release == release), "")
        return Compared(self._state.environment, release, self._held(release)["commit"], since)

    def _read(self, release: str, path: str, digest: str) -> bytes:
        try:
            return self._store.read(digest)
        except (MissingError, TamperedError) as error:
            where = f"{path} of release {release[:12]}, which is or was live in {self._state.environment}"
            raise type(error)(f"{where}: {error.summary}", remedy=error.remedy, detail=error.detail) from None

    def _earlier(self, paths: Collection[str], files: Mapping[str, str]) -> tuple[Versions, list[NotChecked]]:
        """What these schema files held in every release that was live here before, each content once, newest first."""
        if not paths:
            return {}, []
        past = sorted((*self._told.spans, *self._told.tried), key=lambda span: span.since, reverse=True)
        tables, lacking = self._tables(dict.fromkeys(span.release for span in past if span.release))
        found: dict[str, dict[str, Earlier]] = {path: {} for path in paths}
        for span in past:
            told = tables.get(span.release, {"commit": "", "files": {}})
            compared = Compared(self._state.environment, span.release, told["commit"], span.since, span.until)
            for path in paths:
                digest = told["files"].get(path)
                if digest is not None and digest != files.get(path):
                    read = partial(self._read, span.release, path, digest)
                    found[path].setdefault(digest, Earlier(compared, digest, read))
        return {path: tuple(ones.values()) for path, ones in found.items()}, lacking

    def _tables(self, releases: Iterable[str]) -> tuple[dict[str, Any], list[NotChecked]]:
        """By release its commit and its schema files; and which releases the store has no more."""
        space = f"{self._space}-schemas"
        kept = self._cache.load(space)
        found: dict[str, Any] = {}
        lacking = []
        for release in releases:
            if release in kept:
                found[release] = kept[release]
            elif self._store.has_release(release):
                manifest = self._store.manifest(release)
                found[release] = {"commit": manifest.commit, "files": _schemas(manifest)}
            else:
                what = f"release {release[:12]}, which was live in {self._state.environment}"
                why = "it is not in the artifact store any more: schemas that promise something to it were not compared"
                lacking.append(NotChecked(what, why))
        if found.keys() != kept.keys():
            self._cache.save(space, found, keep=())
        return found, lacking


def _content(manifest: Manifest) -> dict[str, Any]:
    """What a comparison looks at of a release, as JSON. Files that no engine deploys are no resource's."""
    apart = carried(manifest).keys()
    return {
        "commit": manifest.commit,
        "complete": is_complete(manifest),
        "files": {entry.path: entry.digest for entry in manifest.files},
        "resources": {
            one.key: [one.fingerprint, one.path, [path for path in one.files if path not in apart]]
            for one in manifest.catalog.resources
        },
    }


def _schemas(manifest: Manifest) -> dict[str, str]:
    """The digests of the files that may be schemas, by path."""
    return {entry.path: entry.digest for entry in manifest.files if entry.path.endswith(ENDINGS)}
