"""``interlock disable``."""

from pathlib import Path

import typer

from interlock.cli.options import Env, Json, Key, Project, Verbose, session
from interlock.engine import operations
from interlock.views.text import literal

app = typer.Typer()


@app.command()
def disable(
    environment: Env, key: Key, project: Project = Path(), as_json: Json = False, verbose: Verbose = False
) -> None:
    """Switch one resource off, without a deployment."""
    with session(project, as_json, verbose) as s:
        receipt = operations.switch_resource(s.workspace, environment, key, on=False)
    data = {"environment": environment, "resource": key, "enabled": False, "changed": receipt.changed}
    said = f"{key} in {environment}: off" + ("" if receipt.changed else " (it was already)")
    s.output.show("disable", data, lambda console: console.print(f"[green]✓[/] {literal(said)}"))
