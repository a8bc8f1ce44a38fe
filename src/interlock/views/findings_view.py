"""Findings for people: what is new, by cause, with line, reason, who is affected, and what to do."""

from collections.abc import Sequence

from rich.console import Console

from interlock.model.findings import Finding, NotChecked, Severity
from interlock.views.against import in_words
from interlock.views.causes import Cause, by_cause, count_of, counted, shares
from interlock.views.text import clipped, literal

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
# Characters of one text that a person may want to read; `--json` has all of them.
_LONGEST = 2000


def render_findings(
    findings: Sequence[Finding], not_checked: Sequence[NotChecked], console: Console, *, verbose: bool = False
) -> None:
    """New ones first, the worst before the others; of those that one change would mend only the root.

    ``verbose`` shows as well what follows from a root, what only informs, what was there before, and what is waived;
    else these are counted.
    """
    new, old, waived = shares(findings)
    for cause in by_cause(one for one in new if verbose or one.severity is not Severity.INFO):
        _render(cause, console, verbose)
    for cause in by_cause(old) if verbose else ():
        _render(cause, console, verbose, "was there before")
    for one in waived if verbose else ():
        _render(Cause(one), console, verbose, f"waived: {one.waived}")
    for item in not_checked:
        console.print(f"[yellow]not checked[/] {_literal(item.what)}: {_literal(item.why)}")
    _render_counts(new, old, waived, console, verbose)


def _render(cause: Cause, console: Console, verbose: bool, state: str = "") -> None:
    finding = cause.root
    style = "dim" if state else _STYLES[finding.severity]
    told = f" [dim]({_literal(state)})[/]" if state else ""
    console.print(
        f"[{style}]{finding.severity.value}[/] [bold]{_literal(finding.place)}[/] "
        f"{_literal(finding.summary)} [dim]{_literal(finding.rule)}[/]{told}"
    )
    if finding.detail:
        for line in finding.detail.splitlines()[-6:]:
            console.print(f"      [dim]{_literal(line)}[/]")
    if set(finding.affected) - {finding.place.path}:
        more = f" and {len(finding.affected) - 4} more" if len(finding.affected) > 4 else ""
        console.print(f"      affects {_literal(', '.join(finding.affected[:4]))}{more}")
    if finding.against:
        console.print(f"      against {_literal(in_words(finding.against))}")
    if cause.follow:
        _render_follow(cause.follow, console, verbose)
    console.print(f"      [cyan]→[/] {_literal(finding.remedy)}")


def _render_follow(follow: Sequence[Finding], console: Console, verbose: bool) -> None:
    verb = "follows" if len(follow) == 1 else "follow"
    hint = ":" if verbose else " [dim](-v shows where)[/]"
    console.print(f"      and {len(follow)} more {verb} from it{hint}")
    for one in follow if verbose else ():
        console.print(f"        {_literal(one.place)} {_literal(one.summary)} [dim]{_literal(one.rule)}[/]")


def _render_counts(
    new: Sequence[Finding], old: Sequence[Finding], waived: Sequence[Finding], console: Console, verbose: bool
) -> None:
    """One line on what was found, where the findings alone do not say it: for more than one, and for hidden ones."""
    parts = [f"{counted(new)} new" if old or waived else counted(new)] if new else []
    if old:
        parts.append(f"{counted(old)} that {'was' if len(old) == 1 else 'were'} there before")
    if waived:
        parts.append(f"{count_of(len(waived), 'finding')} waived")
    hidden = bool(old or waived or any(one.severity is Severity.INFO for one in new))
    if len(new) > 1 or hidden:
        hint = " [dim](-v shows all)[/]" if hidden and not verbose else ""
        console.print(f"[bold]found[/] {', '.join(parts)}{hint}")


def _literal(text: object) -> str:
    return literal(clipped(str(text), _LONGEST))
