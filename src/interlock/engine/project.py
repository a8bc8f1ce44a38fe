"""A project as it can be read: configuration, runtimes, catalog. No ledger and no release is needed for that."""

import re
from collections import defaultdict
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from threading import Lock

from interlock.catalog.read import read_project
from interlock.catalog.reading import ProjectReading
from interlock.catalog.sources import Sources
from interlock.config import Environment, ProjectConfig, load_config
from interlock.config.load import FILE_NAME
from interlock.model.errors import UsageError
from interlock.model.progress import OnProgress, Progress, silent
from interlock.runtimes.environments import Runtime, default_cache_root, ensure
from interlock.runtimes.spec import RuntimeSpec


class Project:
    """One project on this machine. Nothing is opened before it is asked for."""

    def __init__(self, root: Path, on_progress: OnProgress = silent) -> None:
        self.root = root.absolute()
        self.on_progress = on_progress
        self._runtimes: dict[str, Runtime] = {}
        self._building: dict[str, Lock] = defaultdict(Lock)

    @cached_property
    def config(self) -> ProjectConfig:
        """The project's interlock.yaml."""
        return load_config(self.root)

    @cached_property
    def unconfigured(self) -> bool:
        """Whether there is no interlock.yaml: then nothing but a static check is possible."""
        return not (self.root / FILE_NAME).exists()

    @property
    def cache(self) -> Path:
        """Where results of reading are kept, for all clones on this machine; without it, all is read anew."""
        name = f"unconfigured-{self.root.name}" if self.unconfigured else self.config.project
        return default_cache_root().absolute() / "projects" / re.sub(r"[^\w.-]", "_", name)

    def environment(self, name: str) -> Environment:
        """An environment by name; ``UsageError`` naming those that exist."""
        try:
            return self.config.environments[name]
        except KeyError:
            known = ", ".join(self.config.environments) or "none"
            raise UsageError(f"there is no environment {name!r}", remedy=f"known environments: {known}") from None

    def runtime(self, name: str) -> Runtime:
        """A runtime of the project, built when it is not there yet."""
        with self._building[name]:
            if name not in self._runtimes:
                self._runtimes[name] = self._ensured(name)
            return self._runtimes[name]

    def _ensured(self, name: str) -> Runtime:
        given = self.config.runtimes[name]
        spec = RuntimeSpec(
            name=name,
            python=given.python,
            lock=self.root / given.lock if given.lock else None,
            requirements=self.root / given.requirements if given.requirements else None,
            interpreter=Path(given.interpreter).expanduser() if given.interpreter else None,
        )
        return ensure(spec, default_cache_root(), self._say_runtime(name))

    def read(self, sources: Sources | None = None) -> ProjectReading:
        """The catalog and findings of the work tree, or of what ``sources`` saw of it already."""
        return read_project(sources or Sources(self.root), self.config, self.runtime, self.cache, self.on_progress)

    def _say_runtime(self, name: str) -> Callable[[str], None]:
        return lambda text: self.on_progress(Progress(f"runtime {name}", text))
