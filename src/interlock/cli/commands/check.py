"""``interlock check``."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.options import Json, Project, Verbose, reading
from interlock.engine import checking, live
from interlock.model.errors import UsageError
from interlock.rules import baseline
from interlock.views import check_json, check_views
from interlock.views.output import Output

if TYPE_CHECKING:
    from interlock.engine.checking import Checked

app = typer.Typer()


class Format(StrEnum):
    """How a check is reported."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"
    MARKDOWN = "markdown"


Since = Annotated[
    str,
    typer.Option(
        "--changed-since", metavar="REF", help="Block only on what REF does not have; default: the merge base."
    ),
]
Against = Annotated[
    list[str] | None,
    typer.Option("--against", metavar="ENV", help="Compare with what is live in this environment too; repeatable."),
]
All = Annotated[bool, typer.Option("--all", help="Block on every finding, whether or not it is new.")]
Static = Annotated[bool, typer.Option("--static", help="Look at source text only; build and run nothing.")]
NoTests = Annotated[bool, typer.Option("--no-tests", help="Leave out the project's own tests.")]
RerunTests = Annotated[
    bool, typer.Option("--rerun-tests", help="Run all of the project's own tests, also those whose result is known.")
]
WriteBaseline = Annotated[
    bool,
    typer.Option("--write-baseline", help="Keep what is wrong today in a file: it stays listed and blocks no more."),
]
TerraformPlans = Annotated[
    list[Path] | None,
    typer.Option(
        "--terraform-plan", metavar="FILE", help="Look at a Terraform plan too: the JSON of 'terraform show -json'."
    ),
]


@app.command()
def check(
    changed_since: Since = "",
    against: Against = None,
    everything: All = False,
    static: Static = False,
    no_tests: NoTests = False,
    rerun_tests: RerunTests = False,
    write_baseline: WriteBaseline = False,
    terraform_plan: TerraformPlans = None,
    format: Annotated[Format, typer.Option("--format", help="How to report.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option("--output", "-o", help="Write the report to a file.")] = None,
    project: Project = Path(),
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Validate DAGs, models, jobs and configuration before they are merged."""
    chosen = Format.JSON if as_json else format
    if everything and changed_since:
        raise UsageError("--all and --changed-since exclude each other", remedy="leave one of them out")
    if no_tests and rerun_tests:
        raise UsageError("--no-tests and --rerun-tests exclude each other", remedy="leave one of them out")
    if write_baseline and terraform_plan:
        raise UsageError(
            "--write-baseline takes no --terraform-plan: what one plan would do is nothing to get used to",
            remedy="leave out --terraform-plan; waive a finding in a comment where its resource is declared",
        )
    with reading(project, chosen is Format.JSON, verbose, configured=bool(against)) as s:
        since = None if everything or write_baseline else changed_since
        releases = live.live_in(s.project, against) if against else []
        checked = checking.check_project(
            s.project, since=since, static=static, plans=terraform_plan or (), against=releases, tests=not no_tests,
            rerun=rerun_tests,
        )  # fmt: skip
        if write_baseline:
            _write_baseline(s.project.root, checked, s.output)
            return
    _report(checked, chosen, out, s.output)
    raise typer.Exit(0 if checked.passed else 1)


def _report(checked: "Checked", chosen: Format, out: Path | None, output: Output) -> None:
    if chosen in (Format.TEXT, Format.JSON):
        document = check_json.check_document(checked)
        if out is not None:
            _save(check_views.render(checked, Format.JSON.value), out)
        if out is None or chosen is Format.TEXT:
            output.show("check", document, lambda console: check_views.show(checked, console, output.verbose))
        return
    text = check_views.render(checked, chosen.value)
    output.settle()
    if out is not None:
        _save(text, out)
    else:
        typer.echo(text)


def _write_baseline(root: Path, checked: "Checked", output: Output) -> None:
    errors = [one for one in checked.findings if one.severity == "error" and not one.waived]
    now, before = baseline.write_baseline(root, errors)
    left_out = len(errors) - now
    data = {"path": baseline.FILE_NAME, "findings": now, "before": before, "left_out": left_out}

    def say(console: object) -> None:
        typer.echo(f"{baseline.FILE_NAME} holds {now} findings" + (f" (it held {before})" if before != now else ""))
        if left_out:
            typer.echo(f"{left_out} new ones were left out: a baseline can only shrink. Mend them, or waive them.")

    output.show("check.baseline", data, say)
    raise typer.Exit(1 if left_out else 0)


def _save(text: str, path: Path) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(
            f"the report cannot be written to {path}: {error.strerror}", remedy="name a file in a folder that is there"
        ) from None
