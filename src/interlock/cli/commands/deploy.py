"""``interlock deploy``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.ending import carry_out
from interlock.cli.options import Env, Json, Project, Verbose, Yes, session
from interlock.cli.releases import pick_release
from interlock.engine.operations import plan_deploy
from interlock.model.errors import UsageError
from interlock.model.plan import Plan, plan_from_json

app = typer.Typer()


@app.command()
def deploy(
    environment: Env,
    release: Annotated[str | None, typer.Argument(help="Release id or prefix; default: the newest.")] = None,
    saved: Annotated[Path | None, typer.Option("--plan", help="Apply exactly this saved plan.")] = None,
    yes: Yes = False,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Deploy a release to an environment."""
    with session(project, as_json, verbose) as s:
        if saved is not None:
            plan = _read(saved)
            if plan.environment != environment:
                raise UsageError(f"the plan is for {plan.environment!r}, not for {environment!r}")
        else:
            plan = plan_deploy(s.workspace, environment, pick_release(s.workspace, release))
        raise typer.Exit(carry_out(s, plan, yes=yes or saved is not None))


def _read(path: Path) -> Plan:
    try:
        return plan_from_json(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise UsageError(f"{path} is not there", remedy="interlock plan ENVIRONMENT --out FILE") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no plan: {error}", remedy="make it again: interlock plan --out FILE") from None
