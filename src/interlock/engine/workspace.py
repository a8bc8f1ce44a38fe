"""A project with everything that belongs to it: configuration, ledger, store, adapters, runtimes, catalog."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from interlock.adapters.airflow import AirflowAdapter
from interlock.adapters.base import Adapter, PlanningContext
from interlock.adapters.dbt import DbtAdapter
from interlock.adapters.spark_batch import SparkBatchAdapter
from interlock.adapters.spark_stream import SparkStreamAdapter
from interlock.catalog.read import read_project
from interlock.catalog.reading import ProjectReading
from interlock.config import Environment, ProjectConfig, load_config
from interlock.engine.record import LISTED, DeploymentRecord, fold
from interlock.ledger.store import Ledger, open_ledger
from interlock.model.errors import UsageError
from interlock.model.progress import OnProgress, Progress, silent
from interlock.model.release import Manifest
from interlock.model.resources import Resource
from interlock.release.store import MissingError, Store, open_store
from interlock.runtimes.environments import Runtime, default_cache_root, ensure
from interlock.runtimes.spec import RuntimeSpec

_MANIFESTS_KEPT = 4


class Workspace:
    """One project on this machine. Nothing is opened before it is asked for."""

    def __init__(self, root: Path, on_progress: OnProgress = silent) -> None:
        self.root = root.absolute()
        self.on_progress = on_progress
        self._runtimes: dict[str, Runtime] = {}
        self._manifests: dict[str, Manifest] = {}

    @cached_property
    def config(self) -> ProjectConfig:
        """The project's interlock.yaml."""
        return load_config(self.root)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, created when it is not there."""
        return open_ledger(self.config.ledger, self.root)

    @cached_property
    def store(self) -> Store:
        """The store of releases."""
        return open_store(self.config.artifacts, self.root)

    @cached_property
    def adapters(self) -> dict[str, Adapter]:
        """One adapter an engine."""
        found: list[Adapter] = [AirflowAdapter(), DbtAdapter(), SparkBatchAdapter(), SparkStreamAdapter()]
        return {a.engine: a for a in found}

    @property
    def cache(self) -> Path:
        """Where results of reading are kept; deleting it costs time and nothing else."""
        return self.root / ".interlock" / "cache"

    def environment(self, name: str) -> Environment:
        """An environment by name; ``UsageError`` naming those that exist."""
        try:
            return self.config.environments[name]
        except KeyError:
            known = ", ".join(self.config.environments) or "none"
            raise UsageError(f"there is no environment {name!r}", remedy=f"known environments: {known}") from None

    def runtime(self, name: str) -> Runtime:
        """A runtime of the project, built when it is not there yet."""
        if name not in self._runtimes:
            given = self.config.runtimes[name]
            spec = RuntimeSpec(
                name=name,
                python=given.python,
                lock=self.root / given.lock if given.lock else None,
                requirements=self.root / given.requirements if given.requirements else None,
                interpreter=Path(given.interpreter).expanduser() if given.interpreter else None,
            )
            self._runtimes[name] = ensure(spec, default_cache_root(), self._say_runtime(name))
        return self._runtimes[name]

    def read(self) -> ProjectReading:
        """The catalog and findings of the work tree."""
        return read_project(self.root, self.config, self.runtime, self.cache, self.on_progress)

    def deployments(self) -> dict[str, DeploymentRecord]:
        """Every deployment in the ledger, by id, oldest first."""
        return fold(self.ledger.events(types=LISTED))

    def planning_context(self, environment: str, manifest: Manifest) -> PlanningContext:
        """What a plan for ``environment`` is made from."""
        state = self.ledger.state(environment)
        previous = self.manifest_or_none(state.release) if state.release else None
        return PlanningContext(self.config, environment, self.environment(environment), manifest, previous, state)

    def live_resources(self, environment: str) -> dict[str, Resource]:
        """Resources as the releases that they are live from describe them; those of missing releases are left out."""
        state = self.ledger.state(environment)
        manifests = {
            release: self.manifest_or_none(release) for release in {r.release for r in state.resources.values()}
        }
        found: dict[str, Resource] = {}
        for key, live in state.resources.items():
            manifest = manifests[live.release]
            if manifest is not None and key in manifest.catalog.by_key:
                found[key] = manifest.catalog.by_key[key]
        return found

    def manifest(self, release: str) -> Manifest:
        """A release by its id or a unique prefix, read from the store once: one of 2,500 pipelines takes a second."""
        if release not in self._manifests:
            manifest = self.store.manifest(release)
            while len(self._manifests) >= _MANIFESTS_KEPT:
                del self._manifests[next(iter(self._manifests))]
            self._manifests[manifest.id] = manifest
            return manifest
        return self._manifests[release]

    def manifest_or_none(self, release: str) -> Manifest | None:
        """A release, or None where the store no longer has it."""
        try:
            return self.manifest(release)
        except MissingError:
            return None

    def _say_runtime(self, name: str) -> Callable[[str], None]:
        return lambda text: self.on_progress(Progress(f"runtime {name}", text))
