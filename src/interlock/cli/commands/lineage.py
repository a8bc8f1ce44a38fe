"""``interlock lineage``."""

import difflib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from interlock.cli.options import Json, Project, Verbose, reading
from interlock.model.errors import UsageError
from interlock.views.text import literal

app = typer.Typer()


@app.command()
def lineage(
    node: Annotated[str | None, typer.Argument(help="A resource key or a dataset name.")] = None,
    unknown: Annotated[bool, typer.Option("--unknown", help="List what could not be resolved.")] = False,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show what is upstream and downstream of a resource or dataset."""
    with reading(project, as_json, verbose) as s:
        catalog = s.project.read().catalog
    if node is None and not unknown:
        raise UsageError("name a resource or dataset", remedy="or list what is unknown: interlock lineage --unknown")
    nodes = {e.source for e in catalog.edges} | {e.target for e in catalog.edges} | set(catalog.by_key)
    if node is not None and node not in nodes:
        near = difflib.get_close_matches(node, nodes, 3) or [n for n in sorted(nodes) if n.endswith(node)][:3]
        raise UsageError(f"{node!r} is not in the catalog", remedy=f"near: {', '.join(near) or 'nothing'}")
    up = catalog.upstream(node) if node else ()
    down = catalog.downstream(node) if node else ()
    data = {"node": node or "", "upstream": up, "downstream": down, "unknowns": catalog.unknowns}

    def render(console: Console) -> None:
        if node is not None:
            for title, found in (("upstream", up), ("downstream", down)):
                console.print(f"[bold]{title}[/] ({len(found)})")
                for name in found:
                    console.print(f"  {literal(name)}")
        for item in catalog.unknowns if unknown else ():
            console.print(
                f"[yellow]unknown[/] {literal(item.subject)} ({literal(item.path)}:{item.line}): {literal(item.why)}"
            )
        if catalog.unknowns and not unknown:
            console.print(f"[yellow]{len(catalog.unknowns)} links could not be resolved[/] (--unknown lists them)")

    s.output.show("lineage", data, render)
