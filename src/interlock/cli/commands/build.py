"""``interlock build``."""

from pathlib import Path

import typer
from rich.console import Console

from interlock.cli.options import Json, Project, Verbose, session
from interlock.engine import making
from interlock.model.findings import Finding
from interlock.views.check_json import finding_document
from interlock.views.findings_view import render_findings

app = typer.Typer()


@app.command()
def build(project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Build one immutable release from the work tree. The same content gives the same release id."""
    with session(project, as_json, verbose) as s:
        built = making.build_release(s.workspace)
    errors = [f for f in built.findings if f.blocks]
    manifest = built.manifest
    data = {
        "ok": manifest is not None,
        "release": manifest.id if manifest else "",
        "commit": manifest.commit if manifest else "",
        "new": built.new,
        "resource_count": len(manifest.catalog.resources) if manifest else 0,
        "file_count": len(manifest.files) if manifest else 0,
        "findings": [finding_document(one) for one in built.findings],
    }
    if manifest is None:
        s.output.show("build", data, lambda console: _render_refusal(errors, console))
        raise typer.Exit(1)
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
