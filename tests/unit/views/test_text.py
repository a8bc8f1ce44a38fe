"""Names and messages that others wrote are shown as they stand: they neither colour, move nor fake anything."""

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from interlock.views.text import Terminal, literal

NASTY = [
    "[bold]",
    "[/]",
    "[/bold]",
    "[red]x[/red]",
    "[link=http://evil]x[/link]",
    "back\\slash\\",
    "\\[bold]",
    "[bold]\\",
    "[[[",
    "[@click=x()]",
    "plain [not a tag",
    ":warning: :100:",
    "dags/a.py:100: boom",
]
HARMFUL = {
    "\x1b[2J": "␛[2J",
    "\x1b]0;title\x07": "␛]0;title",
    "\x1b[8mhidden": "␛[8mhidden",
    "a\x00b": "a␀b",
    "a\x7fb": "a␡b",
    "a\x9b2Jb": "a�2Jb",
    "a\u202eb": "a�b",
    "a\u2028b": "a�b",
    "a\udcffb": "a�b",
}


def printed(*what: object, **options) -> str:
    console = Terminal(soft_wrap=True)
    console.file = io.StringIO()
    console.print(*what, **options)
    return console.file.getvalue().removesuffix("\n")


@pytest.mark.parametrize("name", NASTY)
def test_markup_in_a_name_is_shown_and_not_obeyed(name):
    assert printed(f"[bold]{literal(name)}[/] is live") == f"{name} is live"


@pytest.mark.parametrize("name", NASTY)
def test_markup_in_a_table_is_shown_and_not_obeyed(name):
    table = Table.grid()
    table.add_row(literal(name))
    assert printed(table).rstrip() == name


@pytest.mark.parametrize(("text", "shown"), HARMFUL.items(), ids=ascii)
def test_control_characters_are_shown_and_not_sent(text, shown):
    assert printed(literal(text)) == shown.replace("title", "title␇") if "\x07" in text else shown
    assert "\x1b" not in printed(text, markup=False)
    assert "\x9b" not in printed(text, markup=False)


@pytest.mark.parametrize("text", ["one\ntwo", "one\r\ntwo", "one\x0btwo", "one\x85two", "one\u2029two"])
def test_name_cannot_begin_a_line_of_its_own(text):
    assert len(printed(literal(text)).splitlines()) == 1


@given(st.text())
def test_no_name_whatsoever_breaks_the_output(text):
    shown = printed(f"[bold]{literal(text)}[/]|")
    assert shown.endswith("|")
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs")]


@given(st.text("[]()/\\=:@#ab \"'"))
def test_any_text_made_of_the_characters_of_markup_is_shown_as_it_stands(text):
    assert printed(f"[bold]{literal(text)}[/]|") == f"{text}|"


def test_our_own_colours_still_reach_a_terminal(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert printed("[red]no[/] \x1b[2J") == "\x1b[31mno\x1b[0m ␛[2J"


def test_what_is_no_text_is_shown_too():
    assert literal(7) == "7"
