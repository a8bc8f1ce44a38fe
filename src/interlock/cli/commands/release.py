"""``interlock release show | diff | verify | list | export | import``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from interlock.cli.options import Json, Project, Verbose, session
from interlock.cli.releases import pick_release
from interlock.model.canonical import plain
from interlock.model.release import Manifest
from interlock.release import archive as archives
from interlock.release import diff as differences
from interlock.release import verify
from interlock.views.text import literal

app = typer.Typer(no_args_is_help=True, help="Show, compare and verify releases.")
Release = Annotated[str | None, typer.Argument(help="Release id or prefix; default: the newest.")]


@app.command("list")
def list_releases(project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """List the releases in the store."""
    with session(project, as_json, verbose) as s:
        ids = s.workspace.store.list()
    s.output.show(
        "release.list", {"releases": list(ids)}, lambda console: console.print("\n".join(i[:12] for i in ids))
    )


@app.command()
def show(release: Release = None, project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Show what a release holds."""
    with session(project, as_json, verbose) as s:
        manifest = pick_release(s.workspace, release)
    data = {
        "release": manifest.id,
        "project": manifest.project,
        "commit": manifest.commit,
        "runtimes": manifest.runtimes,
        "resources": [{"key": r.key, "path": r.path, "fingerprint": r.fingerprint} for r in manifest.catalog.resources],
        "files": manifest.files,
        "unknowns": manifest.catalog.unknowns,
    }
    s.output.show("release.show", data, lambda console: _render(manifest, console, verbose))


@app.command("diff")
def compare(
    old: str, new: Release = None, project: Project = Path(), as_json: Json = False, verbose: Verbose = False
) -> None:
    """Show what differs between two releases."""
    with session(project, as_json, verbose) as s:
        found = differences.diff(pick_release(s.workspace, old), pick_release(s.workspace, new))

    def render(console: Console) -> None:
        for mark, keys in (("+", found.added), ("-", found.removed)):
            for key in keys:
                console.print(f"{mark} {literal(key)}")
        for change in found.changed:
            console.print(f"~ {literal(change.key)} [dim]({literal(', '.join(change.parts))})[/]")
        if found.empty:
            console.print("no difference")

    data = {
        "previous": found.old,
        "release": found.new,
        "same": found.empty,
        **{name: value for name, value in plain(found).items() if name not in ("old", "new")},
    }
    s.output.show("release.diff", data, render)
    raise typer.Exit(0 if found.empty else 1)


@app.command("verify")
def check_bytes(
    release: Release = None, project: Project = Path(), as_json: Json = False, verbose: Verbose = False
) -> None:
    """Read every byte of a release again and compare it with its digest."""
    with session(project, as_json, verbose) as s:
        manifest = pick_release(s.workspace, release)
        problems = verify.verify(s.workspace.store, manifest.id, s.workspace.on_progress)

    def render(console: Console) -> None:
        for problem in problems:
            console.print(f"[red]✗[/] {literal(problem)}")
        if not problems:
            console.print(f"[bold green]✓ release {manifest.id[:12]}[/]: {len(manifest.files)} files are unharmed")

    s.output.show("release.verify", {"release": manifest.id, "ok": not problems, "problems": problems}, render)
    raise typer.Exit(1 if problems else 0)


@app.command("export")
def write_archive(
    target: Path, release: Release = None, project: Project = Path(), as_json: Json = False, verbose: Verbose = False
) -> None:
    """Write a release to one archive, the same bytes each time."""
    with session(project, as_json, verbose) as s:
        chosen = pick_release(s.workspace, release).id
        path = archives.export(s.workspace.store, chosen, target, s.workspace.on_progress)
    data = {"release": chosen, "path": str(path)}
    s.output.show("release.export", data, lambda console: console.print(f"[green]✓[/] {literal(path)}"))


@app.command("import")
def read_archive(archive: Path, project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Verify an archive and take its release into the store."""
    with session(project, as_json, verbose) as s:
        release = archives.import_(s.workspace.store, archive, on_progress=s.workspace.on_progress)
    s.output.show("release.import", {"release": release}, lambda console: console.print(f"[green]✓[/] {release[:12]}"))


def _render(manifest: Manifest, console: Console, verbose: bool) -> None:
    console.print(f"[bold]release {manifest.id}[/]")
    console.print(
        f"project {literal(manifest.project)}, commit {literal(manifest.commit or 'none')}, {len(manifest.files)} files"
    )
    for name, digest in manifest.runtimes.items():
        console.print(f"runtime {literal(name)}: lock {digest[:12]}")
    for resource in manifest.catalog.resources if verbose else manifest.catalog.resources[:20]:
        console.print(f"  {literal(resource.key)} [dim]{literal(resource.path)} {resource.fingerprint[:12]}[/]")
    if not verbose and len(manifest.catalog.resources) > 20:
        console.print(f"  [dim]… {len(manifest.catalog.resources) - 20} more (-v)[/]")
    if manifest.catalog.unknowns:
        console.print(f"[yellow]{len(manifest.catalog.unknowns)} links are unknown[/] (interlock lineage --unknown)")
