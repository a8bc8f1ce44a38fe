"""Tests of a project that mean harm, or behave as if they did: each is named for what it does, no other file notices.

What the code of a pull request may reach is the same as for DAG files: ``test_untrusted_code.py``.
"""

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from interlock.engine.checking import Checked
from interlock.model.findings import Finding
from tests.hostile.test_untrusted_code import TRIES, expect_nothing_found, outside
from tests.support.suites import check, own_project

__all__ = ["outside"]

ENDLESS = {
    "hangs": "import time\ndef test_it():\n    time.sleep(600)\n",
    "hangs_in_native_code": "import ctypes\ndef test_it():\n    ctypes.PyDLL(None).sleep(600)\n",
    "catches_everything": (
        "def test_it():\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass\n"
    ),
}
HUNGRY = {
    "multiplies": "import os\ndef test_it():\n    while True:\n        os.fork()\n",
    "starts_many": "import subprocess\ndef test_it():\n    for _ in range(400): subprocess.Popen(['sleep', '600'])\n",
    "allocates": "def test_it():\n    held = []\n    while True: held.append(bytearray(100_000_000))\n",
}
HOSTILE = {
    "kills_itself": "import os, signal\ndef test_it():\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    "kills_its_parent": "import os, signal\ndef test_it():\n    os.kill(os.getppid(), signal.SIGKILL)\n    assert 0, 'alive'\n",
    "leaves": "import os\ndef test_it():\n    os._exit(0)\n",
    "leaves_politely": "import pytest\ndef test_it():\n    pytest.exit('enough')\n",
    "leaves_while_it_is_imported": "import sys\nsys.exit(3)\n",
    "interrupts": "def test_it():\n    raise KeyboardInterrupt\n",
    "closes_all_descriptors": "import os\ndef test_it():\n    os.closerange(3, 4096)\n",
    "crashes": "import ctypes\ndef test_it():\n    ctypes.string_at(0)\n",
    "recurses": "def test_it():\n    test_it()\n",
    "raises_what_cannot_be_shown": (
        "class Bad(Exception):\n    def __str__(self): raise ValueError('no')\n    __repr__ = __str__\n"
        "def test_it():\n    raise Bad\n"
    ),
    "says_megabytes": "def test_it():\n    assert 0, 'x' * 50_000_000\n",
    "replaces_what_everybody_uses": (
        "import builtins, json, os, socket, sys, time\n"
        "def test_it():\n    builtins.open = json.dumps = json.loads = os.getpid = os._exit = os.write = None\n"
        "    os.path.realpath = os.path.join = os.getcwd = os.stat = time.time = time.perf_counter = None\n"
        "    sys.path.clear(); sys.meta_path.clear(); os.environ.clear()\n"
    ),
}
HARMLESS = {
    "prints_megabytes": (
        "import sys\ndef test_it():\n    for _ in range(200): print('x' * 100_000); sys.stderr.write('y' * 100_000)\n"
    ),
    "speaks_for_its_process": (
        "import os\ndef test_it():\n    for fd in range(3, 64):\n"
        "        try: os.write(fd, b'\\n{\"result\": {}}\\n[1]\\n')\n        except OSError: pass\n"
    ),
    "forks_and_the_child_goes_on": "import os\ndef test_it():\n    os.fork()\n",
    "leaves_a_child_behind": (
        "import subprocess\ndef test_it():\n    subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    ),
    "changes_its_folder": "import os\ndef test_it():\n    os.chdir('/')\ndef test_then():\n    assert os.getcwd() == '/'\n",
    "replaces_it_properly": (
        "import json, os, socket, time\n"
        "def test_it(monkeypatch, tmp_path):\n    monkeypatch.setattr(json, 'dumps', None)\n"
        "    monkeypatch.setattr(os, 'getpid', lambda: 1)\n    monkeypatch.setattr(time, 'time', lambda: 0)\n"
        "    monkeypatch.setattr('builtins.open', None)\n    monkeypatch.chdir(tmp_path)\n"
        "    monkeypatch.setattr(socket, 'socket', None)\n"
    ),
    "starts_a_thread": "import threading, time\ndef test_it():\n    threading.Thread(target=time.sleep, args=(600,)).start()\n",
    "serves_and_asks_itself": (
        "import socket\ndef test_it():\n    with socket.create_server(('127.0.0.1', 0)) as one:\n"
        "        socket.create_connection(one.getsockname(), timeout=5).close()\n"
    ),
}
# What pytest loads before any test: each is told, and no test counts as passed.
AROUND = {
    "conftest.py that leaves": ("tests/conftest.py", "import os\nos._exit(0)\n"),
    "conftest.py that leaves politely": ("tests/conftest.py", "import sys\nsys.exit(0)\n"),
    "conftest.py that is none": ("tests/conftest.py", "def (:\n"),
    "plugin that leaves": ("conftest.py", "pytest_plugins = ['leaves']\n"),
    "plugin that leaves later": ("conftest.py", "import os\ndef pytest_collection_finish():\n    os._exit(0)\n"),
    "plugin that leaves no test": ("conftest.py", "def pytest_collection_modifyitems():\n    raise SystemExit(0)\n"),
}
# What the finding of each says, and at which line.
SAID = {
    "kills_itself": ("ILK-TE003", 2, "killed by SIGKILL"), "kills_its_parent": ("ILK-TE001", 4, "alive"),
    "leaves": ("ILK-TE003", 2, "code 0"), "leaves_politely": ("ILK-TE003", 3, "enough"),
    "leaves_while_it_is_imported": ("ILK-TE003", 2, "3"), "interrupts": ("ILK-TE003", 2, "KeyboardInterrupt"),
    "closes_all_descriptors": ("ILK-TE003", 2, "closed descriptors"), "crashes": ("ILK-TE003", 3, "SIGSEGV"),
    "recurses": ("ILK-TE001", 2, "recursion"), "raises_what_cannot_be_shown": ("ILK-TE001", 5, "cannot be shown"),
    "says_megabytes": ("ILK-TE001", 2, "xxx"), "replaces_what_everybody_uses": ("ILK-TE003", 0, "its process"),
}  # fmt: skip


def files_of(tests: dict[str, str]) -> dict[str, str]:
    return {f"tests/test_{name}.py": text for name, text in tests.items()}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, plain_python: Path) -> Checked:
    """One check with most of them, the good and the bad side by side."""
    place = tmp_path_factory.mktemp("hostile-tests")
    good = {f"good_{number}": "def test_good():\n    pass\n" for number in range(4)}
    return check(
        own_project(place / "project", plain_python, files_of({**HOSTILE, **HARMLESS, **good})), place / "cache"
    )


