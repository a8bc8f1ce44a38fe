"""``interlock resume``."""

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.ending import report
from interlock.cli.options import Json, Project, Verbose, session
from interlock.engine import operations

app = typer.Typer()


@app.command()
def resume(
    deployment: Annotated[str | None, typer.Argument(help="Its id; default: the oldest interrupted one.")] = None,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Finish a deployment that was interrupted, in the direction in which it was going."""
    with session(project, as_json, verbose) as s:
        raise typer.Exit(report(s, operations.resume(s.workspace, deployment)))
