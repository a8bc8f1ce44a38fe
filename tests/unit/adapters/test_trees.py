"""Versioned folders: what consumers see, what a kill leaves behind, what a bad disk or a bad clock does."""

import os
import time
from pathlib import Path

import pytest

from interlock.adapters import trees
from interlock.adapters.trees import TreeRoot
from interlock.model.canonical import digest_bytes
from interlock.model.errors import HeldError, RefusedError, TamperedError, UnreachableError


def stage(tree: TreeRoot, files: dict[str, str]) -> str:
    data = {digest_bytes(text.encode()): text.encode() for text in files.values()}
    return tree.stage({path: (digest_bytes(text.encode()), False) for path, text in files.items()}, data.__getitem__)


@pytest.fixture
def tree(tmp_path: Path) -> TreeRoot:
    return TreeRoot(tmp_path / "live")


def time_of(tree: TreeRoot, path: str) -> float:
    return (tree.root / "current" / path).stat().st_mtime


def test_consumers_see_nothing_before_the_switch_and_all_after_it(tree: TreeRoot) -> None:
    view = stage(tree, {"dags/a.py": "a", "lib/b.py": "b"})
    assert tree.current() is None and not (tree.root / "current").exists()
    assert tree.switch(view)
    assert (tree.root / "current" / "dags" / "a.py").read_text() == "a"
    assert str((tree.root / "current").readlink()) == f"views/{view}"
    assert not tree.switch(view)


def test_same_content_is_the_same_view(tree: TreeRoot) -> None:
    assert stage(tree, {"a": "1", "b": "2"}) == stage(tree, {"b": "2", "a": "1"})
    assert stage(tree, {"a": "1"}) != stage(tree, {"a": "2"})


def test_permissions_do_not_depend_on_the_umask(tree: TreeRoot) -> None:
    before = os.umask(0o077)
    try:
        tree.switch(stage(tree, {"dags/a.py": "a"}))
    finally:
        os.umask(before)
    folder = tree.root / "current" / "dags"
    assert folder.stat().st_mode & 0o777 == 0o755 and (folder / "a.py").stat().st_mode & 0o777 == 0o644


def test_only_changed_and_touched_files_look_new(tree: TreeRoot) -> None:
    tree.switch(stage(tree, {"same": "1", "helper": "1", "user": "1"}))
    old = {name: time_of(tree, name) for name in ("same", "helper", "user")}
    tree.switch(stage(tree, {"same": "1", "helper": "2", "user": "1"}), touch=["user"])
    assert time_of(tree, "same") == old["same"]
    assert time_of(tree, "helper") > old["helper"] and time_of(tree, "user") > old["user"]


def test_going_back_to_old_bytes_still_looks_new(tree: TreeRoot) -> None:
    first, second = stage(tree, {"a": "1"}), stage(tree, {"a": "2"})
    tree.switch(first)
    tree.switch(second)
    served = time_of(tree, "a")
    tree.switch(first)
    assert time_of(tree, "a") > served


