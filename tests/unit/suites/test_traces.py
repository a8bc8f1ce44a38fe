"""Whether what a run read is still the same: each kind of reading notices its own kind of change, and no other."""

from pathlib import Path

import pytest

from interlock.runtimes.workers import _interlock_looks as looks
from interlock.suites.traces import Ground, Trace


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "a.py").write_text("a = 1\n")
    (tmp_path / "dags" / "b.sql").write_text("select 1\n")
    return tmp_path


def digest(root: Path, trace: Trace, whole: str = "") -> str:
    return Ground(root, lambda: whole).digest(trace, "basis")


CHANGES = {
    "a file's content": lambda root: (root / "dags/a.py").write_text("a = 2\n"),
    "a file's size": lambda root: (root / "dags/a.py").write_text("a = 20\n"),
    "a new file": lambda root: (root / "dags/c.py").write_text(""),
    "a file that goes": lambda root: (root / "dags/b.sql").unlink(),
    "a file that becomes a folder": lambda root: ((root / "dags/a.py").unlink(), (root / "dags/a.py").mkdir()),
    "its times": lambda root: (root / "dags/a.py").touch(),
    "what tools leave behind": lambda root: ((root / "dags/__pycache__").mkdir(), (root / "dags/x.pyc").touch()),
}  # fmt: skip
NOTICED = {
    "opened": (Trace(files=("dags/a.py",)), {"a file's content", "a file's size", "a file that becomes a folder"}),
    "opened, not there": (Trace(files=("dags/c.py",)), {"a new file"}),
    "listed": (Trace(folders=("dags",)), {"a new file", "a file that goes", "a file that becomes a folder"}),
    "asked for its size": (Trace(sizes=("dags/a.py",)), {"a file's size", "a file that becomes a folder"}),
    "asked whether it is there": (Trace(kinds=("dags/b.sql", "dags/c.py")), {"a new file", "a file that goes"}),
    "imported from elsewhere": (Trace(names=("c", "yaml"), roots=("dags",)), {"a new file"}),
    "nothing": (Trace(), set()),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("how", NOTICED)
def test_change_is_noticed_by_whoever_read_it_and_by_nobody_else(root: Path, how: str, change: str) -> None:
    trace, noticed = NOTICED[how]
    before = digest(root, trace)
    CHANGES[change](root)
    assert (digest(root, trace) != before) is (change in noticed)


def test_run_that_nobody_could_follow_rests_on_every_file(root: Path) -> None:
    assert digest(root, Trace(whole=True), "one") != digest(root, Trace(whole=True), "two")
    assert digest(root, Trace(), "one") == digest(root, Trace(), "two")


def test_what_else_a_run_depends_on_counts(root: Path) -> None:
    ground = Ground(root, str)
    assert ground.digest(Trace(), "one lock") != ground.digest(Trace(), "another")


def test_file_that_was_changed_while_the_tests_ran_is_noticed(root: Path) -> None:
    seen = {
        "files": {"dags/a.py": looks.content(str(root / "dags/a.py")), "dags/c.py": ""},
        "folders": {"dags": looks.entries(str(root / "dags"))}, "sizes": {}, "kinds": {},
    }  # fmt: skip
    assert Ground(root, str).agrees(seen)
    (root / "dags/a.py").write_text("a = 2\n")
    assert not Ground(root, str).agrees(seen)


def test_names_that_are_no_utf_8_can_be_hashed(root: Path) -> None:
    name = "dags/" + b"\xff.py".decode("utf-8", "surrogateescape")
    (root / name).write_text("")
    assert digest(root, Trace(files=(name,), folders=("dags",)))


def test_two_runs_rest_on_what_either_read() -> None:
    one, two = Trace(files=("a",), whole=True), Trace(files=("b",), names=("c",))
    assert one.joined(two) == Trace(files=("a", "b"), names=("c",), whole=True)
    assert Trace.of(one.joined(two).as_json()) == one.joined(two)


ABOUT = {
    "opened": (Trace(files=("dags/a.py",)), {"dags/a.py"}),
    "looked at": (Trace(sizes=("dags/a.py",), kinds=("lib/c.py",)), {"dags/a.py", "lib/c.py"}),
    "listed": (Trace(folders=("dags",)), {"dags/a.py", "dags/sub/b.sql"}),
    "listed at the top": (Trace(folders=(".",)), {"dags/a.py", "dags/sub/b.sql", "lib/c.py", "lib/yaml/more.py"}),
    "imported from elsewhere": (Trace(names=("c", "yaml"), roots=("lib",)), {"lib/c.py", "lib/yaml/more.py"}),
    "nobody knows": (Trace(whole=True), {"dags/a.py", "dags/sub/b.sql", "lib/c.py", "lib/yaml/more.py"}),
    "nothing": (Trace(), set()),
}


@pytest.mark.parametrize("how", ABOUT)
def test_run_is_about_what_it_read_listed_and_missed(how: str) -> None:
    trace, expected = ABOUT[how]
    paths = ("dags/a.py", "dags/sub/b.sql", "lib/c.py", "lib/yaml/more.py")
    assert {path for path in paths if trace.is_about(path)} == expected
