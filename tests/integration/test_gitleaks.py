"""Where gitleaks is installed its findings stand among ours, under our rules, once for a line, and without a value."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from interlock.cli.commands.doctor import secrets_check
from interlock.engine.checking import Checked, check_project
from interlock.engine.project import Project
from interlock.rules import gitleaks_tool
from tests.support.git import git

pytestmark = pytest.mark.engine

# Put together here, so that no scanner takes this file for a leak.
GITHUB = "_".join(("ghp", "R7qLx2VbN8mZt4WcYp6KdJf3Hs9GaE1TuQ5o"))
AWS_ID = "".join(("AKIA", "Q3EGRN7JX5LBT2VK"))
DOPPLER = ".".join(("dp", "pt", "q8Zr2LmN5vB7wRt3YzPdx4Kc6Hs9GaE1TuQ5oJf0VbW"))
OKTA = "".join(("00Qx7LmN5vB7wRt3YzPd", "x4Kc6Hs9GaE1TuQ5oJf0Vb"))
OURS = "_".join(("shop", "a1b2c3d4e5f6g7h8"))
VALUES = (GITHUB, AWS_ID, DOPPLER, OKTA, OURS)
CONFIG = """\
[extend]
useDefault = true
[[rules]]
id = "shop-credential"
description = "what our own shop hands out"
regex = '''shop_[a-z0-9]{16}'''
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gitleaks_program: Path) -> Path:
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{gitleaks_program.parent}{os.pathsep}{os.environ['PATH']}")
    root = tmp_path / "shop"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    commit(root, "settings.py", "TOKEN = None\n")
    return root


def commit(root: Path, name: str, text: str) -> None:
    write(root, name, text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", name)


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def check(root: Path) -> Checked:
    checked = check_project(Project(root), since="", static=True)
    assert not any(value in repr(checked) for value in VALUES)
    return checked


def found(root: Path) -> list[tuple[str, str, str]]:
    return [
        (one.rule, str(one.place), str(one.severity)) for one in check(root).findings if one.rule.startswith("ILK-SE")
    ]


def test_what_our_detectors_do_not_know_is_found_under_our_rules(root: Path) -> None:
    write(root, "a.py", f"x = 1\nKEY_ID = '{AWS_ID}'\nDOPPLER = '{DOPPLER}'\n")
    write(root, "web/app.js", f"const okta_access_token = '{OKTA}'\n")
    assert found(root) == [
        ("ILK-SE001", "a.py:2", "warning"), ("ILK-SE002", "a.py:3", "error"), ("ILK-SE002", "web/app.js:1", "warning"),
    ]  # fmt: skip


def test_a_line_that_both_find_is_told_once_in_our_words(root: Path) -> None:
    write(root, "a.py", f"TOKEN = '{GITHUB}'\n")
    [one] = [one for one in check(root).findings if one.rule.startswith("ILK-SE")]
    assert one.rule == "ILK-SE002" and "GitHub token" in one.summary and "gitleaks" not in one.summary


def test_settings_of_the_project_count(root: Path) -> None:
    write(root, ".gitleaks.toml", CONFIG)
    write(root, "a.py", f"x = '{OURS}'\n")
    write(root, "b.py", f"x = '{OURS}'\n")
    assert found(root) == [("ILK-SE002", "a.py:1", "error"), ("ILK-SE002", "b.py:1", "error")]
    write(root, ".gitleaksignore", "b.py:shop-credential:1\n")
    assert found(root) == [("ILK-SE002", "a.py:1", "error")]
    write(root, ".gitleaks.toml", CONFIG + "[[allowlists]]\npaths = ['''^a\\.py$''']\n")
    assert found(root) == []


def test_settings_in_another_file_are_followed(root: Path) -> None:
    write(root, "ci/leaks.toml", CONFIG)
    write(root, ".gitleaks.toml", "[extend]\npath = 'ci/leaks.toml'\n")
    write(root, "a.py", f"x = '{OURS}'\n")
    assert found(root) == [("ILK-SE002", "a.py:1", "error")]


def test_a_commit_of_the_branch_that_held_one_is_found(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    commit(root, "settings.py", f"DOPPLER = '{DOPPLER}'\n")
    commit(root, "settings.py", f"DOPPLER = '{DOPPLER}'[:3]\n")
    assert found(root) == [("ILK-SE002", "settings.py:1", "error")], "what is still there is told once"
    commit(root, "settings.py", "DOPPLER = None\n")
    assert found(root) == [("ILK-SE009", "settings.py", "error")]
    sha = subprocess.run(["git", "rev-parse", "HEAD~2"], cwd=root, capture_output=True, text=True).stdout.strip()
    write(root, ".gitleaksignore", f"{sha}:settings.py:doppler-api-token:1\n")
    assert found(root) == []


def test_only_what_changed_is_looked_at_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[set[str]] = []
    real = gitleaks_tool.leaks
    monkeypatch.setattr(
        "interlock.rules.secret_leaks.leaks",
        lambda program, files, settings: looked.append(set(files)) or real(program, files, settings),
    )
    write(root, "a.py", "x = 1\n")
    check(root)
    looked.clear()
    check(root)
    assert looked == []
    write(root, "a.py", "x = 2\n")
    check(root)
    assert looked == [{"a.py"}]


@pytest.mark.parametrize("config", ["title = [\n", "[extend]\npath = '/etc/passwd'\n"])
def test_settings_that_gitleaks_refuses_are_said_and_ours_are_still_there(root: Path, config: str) -> None:
    write(root, ".gitleaks.toml", config)
    write(root, "a.py", f"TOKEN = '{GITHUB}'\n")
    checked = check(root)
    assert [one.rule for one in checked.findings if one.rule.startswith("ILK-SE")] == ["ILK-SE002"]
    [missed] = [one for one in checked.not_checked if "gitleaks" in one.what]
    assert ".gitleaks.toml valid" in missed.why


def test_a_gitleaks_that_hangs_is_ended_and_said_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "bin" / "gitleaks"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", f"{hanging.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(gitleaks_tool, "_SECONDS", 0.5)
    write(root, "a.py", "x = 1\n")
    begun = time.monotonic()
    assert [one.why for one in check(root).not_checked if "gitleaks" in one.what] == [
        "gitleaks was not done after 0.5 s"
    ]
    assert time.monotonic() - begun < 20


def test_doctor_says_which_detectors_are_used(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "gitleaks (/" in secrets_check()["found"]
    monkeypatch.setenv("PATH", "/nowhere")
    assert secrets_check()["found"] == "our own detectors; gitleaks too, once 8.19 or newer is on PATH"


def test_a_file_that_became_a_folder_is_no_crash(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    commit(root, "conf", f"DOPPLER = '{DOPPLER}'\n")
    git(root, "rm", "-q", "conf")
    commit(root, "conf/a.py", "x = 1\n")
    commit(root, "conf/a.py", "x = 2\n")
    assert found(root) == [("ILK-SE009", "conf", "error")]