def test_clock_that_was_set_back_still_gives_later_times(tree: TreeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.switch(stage(tree, {"a": "1", "gone": "1"}))
    served = time_of(tree, "gone")
    now = time.time_ns()
    monkeypatch.setattr(trees.time, "time_ns", lambda: now - 7200 * 10**9)
    tree.switch(stage(tree, {"a": "1"}))
    tree.switch(stage(tree, {"a": "2", "gone": "2"}))
    assert time_of(tree, "a") > served and time_of(tree, "gone") > served


def test_lost_lease_switches_nothing(tree: TreeRoot) -> None:
    first = stage(tree, {"a": "1"})
    tree.switch(first)

    def fence() -> None:
        raise HeldError("lost")

    with pytest.raises(HeldError):
        tree.switch(stage(tree, {"a": "2"}), fence=fence)
    assert tree.current() == first and (tree.root / "current" / "a").read_text() == "1"


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a//b", "", "a\\b", "./a", "a\0b"])
def test_path_that_leaves_the_root_is_refused(tree: TreeRoot, path: str) -> None:
    with pytest.raises(TamperedError):
        stage(tree, {path: "x"})
    assert not list(tree.root.parent.glob("x"))


def test_file_that_is_also_a_folder_is_refused(tree: TreeRoot) -> None:
    with pytest.raises(TamperedError, match="file and a folder"):
        stage(tree, {"a": "x", "a/b": "y"})


def test_blob_with_other_bytes_is_refused_and_leaves_nothing(tree: TreeRoot) -> None:
    with pytest.raises(TamperedError):
        tree.stage({"a": (digest_bytes(b"right"), False)}, lambda _: b"wrong")
    assert not [path for path in (tree.root / "views").iterdir() if path.is_dir()]


def test_damaged_view_is_put_right_when_staged_again(tree: TreeRoot) -> None:
    view = stage(tree, {"a": "1", "b/c": "2"})
    (tree.path(view) / "a").write_text("edited")
    (tree.path(view) / "b" / "c").unlink()
    assert tree.drift(view) == ("a", "b/c")
    assert stage(tree, {"a": "1", "b/c": "2"}) == view
    assert tree.drift(view) == ()


def test_compose_takes_files_from_other_versions_without_a_store(tree: TreeRoot) -> None:
    old, new = stage(tree, {"a": "1", "b": "1", "gone": "1"}), stage(tree, {"a": "2", "b": "2", "extra": "2"})
    view = tree.compose(new, {"a": digest_bytes(b"1"), "extra": None}, [old], {"note": b"hello"})
    tree.switch(view)
    texts = {path.name: path.read_text() for path in (tree.root / "current").iterdir()}
    assert texts == {"a": "1", "b": "2", "note": "hello"}


def test_compose_says_when_no_version_holds_the_bytes(tree: TreeRoot) -> None:
    with pytest.raises(RefusedError, match="no version"):
        tree.compose(stage(tree, {"a": "1"}), {"a": digest_bytes(b"never seen")})


def test_hand_edited_source_of_a_rollback_is_noticed(tree: TreeRoot) -> None:
    old, new = stage(tree, {"a": "1"}), stage(tree, {"a": "2"})
    (tree.path(old) / "a").write_text("edited")
    with pytest.raises(TamperedError, match="by hand"):
        tree.compose(new, {"a": digest_bytes(b"1")}, [old])


def test_retire_keeps_current_wanted_and_young_versions(tree: TreeRoot) -> None:
    views = [stage(tree, {"a": str(number)}) for number in range(4)]
    tree.switch(views[0])
    for view in views[:3]:
        os.utime(tree.root / "views" / f"{view}.json", (1, 1))
    assert tree.retire({views[1]}, older_than=3600) == (views[2],)
    assert set(tree.known()) == {views[0], views[1], views[3]}
    assert not (tree.root / "views" / views[2]).exists()


def test_version_that_was_live_for_long_is_kept_from_the_moment_it_was_replaced(tree: TreeRoot) -> None:
    first, second = stage(tree, {"a": "1"}), stage(tree, {"a": "2"})
    tree.switch(first)
    os.utime(tree.root / "views" / f"{first}.json", (1, 1))
    tree.switch(second)
    assert tree.retire((), older_than=3600) == ()


def test_current_that_is_a_real_folder_is_not_overwritten(tree: TreeRoot) -> None:
    (tree.root / "current").mkdir(parents=True)
    with pytest.raises(RefusedError, match="not a link of ours"):
        tree.switch(stage(tree, {"a": "1"}))


def test_second_process_gets_a_clear_answer(tree: TreeRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    from filelock import FileLock

    stage(tree, {"a": "1"})
    monkeypatch.setattr(trees, "_LOCK_SECONDS", 0.05)
    with FileLock(tree.root / ".lock", is_singleton=False), pytest.raises(HeldError, match="another process"):
        stage(tree, {"a": "2"})


def test_unwritable_root_names_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnreachableError) as caught:
        stage(TreeRoot(tmp_path / "file" / "live"), {"a": "1"})
    assert caught.value.remedy


def test_first_note_is_the_one_that_counts(tree: TreeRoot) -> None:
    assert tree.note("d1/switch", {"before": "x"}) == {"before": "x"}
    assert tree.note("d1/switch", {"before": "y"}) == {"before": "x"}
    assert tree.noted("d1/other") is None
