"""``interlock init``."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from interlock.catalog.discover import Found, discover
from interlock.cli.options import Json, Project, Verbose
from interlock.config import load_config
from interlock.config.load import FILE_NAME, json_schema
from interlock.model.errors import UsageError
from interlock.runtimes.lock import lock as lock_runtime
from interlock.runtimes.spec import RuntimeSpec
from interlock.views.init_view import config_text
from interlock.views.output import Output

app = typer.Typer()


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
    if schema:
        typer.echo(json.dumps(json_schema(), indent=2))
        return
    output = Output(as_json=as_json, verbose=verbose)
    root = project.absolute()
    target = root / FILE_NAME
    if target.exists() and not force:
        raise UsageError(f"{target} is there already", remedy="edit it, or write over it with --force")
    found = discover(root)
    if not found.runtimes:
        raise UsageError(
            f"no DAGs, no dbt project and no Spark jobs were found in {root}",
            remedy="name the repository with --project; 'interlock init --schema' describes the file to write by hand",
        )
    target.write_text(config_text(found))
    load_config(root)
    locked = _lock(found, root) if lock else []
    data = {"path": str(target), "found": found, "locked": locked, "unsure": found.unsure}
    output.show("init", data, lambda console: _render(found, target, console))


def _lock(found: Found, root: Path) -> list[str]:
    locked = []
    for name, requirements in found.requirements.items():
        if name in found.runtimes and name not in found.locks:
            target = root / "runtimes" / f"{name}.lock"
            lock_runtime(RuntimeSpec(name, "3.11", target, root / requirements, None), root)
            locked.append(target.relative_to(root).as_posix())
    return locked


def _render(found: Found, target: Path, console: Console) -> None:
    console.print(f"[bold green]✓ {escape(str(target))}[/]")
    for label, what in (("DAGs", found.dags), ("dbt project", found.dbt)):
        if what:
            console.print(f"  {label}: {escape(what)}")
    if found.jobs or found.streams:
        console.print(f"  Spark: {len(found.jobs)} jobs, {len(found.streams)} streams")
    for line in found.unsure:
        console.print(f"[yellow]? {escape(line)}[/]")
    console.print("Look at it, then: interlock doctor, interlock check")
