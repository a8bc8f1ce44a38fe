"""``interlock promote``."""

from pathlib import Path

import typer

from interlock.cli.ending import carry_out
from interlock.cli.options import Detach, Env, Json, Project, Queue, Verbose, Yes, session
from interlock.engine import operations

app = typer.Typer()


@app.command()
def promote(
    environment: Env,
    yes: Yes = False,
    queue: Queue = False,
    detach: Detach = False,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Deploy to ENVIRONMENT the same bytes that are live in the environment before it."""
    with session(project, as_json, verbose) as s:
        plan = operations.plan_deploy(s.workspace, environment, operations.release_to_promote(s.workspace, environment))
        raise typer.Exit(carry_out(s, plan, yes=yes, queue=queue, detach=detach))
