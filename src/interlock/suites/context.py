"""What running the project's tests needs of the project."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path

from interlock.catalog.git import source_state
from interlock.catalog.reading import RuntimeFor
from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache
from interlock.config import ProjectConfig
from interlock.config.load import FILE_NAME
from interlock.model.canonical import digest_of
from interlock.model.errors import ConfigError
from interlock.model.progress import OnProgress
from interlock.runtimes.environments import WORKERS
from interlock.suites.kept import KeptResults, Moment
from interlock.suites.traces import Ground


@cache
def code_digest(*names: str) -> str:
    """A digest of these worker files: nothing is taken from the cache that another version of them found."""
    hashed = hashlib.sha256()
    for name in names:
        hashed.update((WORKERS / name).read_bytes())
    return hashed.hexdigest()


@dataclass(frozen=True)
class SuiteContext:
    """The project, its files (``sources``, and ``files``: all of them), and what earlier runs left in ``folder``.

    ``rerun``: whether tests are run again that need not be.
    """

    config: ProjectConfig
    runtime_for: RuntimeFor
    sources: Sources
    files: Sequence[str]
    folder: Path
    on_progress: OnProgress
    rerun: bool = False

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.sources.root

    def settings_of(self, runtime: str) -> tuple[str, ...]:
        """The files that say which tests are run, and in what environment."""
        declared = self.config.runtimes[runtime]
        return tuple(one for one in (FILE_NAME, declared.lock) if one is not None)

    @cached_property
    def ground(self) -> Ground:
        """The project, asked for what a run read of it."""
        return Ground(self.sources.root, lambda: digest_of(self.sources.digests(self.files)))

    @cached_property
    def cache(self) -> ReadingCache:
        """What is kept between commands."""
        return ReadingCache(self.folder)

    @cached_property
    def kept(self) -> KeptResults:
        """Results and history of earlier runs."""
        return KeptResults(self.cache)

    @cached_property
    def moment(self) -> Moment:
        """When this check runs tests, and at which commit."""
        try:
            commit = source_state(self.root).label
        except ConfigError:
            commit = ""
        return Moment(datetime.now(UTC).isoformat(timespec="seconds"), commit)
