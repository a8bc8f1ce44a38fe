"""What a file held before a commit: along first parents, each content once, and said where history ends too early."""

import subprocess
from pathlib import Path

import pytest

from interlock.catalog import git_versions
from interlock.catalog.git_versions import content_of, history_of
from tests.support.git import git

A, B = "schemas/a.avsc", "schemas/b [1] \x1e \n :100.avsc"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in a folder of a repository; ``a.avsc`` was v1, v2, v1 again and v3, on the trunk."""
    git(tmp_path, "init", "-q", "-b", "main")
    for setting in ("log.follow", "log.showSignature"):
        git(tmp_path, "config", setting, "true")
    git(tmp_path, "config", "log.showRoot", "false")
    project = tmp_path / "platform"
    (project / "schemas").mkdir(parents=True)
    for text in ("v1", "v2", "v1", "v3"):
        commit(project, A, text)
    return project


def commit(root: Path, path: str, text: str | None) -> str:
    if text is None:
        (root / path).unlink()
    else:
        (root / path).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", f"{path} {text}")
    return git(root, "rev-parse", "HEAD")


def held(root: Path, path: str, commit: str = "HEAD") -> list[bytes]:
    return [content_of(root, one.blob) for one in history_of(root, commit, [A, B]).by_path.get(path, ())]


def test_each_content_is_there_once_the_newest_first(root: Path) -> None:
    assert held(root, A) == [b"v3", b"v1", b"v2"]
    assert held(root, A, "HEAD~2") == [b"v2", b"v1"]
    newest = history_of(root, "HEAD", [A]).by_path[A][0]
    assert newest.commit == git(root, "rev-parse", "HEAD") and newest.at.endswith("Z")
    assert history_of(root, "HEAD", []).by_path == {}


def test_a_branch_counts_as_what_its_merge_brought(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    commit(root, B, "draft")
    commit(root, B, "done")
    git(root, "checkout", "-q", "main")
    git(root, "merge", "-q", "--no-ff", "feature", "-m", "merge")
    assert held(root, B) == [b"done"]


def test_a_file_that_was_gone_for_a_while_keeps_its_past(root: Path) -> None:
    commit(root, A, None)
    commit(root, A, "v4")
    assert held(root, A) == [b"v4", b"v3", b"v1", b"v2"]


def test_where_history_ends_too_early_it_is_said(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = history_of(root, "HEAD", [A])
    assert (whole.full, whole.shallow) == (False, False)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth=2", f"file://{root.parent}", clone], check=True)
    assert history_of(clone / "platform", "HEAD", [A]).shallow
    monkeypatch.setattr(git_versions, "MOST_COMMITS", 2)
    cut = history_of(root, "HEAD", [A])
    assert cut.full and len(cut.by_path[A]) == 2
