"""``pytest --interlock``: a test for each file that blocks, one for the verdict, and nothing where it was not asked for."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from interlock import pytest_plugin
from interlock.model.findings import NotChecked, Severity
from tests.support.findings import HOSTILE, checked, finding

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
# Loaded by its entry point where this version is installed; it cannot be loaded under two names.
_INSTALLED = bool(entry_points(group="pytest11", name="interlock"))
_LOADED = () if _INSTALLED else ("-p", "interlock.pytest_plugin")
WAIVER = "import datetime  # interlock: ignore[ILK-AF008]\n"


@pytest.fixture
def project(pytester, monkeypatch):
    monkeypatch.setenv("INTERLOCK_CACHE", str(pytester.path / "cache"))
    pytester.makepyfile(test_own="def test_own(): pass")
    return pytester


@pytest.fixture
def found(monkeypatch):
    """What the check finds, said beforehand."""

    def say(*findings, **more):
        monkeypatch.setattr(pytest_plugin, "_check", lambda root: checked(*findings, **more))

    return say


def run(project, *arguments: str) -> pytest.RunResult:
    return project.runpytest_inprocess(*_LOADED, "-p", "no:cacheprovider", "-p", "no:xdist", *arguments)


def test_nothing_is_checked_unless_it_is_asked_for(project, monkeypatch):
    monkeypatch.setattr(pytest_plugin, "_check", lambda root: pytest.fail("it was checked"))
    run(project).assert_outcomes(passed=1)


def test_real_project_is_checked(project):
    (project.path / "dags").mkdir()
    (project.path / "dags" / "orders.py").write_text(f"from airflow import DAG\n{WAIVER}")
    result = run(project, "--interlock", "-v")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*interlock*::dags/orders.py FAILED*", "*interlock*::verdict FAILED*"])
    result.stdout.fnmatch_lines(["dags/orders.py:2: a waiver of ILK-AF008 lacks a reason*(ILK-IG001)", "*→ Write:*"])


def test_clean_project_passes(project):
    run(project, "--interlock").assert_outcomes(passed=2)


def test_each_file_that_blocks_is_one_test(project, found):
    found(
        finding(path="dags/b.py"), finding(path="dags/a.py", line=3), finding(path="dags/a.py", line=9),
        finding(Severity.WARNING, path="dags/w.py"), finding(path="dags/old.py", new=False),
        finding(path="dags/known.py", waived="known"), not_checked=[NotChecked("plans", "no Java")],
    )  # fmt: skip
    result = run(project, "--interlock", "-v")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(["*::dags/a.py FAILED*", "*::dags/b.py FAILED*", "*::verdict FAILED*"])
    result.stdout.fnmatch_lines(["dags/a.py:3: it does not import (ILK-AF001)", "*→ mend it", "dags/a.py:9:*"])
    result.stdout.fnmatch_lines(["3 findings in 2 files block"])
    result.stdout.no_fnmatch_line("*dags/w.py*")


def test_tests_are_chosen_by_name_and_by_mark(project, found):
    found(finding())
    run(project, "--interlock", "-k", "verdict").assert_outcomes(failed=1, deselected=2)
    run(project, "--interlock", "-m", "not interlock", "--strict-markers").assert_outcomes(passed=1, deselected=2)


def test_project_above_the_root_of_pytest_is_found(project, monkeypatch):
    seen = []
    monkeypatch.setattr(pytest_plugin, "_check", lambda root: seen.append(root) or checked())
    (project.path / "interlock.yaml").write_text("version: 1\nproject: shop\n")
    inner = project.path / "tests"
    inner.mkdir()
    (inner / "pytest.ini").write_text("[pytest]\n")
    (inner / "test_inner.py").write_text("def test_inner(): pass\n")
    run(project, "--interlock", "--rootdir", str(inner), "-c", str(inner / "pytest.ini"), str(inner)).assert_outcomes(
        passed=2
    )
    assert seen == [project.path]


def test_project_that_cannot_be_checked_says_why(project):
    (project.path / "interlock.yaml").write_text("version: 1\nproject: shop\ndags: {}\n")
    result = run(project, "--interlock")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*interlock.yaml*dags*", "→ *"])
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("text", [one for one in HOSTILE if len(one) < 1000], ids=ascii)
def test_no_text_of_a_project_reaches_the_terminal_as_it_is(project, found, text):
    found(finding(path=text or "x", summary=text, remedy=text, detail=text))
    result = run(project, "--interlock", "-v", "--color=no", "--junitxml=report.xml")
    result.assert_outcomes(passed=1, failed=2)
    printed = result.stdout.str()
    assert not set(printed) & {"\x1b", "\x07", "\x00", "\x9b", "\u202e", "\udcff"}


def test_pytest_without_it_is_not_slowed_down():
    script = "import sys, interlock.pytest_plugin; print([m for m in sys.modules if m.startswith(('interlock.', 'rich', 'yaml'))])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['interlock.pytest_plugin']"


def test_hook_of_pre_commit_is_a_command_that_exists():
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["id"] == "interlock-check" and hook["language"] == "python" and hook["pass_filenames"] is False
    done = subprocess.run(
        [sys.executable, "-m", *hook["entry"].split(), "--help"], capture_output=True, text=True, check=True
    )
    assert "--static" in done.stdout
