"""A project with what releasing it needs: ledger, store, adapters."""

from functools import cached_property
from pathlib import Path

from interlock.adapters.airflow import AirflowAdapter
from interlock.adapters.base import Adapter, PlanningContext
from interlock.adapters.dbt import DbtAdapter
from interlock.adapters.spark_batch import SparkBatchAdapter
from interlock.adapters.spark_stream import SparkStreamAdapter
from interlock.engine.ledgers import ledger_of
from interlock.engine.project import Project
from interlock.engine.record import LISTED, DeploymentRecord, fold
from interlock.ledger.store import Ledger
from interlock.model.progress import OnProgress, silent
from interlock.model.release import Manifest
from interlock.model.resources import Resource
from interlock.release.store import Store
from interlock.release.stores import open_store

_MANIFESTS_KEPT = 4


class Workspace(Project):
    """A project with its ledger, its releases and what they are deployed with."""

    def __init__(self, root: Path, on_progress: OnProgress = silent) -> None:
        super().__init__(root, on_progress)
        self._manifests: dict[str, Manifest] = {}

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, created when it is not there; ``ConfigError`` where it is another project's."""
        return ledger_of(self)

    @cached_property
    def store(self) -> Store:
        """The store of releases."""
        return open_store(self.config.artifacts, self.root)

    @cached_property
    def adapters(self) -> dict[str, Adapter]:
        """One adapter an engine."""
        found: list[Adapter] = [AirflowAdapter(), DbtAdapter(), SparkBatchAdapter(), SparkStreamAdapter()]
        return {a.engine: a for a in found}

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
        if release not in self._manifests and not self.store.has_release(release):
            return None
        return self.manifest(release)
