"""``interlock status``."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from interlock.cli.options import Json, Project, Verbose, session
from interlock.engine import looking
from interlock.views.text import literal

app = typer.Typer()


@app.command()
def status(
    environment: Annotated[str | None, typer.Argument(help="One environment; default: all.")] = None,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show what is live in every environment, and whether what is really there agrees."""
    with session(project, as_json, verbose) as s:
        names = [environment] if environment else list(s.workspace.config.environments)
        found = [looking.environment_status(s.workspace, name) for name in names]
    ok = not any(e["drift"] for e in found)
    s.output.show("status", {"ok": ok, "environments": found}, lambda console: _render(found, console, verbose))
    raise typer.Exit(0 if ok else 1)


def _render(found: list[dict[str, Any]], console: Console, verbose: bool) -> None:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("environment", "release", "resources", "state"):
        table.add_column(column)
    for one in found:
        kinds = Counter(r["key"].partition(":")[0] for r in one["resources"])
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing"
        state = "[green]ok[/]"
        if one["running"]:
            state = f"[yellow]deployment {one['running']} has not ended[/]"
        elif one["drift"]:
            state = f"[red]{len(one['drift'])} drifted[/]"
        elif one["partial"]:
            state = f"[yellow]{len(one['partial'])} resources differ from the release[/]"
        table.add_row(literal(one["environment"]), one["release"][:12] or "-", listed, state)
    console.print(table)
    for one in found:
        name = literal(one["environment"])
        for line in one["drift"]:
            console.print(f"[red]drift[/] {name} {literal(line['resource'])}: {literal(line['why'])}")
        for resource in one["resources"]:
            if verbose or not resource["enabled"]:
                off = "" if resource["enabled"] else " [yellow]disabled[/]"
                console.print(f"  {name} {literal(resource['key'])} [dim]{resource['release'][:12]}[/]{off}")
