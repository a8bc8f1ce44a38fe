"""``interlock init``."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from interlock import config
from interlock.catalog.discover import Found, discover
from interlock.cli.options import Json, Project, Verbose
from interlock.model.canonical import plain
from interlock.model.errors import UsageError
from interlock.runtimes import lock as locks
from interlock.runtimes import spec
from interlock.views.init_view import config_text
from interlock.views.output import Output
from interlock.views.text import literal

app = typer.Typer()

# What only a check without an interlock.yaml asks for.
_NOT_SHOWN = {"unsure", "dag_folders", "dbt_projects", "dialect"}


@app.command()
def init(
    force: Annotated[bool, typer.Option("--force", help="Write over an interlock.yaml that is there.")] = False,
    lock: Annotated[bool, typer.Option("--lock", help="Lock the requirements that were found, with hashes.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Only print the JSON Schema of interlock.yaml.")] = False,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Write an interlock.yaml from what is found in a repository, and say what was unsure."""
    output = Output(as_json=as_json, verbose=verbose)
    if schema:
        text = json.dumps(config.load.json_schema(), indent=2)
        output.show("init.schema", {"schema": config.load.json_schema()}, lambda _: typer.echo(text))
        return
    root = project.absolute()
    target = root / config.load.FILE_NAME
    if target.exists() and not force:
        raise UsageError(f"{target} is there already", remedy="edit it, or write over it with --force")
    found = discover(root)
    if not found.runtimes:
        raise UsageError(
            f"no DAGs, no dbt project and no Spark jobs were found in {root}",
            remedy="name the repository with --project; 'interlock init --schema' describes the file to write by hand",
        )
    target.write_text(config_text(found))
    config.load_config(root)
    locked = _lock(found, root) if lock else []
    listed = {name: value for name, value in plain(found).items() if name not in _NOT_SHOWN}
    data = {"path": str(target), "found": listed, "locked": locked, "unsure": found.unsure}
    output.show("init", data, lambda console: _render(found, target, console))


def _lock(found: Found, root: Path) -> list[str]:
    locked = []
    for name, requirements in found.requirements.items():
        if name in found.runtimes and name not in found.locks:
            target = root / "runtimes" / f"{name}.lock"
            locks.lock(spec.RuntimeSpec(name, "3.11", target, root / requirements, None), root)
            locked.append(target.relative_to(root).as_posix())
    return locked


def _render(found: Found, target: Path, console: Console) -> None:
    console.print(f"[bold green]✓ {literal(target)}[/]")
    for label, what in (("DAGs", found.dags), ("dbt project", found.dbt)):
        if what:
            console.print(f"  {label}: {literal(what)}")
    if found.jobs or found.streams:
        console.print(f"  Spark: {len(found.jobs)} jobs, {len(found.streams)} streams")
    for line in found.unsure:
        console.print(f"[yellow]? {literal(line)}[/]")
    console.print("Look at it, then: interlock doctor, interlock check")
