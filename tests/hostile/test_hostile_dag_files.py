"""DAG files that mean harm, or behave as if they did: each is named for what it is, and no other file notices."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.runtimes.environments import Runtime
from interlock.runtimes.worker import Worker

pytestmark = pytest.mark.engine

LIMIT_SECONDS = 4
HEAD = "import datetime\nfrom airflow import DAG\nfrom shared.names import OWNER\n"
DAG_OF = 'dag = DAG("{0}", start_date=datetime.datetime(2024, 1, 1), schedule=None, default_args={{"owner": OWNER}})\n'

HOSTILE: dict[str, str | bytes] = {
    "loops_for_ever": "while True:\n    pass\n",
    "loops_and_catches_everything": "while True:\n    try:\n        while True: pass\n    except BaseException: pass\n",
    "allocates_without_end": "held = []\nwhile True:\n    held.append(bytearray(50_000_000))\n",
    "allocates_little_by_little": "held = []\nwhile True:\n    held.append([0] * 1000)\n",
    "leaves_by_sys_exit": "import sys\nsys.exit(3)\n",
    "leaves_by_os_exit": "import os\nos._exit(7)\n",
    "kills_itself": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "kills_its_parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
    "syntax_error": "def broken(:\n    pass\n",
    "not_utf_8": b"# dag airflow\nname = '\xff\xfe'\n",
    "recurses": "def down():\n    return down()\ndown()\n",
    "missing_module": "import nowhere_to_be_found\n",
    "closes_all_descriptors": "import os\nos.closerange(3, 4096)\n",
}
HARMLESS: dict[str, str] = {
    "prints": 'print(\'{"id": 1, "result": {}}\')\nimport sys; sys.stdout.flush()\n',
    "writes_to_all_descriptors": (
        "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'\\n{\"result\": 1}\\n')\n    except OSError: pass\n"
    ),
    "forks_and_lives_on": "import os, time\nif os.fork() == 0:\n    time.sleep(600)\n",
    "forks_and_the_child_goes_on_parsing": "import os\nos.fork()\n",
    "starts_a_thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n",
    "patches_airflow": "DAG.__init__ = None\n",
    "spoils_the_environment": "import os, sys\nos.environ.clear()\nsys.path.clear()\nos.chdir('/')\n",
    "spoils_the_shared_helper": "import shared.names\nshared.names.OWNER = 'mallory'\n",
}

# Without a DAG: imported once more under their own names, which is when they do harm.
ONCE = "import sys\nfirst = not hasattr(sys, 'ran_{0}')\nsys.ran_{0} = 1\n"
AGAIN: dict[str, tuple[str, str]] = {
    "again_raises": ("assert first\n", "error"),
    "again_hangs": ("while not first: pass\n", "timeout"),
    "again_catches_everything": (
        "while not first:\n    try:\n        while True: pass\n    except BaseException: pass\n", "timeout",
    ),
    "again_leaves_by_sys_exit": ("if not first: sys.exit(3)\n", "exited"),
    "again_leaves_by_os_exit": ("import os\nif not first: os._exit(7)\n", "exited"),
    "again_kills_itself": ("import os\nif not first: os.kill(os.getpid(), 9)\n", "crashed"),
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    dags = root / "dags"
    (dags / "shared").mkdir(parents=True)
    (dags / "shared" / "__init__.py").write_text("")
    (dags / "shared" / "names.py").write_text("OWNER = 'platform'\n")
    for number in range(8):
        (dags / f"good_{number}.py").write_text(HEAD + DAG_OF.format(f"good_{number}"))
    for name, body in HARMLESS.items():
        (dags / f"{name}.py").write_text(HEAD + DAG_OF.format(name) + body)
    for name, body in HOSTILE.items():
        content = body if isinstance(body, bytes) else (HEAD + DAG_OF.format(name) + body).encode()
        (dags / f"{name}.py").write_bytes(content)
    for name, (body, _) in AGAIN.items():
        (dags / f"{name}.py").write_text(HEAD + ONCE.format(name) + body)
    (dags / "reads_secrets.py").write_text(
        HEAD + "import os\nfound = 'PROD_PASSWORD' in os.environ\n"
        "for one in os.listdir('/proc'):\n"
        "    try: found = found or b'PROD_PASSWORD=' in open('/proc/%s/environ' % one, 'rb').read()\n"
        "    except OSError: pass\n"
        "dag = DAG('leaked' if found else 'saw_nothing', start_date=datetime.datetime(2024, 1, 1), schedule=None)\n"
    )
    (dags / "links_to_itself.py").symlink_to(dags / "links_to_itself.py")
    return root


@pytest.fixture(scope="module")
def parsed(project: Path, runtime_python: Callable[[str], Path]) -> dict[str, dict[str, Any]]:
    """One request with all files in it: the good and the bad side by side, as in life."""
    os.environ["PROD_PASSWORD"] = "hunter2"
    try:
        with Worker(Runtime("airflow", runtime_python("airflow"), ""), "airflow_worker.py") as worker:
            files = sorted(f"dags/{path.name}" for path in (project / "dags").glob("*.py"))
            answer = worker.request(
                "parse", dags_folder=str(project / "dags"), project_root=str(project),
                files=files, timeout_s=LIMIT_SECONDS, memory_mb=300, timeout=240,
            )  # fmt: skip
            # The worker itself is unharmed and does the next request.
            assert worker.request("hello")["engine"] == "airflow"
    finally:
        del os.environ["PROD_PASSWORD"]
    assert [one["path"] for one in answer["files"]] == files
    return {Path(one["path"]).stem: one for one in answer["files"]}


def test_good_files_beside_hostile_ones_are_as_good_as_alone(parsed: dict[str, dict[str, Any]]) -> None:
    for number in range(8):
        one = parsed[f"good_{number}"]
        assert (one["outcome"], one["errors"]) == ("ok", [])
        assert [dag["dag_id"] for dag in one["dags"]] == [f"good_{number}"]
        assert "mallory" not in str(one["dags"])
        assert one["imports"] == sorted([f"dags/good_{number}.py", "dags/shared/__init__.py", "dags/shared/names.py"])


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_rude_file_is_parsed_all_the_same(parsed: dict[str, dict[str, Any]], name: str) -> None:
    if name in {"patches_airflow", "spoils_the_environment"}:
        assert parsed[name]["outcome"] in {"ok", "error"}
    else:
        assert (parsed[name]["outcome"], len(parsed[name]["dags"])) == ("ok", 1)


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("loops_for_ever", "timeout"),
        ("loops_and_catches_everything", "timeout"),
        ("allocates_without_end", "memory"),
        ("allocates_little_by_little", "memory"),
        ("leaves_by_sys_exit", "exited"),
        ("leaves_by_os_exit", "exited"),
        ("kills_itself", "crashed"),
        ("syntax_error", "error"),
        ("not_utf_8", "error"),
        ("recurses", "error"),
        ("missing_module", "error"),
        ("closes_all_descriptors", "crashed"),
        ("links_to_itself", "error"),
    ],
)
def test_hostile_file_is_named_for_what_it_did(parsed: dict[str, dict[str, Any]], name: str, outcome: str) -> None:
    assert parsed[name]["outcome"] == outcome, parsed[name]["errors"]
    assert parsed[name]["errors"][0]["message"]


@pytest.mark.parametrize("name", sorted(AGAIN))
def test_file_that_does_harm_when_it_is_imported_again_is_named_for_it(
    parsed: dict[str, dict[str, Any]], name: str
) -> None:
    one = parsed[name]
    assert (one["outcome"], one["errors"]) == ("ok", [])
    assert (one["second"]["outcome"], one["second"]["file"]) == (AGAIN[name][1], f"dags/{name}.py")
    assert one["second"]["message"]


def test_file_that_kills_its_parent_does_not_stop_the_others(parsed: dict[str, dict[str, Any]]) -> None:
    assert parsed["kills_its_parent"]["outcome"] != "ok" or parsed["kills_its_parent"]["dags"]


def test_looping_file_is_told_where_it_loops(parsed: dict[str, dict[str, Any]]) -> None:
    error = parsed["loops_for_ever"]["errors"][0]
    assert (error["file"], error["line"] in {5, 6}) == ("dags/loops_for_ever.py", True)


def test_syntax_error_names_file_and_line(parsed: dict[str, dict[str, Any]]) -> None:
    error = parsed["syntax_error"]["errors"][0]
    assert (error["type"], error["file"], error["line"]) == ("SyntaxError", "dags/syntax_error.py", 5)


def test_missing_module_is_named(parsed: dict[str, dict[str, Any]]) -> None:
    error = parsed["missing_module"]["errors"][0]
    assert (error["missing_module"], error["file"], error["line"]) == (
        "nowhere_to_be_found", "dags/missing_module.py", 5,
    )  # fmt: skip


def test_secrets_of_the_surrounding_process_are_out_of_reach(parsed: dict[str, dict[str, Any]]) -> None:
    assert [dag["dag_id"] for dag in parsed["reads_secrets"]["dags"]] == ["saw_nothing"]


def test_no_path_of_this_machine_is_reported(parsed: dict[str, dict[str, Any]], project: Path) -> None:
    assert str(project) not in str(parsed)


def test_nothing_is_written_into_the_project(parsed: dict[str, dict[str, Any]], project: Path) -> None:
    assert list(project.rglob("__pycache__")) == []


def test_helper_that_kills_the_processes_above_it_stops_nobody_else(
    tmp_path: Path, runtime_python: Callable[[str], Path]
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "kills.py").write_text("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n")
    (tmp_path / "lib" / "exits.py").write_text("import os\nos._exit(5)\n")
    for number in range(6):
        head = HEAD.replace("from shared.names import OWNER", "OWNER = 'x'")
        dag = head + DAG_OF.format(f"d{number}")
        (tmp_path / f"good_{number}.py").write_text(dag)
        (tmp_path / f"kills_{number}.py").write_text("import lib.kills\n" + dag)
        (tmp_path / f"exits_{number}.py").write_text("import lib.exits\n" + dag)
    with Worker(Runtime("airflow", runtime_python("airflow"), ""), "airflow_worker.py") as worker:
        answer = worker.request("parse", dags_folder=str(tmp_path), timeout=120, timeout_s=LIMIT_SECONDS)
    outcomes = {Path(one["path"]).stem: one["outcome"] for one in answer["files"]}
    assert len(outcomes) == 18
    for number in range(6):
        assert outcomes[f"good_{number}"] == "ok"
        assert outcomes[f"exits_{number}"] == "exited"
