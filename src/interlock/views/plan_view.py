"""A plan for people."""

from rich.console import Console
from rich.table import Table

from interlock.model.plan import Action, Plan, Step
from interlock.views.text import literal

_MARKS = {
    Action.ADD: "[green]+[/]",
    Action.CHANGE: "[yellow]~[/]",
    Action.REBUILD: "[blue]↻[/]",
    Action.REMOVE: "[red]-[/]",
}
_SHOWN = 40


def render_plan(plan: Plan, console: Console, *, everything: bool = False) -> None:
    """What changes, why, who is affected, which steps, and whether each can be undone."""
    if plan.empty:
        console.print(nothing_to_do(plan))
        _render_notes(plan, console)
        return
    verb = "Rollback of" if plan.intent == "rollback" else "Plan for"
    before = f"release {plan.previous[:12]}" if plan.previous else "nothing"
    after = f"release {plan.release[:12]}" if plan.release else "nothing"
    console.print(f"[bold]{verb} {literal(plan.environment)}[/]: {before} → {after}\n")
    shown = plan.changes if everything else plan.changes[:_SHOWN]
    for change in shown:
        why = f" [dim]({literal(', '.join(change.why[:3]))})[/]" if change.why else ""
        below = f" [dim]→ {len(change.downstream)} downstream[/]" if change.downstream else ""
        console.print(f"  {_MARKS[change.action]} {literal(change.key)}{why}{below}")
    if len(plan.changes) > len(shown):
        console.print(f"  [dim]… and {len(plan.changes) - len(shown)} more (-v shows all)[/]")
    console.print()
    console.print(_steps(plan.steps))
    _render_notes(plan, console)
    counts = {a: sum(c.action is a for c in plan.changes) for a in Action}
    console.print(
        f"\n[bold]Plan:[/] {counts[Action.ADD]} to add, {counts[Action.CHANGE]} to change, "
        f"{counts[Action.REBUILD]} to rebuild, {counts[Action.REMOVE]} to remove. "
        + ("Can be rolled back." if plan.reversible else "[red]Cannot be rolled back whole.[/]")
    )
    console.print(f"[dim]plan {plan.digest[:16]}[/]")


def nothing_to_do(plan: Plan) -> str:
    """What is said of a plan without steps."""
    same = "already is" if plan.release == plan.previous else "already does what is in"
    return f"[green]Nothing to do:[/] {literal(plan.environment)} {same} release {plan.release[:12]}."


def _render_notes(plan: Plan, console: Console) -> None:
    for note in plan.notes:
        console.print(f"[yellow]![/] {literal(note)}")


def _steps(steps: tuple[Step, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("phase", "step", "time", "what it does, and how it is undone"):
        table.add_column(column, overflow="fold", no_wrap=column in ("phase", "step", "time"))
    for step in steps:
        time = f"{step.seconds:.1f}s" if step.estimated else "unknown"
        inverse = f"[dim]undone: {literal(step.inverse)}[/]" if step.inverse else "[yellow]cannot be undone[/]"
        table.add_row(step.phase.value, literal(step.id), time, f"{literal(step.summary)}\n{inverse}")
    return table
