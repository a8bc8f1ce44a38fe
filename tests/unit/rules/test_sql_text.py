"""What parsing one SQL text tells: one statement a line, with what should be found, in one file a dialect."""

from pathlib import Path

import pytest

from interlock.model.findings import Severity
from interlock.rules.sql_text import problems

FOLDER = Path(__file__).parent / "sql"
RELATIONS = {
    "orders": ["id", "customer_id", "amount", "status", "created_at"],
    "customers": ["id", "name", "country"],
    "events": ["event_id", "user_id", "payload", "tags", "ts"],
}


def _lines() -> list[tuple[str, str, str]]:
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        for line in path.read_text("utf-8").splitlines():
            expected, _, sql = line.partition(" || ")
            if sql and not line.startswith("#"):
                found.append((path.stem, expected, sql))
    return found


LINES = _lines()


@pytest.mark.parametrize(("dialect", "sql"), [(d, s) for d, expected, s in LINES if expected == "ok"])
def test_innocent_statement_is_left_alone(dialect: str, sql: str) -> None:
    found = [one for one in problems(sql, dialect, RELATIONS) if one.severity is not Severity.INFO]
    assert found == []


@pytest.mark.parametrize(("dialect", "expected", "sql"), [line for line in LINES if line[1] != "ok"])
def test_broken_statement_is_found(dialect: str, expected: str, sql: str) -> None:
    kind, _, name = expected.partition("=")
    found = problems(sql, dialect, RELATIONS)
    assert any(one.kind.value == kind and (not name or one.name == name) for one in found), found
    assert {one.kind.value for one in found if one.severity is Severity.ERROR} <= {kind}, found


@pytest.mark.parametrize("path", sorted((FOLDER / "models").glob("*.sql")), ids=lambda path: path.stem)
def test_long_model_is_left_alone(path: Path) -> None:
    found = [
        one
        for one in problems(path.read_text("utf-8"), path.stem.partition("_")[0], {})
        if one.severity is not Severity.INFO
    ]
    assert found == []


def test_innocents_are_the_most() -> None:
    innocent = sum(expected == "ok" for _, expected, _ in LINES)
    assert innocent >= 2 * (len(LINES) - innocent)
