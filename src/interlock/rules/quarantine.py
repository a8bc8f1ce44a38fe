"""The quarantine of interlock.yaml: tests that may fail until a day, and the names of tests as text shows them."""

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from interlock.rules.days import day_of, is_over
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.yaml_nodes import each, get, line_of, text

FILE = "interlock.yaml"
ENTRIES, NAMES = "quarantine", "names of tests"
TEST_FILES = ("test_*.py", "*_test.py")
UNIT_TEST = "unit_test."


@dataclass(frozen=True)
class Entry:
    """One test in quarantine, as it is written."""

    line: int
    test: str
    owner: str
    reason: str
    until: str

    def lacks(self) -> tuple[str, ...]:
        """What it does not say."""
        missing = {"a test": not self.test, "an owner": not self.owner, "a reason": not self.reason}
        missing["a last day ('until')"] = day_of(self.until) is None
        return tuple(name for name, is_missing in missing.items() if is_missing)

    def is_over(self, today: date) -> bool:
        """Whether its last day has passed."""
        return is_over(self.until, today)

    def holds(self, today: date) -> bool:
        """Whether it keeps its test from blocking."""
        return not self.lacks() and not self.is_over(today)

    def covers(self, test: str) -> bool:
        """Whether it names this test, one of its parameters, or the file that holds it."""
        return bool(self.test) and (test == self.test or test.startswith((f"{self.test}[", f"{self.test}::")))

    @property
    def told(self) -> str:
        """Why its test does not block, as reports show it."""
        return f"{self.reason}; owner: {self.owner} (until {self.until})"


def entries_in(file: SourceFile) -> list[list[Any]] | None:
    """The entries of the project's interlock.yaml as JSON: [line, test, owner, reason, until]."""
    if file.path != FILE or not file.documents:
        return None
    listed = each(get(get(file.documents[0], "tests"), "quarantine"))
    names = ("test", "owner", "reason", "until")
    return [[line_of(one), *(text(get(one, name)).strip() for name in names)] for one in listed] or None


def entries(inspection: Inspection) -> list[Entry]:
    """The quarantine of the project."""
    return [Entry(*one) for one in inspection.of(ENTRIES).get(FILE, ())]


def holding(known: Iterable[Entry], test: str, today: date) -> Entry | None:
    """The entry that keeps a test from blocking; None where none does."""
    return next((one for one in known if one.holds(today) and one.covers(test)), None)


def names_in(file: SourceFile) -> list[str] | None:
    """What a test file surely defines, as ``test_a`` and ``TestB::test_c``; None where more may come from elsewhere."""
    if file.tree is None:
        return None
    found: list[str] = []
    for node in file.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append(node.name)
        elif isinstance(node, ast.ClassDef):
            if node.bases or node.decorator_list:
                return None
            found.append(node.name)
            found += [f"{node.name}::{one.name}" for one in node.body if hasattr(one, "name")]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [one.id for one in targets if isinstance(one, ast.Name)]
        elif not isinstance(node, (ast.Import, ast.ImportFrom, ast.Expr)) or _brings_all(node):
            return None
    return found


def _brings_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
