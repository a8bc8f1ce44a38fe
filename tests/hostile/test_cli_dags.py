"""DAG files that mean harm, in one project with good ones: each is named with its line, none hurts the rest."""

import os
from pathlib import Path

import psutil
import pytest

from tests.hostile.cli_project import (
    DONE,
    NO,
    USAGE,
    Said,
    airflow_files,
    build,
    deploy,
    interlock,
    unharmed,
    write,
)

pytestmark = pytest.mark.engine

HEAD = "import datetime\nfrom airflow import DAG\n"
DAG_OF = 'dag = DAG("{0}", start_date=datetime.datetime(2024, 1, 1), schedule=None)\n'
SECRET = "hunter2-of-production"
BOMB = "ilk-bomb"

# A module of its own keeps this file out of the company of others: it is stopped once instead of twice (30 s each).
LOOPS = HEAD + "import alone\n" + DAG_OF.format("loops") + "while True:\n    pass\n"

REFUSED: dict[str, str | bytes] = {
    "loops": LOOPS,
    "allocates": HEAD + DAG_OF.format("allocates") + "held = []\nwhile True:\n    held.append(bytearray(100_000_000))\n",
    "exits": HEAD + DAG_OF.format("exits") + "import sys\nsys.exit(0)\n",
    "exits_hard": HEAD + DAG_OF.format("exits_hard") + "import os\nos._exit(0)\n",
    "kills": HEAD + DAG_OF.format("kills") + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "not_utf_8": (HEAD + DAG_OF.format("not_utf_8")).encode() + b"name = 'caf\xe9'\n",
    "needs_a_secret": HEAD + "import os\npassword = os.environ['PROD_PASSWORD']\n" + DAG_OF.format("needs"),
    "syntax": HEAD + DAG_OF.format("syntax") + "def broken(:\n    pass\n",
    # 256 processes that never end by themselves: enough to be a nuisance, too few to harm this machine if they stayed.
    "bomb": HEAD + DAG_OF.format("bomb")
    + "import ctypes, os, time\n"
    + f"ctypes.CDLL(None).prctl(15, b'{BOMB}', 0, 0, 0)\n"
    + "for _ in range(8):\n    os.fork()\nwhile True:\n    time.sleep(60)\n",
}  # fmt: skip

# What a file prints must not be taken for an answer, whatever it looks like.
LIES = (
    HEAD + DAG_OF.format("prints") + "import os, sys\n"
    'line = \'{"id": 1, "result": {"files": []}}\\n{"version": 1, "kind": "check", "ok": true, "verdict": "pass"}\\n\'\n'
    "print(line)\nsys.stdout.flush()\nsys.stderr.write(line)\n"
    "for fd in [1, 2, *range(3, 64)]:\n    try: os.write(fd, line.encode())\n    except OSError: pass\n"
)
LOOKS = (
    HEAD + "import os\n"
    "found = [name for name, value in os.environ.items() if 'hunter2' in value]\n"
    "for one in os.listdir('/proc'):\n"
    "    try: found += [one] if b'hunter2' in open('/proc/%s/environ' % one, 'rb').read() else []\n"
    "    except OSError: pass\n"
    "dag = DAG('leaked' if found else 'saw_nothing', start_date=datetime.datetime(2024, 1, 1), schedule=None)\n"
)
ACCEPTED = {
    "good": HEAD + DAG_OF.format("good"),
    "prints": LIES,
    "looks_for_secrets": LOOKS,
    "forks": HEAD + DAG_OF.format("forks") + "import os, time\nif os.fork() == 0:\n    time.sleep(3600)\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose good DAGs are live; the good ones print, fork, and look for secrets."""
    root = tmp_path_factory.mktemp("dags") / "project"
    write(root, airflow_files(ACCEPTED))
    write(root, {"dags/alone.py": ""})
    build_with_secret(root)
    deploy(root)
    return root


def build_with_secret(root: Path) -> Said:
    said = interlock(root, "build", env={"PROD_PASSWORD": SECRET})
    assert said.code == DONE, said
    return said


@pytest.fixture(scope="module")
def checked(project: Path) -> Said:
    """One check with every hostile file beside the good ones, as in life."""
    write(project, {f"dags/{name}.py": text for name, text in REFUSED.items()})
    return interlock(project, "check", env={"PROD_PASSWORD": SECRET})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("loops", ("dags/loops.py:", "does not end in time")),
        ("allocates", ("dags/allocates.py:", "more memory")),
        ("exits", ("dags/exits.py:5", "ends the process")),
        ("exits_hard", ("dags/exits_hard.py", "ends the process")),
        ("kills", ("dags/kills.py", "kills the process")),
        ("not_utf_8", ("dags/not_utf_8.py", "not valid Python", "utf-8")),
        ("needs_a_secret", ("dags/needs_a_secret.py:4", "PROD_PASSWORD")),
        ("syntax", ("dags/syntax.py:4", "not valid Python")),
        ("bomb", ("dags/bomb.py", "does not end in time")),
    ],
)
def test_hostile_file_is_refused_with_its_name_line_and_a_remedy(
    checked: Said, name: str, words: tuple[str, ...]
) -> None:
    assert name in REFUSED
    assert checked.code == NO, checked
    checked.about(*words)


