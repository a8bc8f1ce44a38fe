"""A tiny platform whose releases are deployed by the adapters, without an engine or a ledger around them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from interlock.adapters.base import Adapter, PlanningContext, StepContext
from interlock.config.models import ProjectConfig
from interlock.model.canonical import digest_bytes, digest_of
from interlock.model.errors import UnreachableError
from interlock.model.plan import Action, Change, Receipt, Step
from interlock.model.release import FileEntry, Manifest
from interlock.model.resources import Catalog, Resource, kind_of
from interlock.model.state import EnvironmentState, LiveResource

Closures = Mapping[str, tuple[str, ...]]


@dataclass
class Blobs:
    """Bytes by digest."""

    held: dict[str, bytes] = field(default_factory=dict)

    def read(self, digest: str) -> bytes:
        if digest not in self.held:
            raise UnreachableError(f"no blob {digest}")
        return self.held[digest]


@dataclass
class World:
    """One environment. ``deploy`` plays the engine's part; ``state`` is what the ledger would say."""

    root: Path
    config: ProjectConfig
    blobs: Blobs = field(default_factory=Blobs)
    state: EnvironmentState = field(default_factory=lambda: EnvironmentState("dev", "", {}))
    count: int = 0

    def release(self, files: Mapping[str, str], closures: Closures) -> Manifest:
        """A release of these files; ``closures`` maps resource keys to their files, the defining one first."""
        data = {path: text.encode() for path, text in files.items()}
        self.blobs.held.update({digest_bytes(content): content for content in data.values()})
        entries = tuple(FileEntry(path, digest_bytes(data[path]), len(data[path])) for path in sorted(data))
        resources = tuple(
            Resource(key, paths[0], paths, digest_of([digest_bytes(data[p]) for p in paths]))
            for key, paths in sorted(closures.items())
        )
        return Manifest("shop", "c0ffee", entries, Catalog("shop", resources), {}, {})

    def changes(self, manifest: Manifest, adapter: Adapter) -> list[Change]:
        """What differs between the state and a release, for one adapter."""
        new = {r.key: r.fingerprint for r in manifest.catalog.resources if r.kind.engine == adapter.engine}
        old = {k: v.fingerprint for k, v in self.state.resources.items() if kind_of(k).engine == adapter.engine}
        found = []
        for key in sorted({*new, *old}):
            if new.get(key) != old.get(key):
                action = Action.ADD if key not in old else Action.REMOVE if key not in new else Action.CHANGE
                found.append(Change(key, action, old.get(key, ""), new.get(key, "")))
        return found

    def plan(self, manifest: Manifest, adapter: Adapter) -> list[Step]:
        environment = self.config.environments["dev"]
        planning = PlanningContext(self.config, "dev", environment, manifest, None, self.state)
        return adapter.plan(planning, self.changes(manifest, adapter))

    def context(self, manifest: Manifest | None = None, **more: Any) -> StepContext:
        return StepContext(
            deployment=f"d{self.count}",
            config=self.config,
            environment_name="dev",
            environment=self.config.environments["dev"],
            root=self.root,
            cache=self.root,
            fence=more.pop("fence", lambda: None),
            state=self.state,
            manifest=manifest,
            blobs=self.blobs if manifest else None,
            **more,
        )

    def deploy(
        self, manifest: Manifest, adapter: Adapter, skip: tuple[str, ...] = ("verify", "observe"), **more: Any
    ) -> tuple[Step, Receipt]:
        """The release is live; the switch and its receipt."""
        self.count += 1
        receipts: dict[str, Receipt] = {}
        switch = None
        for step in self.plan(manifest, adapter):
            if step.verb not in skip:
                context = self.context(manifest, receipts=dict(receipts), **more)
                receipts[step.id] = adapter.execute(step, context)
            switch = step if step.verb == "switch" else switch
        assert switch is not None
        receipt = receipts[switch.id]
        self._now_live(manifest, self.changes(manifest, adapter), receipt)
        return switch, receipt

    def went_back(self, receipt: Receipt) -> None:
        """The state after a revert."""
        resources = dict(self.state.resources)
        for key, data in receipt.data["live"].items():
            resources.pop(key, None)
            if data is not None:
                resources[key] = LiveResource(key, "r", digest_of(list(data["files"].values())), True, data)
        self.state = replace(self.state, resources=resources)

    def _now_live(self, manifest: Manifest, changes: list[Change], receipt: Receipt) -> None:
        resources = dict(self.state.resources)
        for change in changes:
            resources.pop(change.key, None)
            if change.action is not Action.REMOVE:
                resources[change.key] = LiveResource(
                    change.key, manifest.id, change.after, True, receipt.data["live"][change.key]
                )
        self.state = EnvironmentState("dev", manifest.id, resources)


def airflow_config(**target: Any) -> ProjectConfig:
    """A project with DAGs in ``dags`` and a further import root ``plugins``."""
    environments = {"dev": {"airflow": {"root": "live", **target}}}
    return ProjectConfig.model_validate(
        {
            "version": 1,
            "project": "shop",
            "airflow": {"dags": "dags", "include": ["plugins"]},
            "environments": environments,
        }
    )


def spark_config() -> ProjectConfig:
    """A project with jobs, streams and a package that they share."""
    spark = {"jobs": ["spark/jobs/*.py"], "streams": ["spark/streams/*.py"], "include": ["spark/lib"]}
    return ProjectConfig.model_validate(
        {"version": 1, "project": "shop", "spark": spark, "environments": {"dev": {"spark": {"root": "live"}}}}
    )


def snapshot(root: Path) -> dict[str, str]:
    """Every file and link below ``root`` with its content: what two runs are compared by."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and path.name not in (".lock", ".served.json"):
            found[name] = digest_bytes(path.read_bytes())
    return found


def refuses() -> Callable[[], None]:
    """A fence that was lost."""

    def fence() -> None:
        raise RuntimeError("fenced")

    return fence
