"""A project's own tests through ``check``: run once, kept as long as what they read is the same, flaky ones found out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.engine.checking import Checked
from interlock.model.progress import Progress, silent
from tests.support.git import git
from tests.support.suites import check, own_project, write

FILES = {
    "lib/rates.py": "RATE = 2\n",
    "lib/other.py": "NAME = 'other'\n",
    "tests/conftest.py": "import pytest\n@pytest.fixture\ndef three():\n    return 3\n",
    "tests/test_rates.py": "from rates import RATE\ndef test_rate(three):\n    assert RATE * three == 6\n",
    "tests/test_other.py": "from other import NAME\ndef test_name():\n    assert NAME\n",
    "tests/data/limits.json": '{"limit": 5}',
    "tests/test_data.py": (
        "import json, pathlib\n"
        "DATA = pathlib.Path(__file__).parent / 'data'\n"
        "def test_limit():\n    assert json.loads((DATA / 'limits.json').read_text())['limit'] == 5\n"
        "def test_nothing_is_switched_off():\n    assert not (DATA / 'OFF').exists()\n"
    ),
}
# What decides is the age of a file: no run reads that, so that it lies outside of every fingerprint.
BY_AGE = "import os\ndef test_age():\n    assert int(os.stat(__file__).st_mtime) % 2\ndef test_steady():\n    pass\n"


@pytest.fixture
def root(tmp_path: Path, plain_python: Path) -> Path:
    return own_project(tmp_path / "project", plain_python, FILES)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def found(checked: Checked) -> list[tuple[str, str, str]]:
    return [(one.rule, str(one.place), one.summary) for one in checked.findings]


def passed_and_reused(checked: Checked) -> tuple[int, int]:
    return checked.tests.passed, checked.tests.reused


def make_age(root: Path, path: str, age: int) -> None:
    os.utime(root / path, (age, age))


def test_unchanged_project_runs_its_tests_once(root: Path, cache: Path) -> None:
    first = check(root, cache)
    assert first.passed and found(first) == [] and passed_and_reused(first) == (4, 0)
    assert passed_and_reused(check(root, cache)) == (4, 4)
    assert passed_and_reused(check(root, cache, rerun=True)) == (4, 0)


CHANGES = {
    "a module that one file imports": ("lib/rates.py", "RATE = 2.0\n", 3),
    "a comment in a test": ("tests/test_other.py", FILES["tests/test_other.py"] + "# more\n", 3),
    "conftest.py": ("tests/conftest.py", FILES["tests/conftest.py"] + "# more\n", 0),
    "a conftest.py that was not there": ("conftest.py", "", 0),
    "a configuration that was not there": ("pytest.ini", "[pytest]\n", 0),
    "data that a test reads": ("tests/data/limits.json", '{"limit": 5.0}', 2),
    "a module that is imported instead": ("tests/other.py", "NAME = 'nearer'\n", 3),
    "a file that nobody reads": ("lib/unused.py", "", 4),
    "another test": ("tests/test_more.py", "def test_more():\n    pass\n", 4),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_change_runs_the_files_that_read_it_and_no_others(root: Path, cache: Path, change: str) -> None:
    check(root, cache)
    path, text, reused = CHANGES[change]
    write(root, {path: text})
    changed = check(root, cache)
    assert changed.tests.reused == reused, found(changed)
    (root / path).unlink() if path not in FILES else write(root, {path: FILES[path]})
    assert check(root, cache).tests.reused >= 4, "who goes back finds what was known"


def test_what_a_test_looked_for_in_vain_breaks_it_once_it_is_there(root: Path, cache: Path) -> None:
    check(root, cache)
    write(root, {"tests/data/OFF": ""})
    [one] = check(root, cache).findings
    assert (one.rule, str(one.place)) == ("ILK-TE001", "tests/test_data.py:6")


def test_failing_test_blocks_at_its_line_and_is_run_by_every_check(root: Path, cache: Path) -> None:
    write(root, {"lib/rates.py": "RATE = 3\n"})
    for _ in range(2):
        checked = check(root, cache)
        assert found(checked) == [
            ("ILK-TE001", "tests/test_rates.py:3", "the test test_rate fails: assert (3 * 3) == 6"),
        ]  # fmt: skip
        assert not checked.passed and checked.tests.failed == 1
    assert checked.tests.reused == 3


def test_error_in_the_code_is_shown_at_the_line_of_the_test_that_met_it(root: Path, cache: Path) -> None:
    files = {"lib/broken.py": "def work():\n    raise KeyError('x')\n", "tests/test_broken.py": "import broken\n\ndef test_it():\n    broken.work()\n"}  # fmt: skip
    [one] = check(write(root, files), cache).findings
    assert str(one.place) == "tests/test_broken.py:4" and one.summary == "the test test_it fails: KeyError: 'x'"
    assert 'File "lib/broken.py", line 2' in one.detail and str(root) not in one.detail


def test_flaky_test_is_found_by_the_check_that_sees_it_pass_and_stays_found(root: Path, cache: Path) -> None:
    write(root, {"tests/test_age.py": BY_AGE})
    make_age(root, "tests/test_age.py", 1_700_000_000)
    assert [one.rule for one in check(root, cache).findings] == ["ILK-TE001"]
    make_age(root, "tests/test_age.py", 1_700_000_001)
    for _ in range(2):
        checked = check(root, cache)
        [one] = checked.findings
        assert (one.rule, one.blocks) == ("ILK-TE002", True) and checked.tests.flaky == 1
        assert [line.split(": ")[1].split()[0] for line in one.detail.splitlines()] == ["passed", "failed"]
    assert checked.tests.reused == 6, "it passed, and nothing that it read has changed"
    write(root, {"tests/test_age.py": BY_AGE.replace("% 2", "> 2")})
    assert check(root, cache).passed, "a test that was mended has no history yet"


def test_change_while_tests_run_makes_no_test_flaky(root: Path, cache: Path) -> None:
    def mend(progress: Progress) -> None:
        if progress.task == "tests":
            write(root, {"lib/rates.py": "RATE = 2\n"})

    write(root, {"lib/rates.py": "RATE = 3\n"})
    assert [one.rule for one in check(root, cache).findings] == ["ILK-TE001"]
    for on_progress in (mend, silent):
        checked = check(root, cache, on_progress=on_progress)
        assert checked.passed and checked.tests.flaky == 0
    write(root, {"lib/rates.py": "RATE = 3\n"})
    assert [one.rule for one in check(root, cache).findings] == ["ILK-TE001"]


def test_flaky_test_is_found_when_a_passed_one_is_run_again(root: Path, cache: Path) -> None:
    write(root, {"tests/test_age.py": BY_AGE})
    make_age(root, "tests/test_age.py", 1_700_000_001)
    assert check(root, cache).passed
    make_age(root, "tests/test_age.py", 1_700_000_000)
    assert check(root, cache).passed, "nothing that it read has changed"
    [one] = check(root, cache, rerun=True).findings
    assert one.rule == "ILK-TE002"


def test_flaky_test_in_quarantine_blocks_nobody(root: Path, cache: Path, plain_python: Path) -> None:
    entry = '    - {test: "tests/test_age.py::test_age", owner: data, reason: clock, until: 2099-01-01}\n'
    own_project(root, plain_python, {"tests/test_age.py": BY_AGE}, quarantine=entry)
    for age in (1_700_000_000, 1_700_000_001):
        make_age(root, "tests/test_age.py", age)
        checked = check(root, cache)
        assert checked.passed and checked.tests.quarantined == 1 and all(one.waived for one in checked.findings)
    assert [one.rule for one in checked.findings] == ["ILK-TE002"]


def test_plugin_that_runs_a_test_again_until_it_passes_is_told_on(root: Path, cache: Path) -> None:
    plugin = """
