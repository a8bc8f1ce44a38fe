"""The file that auditors get, and what it shows them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.ledger import Head, open_ledger, verify_export
from interlock.model.errors import ConfigError, UsageError
from interlock.model.events import Event, EventType


@pytest.fixture
def export(tmp_path: Path) -> Path:
    with open_ledger("sqlite:///ledger.db", tmp_path) as ledger:
        for number in range(6):
            data = {"number": number, "tiny": 1e-7, "large": 1e16, "text": "é\u2028"}
            ledger.append([Event(EventType.PLAN_MADE, "prod", f"d-{number}", "ada", data)])
        assert ledger.export(tmp_path / "export.jsonl") == ledger.head()
    return tmp_path / "export.jsonl"


def test_an_export_is_whole_and_holds_every_event(export: Path) -> None:
    assert verify_export(export) == []
    header, *lines = [json.loads(line) for line in _lines(export)]
    assert header == {"kind": "interlock.ledger", "format": 1, "head": {"number": 6, "hash": lines[-1]["hash"]}}
    assert verify_export(export, Head(6, lines[-1]["hash"])) == []
    assert verify_export(export, Head(3, lines[2]["hash"])) == []
    assert [p.name for p in export.parent.glob(".export*")] == []


def test_an_empty_ledger_exports_as_a_head_of_nothing(tmp_path: Path) -> None:
    with open_ledger("sqlite:///ledger.db", tmp_path) as ledger:
        ledger.export(tmp_path / "export.jsonl")
    assert verify_export(tmp_path / "export.jsonl") == []


Lines = list[str]


def _lines(export: Path) -> Lines:
    return export.read_text().removesuffix("\n").split("\n")


def _swapped(lines: Lines) -> Lines:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


@pytest.mark.parametrize(
    ("harm", "number", "kind"),
    [
        (lambda lines: [*lines[:3], lines[3].replace("d-2", "d-9"), *lines[4:]], 3, "changed"),
        (lambda lines: [*lines[:3], *lines[4:]], 3, "removed"),
        (lambda lines: lines[:-1], 6, "removed"),
        (_swapped, 3, "reordered"),
        (lambda lines: [*lines, lines[3]], 6, "reordered"),
        (lambda lines: [*lines[:3], "{", *lines[3:]], 0, "unreadable"),
        (lambda lines: [*lines[:-1], lines[-1][:-20]], 0, "unreadable"),
        (lambda lines: lines[1:], 0, "unreadable"),
        (lambda lines: [], 0, "unreadable"),
    ],
    ids=["changed", "removed", "cut", "swapped", "twice", "broken line", "truncated", "no header", "empty"],
)
def test_an_export_that_was_worked_on_shows_it(
    export: Path, harm: Callable[[Lines], Lines], number: int, kind: str
) -> None:
    export.write_text("".join(f"{line}\n" for line in harm(_lines(export))))
    assert (number, kind) in [(problem.number, problem.kind) for problem in verify_export(export)]


def test_an_export_made_anew_contradicts_a_head_kept_elsewhere(export: Path) -> None:
    assert [p.kind for p in verify_export(export, Head(6, "f" * 64))] == ["changed"]
    assert [p.kind for p in verify_export(export, Head(8, "f" * 64))] == ["removed", "removed"]


def test_a_file_that_is_not_there_is_a_wrong_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        verify_export(tmp_path / "nothing.jsonl")
    with open_ledger("sqlite:///ledger.db", tmp_path) as ledger, pytest.raises(ConfigError):
        ledger.export(tmp_path / "no/such/folder.jsonl")
