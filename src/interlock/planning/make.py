"""Make a plan: changes, then the steps of every adapter, in the order of the phases."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from interlock.adapters.base import Adapter, PlanningContext
from interlock.model.plan import Action, Change, Phase, Plan, Step
from interlock.model.resources import Resource, kind_of
from interlock.planning.diff import changes_between
from interlock.release import carried

_PHASES = {phase: index for index, phase in enumerate(Phase)}

# What others stand on goes live first: jobs before tables, tables before the DAGs that run them.
_ENGINES = {"spark_batch": 0, "spark_stream": 1, "dbt": 2, "gates": 2, "airflow": 3}


def make_plan(
    context: PlanningContext,
    adapters: Mapping[str, Adapter],
    previous: Mapping[str, Resource],
    seconds: Mapping[str, float],
) -> Plan:
    """The plan that brings ``context.environment_name`` to ``context.manifest``.

    ``seconds`` are measured durations of earlier steps by step id; a step without one says that its time is unknown.
    The plan is empty when nothing differs.
    """
    changes = changes_between(context.state, context.manifest, dict(previous))
    steps: list[Step] = []
    notes: list[str] = []
    for engine, own in _by_engine(changes).items():
        adapter = adapters.get(engine)
        if adapter is None or not _has_target(context, engine):
            notes.append(f"{len(own)} {engine} resources stay out: {context.environment_name!r} has no target for them")
            changes = tuple(c for c in changes if kind_of(c.key).engine != engine)
            continue
        steps += adapter.plan(context, own)
        if not adapter.capabilities.atomic_switch:
            notes.append(f"{engine}: objects are switched one after the other; readers may see two versions meanwhile")
    notes += _irreversible(steps)
    notes += _carried(context, steps)
    return Plan(
        project=context.config.project,
        environment=context.environment_name,
        release=context.manifest.id,
        previous=context.state.release,
        basis=context.state.basis,
        changes=changes,
        steps=tuple(_timed(s, seconds) for s in in_order(steps)),
        notes=tuple(notes),
    )


def in_order(steps: Sequence[Step]) -> list[Step]:
    """Steps by phase; inside a phase by what stands on what. The order of an adapter's own steps is kept."""
    return sorted(steps, key=lambda s: (_PHASES[s.phase], _ENGINES.get(s.engine, 9)))


def _by_engine(changes: Sequence[Change]) -> dict[str, tuple[Change, ...]]:
    engines = sorted({kind_of(c.key).engine for c in changes})
    return {e: tuple(c for c in changes if kind_of(c.key).engine == e) for e in engines}


def _has_target(context: PlanningContext, engine: str) -> bool:
    environment = context.environment
    if engine == "airflow":
        return environment.airflow is not None
    if engine == "dbt":
        return environment.dbt is not None and environment.warehouse is not None
    if engine.startswith("spark"):
        return environment.spark is not None
    return True


def _timed(step: Step, seconds: Mapping[str, float]) -> Step:
    known = seconds.get(step.id)
    return step if known is None else replace(step, seconds=round(known, 3), estimated=True)


def _irreversible(steps: Sequence[Step]) -> list[str]:
    return [
        f"{s.id} cannot be undone: {s.summary}"
        for s in steps
        if not s.reversible and s.phase in (Phase.EXPAND, Phase.SWITCH)
    ]


def _carried(context: PlanningContext, steps: Sequence[Step]) -> list[str]:
    """What goes live with the release though no step is about it. Of a first deployment that goes without saying."""
    paths = carried.changed(context.previous, context.manifest)
    if not paths or (steps and context.previous is None):
        return []
    listed = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    files = "a file that no engine deploys differs" if len(paths) == 1 else "files that no engine deploys differ"
    return [f"{files}: {listed}; with this release it is what counts as live"]


def summary_of(changes: Sequence[Change]) -> dict[str, int]:
    """How many resources are added, changed, rebuilt and removed."""
    return {action.value: sum(c.action is action for c in changes) for action in Action}
