"""``interlock deploy``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.ending import carry_out
from interlock.cli.options import Detach, Env, Json, Project, Queue, Verbose, Yes, session
from interlock.cli.releases import pick_release
from interlock.engine import operations
from interlock.model.errors import UsageError
from interlock.model.plan import Plan, plan_from_json

app = typer.Typer()


@app.command()
def deploy(
    environment: Env,
    release: Annotated[str | None, typer.Argument(help="Release id or prefix; default: the newest.")] = None,
    saved: Annotated[Path | None, typer.Option("--plan", help="Apply exactly this saved plan.")] = None,
    yes: Yes = False,
    queue: Queue = False,
    detach: Detach = False,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Deploy a release to an environment."""
    with session(project, as_json, verbose) as s:
        if saved is not None:
            plan = _read(saved)
            s.workspace.environment(environment)
            if plan.environment != environment:
                raise UsageError(f"the plan is for {plan.environment!r}, not for {environment!r}")
        else:
            plan = operations.plan_deploy(s.workspace, environment, pick_release(s.workspace, release))
        raise typer.Exit(carry_out(s, plan, yes=yes or saved is not None, queue=queue, detach=detach))


def _read(path: Path) -> Plan:
    try:
        plan = plan_from_json(json.loads(path.read_bytes()))
        if plan.format != Plan.format:
            raise ValueError(f"its format is {plan.format}, this Interlock reads {Plan.format}")
        return plan
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UsageError(f"{path} cannot be read: {why}", remedy="interlock plan ENVIRONMENT --out FILE") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no plan: {error}", remedy="make it again: interlock plan --out FILE") from None
