"""What a user asks for, whole: plan, deploy, promote, resume, roll back, disable, enable."""

import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from interlock.adapters.base import StepContext
from interlock.engine.durable import Durable, system_database
from interlock.engine.executor import Executor, Services
from interlock.engine.holding import Holding, scope_of
from interlock.engine.identity import who
from interlock.engine.record import DeploymentRecord, measured_seconds, planned, stack_of, started
from interlock.engine.walk import Durably, walk
from interlock.engine.workspace import Workspace
from interlock.gates import evaluate_step
from interlock.model.canonical import plain
from interlock.model.errors import HeldError, StaleError, UsageError
from interlock.model.events import Event, EventType
from interlock.model.plan import Plan, Receipt
from interlock.model.release import Manifest
from interlock.model.resources import kind_of
from interlock.planning.make import make_plan
from interlock.planning.rollback import rollback_plan
from interlock.release import carried


@dataclass(frozen=True)
class Ended:
    """How a deployment ended. ``outcome``: ``succeeded``, ``turned``, or ``nothing`` where nothing was to be done."""

    deployment: str
    outcome: str
    plan: Plan
    cause: str = ""
    gates: tuple[dict[str, Any], ...] = ()


def plan_deploy(workspace: Workspace, environment: str, manifest: Manifest) -> Plan:
    """The plan that brings ``environment`` to a release. Touches nothing."""
    context = workspace.planning_context(environment, manifest)
    seconds = measured_seconds(workspace.deployments().values(), environment)
    return make_plan(context, workspace.adapters, workspace.live_resources(environment), seconds)


def plan_rollback(
    workspace: Workspace, environment: str, to: str | None, only: str | None, *, confirm: bool = True
) -> Plan:
    """The plan that takes ``environment`` back. Made from the ledger alone."""
    workspace.environment(environment)
    records = workspace.deployments().values()
    return rollback_plan(
        workspace.ledger.state(environment),
        workspace.config.project,
        stack_of(records, environment),
        to=to,
        only=only,
        seconds=measured_seconds(records, environment),
        confirm=confirm,
    )


def release_to_promote(workspace: Workspace, environment: str) -> Manifest:
    """The release that is live, whole, in the environment that must be passed before ``environment``."""
    before = workspace.environment(environment).after
    if before is None:
        raise UsageError(
            f"{environment!r} comes after no other environment",
            remedy=f"name the release: interlock deploy {environment} RELEASE; or set environments.{environment}.after",
        )
    state = workspace.ledger.state(before)
    if not state.release:
        raise UsageError(f"nothing is live in {before!r} yet", remedy=f"interlock deploy {before}")
    return workspace.manifest(state.release)


def deploy(workspace: Workspace, plan: Plan) -> Ended:
    """Carry out a plan. ``StaleError`` if the environment moved since it was made, ``HeldError`` if it is held.

    A release that differs in nothing but files that no engine deploys is recorded as what is live, in one transaction.
    """
    refuse_other_project(workspace, plan)
    if plan.empty and not _carries_other_files(workspace, plan):
        return Ended("", "nothing", plan)
    deployment = new_deployment()
    with Holding(workspace.ledger, scope_of(plan.project, plan.environment), deployment) as holding:
        _refuse_beside_unfinished(workspace, plan.environment)
        refuse_moved(workspace, plan)
        begin = [*planned(plan, deployment, who()), started(plan, deployment, who())]
        if plan.empty:
            end = Event(
                EventType.DEPLOYMENT_FINISHED, plan.environment, deployment, who(),
                {"outcome": "succeeded", "release": plan.release},
            )  # fmt: skip
            workspace.ledger.append([*begin, end], fence=holding.lease)
            return Ended(deployment, "succeeded", plan)
        workspace.ledger.append(begin, fence=holding.lease)
        return carry(workspace, deployment, holding)


def _carries_other_files(workspace: Workspace, plan: Plan) -> bool:
    if plan.intent == "rollback" or plan.release == plan.previous:
        return False
    previous = workspace.manifest_or_none(plan.previous) if plan.previous else None
    return bool(carried.changed(previous, workspace.manifest(plan.release)))