import copy
import pytest
tries = []
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    from _pytest.runner import runtestprotocol
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in (1, 2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        again = attempt == 1 and any(one.failed for one in reports)
        for one in reports:
            if again and one.failed:
                one.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=one)
        if not again:
            break
        item._initrequest()
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""
    test = "import conftest\nn = []\ndef test_twice():\n    n.append(1)\n    assert len(n) > 1\n"
    write(root, {"conftest.py": plugin, "tests/test_twice.py": test})
    [one] = check(root, cache).findings
    assert one.rule == "ILK-TE002" and "failed, then passed in the same run" in one.detail


def commit(root: Path) -> None:
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")


def test_change_elsewhere_does_not_make_a_failing_test_new(root: Path, cache: Path) -> None:
    write(root, {"lib/rates.py": "RATE = 3\n"})
    commit(root)
    write(root, {"lib/other.py": "NAME = 'changed'\n"})
    checked = check(root, cache, since="")
    assert checked.passed and [(one.rule, one.new) for one in checked.findings] == [("ILK-TE001", False)]
    write(root, {"lib/rates.py": "RATE = 4\n"})
    checked = check(root, cache, since="")
    assert not checked.passed and [(one.rule, one.new) for one in checked.findings] == [("ILK-TE001", True)]


BREAKS = {
    "a file in a folder that it lists": ("import os\ndef test_it():\n    assert os.listdir('sql') == ['a.sql']\n", "sql/b.sql"),
    "what a process that it starts reads": (
        "import subprocess\ndef test_it():\n    assert subprocess.run(['ls', 'sql/b.sql']).returncode\n", "sql/b.sql",
    ),
    "a module that is imported instead": ("import colorsys\ndef test_it():\n    assert colorsys.ONE_THIRD\n", "tests/colorsys.py"),
}  # fmt: skip


