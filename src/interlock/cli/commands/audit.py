"""``interlock audit verify | export | log``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from interlock.cli.options import Json, Project, Verbose, session
from interlock.ledger import Head
from interlock.model.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Verify and export the ledger.")


@app.command()
def verify(
    head: Annotated[str | None, typer.Option("--head", help="NUMBER:HASH that was noted elsewhere.")] = None,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Find events that were changed, removed, reordered or inserted."""
    with session(project, as_json, verbose) as s:
        problems = s.workspace.ledger.verify(_head(head))
        end = s.workspace.ledger.head()

    def render(console: Console) -> None:
        for problem in problems:
            console.print(f"[red]✗[/] {escape(str(problem))}")
        if not problems:
            console.print(f"[bold green]✓ {end.number} events[/], none changed, removed, reordered or inserted")
            console.print(f"[dim]head {end.number}:{end.hash}[/]")

    data = {"ok": not problems, "events": end.number, "head": end.hash, "problems": problems}
    s.output.show("audit.verify", data, render)
    raise typer.Exit(1 if problems else 0)


@app.command()
def export(path: Path, project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Write the ledger as JSON lines, for an auditor."""
    with session(project, as_json, verbose) as s:
        end = s.workspace.ledger.export(path)
    data = {"path": str(path), "events": end.number, "head": end.hash}
    s.output.show("audit.export", data, lambda console: console.print(f"[green]✓[/] {end.number} events in {path}"))


def _head(text: str | None) -> Head | None:
    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not number.isdigit() or not digest:
        raise UsageError("--head wants NUMBER:HASH", remedy="as 'audit verify' prints it in its last line")
    return Head(number=int(number), at="", hash=digest)