def new_deployment() -> str:
    """An id that sorts by time and was never given before."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


def refuse_other_project(workspace: Workspace, plan: Plan) -> None:
    """Return only if the plan is of this project and one of its environments; ``UsageError`` otherwise."""
    if plan.project != workspace.config.project:
        raise UsageError(f"the plan is of project {plan.project!r}, this is {workspace.config.project!r}")
    workspace.environment(plan.environment)


def refuse_moved(workspace: Workspace, plan: Plan) -> None:
    """Return only if the environment still is what the plan was made for; ``StaleError`` otherwise."""
    if workspace.ledger.state(plan.environment).basis != plan.basis:
        raise StaleError(
            f"{plan.environment} moved since the plan was made, so the plan is void",
            remedy=f"look at it again: interlock plan {plan.environment}",
        )


def resume(workspace: Workspace, deployment: str | None) -> Ended:
    """Finish an interrupted deployment: the one named, or the only one there is."""
    unfinished = {i: r for i, r in workspace.deployments().items() if r.interrupted}
    if deployment is None:
        if not unfinished:
            raise UsageError("no deployment was interrupted", remedy="'interlock history' lists what happened")
        deployment = next(iter(unfinished))
    if deployment not in unfinished:
        raise UsageError(
            f"{deployment} is no interrupted deployment", remedy=f"interrupted: {', '.join(unfinished) or 'none'}"
        )
    plan = unfinished[deployment].plan
    with Holding(workspace.ledger, scope_of(plan.project, plan.environment), deployment) as holding:
        resumed = Event(EventType.DEPLOYMENT_RESUMED, plan.environment, deployment, who())
        workspace.ledger.append([resumed], fence=holding.lease)
        return carry(workspace, deployment, holding)


def switch_resource(workspace: Workspace, environment: str, key: str, *, on: bool) -> Receipt:
    """Enable or disable one resource."""
    workspace.environment(environment)
    state = workspace.ledger.state(environment)
    if key not in state.resources:
        raise UsageError(f"{key} is not live in {environment}", remedy="'interlock status -v' lists what is live")
    adapter = workspace.adapters[kind_of(key).engine]
    identity = f"{'enable' if on else 'disable'}-{uuid.uuid4().hex[:8]}"
    with Holding(workspace.ledger, scope_of(workspace.config.project, environment), identity) as holding:
        _refuse_beside_unfinished(workspace, environment)
        context = StepContext(
            deployment=identity,
            config=workspace.config,
            environment_name=environment,
            environment=workspace.environment(environment),
            root=workspace.root,
            cache=workspace.cache,
            fence=holding.fence,
            state=state,
            on_progress=workspace.on_progress,
        )
        receipt = adapter.enable(key, context) if on else adapter.disable(key, context)
        kind = EventType.RESOURCE_ENABLED if on else EventType.RESOURCE_DISABLED
        data = {"key": key, "receipt": plain(receipt.data), "changed": receipt.changed}
        workspace.ledger.append([Event(kind, environment, identity, who(), data)], fence=holding.lease)
        return receipt


def services_of(workspace: Workspace) -> Services:
    """What an executor needs, from a workspace."""
    return Services(
        config=workspace.config,
        root=workspace.root,
        cache=workspace.cache,
        ledger=workspace.ledger,
        adapters=workspace.adapters,
        manifest=workspace.manifest,
        blobs=lambda: workspace.store,
        runtime=workspace.runtime,
        gates=evaluate_step,
        on_progress=workspace.on_progress,
    )


def carry(workspace: Workspace, deployment: str, holding: Holding) -> Ended:
    """Carry a deployment that began to its end. Raises the ``InterlockError`` that kept it from there."""
    executor = Executor(services_of(workspace), deployment, holding)

    def body(_: str, durably: Durably) -> str:
        return walk(executor, durably)

    outcome = _run(workspace, deployment, executor.record, body)
    return Ended(deployment, outcome, executor.record.plan, executor.record.turned, tuple(executor.record.gates))


def _run(workspace: Workspace, deployment: str, record: DeploymentRecord, body: Callable[[str, Durably], str]) -> str:
    """Rollback leaves the durable engine out: it must not depend on anything that it can do without, and its few steps
    are in the ledger, which is enough to resume them."""
    if record.plan.intent == "rollback":
        with nullcontext():
            return body(deployment, lambda name, function, argument: function(argument))
    scope = scope_of(record.plan.project, record.plan.environment)
    with Durable(system_database(workspace.config.ledger, workspace.root), scope, body) as durable:
        return durable.run(deployment)


def _refuse_beside_unfinished(workspace: Workspace, environment: str) -> None:
    for record in workspace.deployments().values():
        if record.plan.environment == environment and record.interrupted:
            raise HeldError(
                f"deployment {record.id} to {environment} was interrupted and has not ended",
                remedy=f"finish it first: interlock resume {record.id}",
            )
