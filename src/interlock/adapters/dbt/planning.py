"""Changes of dbt resources as the steps of a plan."""

from collections.abc import Sequence
from graphlib import TopologicalSorter
from typing import Any

from interlock.adapters.base import PlanningContext, retire_steps
from interlock.model.plan import Action, Change, Phase, Step
from interlock.model.resources import Resource

STAGE, VERIFY, SWITCH = "dbt.stage", "dbt.verify", "dbt.switch"
COPIED = frozenset({"incremental", "snapshot"})


def steps_of(context: PlanningContext, changes: Sequence[Change]) -> list[Step]:
    """Stage, verify, switch and retire; nothing where nothing changes. ``arguments["nodes"]`` is in build order."""
    own = {c.key: c for c in changes if c.key.startswith("dbt.")}
    if not own:
        return []
    built = [c.key for c in own.values() if c.action is not Action.REMOVE]
    removed = sorted(key for key, c in own.items() if c.action is Action.REMOVE)
    catalog = context.manifest.catalog.by_key
    nodes = [_node(catalog[key], own[key]) for key in _build_order(built, catalog)]
    arguments: dict[str, Any] = {"nodes": nodes, "removed": removed}
    keys = tuple(sorted(own))
    copies = sum(node["copied"] for node in nodes)
    count = f"{len(nodes)} dbt node{'' if len(nodes) == 1 else 's'}"
    build = (
        f"build {count} beside production and run their tests" if nodes else "lay the dbt project beside the live one"
    )
    if copies:
        build += f"; {copies} start{'s' if copies == 1 else ''} from a copy of the live table"
    nothing = "the candidates are dropped: nobody reads them"
    steps = [Step(STAGE, Phase.STAGE, "dbt", "stage", keys, build, nothing, arguments=arguments)]
    if nodes:
        compared = tuple(sorted(built))
        summary = f"compare {count} with production: tests, row counts, nulls, keys, freshness, rows"
        steps.append(Step(VERIFY, Phase.VERIFY, "gates", "verify", compared, summary, "nothing to undo: it only reads"))
    taken = f", and put {len(removed)} aside" if removed else ""
    steps.append(
        Step(
            SWITCH,
            Phase.SWITCH,
            "dbt",
            "switch",
            keys,
            f"make {count} live in one transaction{taken}",
            "the relations that were live before become live again, in one transaction",
            arguments=arguments,
        )
    )
    return [*steps, *retire_steps(context, "dbt", keys)]


def _node(resource: Resource, change: Change) -> dict[str, Any]:
    settings = resource.settings
    return {
        "key": resource.key,
        "unique_id": settings["unique_id"],
        "action": change.action.value,
        "resource_type": settings["resource_type"],
        "materialized": settings["materialized"],
        "copied": settings["materialized"] in COPIED and change.action is not Action.ADD,
    }


def _build_order(keys: Sequence[str], catalog: dict[str, Resource]) -> list[str]:
    """The keys so that each stands behind those that it reads."""
    chosen = set(keys)
    graph = {key: sorted(chosen & set(catalog[key].settings.get("depends_on", ()))) for key in sorted(keys)}
    return list(TopologicalSorter(graph).static_order())
