"""Findings for people: by file, with line, reason, who is affected, and what to do."""

from collections.abc import Sequence

from rich.console import Console

from interlock.model.findings import Finding, NotChecked, Severity
from interlock.views.text import literal

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def render_findings(findings: Sequence[Finding], not_checked: Sequence[NotChecked], console: Console) -> None:
    """Errors first; each with its place, remedy and the resources downstream."""
    order = list(Severity)
    for finding in sorted(findings, key=lambda f: (order.index(f.severity), f.place.path, f.place.line)):
        style = _STYLES[finding.severity]
        console.print(
            f"[{style}]{finding.severity.value}[/] [bold]{literal(finding.place)}[/] "
            f"{literal(finding.summary)} [dim]{literal(finding.rule)}[/]"
        )
        if finding.detail:
            for line in finding.detail.splitlines()[-6:]:
                console.print(f"      [dim]{literal(line)}[/]")
        if set(finding.affected) - {finding.place.path}:
            more = f" and {len(finding.affected) - 4} more" if len(finding.affected) > 4 else ""
            console.print(f"      affects {literal(', '.join(finding.affected[:4]))}{more}")
        console.print(f"      [cyan]→[/] {literal(finding.remedy)}")
    for item in not_checked:
        console.print(f"[yellow]not checked[/] {literal(item.what)}: {literal(item.why)}")
