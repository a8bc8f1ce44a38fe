"""``interlock rules list | explain``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from interlock.cli.options import Json, Verbose
from interlock.rules import explain as pages
from interlock.views.output import Output
from interlock.views.text import literal

if TYPE_CHECKING:
    from interlock.rules.rule import Rule

app = typer.Typer(no_args_is_help=True, help="List the rules of a check, and explain each.")
_WIDE = 240
_STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


@app.command("list")
def list_rules(
    word: Annotated[str, typer.Argument(help="Only rules whose id, name or summary holds it.")] = "",
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List the rules: what each finds, how much it weighs, and what it cannot do without."""
    found = pages.rules_about(word)

    def render(console: Console) -> None:
        if not console.is_terminal:
            console.width = _WIDE  # one line a rule, for grep
        console.print(_table(found))
        console.print(f"\n{len(found)} rules [dim]('interlock rules explain ID' explains one)[/]")

    Output(as_json=as_json, verbose=verbose).show("rules.list", {"rules": [_plain(rule) for rule in found]}, render)


@app.command()
def explain(
    rule: Annotated[str, typer.Argument(help="A rule's id or name, such as ILK-AF001 or dag-import.")],
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Explain one rule: why it matters, what it refuses, and how that looks when it is mended."""
    found = pages.find_rule(rule)
    page = pages.page_of(found.id) or f"# {found.id}: {found.name}\n\n{found.summary}\n"

    def render(console: Console) -> None:
        if console.is_terminal:
            console.print(Markdown(page, code_theme="ansi_dark"), soft_wrap=False)
        else:
            console.print(Text(page), end="")

    Output(as_json=as_json, verbose=verbose).show("rules.explain", {**_plain(found), "page": page}, render)


def _plain(rule: "Rule") -> dict[str, Any]:
    return {
        "rule": rule.id, "name": rule.name, "severity": rule.severity, "needs": rule.needs, "summary": rule.summary,
    }  # fmt: skip


def _table(rules: list["Rule"]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("rule", "name", "severity", "needs", "what is wrong"):
        table.add_column(column, overflow="fold", no_wrap=column in ("rule", "name", "severity"))
    for rule in rules:
        severity = rule.severity.value
        table.add_row(
            literal(rule.id), literal(rule.name), f"[{_STYLES[severity]}]{severity}[/]", literal(rule.needs.value),
            literal(rule.summary),
        )  # fmt: skip
    return table