def test_only_the_hostile_files_are_blamed(checked: Said) -> None:
    blamed = {one["path"] for one in checked.body["findings"] if one["severity"] == "error"}
    assert blamed == {f"dags/{name}.py" for name in REFUSED}


def test_no_process_of_a_hostile_file_is_left(checked: Said) -> None:
    assert checked.code == NO
    assert not [one.pid for one in psutil.process_iter(["name"]) if one.info["name"] == BOMB]
    mine = psutil.Process(os.getpid()).children(recursive=True)
    assert not [one for one in mine if "airflow_worker" in _command(one)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def test_secret_of_the_callers_environment_is_neither_seen_nor_shown(project: Path, checked: Said) -> None:
    assert SECRET not in str(checked.body) + checked.stderr
    live = interlock(project, "status").body["environments"][0]["resources"]
    names = str(live)
    assert "airflow.dag:saw_nothing" in names and "leaked" not in names
    kept = [path for path in (project / ".interlock").rglob("*") if path.is_file()]
    assert kept and not any(SECRET.encode() in path.read_bytes() for path in kept)


def test_broken_dags_are_not_built_and_what_was_live_stays_live(project: Path, checked: Said) -> None:
    assert checked.code == NO
    live = interlock(project, "status").body["environments"][0]["release"]
    # The files that cost seconds are gone now, so that this stays quick; one error is enough to refuse.
    for name in ("loops", "bomb", "allocates"):
        (project / "dags" / f"{name}.py").unlink()
    refused = interlock(project, "build")
    assert refused.code == NO and not refused.body["release"], refused
    refused.about("dags/syntax.py:4")
    unharmed(project, live)
    served = {path.stem for path in (project / "live/airflow/current/dags").glob("*.py")}
    assert served - {"interlock_stamp"} == {*ACCEPTED, "alone"}


def test_dag_link_to_itself_and_out_of_the_repository_is_refused(project: Path, checked: Said, tmp_path: Path) -> None:
    assert checked.code == NO
    for name in REFUSED:
        (project / "dags" / f"{name}.py").unlink(missing_ok=True)
    (tmp_path / "outside.py").write_text(HEAD + DAG_OF.format("outside"))
    links = {"outside.py": str(tmp_path / "outside.py"), "round.py": "round.py", "again": "../dags"}
    try:
        for name, target in links.items():
            (project / "dags" / name).symlink_to(target)
        said = interlock(project, "check")
        built = interlock(project, "build")
    finally:
        for name in links:
            (project / "dags" / name).unlink()
    assert said.code == DONE, said
    assert all(f"dags/{name}" in said.not_checked for name in links), said
    assert built.code == USAGE, built
    built.about("dags/")


def test_mended_project_builds_and_deploys(project: Path, checked: Said) -> None:
    assert checked.code == NO
    for name in REFUSED:
        (project / "dags" / f"{name}.py").unlink(missing_ok=True)
    write(project, {"dags/good.py": HEAD + DAG_OF.format("good") + "dag.doc_md = 'better'\n"})
    release = build(project)
    deploy(project)
    unharmed(project, release)
    assert "better" in (project / "live/airflow/current/dags/good.py").read_text()
