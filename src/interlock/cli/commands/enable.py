"""``interlock enable``."""

from pathlib import Path

import typer

from interlock.cli.options import Env, Json, Key, Project, Verbose, session
from interlock.engine import operations
from interlock.views.text import literal

app = typer.Typer()


@app.command()
def enable(
    environment: Env, key: Key, project: Project = Path(), as_json: Json = False, verbose: Verbose = False
) -> None:
    """Switch one resource on, without a deployment."""
    with session(project, as_json, verbose) as s:
        receipt = operations.switch_resource(s.workspace, environment, key, on=True)
    data = {"environment": environment, "resource": key, "enabled": True, "changed": receipt.changed}
    said = f"{key} in {environment}: on" + ("" if receipt.changed else " (it was already)")
    s.output.show("enable", data, lambda console: console.print(f"[green]✓[/] {literal(said)}"))
