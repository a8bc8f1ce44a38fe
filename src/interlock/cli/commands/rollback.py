"""``interlock rollback``."""

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.ending import carry_out
from interlock.cli.options import Env, Json, Project, Verbose, Yes, session
from interlock.engine import operations
from interlock.model.errors import UsageError

app = typer.Typer()


@app.command()
def rollback(
    environment: Env,
    to: Annotated[str | None, typer.Option("--to", help="Go back to this release.")] = None,
    only: Annotated[str | None, typer.Option("--only", help="Take back only this resource.")] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Do not wait until Airflow shows the earlier version.")
    ] = False,
    yes: Yes = False,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Go back to the release before, from receipts alone: nothing is built, fetched or drained."""
    if to is not None and only is not None:
        raise UsageError("--to and --only exclude each other", remedy="choose one")
    with session(project, as_json, verbose) as s:
        plan = operations.plan_rollback(s.workspace, environment, to, only, confirm=not no_wait)
        raise typer.Exit(carry_out(s, plan, yes=yes))
