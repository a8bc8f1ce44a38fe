"""``interlock plan``."""

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.options import Env, Json, Project, Verbose, session
from interlock.cli.releases import pick_release
from interlock.engine.operations import plan_deploy
from interlock.model.canonical import canonical_json, plain
from interlock.views.plan_view import render_plan

app = typer.Typer()


@app.command()
def plan(
    environment: Env,
    release: Annotated[str | None, typer.Argument(help="Release id or prefix; default: the newest.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Save the plan, for 'deploy --plan'.")] = None,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show what a deployment would do, without doing it."""
    with session(project, as_json, verbose) as s:
        made = plan_deploy(s.workspace, environment, pick_release(s.workspace, release))
    if out is not None:
        out.write_bytes(canonical_json(made))
    data = {
        "digest": made.digest,
        "reversible": made.reversible,
        "saved": str(out) if out else None,
        "plan": plain(made),
    }
    s.output.show("plan", data, lambda console: render_plan(made, console, everything=verbose))
