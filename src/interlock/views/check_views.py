"""The reports of a check by the names of ``--format``, and the one for people."""

import json
from typing import TYPE_CHECKING

from rich.console import Console

from interlock.views.against import environments
from interlock.views.causes import count_of
from interlock.views.check_json import check_document
from interlock.views.findings_view import render_findings
from interlock.views.output import VERSION
from interlock.views.text import literal

if TYPE_CHECKING:
    from interlock.engine.checking import Checked
    from interlock.suites.results import SuiteCounts


def render(checked: "Checked", form: str) -> str:
    """The report as ``json``, ``sarif``, ``junit``, ``github`` or ``markdown``; each is loaded when it is asked for."""
    if form == "json":
        return json.dumps({"version": VERSION, "kind": "check", **check_document(checked)})
    if form == "sarif":
        from interlock.views.check_sarif import check_sarif

        return json.dumps(check_sarif(checked), indent=1)
    if form == "junit":
        from interlock.views.check_junit import check_junit

        return check_junit(checked)
    if form == "github":
        from interlock.views.check_github import check_github

        return check_github(checked)
    from interlock.views.check_markdown import check_markdown

    return check_markdown(checked)


def show(checked: "Checked", console: Console, verbose: bool) -> None:
    """The report for people: findings, what was not checked, the verdict."""
    render_findings(checked.findings, checked.not_checked, console, verbose=verbose)
    if checked.outgrown:
        told = count_of(checked.outgrown, "finding")
        console.print(f"[dim]{told} of the baseline are gone: 'interlock check --write-baseline' lets go of them[/]")
    for one in environments(checked.compared_with):
        console.print(f"[dim]compared with {literal(one)}[/]")
    if told := _tests(checked.tests):
        console.print(f"[bold]tests[/] {told}")
    timing = f"[dim]{checked.timings.get('total', 0):.1f}s[/]"
    what = "source text" if checked.static else count_of(checked.resources, "resource")
    if checked.passed:
        console.print(f"[bold green]✓ {what} checked[/] {timing}")
    else:
        blocking = count_of(sum(one.blocks for one in checked.findings), "error")
        console.print(f"[bold red]✗ {blocking}[/] in {what} {timing}")


def _tests(counts: "SuiteCounts") -> str:
    """What the project's own tests did; "" where there are none."""
    words = {
        "passed": counts.passed, "failed": counts.failed, "flaky": counts.flaky, "skipped": counts.skipped,
        "in quarantine": counts.quarantined, "not run": counts.not_run,
    }  # fmt: skip
    told = ", ".join(f"{count} {word}" for word, count in words.items() if count)
    return f"{told} [dim]({counts.reused} of them known already)[/]" if counts.reused else told
