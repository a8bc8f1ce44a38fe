"""A secret that a branch committed and took out again is found; one that the trunk had is none of the branch's."""

from pathlib import Path

import pytest

from interlock.engine.checking import check_project
from interlock.engine.project import Project
from tests.support.git import git

TOKEN = "_".join(("ghp", "R7qLx2VbN8mZt4WcYp6KdJf3Hs9GaE1TuQ5o"))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "shop"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    commit(root, "settings.py", "TOKEN = None\n")
    return root


def commit(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", name)


def found(root: Path) -> list[tuple[str, str]]:
    checked = check_project(Project(root), since="", static=True)
    assert TOKEN not in repr(checked.findings)
    return [(one.rule, one.place.path) for one in checked.findings if one.blocks]


def test_a_secret_that_was_taken_out_again_is_found(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    commit(root, "settings.py", f"TOKEN = '{TOKEN}'\n")
    commit(root, "settings.py", "import os\n\nTOKEN = os.environ['TOKEN']\n")
    assert found(root) == [("ILK-SE009", "settings.py")]


def test_a_secret_in_a_file_that_is_gone_is_found(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    commit(root, "key.txt", f"{TOKEN}\n")
    git(root, "rm", "-q", "key.txt")
    git(root, "commit", "-qm", "gone")
    assert found(root) == [("ILK-SE009", "key.txt")]


def test_a_secret_that_is_still_there_is_told_once(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    commit(root, "settings.py", f"TOKEN = '{TOKEN}'\n")
    commit(root, "settings.py", f"TOKEN = '{TOKEN}'\nOTHER = 1\n")
    assert [rule for rule, _ in found(root)] == ["ILK-SE002"]


def test_what_the_trunk_had_is_not_the_branchs(root: Path) -> None:
    commit(root, "settings.py", f"TOKEN = '{TOKEN}'\n")
    git(root, "checkout", "-q", "-b", "feature")
    commit(root, "settings.py", "TOKEN = None\n")
    assert found(root) == []
