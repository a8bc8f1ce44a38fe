"""``interlock audit verify | export``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from interlock import ledger
from interlock.cli.options import Json, Project, Verbose, session
from interlock.model.errors import UsageError
from interlock.views.text import literal

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
            where = f"event {problem.number}" if problem.number else "the ledger"
            console.print(f"[red]✗[/] {where}: [bold]{literal(problem.kind)}[/]: {literal(problem.why)}")
        if not problems:
            console.print(f"[bold green]✓ {end.number} events[/], none changed, removed, reordered or inserted")
            console.print(f"[dim]head {_named(end)}[/]")

    data = {"ok": not problems, "events": end.number, "head": _named(end), "problems": problems}
    s.output.show("audit.verify", data, render)
    raise typer.Exit(1 if problems else 0)


@app.command()
def export(path: Path, project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Write the ledger as JSON lines, for an auditor."""
    with session(project, as_json, verbose) as s:
        end = s.workspace.ledger.export(path)
    data = {"path": str(path), "events": end.number, "head": _named(end)}
    s.output.show(
        "audit.export", data, lambda console: console.print(f"[green]✓[/] {end.number} events in {literal(path)}")
    )


def _named(head: "ledger.Head") -> str:
    """A head as ``--head`` takes it."""
    return f"{head.number}:{head.hash}"


def _head(text: str | None) -> "ledger.Head | None":
    if text is None:
        return None
    number, _, digest = text.partition(":")
    if not number.isdigit() or not digest:
        raise UsageError("--head wants NUMBER:HASH", remedy="as 'audit verify' prints it in its last line")
    return ledger.Head(number=int(number), at="", hash=digest)
