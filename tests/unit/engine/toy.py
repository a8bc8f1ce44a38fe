"""A platform of toys: an adapter that keeps one file a resource, and deployments of it without a durable engine.

The adapter is one that an outsider could write; everything around it (plans, ledger, leases, executor) is the product.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import event

from interlock.adapters.base import Capabilities, PlanningContext, StepContext
from interlock.config.models import ProjectConfig
from interlock.engine.executor import Executor, Services
from interlock.engine.holding import Holding, scope_of
from interlock.engine.record import DeploymentRecord, fold, measured_seconds, planned, stack_of, started
from interlock.engine.walk import walk
from interlock.ledger.store import Ledger, open_ledger
from interlock.model.events import Event
from interlock.model.plan import Change, Phase, Plan, Receipt, Step
from interlock.model.progress import Progress
from interlock.model.release import Manifest
from interlock.model.resources import Catalog, Edge, Resource, kind_of
from interlock.planning.make import make_plan
from interlock.planning.rollback import rollback_plan

CONFIG = {
    "version": 1,
    "project": "shop",
    "environments": {
        name: {
            "airflow": {"root": f"{name}/airflow"},
            "spark": {"root": f"{name}/spark"},
            "dbt": {"root": f"{name}/dbt"},
            "warehouse": {"type": "duckdb", "path": f"{name}/w.duckdb"},
        }
        for name in ("dev", "prod")
    },
}


class Killed(BaseException):
    """The process ended here; nothing may catch it."""


def config(**more: Any) -> ProjectConfig:
    return ProjectConfig.model_validate({**CONFIG, **more})


def resource(key: str, version: str, **parts: str) -> Resource:
    return Resource(key, f"{key.partition(':')[2]}.py", fingerprint=version, parts=parts or {"code": version})


def release(versions: Mapping[str, str], edges: Sequence[tuple[str, str, str]] = ()) -> Manifest:
    """A release in which each resource has the given version as its fingerprint."""
    resources = tuple(resource(key, version) for key, version in sorted(versions.items()))
    catalog = Catalog("shop", resources, tuple(Edge(*edge) for edge in edges))
    return Manifest("shop", "c0ffee", (), catalog, {}, {})


@dataclass
class ToyAdapter:
    """Keeps ``<root>/<environment>/<engine>/<key>`` with the live version in it.

    ``trouble`` maps a step id to the errors that its next attempts end in; ``gates`` maps a resource to the outcome of
    its gate; ``point`` is called before and after every change of a file.
    """

    engine: str
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(atomic_switch=True))
    trouble: dict[str, list[Exception]] = field(default_factory=dict)
    gates: dict[str, str] = field(default_factory=dict)
    point: Callable[[], None] = lambda: None
    attempts: list[str] = field(default_factory=list)

    def plan(self, context: PlanningContext, changes: Sequence[Change]) -> list[Step]:
        keys, after = tuple(c.key for c in changes), {c.key: c.after for c in changes}
        return [
            Step(
                f"{self.engine}.{verb}", phase, self.engine, verb, keys, f"{verb} {len(keys)}", inverse, arguments=after
            )
            for verb, phase, inverse in (
                ("stage", Phase.STAGE, "delete it"),
                ("verify", Phase.VERIFY, ""),
                ("switch", Phase.SWITCH, "switch back"),
                ("observe", Phase.OBSERVE, ""),
            )
        ]

    def execute(self, step: Step, context: StepContext) -> Receipt:
        self.attempts.append(step.id)
        if self.trouble.get(step.id):
            raise self.trouble[step.id].pop(0)
        if step.verb in ("verify", "observe", "confirm"):
            return Receipt(step.id, False, {"gates": self._answers(step)})
        live = {key: {"version": version} for key, version in step.arguments.items() if version}
        if step.verb == "stage":
            for key, version in step.arguments.items():
                self._put(self._path(context, f"staged {key}"), version or None, context)
            return Receipt(step.id, True, {})
        before = {key: _read(self._path(context, key)) for key in step.resources}
        for key in step.resources:
            self._put(self._path(context, key), live.get(key, {}).get("version"), context)
        # What was live before is taken from the ledger: the files may be half switched after a kill.
        known = {k: context.state.resources[k].data.get("version") for k in before if k in context.state.resources}
        return Receipt(step.id, before != step.arguments, {"live": live, "before": {k: known.get(k) for k in before}})

    def revert(
        self, step: Step, receipt: Receipt | None, context: StepContext, only: frozenset[str] | None = None
    ) -> Receipt:
        assert context.manifest is None and context.blobs is None and context.runtime is None, "not on the way back"
        self.attempts.append(f"revert {step.id}")
        if self.trouble.get(f"revert {step.id}"):
            raise self.trouble[f"revert {step.id}"].pop(0)
        keys = [k for k in step.resources if only is None or k in only]
        if step.phase is Phase.STAGE:
            for key in keys:
                self._put(self._path(context, f"staged {key}"), None, context)
            return Receipt(step.id, True)
        known = context.state.resources
        for key in keys:
            before = receipt.data["before"][key] if receipt else known[key].data["version"] if key in known else None
            self._put(self._path(context, key), before, context)
        return Receipt(step.id, True)

    def disable(self, key: str, context: StepContext) -> Receipt:
        return Receipt(f"disable {key}", True, {"off": True})

    def enable(self, key: str, context: StepContext) -> Receipt:
        return Receipt(f"enable {key}", True, {"off": False})

    def observe(self, context: StepContext) -> dict[str, Any]:
        own = [key for key in context.state.resources if kind_of(key).engine == self.engine]
        return {key: {"present": self._path(context, key).exists()} for key in own}

    def _answers(self, step: Step) -> list[dict[str, Any]]:
        return [
            {"gate": "row_count", "resource": key, "outcome": self.gates[f"{step.verb} {key}"], "summary": "8 % fewer"}
            for key in step.resources
            if f"{step.verb} {key}" in self.gates
        ]

    def _path(self, context: StepContext, key: str) -> Path:
        return context.root / context.environment_name / self.engine / key

    def _put(self, path: Path, text: str | None, context: StepContext) -> None:
        context.fence()
        self.point()
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)
        self.point()


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


def quick_ledger(root: Path, url: str = "sqlite:///ledger.db") -> Ledger:
    """A ledger that survives killed processes but not a power cut, so that tests need not wait for the disk."""
    ledger = open_ledger(url, root)
    ledger.database.engine.dispose()
    event.listen(ledger.database.engine, "connect", lambda c, _: c.execute("PRAGMA synchronous = OFF"))
    return ledger


class Platform:
    """One project with its ledger, where releases are deployed, killed, resumed and rolled back."""

    def __init__(self, root: Path, *adapters: ToyAdapter) -> None:
        self.root = root
        self.config = config()
        self.ledger = quick_ledger(root)
        self.adapters = {a.engine: a for a in adapters or (ToyAdapter("dbt"), ToyAdapter("airflow"))}
        self.releases: dict[str, Manifest] = {}
        self.said: list[Progress] = []
        self.count = 0

    def plan(self, manifest: Manifest, environment: str = "prod") -> Plan:
        self.releases[manifest.id] = manifest
        state = self.ledger.state(environment)
        context = PlanningContext(
            self.config,
            environment,
            self.config.environments[environment],
            manifest,
            self.releases.get(state.release),
            state,
        )
        live = {
            key: self.releases[r.release].catalog.by_key[key]
            for key, r in state.resources.items()
            if r.release in self.releases
        }
        return make_plan(context, self.adapters, live, measured_seconds(self.records().values(), environment))

    def rollback(self, environment: str = "prod", **options: Any) -> Plan:
        records = self.records().values()
        return rollback_plan(self.ledger.state(environment), "shop", stack_of(records, environment), **options)

    def records(self) -> dict[str, DeploymentRecord]:
        return fold(self.ledger.events())

    def deploy(self, plan: Plan) -> str:
        """The outcome."""
        self.count += 1
        name = f"d{self.count}"
        with Holding(self.ledger, scope_of("shop", plan.environment), name) as holding:
            self.ledger.append(beginning(plan, name), fence=holding.lease)
            return walk(self.executor(name, holding), directly)

    def ship(self, versions: Mapping[str, str], **more: Any) -> str:
        """Deploy these versions to prod; the outcome."""
        return self.deploy(self.plan(release(versions, **more)))

    def resume(self, deployment: str) -> str:
        environment = self.records()[deployment].plan.environment
        with Holding(self.ledger, scope_of("shop", environment), f"{deployment} again") as holding:
            return walk(self.executor(deployment, holding), directly)

    def executor(self, deployment: str, holding: Holding) -> Executor:
        return Executor(self.services(), deployment, holding)

    def services(self) -> Services:
        return Services(
            config=self.config,
            root=self.root,
            cache=self.root / "cache",
            ledger=self.ledger,
            adapters=dict(self.adapters),
            manifest=self.releases.__getitem__,
            blobs=lambda: None,  # type: ignore[arg-type,return-value]
            runtime=lambda name: None,  # type: ignore[arg-type,return-value]
            gates=lambda step, context: Receipt(step.id, False),
            on_progress=self.said.append,
        )

    def live(self, environment: str = "prod") -> dict[str, str]:
        """What consumers see: the version in each resource's file."""
        return {
            path.name: path.read_text()
            for path in sorted((self.root / environment).glob("*/*"))
            if not path.name.startswith("staged ")
        }

    def recorded(self, environment: str = "prod") -> dict[str, str]:
        """What the ledger says is live: resource and version."""
        return {key: live.fingerprint for key, live in self.ledger.state(environment).resources.items()}

    def files(self) -> dict[str, str]:
        """Every file that an adapter keeps, staged ones too."""
        return {
            str(p.relative_to(self.root)): p.read_text() for e in ("dev", "prod") for p in (self.root / e).glob("*/*")
        }


