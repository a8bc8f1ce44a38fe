"""The way back: a plan made of the receipts of what went forward, and of nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from interlock.model.errors import UsageError
from interlock.model.plan import Action, Change, Phase, Plan, Step
from interlock.model.state import EnvironmentState


@dataclass(frozen=True)
class Forward:
    """A deployment that succeeded and has not been undone: its plan, and which resources of it were undone since."""

    deployment: str
    plan: Plan
    undone: frozenset[str] = field(default_factory=frozenset)


def rollback_plan(
    state: EnvironmentState,
    project: str,
    stack: Sequence[Forward],
    *,
    to: str | None = None,
    only: str | None = None,
    seconds: Mapping[str, float] | None = None,
    confirm: bool = True,
) -> Plan:
    """The plan that undoes the newest deployment; all down to release ``to``; or one resource, ``only``.

    ``stack`` holds what can be undone, newest first. With ``confirm`` the engines that were observed on the way there
    are asked, once all is switched, whether they serve what is back. Raises ``UsageError`` when there is nothing to go
    back to, and for an empty or ambiguous ``to`` or ``only``.
    """
    if to == "" or only == "":
        raise UsageError("an empty name says neither release nor resource", remedy="name one, or leave the option out")
    chosen = _one_resource(stack, only) if only else _whole(state, stack, to)
    steps: list[Step] = []
    changes: dict[str, Change] = {}
    for number, forward in enumerate(chosen, 1):
        keys = {only} if only else None
        for step in reversed(forward.plan.steps):
            if step.phase is not Phase.SWITCH:
                continue
            affected = tuple(k for k in step.resources if k not in forward.undone and (keys is None or k in keys))
            if affected:
                steps.append(_undo(number, forward, step, affected, seconds or {}))
        for change in forward.plan.changes:
            if change.key not in forward.undone and (keys is None or change.key in keys):
                changes[change.key] = _inverse(change, changes.get(change.key))
    changed = tuple(c for _, c in sorted(changes.items()) if c.before or c.after)
    if confirm:
        steps += _confirmations(chosen, steps, changed)
    target = state.release if only else chosen[-1].plan.previous
    return Plan(
        project=project,
        environment=state.environment,
        release=target,
        previous=state.release,
        basis=state.basis,
        # What came and went in between was not there before and is not there now.
        changes=changed,
        steps=tuple(steps),
        intent="rollback",
    )


def _whole(state: EnvironmentState, stack: Sequence[Forward], to: str | None) -> list[Forward]:
    if not stack:
        raise UsageError(
            f"nothing to roll back: no deployment to {state.environment} has succeeded and still stands",
            remedy=f"'interlock history {state.environment}' lists what happened",
        )
    if to is None:
        return [stack[0]]
    meant = {f.plan.previous for f in stack if f.plan.previous.startswith(to)} - {""}
    if len(meant) > 1:
        named = ", ".join(sorted(release[: len(to) + 8] for release in meant))
        raise UsageError(f"{to} may be one of {len(meant)} releases: {named}", remedy="write more of its digits")
    for count, forward in enumerate(stack, 1):
        if forward.plan.previous in meant:
            return list(stack[:count])
    raise UsageError(
        f"release {to} was not live in {state.environment} before any deployment that still stands",
        remedy=f"'interlock history {state.environment}' lists the releases that can be gone back to",
    )


def _one_resource(stack: Sequence[Forward], key: str) -> list[Forward]:
    for forward in stack:
        if key not in forward.undone and any(key in s.resources for s in forward.plan.steps if s.phase is Phase.SWITCH):
            return [forward]
    raise UsageError(
        f"no deployment that still stands has switched {key}",
        remedy="'interlock status' lists the resources that are live, with their keys",
    )


def _undo(number: int, forward: Forward, step: Step, keys: tuple[str, ...], seconds: Mapping[str, float]) -> Step:
    identity = f"undo.{step.id}" if number == 1 else f"undo.{number}.{step.id}"
    known = seconds.get(f"undo.{step.id}")
    return Step(
        id=identity,
        phase=Phase.SWITCH,
        engine=step.engine,
        verb="revert",
        resources=keys,
        summary=f"undo '{step.summary}'" + ("" if len(keys) == len(step.resources) else f" for {', '.join(keys)}"),
        inverse="deploy the release again",
        seconds=round(known, 3) if known is not None else 0.0,
        estimated=known is not None,
        arguments={"deployment": forward.deployment, "step": step.id, "only": sorted(keys)},
    )


def _confirmations(chosen: Sequence[Forward], undone: Sequence[Step], changes: Sequence[Change]) -> list[Step]:
    """One question to each engine that the way there observed; whatever it answers, what is back stays back."""
    observed = dict.fromkeys(s.engine for f in chosen for s in f.plan.steps if s.phase is Phase.OBSERVE)
    found = []
    for engine in observed:
        switches = [step for step in undone if step.engine == engine]
        touched = {key for step in switches for key in step.resources}
        actions = {change.key: change.action.value for change in changes if change.key in touched}
        if actions:
            found.append(
                Step(
                    id=f"{engine}.confirm",
                    phase=Phase.OBSERVE,
                    engine=engine,
                    verb="confirm",
                    resources=tuple(sorted(actions)),
                    summary=f"see that {engine} serves what is back; nothing is undone if it does not answer",
                    inverse="nothing to undo: it only asks",
                    arguments={"switches": [step.id for step in switches], "actions": actions},
                )
            )
    return found


def _inverse(change: Change, later: Change | None) -> Change:
    after = change.before
    before = later.before if later else change.after
    action = Action.REMOVE if not after else Action.ADD if not before else Action.CHANGE
    return Change(change.key, action, before, after, ("rolled back",), change.downstream)