@pytest.mark.parametrize("how", BREAKS)
def test_change_that_breaks_a_test_blocks_however_the_test_came_to_it(root: Path, cache: Path, how: str) -> None:
    test, path = BREAKS[how]
    write(root, {"tests/test_it.py": test, "sql/a.sql": "select 1\n"})
    commit(root)
    assert check(root, cache, since="").passed
    checked = check(write(root, {path: ""}), cache, since="")
    assert not checked.passed and [(one.rule, one.new) for one in checked.findings] == [("ILK-TE001", True)]


def test_failing_test_that_is_let_out_of_quarantine_blocks(root: Path, cache: Path, plain_python: Path) -> None:
    entry = '    - {test: "tests/test_rates.py::test_rate", owner: data, reason: rate, until: 2099-01-01}\n'
    own_project(root, plain_python, {"lib/rates.py": "RATE = 3\n"}, quarantine=entry)
    commit(root)
    assert check(root, cache, since="").passed
    own_project(root, plain_python, {})
    assert not check(root, cache, since="").passed


def test_file_that_cannot_be_imported_says_what_is_missing(root: Path, cache: Path) -> None:
    write(root, {"tests/test_broken.py": "import os\nimport nowhere_to_be_found\n"})
    checked = check(root, cache)
    assert found(checked) == [
        (
            "ILK-TE003", "tests/test_broken.py:2",
            "pytest cannot import tests/test_broken.py: ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
    ]  # fmt: skip
    assert checked.tests.not_run == 1


def test_broken_conftest_is_named_at_its_line(root: Path, cache: Path) -> None:
    write(root, {"tests/conftest.py": "import os\n1 / 0\n"})
    checked = check(root, cache)
    assert {(one.rule, str(one.place)) for one in checked.findings} == {("ILK-TE003", "tests/conftest.py:2")}


def test_arguments_that_this_pytest_does_not_know_are_not_checked(root: Path, cache: Path) -> None:
    write(root, {"pytest.ini": "[pytest]\naddopts = --no-such-option\n"})
    checked = check(root, cache)
    assert checked.passed and all("--no-such-option" in one.why for one in checked.not_checked)
    assert checked.tests.not_run == 3, "files"


def test_what_a_conftest_tells_pytest_to_ignore_is_ignored(root: Path, cache: Path) -> None:
    write(root, {"tests/conftest.py": FILES["tests/conftest.py"] + "collect_ignore = ['test_other.py']\n"})
    assert check(root, cache).tests.passed == 3


def test_options_that_would_write_into_the_project_do_no_harm(tmp_path: Path, cache: Path) -> None:
    root = own_project(tmp_path / "project", Path(sys.executable), FILES)  # with all plugins of this environment
    write(root, {"pytest.ini": "[pytest]\naddopts = --junitxml=report.xml -n 2 --lf -p no:randomly\n"})
    before = sorted(path.name for path in root.rglob("*"))
    assert passed_and_reused(check(root, cache)) == (4, 0)
    assert sorted(path.name for path in root.rglob("*")) == before


def test_parameters_skips_and_expected_failures_count_as_what_they_are(root: Path, cache: Path) -> None:
    text = """
import pytest
@pytest.mark.parametrize("n", [1, 2])
def test_each(n): assert n < 2
@pytest.mark.skip
def test_later(): ...
@pytest.mark.xfail
def test_known(): assert 0
@pytest.mark.xfail(strict=True)
def test_mended(): pass
class TestMore:
    def test_inner(self): assert 0, "inner"
@pytest.fixture
def broken(): raise OSError("no ground")
def test_setup(broken): ...
"""
    checked = check(write(root, {"tests/test_kinds.py": text}), cache)
    assert sorted(one.summary for one in checked.findings) == [
        "the test TestMore::test_inner fails: inner",
        "the test test_each[2] fails: assert 2 < 2",
        "the test test_mended fails: [XPASS(strict)]",
        "the test test_setup fails: OSError: no ground",
    ]
    assert (checked.tests.passed, checked.tests.failed, checked.tests.skipped) == (5, 4, 2)


def test_file_that_starts_processes_rests_on_the_whole_project(root: Path, cache: Path) -> None:
    text = "import subprocess, sys\ndef test_child():\n    subprocess.run([sys.executable, '-c', 'pass'], check=True)\n"
    write(root, {"tests/test_child.py": text})
    check(root, cache)
    assert check(root, cache).tests.reused == 5
    write(root, {"lib/unused.py": "x = 1\n"})
    assert check(root, cache).tests.reused == 4


def test_runtime_without_pytest_is_told_with_what_to_do(tmp_path: Path, cache: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    root = own_project(tmp_path / "project", tmp_path / "bare" / "bin" / "python", FILES)
    checked = check(root, cache)
    assert checked.passed and checked.tests.not_run == 3
    [one] = checked.not_checked
    assert one.what == "tests in tests" and "has no pytest" in one.why and "lock it again" in one.why


def test_folder_without_tests_is_told(root: Path, cache: Path) -> None:
    text = (root / "interlock.yaml").read_text().replace("[tests]", "[tests, more_tests]")
    checked = check(write(root, {"interlock.yaml": text}), cache)
    assert [one.what for one in checked.not_checked] == ["more_tests"] and checked.tests.passed == 4


def test_who_leaves_tests_out_is_told_so(root: Path, cache: Path) -> None:
    for options in ({"static": True}, {"tests": False}):
        checked = check(root, cache, **options)
        assert checked.tests.passed == 0 and not (cache / "projects/own/none").exists()
        assert "the project's own tests" in {one.what for one in checked.not_checked}


def test_machines_that_share_a_cache_share_results_and_history(root: Path, tmp_path: Path, s3_server) -> None:
    def checked(cache: str) -> dict:
        shared = {"INTERLOCK_SHARED_CACHE": f"s3://{s3_server.bucket}/{tmp_path.name}/suites"}
        done = subprocess.run(
            [sys.executable, "-m", "interlock", "check", "--json"], cwd=root, capture_output=True, text=True,
            env={**os.environ, **s3_server.environment, **shared, "INTERLOCK_CACHE": str(tmp_path / cache)},
        )  # fmt: skip
        return json.loads(done.stdout)

    write(root, {"tests/test_age.py": BY_AGE})
    make_age(root, "tests/test_age.py", 1_700_000_000)
    assert checked("one")["tests"]["failed"] == 1
    make_age(root, "tests/test_age.py", 1_700_000_001)
    second = checked("two")
    assert (second["tests"]["flaky"], second["tests"]["reused"]) == (1, 4)
