"""The entry point. Commands are loaded when they are called, so that ``--help`` answers at once."""

import io
import os
import sys
from typing import Any

import typer
import typer.exceptions

from interlock import __version__
from interlock.cli.late import import_command
from interlock.model.errors import InterlockError, UsageError
from interlock.views.output import Output
from interlock.views.text import ReaderGoneError

_PIPE_CLOSED = 128 + 13  # as shells report a process that SIGPIPE ended

# name: (module under interlock.cli.commands, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "Write an interlock.yaml from what is found in a repository."),
    "check": ("check", "Validate DAGs, models, jobs and configuration before they are merged."),
    "rules": ("rules", "List the rules of a check, and explain each."),
    "build": ("build", "Build one immutable release from the work tree."),
    "release": ("release", "Show, compare and verify releases."),
    "plan": ("plan", "Show what a deployment would do, without doing it."),
    "deploy": ("deploy", "Deploy a release to an environment."),
    "promote": ("promote", "Deploy what is live in the environment before this one."),
    "resume": ("resume", "Finish a deployment that was interrupted."),
    "worker": ("worker", "Carry out deployments that were queued, until it is stopped."),
    "status": ("status", "Show what is live in every environment."),
    "history": ("history", "Show what was deployed to an environment, when and by whom."),
    "rollback": ("rollback", "Go back to the release before, in seconds."),
    "disable": ("disable", "Switch one resource off."),
    "enable": ("enable", "Switch one resource on again."),
    "lineage": ("lineage", "Show what is upstream and downstream of a resource or dataset."),
    "audit": ("audit", "Verify and export the ledger."),
    "doctor": ("doctor", "Check that this machine and project can release."),
    "demo": ("demo", "Run the whole story on an example platform in a scratch folder."),
}


def make_app(wanted: str | None) -> typer.Typer:
    """The command line with only ``wanted`` imported; the others are there for the help text."""
    app = typer.Typer(name="interlock", add_completion=False, no_args_is_help=True, rich_markup_mode=None)
    app.callback(context_settings={"help_option_names": ["-h", "--help"]})(_root)
    for name, (module, text) in COMMANDS.items():
        if name != wanted:
            app.command(name, help=text)(_not_loaded)
            continue
        loaded: typer.Typer = import_command(f"interlock.cli.commands.{module}").app
        if loaded.info.help is None or not isinstance(loaded.info.help, str):
            app.command(name, help=text)(loaded.registered_commands[0].callback)  # type: ignore[type-var]
        else:
            app.add_typer(loaded, name=name)
    return app


def _not_loaded() -> None:
    raise AssertionError("only the help of this command was loaded")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"interlock {__version__}")
        raise typer.Exit


class InterruptedByUser(InterlockError):
    """Ctrl-C, or the end of the input at a question."""

    exit_code = 130


def _root(
    version: bool = typer.Option(False, "--version", help="Print the version.", is_eager=True, callback=_version),
) -> None:
    """One plan, one release, one rollback for Airflow, dbt and Spark."""


def main() -> None:
    """Run the command line; exits with the code that docs/cli.md lists."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no ✓ is no reason to fail
    as_json, verbose = "--json" in sys.argv, "-v" in sys.argv or "--verbose" in sys.argv
    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    output = Output(as_json=as_json, verbose=verbose)
    sys.exit(run(lambda: make_app(wanted)(standalone_mode=False), output))


def run(command: Any, output: Output) -> int:
    """Call ``command`` and turn whatever comes of it into an exit code."""
    try:
        code = command()
        return int(code or 0)
    except InterlockError as error:
        output.error(error)
        if output.verbose:
            output.trace()
        return error.exit_code
    except typer.Exit as error:
        return int(error.exit_code)
    except typer.exceptions.TyperException as error:
        output.error(UsageError(str(error), remedy="interlock --help"))
        return 2
    except ReaderGoneError:
        # What Python still holds for the reader has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _PIPE_CLOSED
    except (typer.Abort, KeyboardInterrupt):
        stopped = InterruptedByUser("interrupted", remedy="'interlock resume' finishes a deployment that had begun")
        output.error(stopped)
        return stopped.exit_code
    except Exception as error:
        defect = InterlockError(
            f"a defect of Interlock: {type(error).__name__}: {error}",
            remedy="please report it with the output of the same command and --verbose",
        )
        output.error(defect)
        if output.verbose:
            output.trace()
        return defect.exit_code
