"""Carry out a plan from the command line: ask, deploy, say how it ended."""

from rich.console import Console

from interlock.cli.options import Session, confirm
from interlock.engine import operations, queueing
from interlock.model.events import EventType
from interlock.model.plan import Plan
from interlock.views.plan_view import nothing_to_do, render_plan
from interlock.views.text import literal


def carry_out(session: Session, plan: Plan, *, yes: bool, queue: bool = False, detach: bool = False) -> int:
    """Deploy ``plan`` after a yes, here or (``queue``) by a worker. Exit code: 0 done or nothing to do, 1 turned round
    or void. With ``detach`` nobody waits for the worker: 0 once it is queued.
    """
    output = session.output
    if not plan.empty:
        if not output.as_json:
            render_plan(plan, output.errors, everything=output.verbose)
        confirm(f"Do this to {plan.environment}?", yes=yes, output=output)
    if plan.empty or not (queue or detach):
        return report(session, operations.deploy(session.workspace, plan))
    deployment = queueing.enqueue(session.workspace, plan)
    if detach:
        return report(session, operations.Ended(deployment, "queued", plan))
    output.errors.print(f"[dim]queued as {deployment}; leaving this command does not take it back[/]")
    return report(session, queueing.follow(session.workspace, deployment))


def report(session: Session, ended: "operations.Ended") -> int:
    """Show how a deployment ended, and the exit code for it."""
    remedy = _remedy(session, ended)
    data = {
        "deployment": ended.deployment,
        "environment": ended.plan.environment,
        "outcome": ended.outcome,
        "release": ended.plan.release,
        "previous": ended.plan.previous,
        "plan": ended.plan.digest,
        "intent": ended.plan.intent,
        "change_count": len(ended.plan.changes),
        "cause": ended.cause,
        "remedy": remedy,
        "gates": list(ended.gates),
    }
    session.output.show("deployment", data, lambda console: _render(ended, remedy, console))
    return 1 if ended.outcome in ("turned", "void") else 0


def _remedy(session: Session, ended: "operations.Ended") -> str:
    """What to do about the cause that turned a deployment round; "" where nothing did."""
    if not ended.cause:
        return ""
    turned = session.workspace.ledger.events(deployment=ended.deployment, types=[EventType.DEPLOYMENT_TURNED])
    return next((str(one.event.data.get("remedy", "")) for one in turned), "")


def _render(ended: "operations.Ended", remedy: str, console: Console) -> None:
    environment, release = literal(ended.plan.environment), ended.plan.release[:12]
    if ended.outcome == "nothing":
        console.print(nothing_to_do(ended.plan))
    elif ended.outcome == "turned":
        console.print(f"[bold red]✗ {environment} was turned round[/]: {literal(ended.cause)}")
        failed = [g for g in ended.gates if g["outcome"] == "fail"]
        for gate in failed:
            console.print(f"    {literal(gate['gate'])} {literal(gate['resource'])}: {literal(gate['summary'])}")
            if gate.get("remedy"):
                console.print(f"      [cyan]→[/] {literal(gate['remedy'])}")
        if remedy and not failed:
            console.print(f"  [cyan]→[/] {literal(remedy)}")
        previous = f"release {ended.plan.previous[:12]}" if ended.plan.previous else "nothing"
        console.print(f"  {previous} is live, as before. Deployment {ended.deployment}.")
    elif ended.outcome == "queued":
        console.print(f"[green]✓ queued[/] for {environment}: {ended.deployment}. 'interlock history' shows its end.")
    elif ended.outcome == "void":
        console.print(f"[bold red]✗ nothing was done[/]: {literal(ended.cause)}. Deployment {ended.deployment}.")
    elif ended.plan.intent == "rollback":
        console.print(f"[bold green]✓ {environment} is back at release {release or '(none)'}[/]. {ended.deployment}")
        for gate in ended.gates:
            if gate["outcome"] != "pass":
                about = f"{literal(gate['gate'])} {literal(gate['resource'])}: {literal(gate['summary'])}"
                console.print(f"    [yellow]? not confirmed:[/] {about}")
    else:
        console.print(f"[bold green]✓ {environment} is release {release}[/]. Deployment {ended.deployment}.")
