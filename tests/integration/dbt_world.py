"""A small shop with a dbt project, deployed step by step by the real adapter, worker and gates."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from interlock.adapters.base import PlanningContext, StepContext
from interlock.adapters.dbt import DbtAdapter
from interlock.adapters.dbt.warehouse import WarehouseSession, access_to
from interlock.catalog.read import read_project
from interlock.catalog.sources import Sources
from interlock.config.models import Environment, ProjectConfig
from interlock.gates import evaluate_step
from interlock.model.plan import Action, Change, Phase, Receipt, Step
from interlock.model.release import FileEntry, Manifest
from interlock.model.state import EnvironmentState, LiveResource
from interlock.planning.diff import changes_between
from interlock.planning.make import in_order
from interlock.runtimes.environments import Runtime

PROJECT = {
    "dbt_project.yml": """
name: shop
version: "1.0"
config-version: 2
profile: shop
flags: {send_anonymous_usage_stats: false}
models: {shop: {+materialized: table}}
""",
    "profiles.yml": """
shop:
  target: dev
  outputs:
    dev:
      type: "{{ env_var('ILK_WAREHOUSE_TYPE') }}"
      threads: 2
      schema: "{{ env_var('ILK_WAREHOUSE_SCHEMA') }}"
      database: "{{ env_var('ILK_WAREHOUSE_DATABASE', 'house') }}"
      path: "{{ env_var('ILK_WAREHOUSE_PATH', '') }}"
      host: "{{ env_var('ILK_WAREHOUSE_HOST', '') }}"
      port: "{{ env_var('ILK_WAREHOUSE_PORT', '5432') | as_number }}"
      user: "{{ env_var('ILK_WAREHOUSE_USER', '') }}"
      password: "{{ env_var('ILK_WAREHOUSE_PASSWORD', '') }}"
""",
    "models/sources.yml": """
sources:
  - name: raw
    schema: raw
    tables: [{name: orders}]
""",
    "models/schema.yml": """
models:
  - name: orders
    columns: [{name: id, data_tests: [unique, not_null]}]
