"""The reports of a check: for people, for machines, for the tools that show findings to people."""

import json
from typing import TYPE_CHECKING

from rich.console import Console

from interlock.views.causes import count_of
from interlock.views.check_github import check_github
from interlock.views.check_json import check_document
from interlock.views.check_junit import check_junit
from interlock.views.check_markdown import check_markdown
from interlock.views.check_sarif import check_sarif
from interlock.views.findings_view import render_findings
from interlock.views.output import VERSION

if TYPE_CHECKING:
    from interlock.engine.checking import Checked

__all__ = ["check_document", "render", "show"]


def render(checked: "Checked", form: str) -> str:
    """The report as text in one of the formats of ``--format``, without a line end behind it."""
    if form == "json":
        return json.dumps({"version": VERSION, "kind": "check", **check_document(checked)})
    if form == "sarif":
        return json.dumps(check_sarif(checked), indent=1)
    made = {"junit": check_junit, "github": check_github, "markdown": check_markdown}[form]
    return made(checked).rstrip("\n")


def show(checked: "Checked", console: Console, verbose: bool) -> None:
    """The report for people."""
    render_findings(checked.findings, checked.not_checked, console, verbose=verbose)
    timing = f"[dim]{checked.timings.get('total', 0):.1f}s[/]"
    read = "source text checked" if checked.static else f"{count_of(checked.resources, 'resource')} checked"
    blocking = sum(one.blocks for one in checked.findings)
    if checked.passed:
        others = sum(not one.waived for one in checked.findings)
        extra = f", {others} to look at" if others else ""
        console.print(f"[bold green]✓ {read}[/]{extra} {timing}")
    else:
        verb = "blocks" if blocking == 1 else "block"
        console.print(f"[bold red]✗ {count_of(blocking, 'finding')} {verb}[/], {read} {timing}")
