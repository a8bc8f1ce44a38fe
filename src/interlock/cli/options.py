"""Options that every command takes, and the workspace and output made from them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.engine import project as projects
from interlock.engine import workspace
from interlock.model.errors import UsageError
from interlock.views.output import Output
from interlock.views.progress_view import ProgressView

if TYPE_CHECKING:
    from interlock.engine.workspace import Workspace

Project = Annotated[Path, typer.Option("--project", "-C", help="The project's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more; show tracebacks.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Queue = Annotated[bool, typer.Option("--queue", help="Let a worker do it ('interlock worker'), and follow it.")]
Detach = Annotated[bool, typer.Option("--detach", help="Let a worker do it, and do not wait.")]
Key = Annotated[str, typer.Argument(help="A resource key, such as airflow.dag:orders_daily.")]
Env = Annotated[str, typer.Argument(help="The environment's name.")]


@dataclass
class Session:
    """A workspace with its way out."""

    workspace: "Workspace"
    output: Output


@dataclass
class Reading:
    """A project that is only looked at, with its way out."""

    project: "projects.Project"
    output: Output


@contextmanager
def reading(project: Path, as_json: bool, verbose: bool, *, configured: bool = True) -> Iterator[Reading]:
    """A project whose progress is shown while the block runs; faster to open than a session.

    Where it need not be ``configured``, a repository without an interlock.yaml will do.
    """
    output = Output(as_json=as_json, verbose=verbose)
    with ProgressView(output) as view:
        root = find_root(project) if configured else find_root_or_repository(project)
        yield Reading(projects.Project(root, view.say), output)


@contextmanager
def session(project: Path, as_json: bool, verbose: bool) -> Iterator[Session]:
    """A workspace whose progress is shown while the block runs."""
    output = Output(as_json=as_json, verbose=verbose)
    with ProgressView(output) as view:
        yield Session(workspace.Workspace(find_root(project), view.say), output)


def find_root(start: Path) -> Path:
    """The nearest folder, from ``start`` upwards, that holds an interlock.yaml. ``UsageError`` where there is none."""
    if not start.is_dir():
        raise UsageError(f"there is no folder {start}", remedy="name the project's folder with --project")
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / "interlock.yaml").is_file():
            return folder
    raise UsageError(
        f"there is no interlock.yaml in {start} or above it",
        remedy="run 'interlock init' in the repository, or name its folder with --project",
    )


def find_root_or_repository(start: Path) -> Path:
    """The nearest folder with an interlock.yaml; without one, the repository that holds ``start``, or ``start``."""
    if not start.is_dir():
        return find_root(start)
    here = start.resolve()
    above = (here, *here.parents)
    configured = next((folder for folder in above if (folder / "interlock.yaml").is_file()), None)
    return configured or next((folder for folder in above if (folder / ".git").exists()), here)


def confirm(question: str, *, yes: bool, output: Output) -> None:
    """Ask on a terminal; elsewhere demand ``--yes``. Returns only when the answer is yes."""
    if yes:
        return
    # Asked of the streams themselves: rich takes FORCE_COLOR, which many CI systems set, for a terminal.
    if output.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("this needs a yes", remedy="add --yes, or deploy a saved plan with --plan FILE")
    output.settle()
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