def beginning(plan: Plan, deployment: str) -> list[Event]:
    """The events that begin a deployment."""
    return [*planned(plan, deployment, "ada"), started(plan, deployment, "ada")]


def directly(name: str, function: Callable[[str], Any], argument: str) -> Any:
    """A durable engine that forgets everything: after a kill every call is made again."""
    return function(argument)


def killing(platform: Platform, at: Sequence[int]) -> Callable[[], int]:
    """Makes the platform die when it passes the n-th point (each ledger append and file change counts twice).

    ``at`` lists the points of successive lives. Returns what counts the lives that were taken.
    """
    passed, lives, left = 0, 0, list(at)

    def point() -> None:
        nonlocal passed, lives
        passed += 1
        if left and passed == left[0]:
            left.pop(0)
            passed = 0
            lives += 1
            raise Killed

    append = platform.ledger.append

    def watched(*arguments: Any, **named: Any) -> Any:
        point()
        result = append(*arguments, **named)
        point()
        return result

    platform.ledger.append = watched  # type: ignore[method-assign]
    for adapter in platform.adapters.values():
        adapter.point = point
    return lambda: lives


def carried(platform: Platform, plan: Plan) -> str:
    """The outcome of a plan that is deployed, and resumed after each kill until it has ended."""
    name = f"d{platform.count + 1}"
    outcome = ""
    with suppress(Killed):
        outcome = platform.deploy(plan)
    while not outcome:
        with suppress(Killed):
            if name in platform.records():
                outcome = platform.resume(name)
            else:
                platform.count -= 1
                outcome = platform.deploy(plan)
    return outcome