def found(checked: Checked, name: str) -> list[Finding]:
    return [
        one
        for one in checked.findings
        if one.place.path == f"tests/test_{name}.py" or f"test_{name}.py" in one.resource
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_named_for_what_it_does(checked: Checked, name: str) -> None:
    told = found(checked, name)
    assert told, [str(one.place) for one in checked.findings]
    rule, line, words = SAID[name]
    one = told[0]
    assert one.blocks and one.remedy and words in one.summary, one.summary
    assert (rule, line) == (one.rule, one.place.line), str(one.place)
    assert len(one.summary) < 400 and len(one.detail) < 20_000


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_one_is_named_with_the_line_it_stands_at(tmp_path: Path, plain_python: Path, name: str) -> None:
    good = {"good": "def test_good():\n    pass\n"}
    root = own_project(tmp_path / "project", plain_python, files_of({name: ENDLESS[name], **good}), timeout="4s")
    checked = check(root, tmp_path / "cache")
    [one] = checked.findings
    assert one.rule == "ILK-TE003" and one.summary.endswith("not finished after 4 s")
    assert one.place.path == f"tests/test_{name}.py" and one.place.line in (3, 4, 5)
    assert (checked.tests.passed, checked.tests.not_run) == (1, 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [("multiplies", ""), ("starts_many", "more than 250 processes"), ("allocates", "more than 2048 MB")],
)
def test_hungry_one_is_stopped(tmp_path: Path, plain_python: Path, name: str, words: str) -> None:
    """The one that multiplies meets its end in one of several ways, and always does."""
    checked = check(own_project(tmp_path / "project", plain_python, files_of({name: HUNGRY[name]})), tmp_path / "cache")
    assert not checked.passed and all(words in one.summary for one in checked.findings)
    assert len(psutil.pids()) < 1000


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_one_passes(checked: Checked, name: str) -> None:
    assert [(one.rule, one.summary) for one in found(checked, name)] == []


@pytest.mark.parametrize("what", AROUND)
def test_what_pytest_loads_first_is_named_where_it_ends_the_run(tmp_path: Path, plain_python: Path, what: str) -> None:
    path, text = AROUND[what]
    files = {
        "tests/test_good.py": "def test_good():\n    pass\n",
        "lib/leaves.py": "import os\nos._exit(0)\n",
        path: text,
    }
    checked = check(own_project(tmp_path / "project", plain_python, files), tmp_path / "cache")
    [one] = [one for one in checked.findings if one.rule != "ILK-PY001"]
    assert (one.rule, one.blocks) == ("ILK-TE003", True) and (checked.tests.passed, checked.tests.not_run) == (0, 1)


def test_file_that_is_no_utf_8_is_named(tmp_path: Path, plain_python: Path) -> None:
    root = own_project(tmp_path / "project", plain_python, {"tests/test_good.py": "def test_good():\n    pass\n"})
    (root / "tests" / "test_latin.py").write_bytes("def test_it():\n    assert 'Zürich'\n".encode("latin-1"))
    checked = check(root, tmp_path / "cache")
    assert ("ILK-TE003", "tests/test_latin.py") in {(one.rule, one.place.path) for one in checked.findings}
    assert (checked.tests.passed, checked.tests.not_run) == (1, 1)


def test_good_neighbours_notice_nothing(checked: Checked) -> None:
    assert [one for number in range(4) for one in found(checked, f"good_{number}")] == []
    assert checked.tests.passed == 4 + len(HARMLESS) + 2, "one has two; one passes before its file dies"


def test_nothing_is_left_behind(checked: Checked) -> None:
    left = [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "600"]]
    assert not left


def test_test_reads_writes_and_reaches_nothing_but_the_project(
    tmp_path: Path, plain_python: Path, outside: dict[str, Any]
) -> None:
    own = tmp_path / "project" / "tests" / "settings.json"
    body = TRIES.format(own=str(own), **outside).replace("raise ValueError", "assert 0, 'found '\nraise ValueError")
    lines = body.replace("assert 0, 'found '\nraise ValueError(\"found \" + json.dumps(found))", "").splitlines()
    text = "def test_tries():\n" + "\n".join(f"    {line}" for line in lines)
    text += "\n    assert 0, 'found ' + json.dumps(found)\n"
    root = own_project(tmp_path / "project", plain_python, {"tests/settings.json": "{}", "tests/test_tries.py": text})
    [one] = check(root, tmp_path / "cache").findings
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "of-the-environment"
    told = json.loads(one.detail.partition("AssertionError: found ")[2].partition("\nassert")[0])
    expect_nothing_found(told, outside, own, "{}")
