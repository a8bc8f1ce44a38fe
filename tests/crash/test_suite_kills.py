"""A check is killed while the project's tests run: what had ended is known, and no history is lost or half there."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil

from tests.support.process import wait_until
from tests.support.suites import check, own_project, write

FAILS = "def test_it():\n    assert 0\n"
HANGS = "import time\ndef test_it():\n    time.sleep(600)\n"


def start(root: Path, cache: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "interlock", "check", "--json"]
    nowhere = subprocess.DEVNULL
    environment = {**os.environ, "INTERLOCK_CACHE": str(cache)}
    return subprocess.Popen(command, cwd=root, stdout=nowhere, stderr=nowhere, env=environment)


def runs(cache: Path) -> dict[str, int]:
    """How many runs of each file the history holds; the database is whole."""
    path = cache / "projects" / "own" / "catalog-1.db"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path, timeout=10)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        query = "SELECT key, value FROM entries WHERE space = 'suite-history-2'"
        told = database.execute(query).fetchall() if _has_entries(database) else []
    return {key.partition(" ")[2]: len(json.loads(value)) for key, value in told}


def _has_entries(database: sqlite3.Connection) -> bool:
    return bool(database.execute("SELECT 1 FROM sqlite_master WHERE name = 'entries'").fetchone())


def test_killed_check_leaves_what_had_ended_and_a_history_that_is_whole(tmp_path: Path, plain_python: Path) -> None:
    cache = tmp_path / "cache"
    failing = {f"tests/test_fails_{number}.py": FAILS for number in range(4)}
    good = {"tests/test_good.py": "def test_it():\n    pass\n"}
    # The hanging one comes last, and keeps the check from ending.
    root = own_project(tmp_path / "project", plain_python, {**failing, **good, "tests/test_hangs.py": HANGS})
    seen: dict[str, int] = {}
    # Killed at another instant each time: when all that can has ended, after the first one, after the third.
    for ended in (5, 1, 3):
        running = start(root, cache)
        wanted = sum(seen.values()) + ended
        wait_until(lambda: sum(runs(cache).values()) >= wanted, timeout=120, what="tests that end")  # noqa: B023
        family = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert not psutil.wait_procs(family, timeout=30)[1], "what it started ends with it"
        now = runs(cache)
        assert all(now[path] >= known for path, known in seen.items())
        seen = now
    write(root, {"tests/test_hangs.py": "def test_it():\n    pass\n"})
    checked = check(root, cache)
    assert (checked.tests.passed, checked.tests.failed, checked.tests.reused) == (2, 4, 1)
    assert checked.findings == check(root, tmp_path / "undisturbed").findings
    write(root, {path: FAILS.replace("assert 0", "pass") for path in failing})
    assert check(root, cache).passed
