"""``interlock build``."""

from pathlib import Path

import typer
from rich.console import Console

from interlock.cli.options import Json, Project, Verbose, session
from interlock.engine.making import build_release
from interlock.model.findings import Finding, Severity
from interlock.views.findings_view import render_findings

app = typer.Typer()


@app.command()
def build(project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Build one immutable release from the work tree. The same content gives the same release id."""
    with session(project, as_json, verbose) as s:
        built = build_release(s.workspace)
    errors = [f for f in built.findings if f.severity is Severity.ERROR]
    if built.manifest is None:
        s.output.show(
            "build",
            {"release": None, "findings": errors},
            lambda console: _render_refusal(errors, console),
        )
        raise typer.Exit(1)
    manifest = built.manifest
    data = {
        "release": manifest.id,
        "commit": manifest.commit,
        "new": built.new,
        "resources": len(manifest.catalog.resources),
        "files": len(manifest.files),
        "findings": [],
    }
    said = "built" if built.new else "was built before"
    s.output.show(
        "build",
        data,
        lambda console: console.print(
            f"[bold green]✓ release {manifest.id[:12]}[/] {said}: {len(manifest.catalog.resources)} resources, "
            f"{len(manifest.files)} files, commit {manifest.commit[:12] or 'none'}"
        ),
    )


def _render_refusal(errors: list[Finding], console: Console) -> None:
    render_findings(errors, (), console)
    console.print(f"[bold red]✗ not built[/]: {len(errors)} errors")
