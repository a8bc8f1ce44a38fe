"""Progress: quiet when nobody watches, a line a step for logs, a picture for people, nothing beside JSON."""

import contextlib
import os
import pty
import re
import sys

import pytest

from interlock.model.progress import Progress
from interlock.views.output import Output
from interlock.views.progress_view import ProgressView


def step(state: str, **data) -> Progress:
    return Progress("step", "switch 3", data={"step": "dbt.switch", "state": state, **data})


def said(capsys, *progress: Progress, as_json: bool = False, verbose: bool = False) -> str:
    with ProgressView(Output(as_json=as_json, verbose=verbose)) as view:
        for moved in progress:
            view.say(moved)
    out, err = capsys.readouterr()
    assert out == "", "progress is not a result"
    return err


def gate(outcome: str, **more) -> dict[str, str]:
    return {"gate": "row_count", "resource": "dbt.model:a", "outcome": outcome, "summary": "8 % fewer", **more}


def _drawn(leader: int) -> str:
    """All that was written to a terminal whose other end is closed: it comes in pieces."""
    pieces = []
    with contextlib.suppress(OSError):
        while piece := os.read(leader, 100_000):
            pieces.append(piece)
    return b"".join(pieces).decode()


def test_reading_is_quiet_when_not_a_terminal(capsys):
    assert said(capsys, Progress("read", "parsing", 1, 10), Progress("read", "parsing", 10, 10), step("started")) == ""


def test_each_step_that_ends_is_one_line_in_a_log(capsys):
    err = said(capsys, step("started"), step("finished", seconds=1.25, changed=True))
    assert err == "✓ dbt.switch switch 3 1.2s\n"
    assert "\x1b" not in err


def test_step_that_was_done_already_says_so(capsys):
    assert "(was done already)" in said(capsys, step("finished", seconds=0.0, changed=False))


@pytest.mark.parametrize(("state", "mark"), [("failed", "✗"), ("undone", "↩"), ("retrying", "…"), ("other", "·")])
def test_each_end_has_its_mark(capsys, state, mark):
    assert said(capsys, step(state)).startswith(f"{mark} dbt.switch")


def test_error_of_a_step_is_shown_below_it_line_by_line(capsys):
    assert said(capsys, step("failed", error="first\nsecond")).splitlines()[1:] == ["    first", "    second"]


def test_turn_is_said_with_its_cause(capsys):
    assert said(capsys, Progress("turn", "row_count of a")) == "↩ turning round: row_count of a\n"


def test_failed_gates_are_listed_and_unknown_ones_counted(capsys):
    gates = [gate("pass"), gate("fail"), gate("unknown"), gate("unknown")]
    lines = said(capsys, step("finished", gates=gates)).splitlines()
    assert lines[1:] == ["    ✗ row_count dbt.model:a 8 % fewer", "    ? not known: 2 x row_count (-v says why)"]


def test_every_gate_is_listed_when_more_is_asked_for(capsys):
    lines = said(capsys, step("finished", gates=[gate("pass"), gate("unknown")]), verbose=True).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["✓", "?"]


def test_nothing_at_all_beside_json(capsys):
    told = [step("started"), step("failed", error="x", gates=[gate("fail")]), Progress("turn", "x"), Progress("t", "m")]
    assert said(capsys, *told, as_json=True, verbose=True) == ""


def test_names_with_markup_and_escapes_are_shown_as_they_stand(capsys):
    name = "[bold]x[/]\x1b[2J\n✓ all is well"
    told = [
        Progress(
            "step", name, data={"step": name, "state": "failed", "error": name, "gates": [gate("fail", resource=name)]}
        ),
        Progress("turn", name),
    ]
    err = said(capsys, *told)
    assert "\x1b" not in err
    assert err.count("[bold]x[/]␛[2J") == 5
    assert not [line for line in err.splitlines() if line.startswith("✓")]


def test_terminal_sees_tasks_come_and_go_and_names_do_no_harm(monkeypatch):
    """A real terminal: what is drawn is erased again, and a name with an escape sequence is only shown."""
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        with ProgressView(Output(as_json=False, verbose=False)) as view:
            view.say(Progress("read [bold]", "parsing \x1b]0;owned\x07[/]", 1, 2))
            view._bar.refresh()
            view.say(Progress("read [bold]", "parsing", 2, 2))
            view.say(step("started"))
            view._bar.refresh()
            view.say(step("finished", seconds=0.5))
            view.say(Progress("finding", "dags/a.py:3: [b] is not defined"))
    drawn = _drawn(leader)
    os.close(leader)
    assert "✗ dags/a.py:3: [b] is not defined" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn)
    assert "read [bold]: parsing ␛]0;owned␇[/]" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn)
    assert "\x1b]0;" not in drawn
    assert "dbt.switch" in drawn


def test_terminal_keeps_the_result_that_is_printed_while_progress_is_shown(monkeypatch):
    """Both go to one terminal: what is erased at the end must not be the lines of the result."""
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setattr(sys, "stdout", terminal)
        monkeypatch.setenv("TERM", "xterm")
        output = Output(as_json=False, verbose=False)
        with ProgressView(output) as view:
            view.say(step("started"))
            view._bar.refresh()
            output.show("deployment", {}, lambda console: console.print("prod was turned round"))
        terminal.flush()
    drawn = _drawn(leader)
    os.close(leader)
    after = drawn.partition("prod was turned round")[2]
    assert "prod was turned round" in drawn and not re.search(r"\x1b\[\d*[AKJ]", after), repr(after)


def test_first_findings_are_for_terminals_alone(capsys):
    assert said(capsys, Progress("finding", "dags/a.py:3: broken")) == ""
