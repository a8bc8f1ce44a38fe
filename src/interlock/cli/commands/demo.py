"""``interlock demo``."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.options import Json, Verbose
from interlock.cli.story import CHAPTERS, Chapter
from interlock.engine import workspace
from interlock.model.errors import RefusedError, UsageError
from interlock.views.output import Output
from interlock.views.progress_view import ProgressView

if TYPE_CHECKING:
    from interlock.engine.workspace import Workspace

app = typer.Typer()


@app.command()
def demo(
    into: Annotated[Path | None, typer.Option("--into", help="An empty folder; default: a new scratch folder.")] = None,
    rows: Annotated[int, typer.Option("--rows", min=1000, help="How many payments to generate.")] = 10_000,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run the whole story on an example platform in a scratch folder."""
    output = Output(as_json=as_json, verbose=verbose)
    began = time.monotonic()
    root = _copy(into)
    with ProgressView(output) as view:
        _data(workspace.Workspace(root, view.say), rows)
    told = [_tell(chapter, number, root, output) for number, chapter in enumerate(CHAPTERS, 1)]
    seconds = round(time.monotonic() - began, 1)
    data = {"project": str(root), "seconds": seconds, "chapters": told}
    output.show(
        "demo",
        data,
        lambda console: console.print(
            f"\n[bold green]✓ the whole story in {seconds:.0f} s[/]. Everything lies in {root}; go on there:\n"
            f"  cd {root}\n  interlock status\n  interlock plan prod\n"
            "  interlock lineage dbt.model:payments.fct_payments"
        ),
    )


def _copy(into: Path | None) -> Path:
    """A scratch copy of the example, under git, so that releases name a commit."""
    if into is not None and into.exists() and any(into.iterdir()):
        raise UsageError(f"{into} is not empty", remedy="name an empty folder, or leave --into out")
    root = into.absolute() if into is not None else Path(tempfile.mkdtemp(prefix="interlock-demo-"))
    ignored = shutil.ignore_patterns(".interlock", "target", "logs", "__pycache__")
    shutil.copytree(_example(), root, dirs_exist_ok=True, ignore=ignored)
    if shutil.which("git"):
        identity = ["-c", "user.name=demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false"]
        for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "The payments platform"]):
            subprocess.run(["git", *command], cwd=root, check=True, stdout=subprocess.DEVNULL)
    return root


def _example() -> Path:
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "examples" / "payments", package.parents[1] / "examples" / "payments"):
        if (folder / "interlock.yaml").is_file():
            return folder
    raise UsageError("the example platform is not part of this installation", remedy="run it from a checkout")


def _data(workspace: "Workspace", rows: int) -> None:
    """The same generated source tables for every environment; real ones would differ, and be masked."""
    python = workspace.runtime("dbt").python
    for name, environment in workspace.config.environments.items():
        warehouse = environment.warehouse
        if warehouse is None or warehouse.type != "duckdb":
            continue
        path = workspace.root / warehouse.path
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [str(python), "-B", "generator/generate.py", "--rows", str(rows), "--warehouse", f"duckdb:{path}"]
        done = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True)
        if done.returncode:
            raise RefusedError(f"the data of {name} could not be generated", detail=done.stderr[-2000:])


def _tell(chapter: Chapter, number: int, root: Path, output: Output) -> dict[str, Any]:
    if chapter.edit is not None:
        chapter.edit(root)
    if not output.as_json:
        output.console.print(f"\n[bold]{number}. {chapter.title}[/]\n[cyan]$ interlock {' '.join(chapter.command)}[/]")
    arguments = [*chapter.command, *(["--json"] if output.as_json else [])]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "interlock", *arguments],
        cwd=root,
        env={**os.environ, "INTERLOCK_ACTOR": os.environ.get("INTERLOCK_ACTOR", "demo")},
        stdout=subprocess.PIPE if output.as_json else None,
        text=True,
    )
    if done.returncode != chapter.code:
        raise RefusedError(
            f"chapter {number} ended with exit code {done.returncode}, {chapter.code} was expected",
            remedy=f"look into {root}",
            detail=done.stdout or "",
        )
    seconds = round(time.monotonic() - began, 2)
    return {"title": chapter.title, "command": chapter.command, "exit_code": done.returncode, "seconds": seconds}
