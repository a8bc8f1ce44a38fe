"""``interlock check``."""

from pathlib import Path

import typer
from rich.console import Console

from interlock.cli.options import Json, Project, Verbose, reading
from interlock.engine import checking
from interlock.model.findings import Severity
from interlock.views.findings_view import render_findings

app = typer.Typer()


@app.command()
def check(project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Validate DAGs, models, jobs and configuration before they are merged."""
    with reading(project, as_json, verbose) as s:
        checked = checking.check_project(s.project)
    data = {
        "verdict": "pass" if checked.passed else "fail",
        "resource_count": checked.resources,
        "findings": checked.findings,
        "not_checked": checked.not_checked,
        "timings": {name: round(seconds, 3) for name, seconds in checked.timings.items()},
    }
    s.output.show("check", data, lambda console: _render(checked, console))
    raise typer.Exit(0 if checked.passed else 1)


def _render(checked: "checking.Checked", console: Console) -> None:
    render_findings(checked.findings, checked.not_checked, console)
    errors = sum(f.severity is Severity.ERROR for f in checked.findings)
    others = len(checked.findings) - errors
    timing = f"[dim]{checked.timings.get('total', 0):.1f}s[/]"
    if checked.passed:
        extra = f", {others} to look at" if others else ""
        console.print(f"[bold green]✓ {checked.resources} resources checked[/]{extra} {timing}")
    else:
        counted = f"{errors} error{'' if errors == 1 else 's'}"
        extra = f", {others} to look at" if others else ""
        console.print(f"[bold red]✗ {counted}[/]{extra} in {checked.resources} resources {timing}")
