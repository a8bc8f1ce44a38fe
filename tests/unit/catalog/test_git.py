"""What a work tree is compared with."""

import os
from pathlib import Path

import pytest

from interlock.catalog.git import SourceState, base_of, listed, source_state
from interlock.model.errors import UsageError
from tests.support.git import git


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository on its trunk with one commit; the project is a folder of it."""
    git(tmp_path, "init", "-q", "-b", "main")
    project = tmp_path / "platform"
    (project / "dags").mkdir(parents=True)
    (project / "dags" / "a.py").write_text("a = 1\n")
    (project / "dags" / "b.py").write_text("b = 1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return project


def test_a_clean_trunk_has_nothing_to_be_compared_with(root: Path) -> None:
    assert base_of(root) is None


def test_uncommitted_changes_on_the_trunk_are_compared_with_its_head(root: Path) -> None:
    (root / "dags" / "new.py").write_text("")
    (root / "dags" / "a.py").unlink()
    (root.parent / "elsewhere.txt").write_text("is no part of the project")
    base = base_of(root)
    assert base is not None and base.commit == git(root, "rev-parse", "HEAD")
    assert base.changed == {"dags/new.py", "dags/a.py"}
    assert base.contents(["dags/a.py", "dags/new.py", "dags/b.py"]) == {
        "dags/a.py": b"a = 1\n",
        "dags/b.py": b"b = 1\n",
    }


def test_a_branch_is_compared_with_where_it_left_the_trunk(root: Path) -> None:
    first = git(root, "rev-parse", "HEAD")
    git(root, "checkout", "-q", "-b", "feature")
    (root / "dags" / "a.py").write_text("a = 2\n")
    git(root, "commit", "-qam", "second")
    git(root, "checkout", "-q", "main")
    (root / "dags" / "b.py").write_text("b = 2\n")
    git(root, "commit", "-qam", "third, which the branch does not have")
    git(root, "checkout", "-q", "feature")
    base = base_of(root)
    assert base is not None and base.commit == first and base.changed == {"dags/a.py"}


def test_the_target_of_a_pull_request_is_the_trunk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(root, "update-ref", "refs/remotes/origin/release-2", "HEAD")
    first = git(root, "rev-parse", "HEAD")
    (root / "dags" / "a.py").write_text("a = 2\n")
    git(root, "commit", "-qam", "second")
    monkeypatch.setenv("GITHUB_BASE_REF", "release-2")
    base = base_of(root)
    assert base is not None and base.commit == first


def test_names_with_odd_characters_and_binary_content_come_back_whole(root: Path) -> None:
    names = {"dags/mit leer.py": b"\0\xff\n\n", "dags/\u00fcmlaut.sql": b"", 'dags/"quoted".yml': b"a: 1"}
    for name, content in names.items():
        (root / name).write_bytes(content)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "odd names")
    for name in names:
        (root / name).write_bytes(b"changed")
    base = base_of(root)
    assert base is not None and base.changed == set(names) and base.contents(sorted(names)) == names


@pytest.mark.parametrize("ref", ["nowhere", "--output=/tmp/x", "", " "])
def test_a_commit_that_is_not_there_is_refused(root: Path, ref: str) -> None:
    if ref:
        with pytest.raises(UsageError, match="no commit of this clone"):
            base_of(root, ref)
    else:
        assert base_of(root, ref) is None


def test_outside_a_repository_there_is_no_base(tmp_path: Path) -> None:
    assert base_of(tmp_path) is None and listed(tmp_path) is None
    with pytest.raises(UsageError, match="no git repository"):
        base_of(tmp_path, "main")


def test_a_repository_without_a_commit_has_no_base(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("")
    assert base_of(tmp_path) is None and listed(tmp_path) == ["a.py"]


def test_ignored_files_are_not_listed(root: Path) -> None:
    (root / ".gitignore").write_text("target/\n")
    (root / "target").mkdir()
    (root / "target" / "run.sql").write_text("")
    assert listed(root) == [".gitignore", "dags/a.py", "dags/b.py"]


def test_the_state_of_the_source_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1\n")
    assert source_state(tmp_path) == SourceState("", False)
    git(tmp_path, "init", "-q")
    assert source_state(tmp_path) == SourceState("", True)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "one")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert source_state(tmp_path) == SourceState(head, False)
    assert source_state(tmp_path).label == head
    (tmp_path / "a.py").write_text("a = 2\n")
    assert source_state(tmp_path).label == f"{head}-dirty"


def test_names_that_are_no_utf_8_are_not_among_the_changes(root: Path) -> None:
    (root / "dags" / "a.py").write_text("a = 2\n")
    (root / os.fsdecode(b"caf\xe9.sql")).write_text("select 1")
    base = base_of(root)
    assert base is not None and base.changed == {"dags/a.py"}
    assert base.contents(sorted(base.changed)) == {"dags/a.py": b"a = 1\n"}