""",
    "models/stg_orders.sql": """
{{ config(materialized='view') }}
select id, customer, amount, placed from {{ source('raw', 'orders') }}
""",
    "models/trimmed.sql": """
{{ config(materialized='ephemeral') }}
select id, customer, amount, placed from {{ ref('stg_orders') }} where amount >= 0
""",
    "models/orders.sql": """
{{ config(unique_key='id') }}
select id, customer, amount from {{ ref('trimmed') }}
""",
    "models/totals.sql": """
{{ config(materialized='view') }}
select customer, sum(amount) as total, count(*) as orders from {{ ref('orders') }} group by customer
""",
    "models/seen.sql": """
{{ config(materialized='incremental', unique_key='id') }}
select id, amount, placed from {{ ref('stg_orders') }}
{% if is_incremental() %} where placed > (select max(placed) from {{ this }}) {% endif %}
""",
    "models/regions.sql": "select c.code, c.region from {{ ref('countries') }} c",
    "seeds/countries.csv": "code,region\nDE,eu\nUS,na\n",
    "snapshots/customers.sql": """
{% snapshot customers %}
{{ config(target_schema='history', unique_key='customer', strategy='check', check_cols=['orders']) }}
select customer, orders from {{ ref('totals') }}
{% endsnapshot %}
""",
}

RAW = [
    "CREATE SCHEMA raw",
    "CREATE TABLE raw.orders (id int, customer varchar(20), amount int, placed timestamp)",
]


def load_raw(session: WarehouseSession, start: int, count: int) -> None:
    """So many more orders, of ten customers."""
    series = "range" if session.dialect == "duckdb" else "generate_series"
    end = start + count - (session.dialect != "duckdb")
    cast = "to_minutes(i)" if session.dialect == "duckdb" else "make_interval(mins => i)"
    session.query(
        f"INSERT INTO raw.orders SELECT i, 'c' || (i % 10), i * 10, TIMESTAMP '2026-01-01' + {cast}"
        f" FROM {series}({start}, {end}) AS r(i)"
    )


class KilledError(BaseException):
    """Stands for a process that is gone."""


@dataclass
class World:
    """One environment. ``deploy`` does what the engine does; ``state`` and ``receipts`` are what the ledger would hold."""

    root: Path
    environment: Environment
    python: Path
    gates: dict[str, Any] = field(default_factory=dict)
    adapter: DbtAdapter = field(default_factory=DbtAdapter)
    state: EnvironmentState = field(default_factory=lambda: EnvironmentState("dev", "", {}))
    history: list[tuple[list[Step], dict[str, Receipt], EnvironmentState, str]] = field(default_factory=list)
    fence: Callable[[], None] = lambda: None

    def copy(self, root: Path, environment: Environment) -> "World":
        """The same world in another folder, which takes ``environment``'s warehouse for a copy of this one's."""
        shutil.copytree(self.root, root, symlinks=True)
        return replace(self, root=root, environment=environment, history=list(self.history))

    @property
    def project(self) -> Path:
        return self.root / "dbt"

    @property
    def config(self) -> ProjectConfig:
        return ProjectConfig.model_validate(
            {
                "version": 1,
                "project": "shop",
                "dbt": {"project": "dbt"},
                "runtimes": {"dbt": {"interpreter": str(self.python)}},
                "environments": {"dev": self.environment.model_dump(by_alias=True, exclude_none=True)},
                "gates": self.gates,
            }
        )

    def edit(self, files: dict[str, str | None]) -> None:
        for name, text in files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True) if text is None else path.write_text(text)

    def session(self) -> WarehouseSession:
        return access_to(self.environment, self.root).session()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        with self.session() as session:
            return session.query(sql)

    def runtime(self, name: str) -> Runtime:
        return Runtime(name, self.python, "lock")

    def release(self) -> tuple[Manifest, dict[str, bytes]]:
        reading = read_project(Sources(self.root), self.config, self.runtime, self.root / ".cache")
        assert not reading.findings, reading.findings
        blobs, entries = {}, []
        for path in sorted(p for p in self.project.rglob("*") if p.is_file()):
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            blobs[digest] = data
            entries.append(FileEntry(path.relative_to(self.root).as_posix(), digest, len(data)))
        return Manifest("shop", "c", tuple(entries), reading.catalog, {"dbt": "lock"}, {}), blobs

    def context(self, deployment: str, release: tuple[Manifest, dict[str, bytes]] | None, **rest: Any) -> StepContext:
        cache = self.root / ".cache"
        cache.mkdir(exist_ok=True)
        blobs = Blobs(release[1]) if release else None
        return StepContext(
            deployment=deployment, config=self.config, environment_name="dev", environment=self.environment,
            root=self.root, cache=cache, fence=self.fence, state=self.state,
            manifest=release[0] if release else None, blobs=blobs, runtime=self.runtime if release else None, **rest,
        )  # fmt: skip

    def plan(self, release: tuple[Manifest, dict[str, bytes]]) -> tuple[list[Step], tuple[Change, ...]]:
        changes = changes_between(self.state, release[0], {})
        planning = PlanningContext(self.config, "dev", self.environment, release[0], None, self.state)
        return in_order(self.adapter.plan(planning, changes)), changes

    def deploy(self, deployment: str) -> "Deployed":
        """Plan and carry out; turned round when a gate fails, as the engine does."""
        release = self.release()
        steps, changes = self.plan(release)
        receipts: dict[str, Receipt] = {}
        before = self.state
        gates: list[dict[str, Any]] = []
        for step in steps:
            context = self.context(deployment, release, receipts=receipts)
            receipt = evaluate_step(step, context) if step.engine == "gates" else self.adapter.execute(step, context)
            receipts[step.id] = receipt
            gates += receipt.data.get("gates", [])
            if any(gate["outcome"] == "fail" for gate in gates):
                self.turn(deployment, steps, receipts)
                return Deployed(steps, receipts, gates, turned=True)
        self._now_live(changes, receipts, release[0].id)
        self.history.append((steps, receipts, before, deployment))
        return Deployed(steps, receipts, gates, turned=False)

    def turn(self, deployment: str, steps: list[Step], receipts: dict[str, Receipt]) -> None:
        backwards = sorted(steps, key=lambda step: step.phase is not Phase.SWITCH)
        for step in backwards:
            if step.engine == "dbt" and step.phase in (Phase.STAGE, Phase.SWITCH):
                self.adapter.revert(step, receipts.get(step.id), self.context(deployment, None))

    def rollback(self, only: frozenset[str] | None = None) -> Receipt:
        """The newest deployment's switch undone from its receipt, without release, runtime or blobs."""
        steps, receipts, before, deployment = self.history[-1]
        step = next(s for s in steps if s.phase is Phase.SWITCH)
        receipt = self.adapter.revert(step, receipts[step.id], self.context(deployment, None), only)
        kept = {k: v for k, v in self.state.resources.items() if only is not None and k not in only}
        back = {k: v for k, v in before.resources.items() if only is None or k in only}
        self.state = replace(self.state, resources={**kept, **back})
        return receipt

    def _now_live(self, changes: tuple[Change, ...], receipts: dict[str, Receipt], release: str) -> None:
        resources = dict(self.state.resources)
        for change in changes:
            if change.action is Action.REMOVE:
                del resources[change.key]
            else:
                data = receipts["dbt.switch"].data["live"][change.key]
                resources[change.key] = LiveResource(change.key, release, change.after, data=data)
        self.state = EnvironmentState("dev", release, resources)


class Blobs:
    """A release's bytes in memory."""

    def __init__(self, blobs: dict[str, bytes]) -> None:
        self._blobs = blobs

    def read(self, digest: str) -> bytes:
        return self._blobs[digest]


@dataclass(frozen=True)
class Deployed:
    """How a deployment ended."""

    steps: list[Step]
    receipts: dict[str, Receipt]
    gates: list[dict[str, Any]]
    turned: bool

    def failed(self) -> set[tuple[str, str]]:
        return {(g["gate"], g["resource"]) for g in self.gates if g["outcome"] == "fail"}


def first_deployment(world: World) -> tuple[World, Deployed]:
    """The world with 100 raw orders and everything deployed as ``d1``."""
    world.edit(PROJECT)
    with world.session() as session:
        for statement in RAW:
            session.query(statement)
        load_raw(session, 0, 100)
    return world, world.deploy("d1")
