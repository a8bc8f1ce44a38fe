"""The reports of a check: for people, for machines, for the tools that show findings to people."""

from typing import TYPE_CHECKING, Any

from rich.console import Console

from interlock.model.findings import Severity
from interlock.views.findings_view import render_findings

if TYPE_CHECKING:
    from interlock.engine.checking import Checked


def check_document(checked: "Checked") -> dict[str, Any]:
    """The JSON contract of a check (docs/cli.md), without ``version`` and ``kind``."""
    return {
        "verdict": "pass" if checked.passed else "fail",
        "resource_count": checked.resources,
        "findings": checked.findings,
        "not_checked": checked.not_checked,
        "timings": {name: round(seconds, 3) for name, seconds in checked.timings.items()},
    }


def render(checked: "Checked", form: str) -> str:
    """The report as text in one of the formats of ``--format``."""
    raise NotImplementedError(form)


def show(checked: "Checked", console: Console, verbose: bool) -> None:
    """The report for people."""
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
