"""``interlock enable``."""

from pathlib import Path

import typer

from interlock.cli.options import Env, Json, Key, Project, Verbose, session
from interlock.engine.operations import switch_resource

app = typer.Typer()


@app.command()
def enable(
    environment: Env, key: Key, project: Project = Path(), as_json: Json = False, verbose: Verbose = False
) -> None:
    """Switch one resource on, without a deployment."""
    with session(project, as_json, verbose) as s:
        receipt = switch_resource(s.workspace, environment, key, on=True)
    data = {"environment": environment, "resource": key, "enabled": True, "changed": receipt.changed}
    word = "on" + ("" if receipt.changed else " (it was already)")
    s.output.show("enable", data, lambda console: console.print(f"[green]✓[/] {key} in {environment}: {word}"))
