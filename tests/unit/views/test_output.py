"""One way out: an object for machines, a sentence with a remedy for people."""

import json

import pytest

from interlock.model import errors
from interlock.model.errors import ConfigError, InterlockError, Place, UsageError
from interlock.views.output import Output

ERRORS = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, InterlockError)]


def output(**options) -> Output:
    return Output(**{"as_json": False, "verbose": False, **options})


def test_result_is_one_json_object_on_one_line_with_version_and_kind(capsys):
    output(as_json=True).show("status", {"drift": (), "place": Place("a", 1)}, lambda _: pytest.fail("not for people"))
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    document = json.loads(out)
    assert document == {
        "version": 1,
        "kind": "status",
        "drift": [],
        "place": {"path": "a", "line": 1, "end_line": 0, "column": 0},
    }


@pytest.mark.parametrize("name", ["größe", "\x1b[2J", "\u202e", "\udcff", "→", "\x9b2J"], ids=ascii)
def test_json_of_any_name_is_plain_ascii_that_reads_back(capsys, name):
    output(as_json=True).show("x", {"name": name}, lambda _: None)
    out = capsys.readouterr().out
    assert out.isascii()
    assert not [c for c in out if ord(c) < 32 and c != "\n"]
    assert json.loads(out)["name"] == name


def test_result_for_people_goes_to_standard_output(capsys):
    output().show("status", {}, lambda console: console.print("all well"))
    assert capsys.readouterr() == ("all well\n", "")


def test_error_says_what_where_and_what_to_do_on_standard_error(capsys):
    error = UsageError("no such thing", remedy="name another", detail="line one\nline two", place=Place("a.yaml", 3))
    output().error(error)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["✗ no such thing (a.yaml:3)", "  line one", "  line two", "  → name another"]


def test_error_lists_every_mistake_in_the_configuration(capsys):
    output().error(ConfigError("2 mistakes", problems=("interlock.yaml:1: a", "interlock.yaml:2: b")))
    assert capsys.readouterr().err.splitlines()[1:] == ["  interlock.yaml:1: a", "  interlock.yaml:2: b"]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda e: e.__name__)
def test_error_object_names_its_type_and_exit_code(capsys, kind):
    output(as_json=True).error(kind("why", remedy="what to do", place=Place("f", 2)))
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(out)
    assert (document["version"], document["kind"]) == (1, "error")
    body = document["error"]
    assert (body["type"], body["exit_code"]) == (kind.__name__, kind.exit_code)
    assert (body["summary"], body["remedy"], body["place"]["line"]) == ("why", "what to do", 2)


def test_names_in_an_error_are_shown_and_not_obeyed(capsys):
    name = "[red]\x1b[2Jx[/]"
    output().error(ConfigError(name, problems=(name,), remedy=name, detail=name, place=Place(name, 1)))
    err = capsys.readouterr().err
    assert err.count("[red]␛[2Jx[/]") == 5
    assert "\x1b" not in err


def test_path_in_an_error_cannot_close_our_markup(capsys):
    output().error(UsageError("no", place=Place("dags/[/dim].py")))
    assert "dags/[/dim].py" in capsys.readouterr().err


def test_long_lines_are_not_broken_in_a_pipe(capsys):
    output().error(UsageError("x" * 500))
    assert capsys.readouterr().err == f"✗ {'x' * 500}\n"


def test_traceback_shows_control_characters_instead_of_sending_them(capsys):
    try:
        raise RuntimeError("\x1b[2J[bold]")
    except RuntimeError:
        output(verbose=True).trace()
    err = capsys.readouterr().err
    assert "␛[2J[bold]" in err
    assert "\x1b" not in err
