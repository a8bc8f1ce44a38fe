"""One way out for every command: a table for people, one JSON object for machines."""

import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from interlock.model.canonical import plain
from interlock.model.errors import ConfigError, InterlockError
from interlock.views.text import ReaderGoneError, Terminal, literal

VERSION = 1


class Output:
    """Where a command shows its result. Results go to standard output; progress and errors to standard error."""

    def __init__(self, *, as_json: bool, verbose: bool) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self.console = Terminal(soft_wrap=not sys.stdout.isatty())
        self.errors = Terminal(stderr=True, soft_wrap=not sys.stderr.isatty())
        # Whoever draws on the terminal puts here how to take it away: it would be taken for the lines that come after.
        self.settle: Callable[[], None] = lambda: None

    def show(self, kind: str, data: dict[str, Any], render: Callable[[Console], None]) -> None:
        """Print ``data`` as one JSON object, or call ``render``."""
        self.settle()
        if self.as_json:
            _write({"version": VERSION, "kind": kind, **plain(data)})
        else:
            render(self.console)

    def error(self, error: InterlockError) -> None:
        """Say what went wrong, where, and what to do."""
        self.settle()
        problems = error.problems if isinstance(error, ConfigError) else ()
        if self.as_json:
            body = {
                "type": type(error).__name__,
                "summary": error.summary,
                "remedy": error.remedy,
                "detail": error.detail,
                "place": plain(error.place) if error.place else None,
                "problems": list(problems),
                "exit_code": error.exit_code,
            }
            _write({"version": VERSION, "kind": "error", "error": body})
            return
        place = f" [dim]({literal(error.place)})[/]" if error.place else ""
        self.errors.print(Text("✗ ", style="bold red"), Text(error.summary, style="bold"), place, sep="", end="\n")
        for problem in problems:
            self.errors.print(Text(f"  {problem}"))
        if error.detail:
            self.errors.print(Text("\n".join(f"  {line}" for line in error.detail.splitlines()), style="dim"))
        if error.remedy:
            self.errors.print(Text("  → ", style="cyan"), Text(error.remedy), sep="")

    def trace(self) -> None:
        """The traceback of the exception that is being handled, on standard error."""
        self.errors.print(Text(traceback.format_exc()))


def _write(document: dict[str, Any]) -> None:
    """One line of JSON in ASCII: every terminal, pipe and encoding takes it, whatever names it holds."""
    try:
        sys.stdout.write(json.dumps(document) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None
