"""``interlock worker``."""

import signal
import threading
from pathlib import Path
from types import FrameType

import typer

from interlock.cli.ending import report
from interlock.cli.options import Json, Project, Verbose, session
from interlock.engine import queueing

app = typer.Typer()


@app.command()
def worker(project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Carry out deployments that were queued ('deploy --queue'), until it is stopped.

    SIGTERM or Ctrl-C ends it after the deployment that it is at. A worker that dies loses nothing: another one, or the
    next one, takes over what it had begun. Prints one JSON object for each deployment with --json.
    """
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    with session(project, as_json, verbose) as s:
        s.output.errors.print(f"[dim]waiting for deployments of {s.workspace.config.project}[/]")
        queueing.work(s.workspace, ended, lambda done: report(s, done))
