"""``interlock plan``."""

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.options import Env, Json, Project, Verbose, session
from interlock.cli.releases import pick_release
from interlock.engine import operations
from interlock.model.canonical import canonical_json
from interlock.model.errors import UsageError
from interlock.model.plan import Plan
from interlock.planning import make
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
        made = operations.plan_deploy(s.workspace, environment, pick_release(s.workspace, release))
    if out is not None:
        _save(made, out)
    data = {
        "plan": made.digest,
        "environment": made.environment,
        "release": made.release,
        "previous": made.previous,
        "intent": made.intent,
        "empty": made.empty,
        "reversible": made.reversible,
        "counts": make.summary_of(made.changes),
        "saved": str(out) if out else "",
        "document": made,
    }
    s.output.show("plan", data, lambda console: render_plan(made, console, everything=verbose))


def _save(plan: Plan, path: Path) -> None:
    try:
        path.write_bytes(canonical_json(plan))
    except OSError as error:
        raise UsageError(
            f"the plan cannot be saved to {path}: {error.strerror}", remedy="name a file in a folder that is there"
        ) from None
