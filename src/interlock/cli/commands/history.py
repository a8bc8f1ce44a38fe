"""``interlock history``."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from interlock.cli.options import Json, Project, Verbose, session
from interlock.views.text import literal

app = typer.Typer()
_STYLES = {"succeeded": "green", "turned": "red", "": "yellow"}


@app.command()
def history(
    environment: Annotated[str | None, typer.Argument(help="One environment; default: all.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many, newest first.")] = 20,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show what was deployed, when, by whom, and how it ended."""
    with session(project, as_json, verbose) as s:
        if environment is not None:
            s.workspace.environment(environment)
        records = [r for r in s.workspace.deployments().values() if environment in (None, r.plan.environment)]
    rows = [
        {
            "deployment": r.id,
            "environment": r.plan.environment,
            "intent": r.plan.intent,
            "release": r.plan.release,
            "previous": r.plan.previous,
            "plan": r.plan.digest,
            "actor": r.actor,
            "started": r.started_at,
            "finished": r.finished_at,
            "outcome": r.outcome,
            "cause": r.turned,
            "change_count": len(r.plan.changes),
        }
        for r in reversed(records)
    ][:limit]
    s.output.show("history", {"deployments": rows}, lambda console: _render(rows, console))


def _render(rows: list[dict[str, Any]], console: Console) -> None:
    if not rows:
        console.print("nothing was deployed yet")
        return
    for row in rows:
        outcome = row["outcome"] or "has not ended"
        console.print(
            f"[dim]{row['started'][:19].replace('T', ' ')}[/] {literal(row['environment'])} "
            f"[{_STYLES.get(row['outcome'], 'yellow')}]{literal(outcome)}[/] "
            f"{literal(row['intent'])} of {row['change_count']} resources "
            f"→ {row['release'][:12] or 'nothing'} by {literal(row['actor'])} [dim]{row['deployment']}[/]"
        )
        if row["cause"]:
            console.print(f"    {literal(row['cause'])}")
