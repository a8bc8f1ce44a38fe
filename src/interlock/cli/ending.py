"""Carry out a plan from the command line: ask, deploy, say how it ended."""

from rich.console import Console
from rich.markup import escape

from interlock.cli.options import Session, confirm
from interlock.engine.operations import Ended, deploy
from interlock.model.plan import Plan
from interlock.views.plan_view import render_plan


def carry_out(session: Session, plan: Plan, *, yes: bool) -> int:
    """Deploy ``plan`` after a yes. Exit code: 0 done or nothing to do, 1 turned round."""
    output = session.output
    if not plan.empty:
        if not output.as_json:
            render_plan(plan, output.errors, everything=output.verbose)
        confirm(f"Do this to {plan.environment}?", yes=yes, output=output)
    return report(session, deploy(session.workspace, plan))


def report(session: Session, ended: Ended) -> int:
    """Show how a deployment ended, and the exit code for it."""
    data = {
        "deployment": ended.deployment,
        "environment": ended.plan.environment,
        "outcome": ended.outcome,
        "release": ended.plan.release,
        "previous": ended.plan.previous,
        "plan": ended.plan.digest,
        "intent": ended.plan.intent,
        "cause": ended.cause,
        "gates": list(ended.gates),
    }
    session.output.show("deployment", data, lambda console: _render(ended, console))
    return 1 if ended.outcome == "turned" else 0


def _render(ended: Ended, console: Console) -> None:
    environment, release = ended.plan.environment, ended.plan.release[:12]
    if ended.outcome == "nothing":
        console.print(f"[green]Nothing to do:[/] {environment} already is release {release}.")
    elif ended.outcome == "turned":
        console.print(f"[bold red]✗ {environment} was turned round[/]: {escape(ended.cause)}")
        failed = [g for g in ended.gates if g["outcome"] == "fail"]
        for gate in failed:
            console.print(f"    {escape(gate['gate'])} {escape(gate['resource'])}: {escape(gate['summary'])}")
            if gate.get("remedy"):
                console.print(f"      [cyan]→[/] {escape(gate['remedy'])}")
        previous = f"release {ended.plan.previous[:12]}" if ended.plan.previous else "nothing"
        console.print(f"  {previous} is live, as before. Deployment {ended.deployment}.")
    elif ended.plan.intent == "rollback":
        console.print(f"[bold green]✓ {environment} is back at release {release or '(none)'}[/]. {ended.deployment}")
    else:
        console.print(f"[bold green]✓ {environment} is release {release}[/]. Deployment {ended.deployment}.")
