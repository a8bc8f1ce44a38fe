"""``interlock promote``."""

from pathlib import Path

import typer

from interlock.cli.ending import carry_out
from interlock.cli.options import Env, Json, Project, Verbose, Yes, session
from interlock.engine.operations import plan_deploy, release_to_promote

app = typer.Typer()


@app.command()
def promote(
    environment: Env, yes: Yes = False, project: Project = Path(), as_json: Json = False, verbose: Verbose = False
) -> None:
    """Deploy to ENVIRONMENT the same bytes that are live in the environment before it."""
    with session(project, as_json, verbose) as s:
        plan = plan_deploy(s.workspace, environment, release_to_promote(s.workspace, environment))
        raise typer.Exit(carry_out(s, plan, yes=yes))
