"""The ``--json`` contract: what every command prints, on one small real project, compared with ``golden/``.

Names, types, constants and figures are the contract; sentences for people, digests, times and paths are not, and stand
as ``<text>``, ``<digest>``, ``<time>``, ``<project>``. After a change that is meant::

    INTERLOCK_UPDATE_GOLDEN=1 pytest tests/scenarios/test_json_contract.py

and look at the difference. ``tests/unit/test_docs.py`` compares the same files with docs/cli.md.
"""

import difflib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
DRIVE = HERE.parent / "crash" / "drive.py"
LOCKS = HERE.parents[1] / "examples" / "payments" / "runtimes"
UPDATE = os.environ.get("INTERLOCK_UPDATE_GOLDEN") == "1"

ENVIRONMENT = """\
  {name}:
{after}    spark: {{root: .interlock/env/{name}/spark}}
    airflow: {{root: .interlock/env/{name}/airflow}}
    dbt: {{root: .interlock/env/{name}/dbt}}
    warehouse: {{type: duckdb, path: .interlock/env/{name}/warehouse.duckdb}}
"""
CONFIG = """\
version: 1
project: small
spark: {runtime: spark, jobs: [jobs/*.py, more/*.py]}
airflow: {dags: dags, runtime: airflow}
dbt: {project: dbt, runtime: dbt}
runtimes:
  spark: {python: "3.11", lock: runtimes/spark.lock}
  airflow: {python: "3.11", lock: runtimes/airflow.lock}
  dbt: {python: "3.11", lock: runtimes/dbt.lock}
tests: {pytest: [{runtime: airflow, paths: [tests]}]}
gates:
  "dbt.model:small.payments": {key: [id]}
environments:
""" + "".join(ENVIRONMENT.format(name=name, after=after) for name, after in (("dev", ""), ("prod", "    after: dev\n")))
PROFILE = """\
small:
  target: dev
  outputs:
    dev: {type: duckdb, path: "{{ env_var('ILK_WAREHOUSE_PATH') }}", schema: analytics, threads: 1}
"""
DAG = """\
import datetime
from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG("nightly", schedule=None, start_date=datetime.datetime(2026, 1, 1)):
    BashOperator(task_id="settle", bash_command="interlock-spark-submit settle")
    BashOperator(task_id="build", bash_command="dbt build --select {{ var.value.models }}")
"""
JOB = """\
import pyspark

if __name__ == "__main__":
    print(pyspark.__version__, 1)
"""
MODEL = "select i as id, i * 2 as amount from range(100) t(i)\n"
GONE = {"address": "aws_s3_bucket.lake", "type": "aws_s3_bucket", "change": {"actions": ["delete"]}}
PLAN = {"format_version": "1.2", "planned_values": {}, "resource_changes": [GONE]}
SCHEMA = '{"type": "record", "name": "Payment", "fields": [{"name": "amount", "type": "%s"}]}\n'
FILES = {
    "jobs/settle.py": JOB,
    "dags/nightly.py": DAG,
    "dbt/dbt_project.yml": "name: small\nversion: '1.0'\nprofile: small\nmodels: {small: {+materialized: table}}\n",
    "dbt/profiles.yml": PROFILE,
    "dbt/models/payments.sql": MODEL,
    "topics/payments.avsc": SCHEMA % "long",
    "dbt/models/totals.sql": "{{ config(materialized='view') }} select count(*) as n from {{ ref('payments') }}\n",
    "tests/test_nightly.py": "def test_nothing_is_there_yet():\n    pass\n",
    ".gitignore": ".interlock/\n",
}


class Story:
    """Runs commands in one project and keeps what each printed, by the name of its golden file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told: dict[str, dict[str, Any]] = {}

    def run(self, name: str, *arguments: str, root: Path | None = None, code: tuple[str, ...] = ()) -> dict[str, Any]:
        """Run ``interlock ARGUMENTS --json``; its output, also kept in normal form under ``name``."""
        root = root or self.root
        program = code or ("-m", "interlock")
        done = subprocess.run(
            [sys.executable, *program, *arguments, "--json"],
            cwd=root,
            capture_output=True,
            text=True,
            env={**os.environ, "INTERLOCK_ACTOR": "ada"},
        )
        lines = done.stdout.splitlines()
        assert len(lines) == 1, f"{name}: one line was expected: {done.stdout}{done.stderr}"
        output: dict[str, Any] = json.loads(lines[0])
        assert (output["kind"] == "error") == name.startswith("error."), f"{name}: {output}"
        self.keep(name, arguments, done.returncode, output, root)
        return output

    def keep(self, name: str, arguments: tuple[str, ...], code: int, output: dict[str, Any], root: Path) -> None:
        """Keep what a command printed, in normal form."""
        typed = " ".join(["interlock", *arguments, "--json"])
        self.told[name] = {"command": _text(typed, root), "exit_code": code, "output": normal(output, root)}

    def write(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)

    def copy(self, name: str) -> Path:
        """The project as it is now, to be damaged."""
        target = self.root.parent / name
        shutil.copytree(self.root, target, symlinks=True)
        return target


PROSE = frozenset(
    {
        "summary",
        "remedy",
        "detail",
        "inverse",
        "cause",
        "found",
        "why",
        "title",
        "notes",
        "unsure",
        "subject",
        "page",
        "waived",
    }
)
# Measured on this machine, or moved by every change of something else.
UNSTEADY = frozenset({"seconds", "events", "size", "reused"})
OPAQUE = frozenset({"arguments", "schema", "timings"})
_DEPLOYMENT = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{6}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)")


def _text(text: str, root: Path) -> str:
    text = text.replace(str(root), "<project>")
    text = re.sub(r"\b\d+:[0-9a-f]{64}\b", "<head>", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "<digest>", text)
    text = re.sub(r"\b[0-9a-f]{40}\b", "<commit>", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "<key>", text)
    return _TIME.sub("<time>", _DEPLOYMENT.sub("<deployment>", text))


def normal(value: Any, root: Path, name: str = "") -> Any:
    """``value`` without what differs from run to run, or is said to people and may be said better."""
    if name in OPAQUE:
        return f"<{name}>"
    if isinstance(value, dict):
        return {key: normal(inner, root, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [normal(inner, root, name) for inner in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and name in UNSTEADY:
        return 0
    if isinstance(value, str):
        return "<text>" if name in PROSE and value else _text(value, root)
    return value


def _kill(root: Path) -> None:
    """A deployment of the newest release to prod is killed in its middle."""
    command = [sys.executable, str(DRIVE), str(root), "prod", "8", "deploy"]
    killed = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "INTERLOCK_ACTOR": "ada"})
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr


def _git(root: Path) -> None:
    identity = ["-c", "user.name=ada", "-c", "user.email=ada@localhost", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "small"]):
        subprocess.run(["git", *command], cwd=root, check=True)


def _begin(story: Story) -> None:
    """From a repository to a first release; on the way a mistake in a DAG, which is refused."""
    story.write(FILES)
    for name in ("spark", "airflow", "dbt"):
        story.write({f"runtimes/{name}.lock": (LOCKS / f"{name}.lock").read_text()})
    story.run("init", "init")
    story.run("init.schema", "init", "--schema")
    story.write({"interlock.yaml": CONFIG.replace("runtime: dbt}", "runtim: dbt}")})
    story.run("error.config", "check")
    story.write({"interlock.yaml": CONFIG})
    _git(story.root)
    for name in ("dev", "prod"):
        path = story.root / f".interlock/env/{name}/warehouse.duckdb"
        path.parent.mkdir(parents=True)
        duckdb.connect(str(path)).close()
    story.run("doctor", "doctor")
    story.run("rules.list", "rules", "list", "ILK-IG")
    story.run("rules.explain", "rules", "explain", "expired-waiver")
    story.write({"dags/nightly.py": DAG + "import payments_commons\n"})
    story.run("check.refused", "check")
    story.run("build.refused", "build")
    story.run("check.baseline", "check", "--write-baseline")
    (story.root / "interlock-baseline.json").unlink()
    story.write({"dags/nightly.py": DAG, "plan.json": json.dumps(PLAN)})
    story.run("check.plan", "check", "--terraform-plan", "plan.json")
    (story.root / "plan.json").unlink()
    story.run("check", "check")
    story.run("build", "build")


def _deploy(story: Story) -> None:
    """Everywhere the same release; then a model that loses rows, which the gates turn round."""
    story.run("error.usage", "deploy", "live", "--yes")
    story.run("plan", "plan", "dev", "--out", "dev.plan")
    story.run("deploy", "deploy", "dev", "--plan", "dev.plan")
    story.run("error.stale", "deploy", "dev", "--plan", "dev.plan")
    story.run("promote", "promote", "prod", "--yes")
    story.run("deploy.nothing", "deploy", "prod", "--yes")
    first = story.run("release.list", "release", "list")["releases"][0]
    story.write({"dbt/models/payments.sql": MODEL.replace("t(i)", "t(i) where i >= 8")})
    story.run("build.again", "build")
    story.run("plan.change", "plan", "prod")
    story.run("deploy.turned", "deploy", "prod", "--yes")
    story.write({"dbt/models/payments.sql": MODEL, "jobs/settle.py": JOB.replace("1", "2")})
    story.run("build.third", "build")
    story.run("release.show", "release", "show")
    story.run("release.diff", "release", "diff", first)
    story.run("release.verify", "release", "verify")
    story.run("release.export", "release", "export", "small.tar")
    story.run("release.import", "release", "import", "small.tar")
    story.run("deploy.job", "deploy", "prod", "--yes")
    story.run("rollback", "rollback", "prod", "--yes")


def _operate(story: Story) -> None:
    """One resource off and on, a deployment that is killed and resumed, and looking at all of it."""
    story.run("disable", "disable", "prod", "spark.batch:settle")
    story.run("enable", "enable", "prod", "spark.batch:settle")
    story.run("lineage", "lineage", "dbt.model:small.payments")
    _kill(story.root)
    story.run("error.held", "deploy", "prod", "--yes")
    story.run("status.interrupted", "status", "prod")
    story.run("resume", "resume")
    story.run("status", "status")
    story.run("history", "history", "prod", "--limit", "4")
    story.write({"topics/payments.avsc": SCHEMA % "string"})
    story.run("check.against", "check", "--static", "--against", "prod", "--against", "dev")
    story.write({"topics/payments.avsc": SCHEMA % "long"})
    story.run("audit.verify", "audit", "verify")
    story.run("audit.export", "audit", "export", "ledger.jsonl")


def _damage(story: Story) -> None:
    """The same questions where somebody changed what must not change."""
    harmed = story.copy("harmed")
    (harmed / ".interlock/env/prod/airflow/current/dags/nightly.py").write_text("# edited by hand\n")
    story.run("status.drifted", "status", "prod", root=harmed)
    blobs = [p for p in (harmed / ".interlock/artifacts/blobs").rglob("*") if p.is_file()]
    [job] = [blob for blob in blobs if blob.read_bytes() == JOB.replace("1", "2").encode()]
    job.chmod(0o600)
    job.write_text(JOB.replace("1", "3"))
    story.run("release.verify.damaged", "release", "verify", root=harmed)
    with sqlite3.connect(harmed / ".interlock/ledger.db") as ledger:
        for (trigger,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            ledger.execute(f"DROP TRIGGER {trigger}")
        ledger.execute("UPDATE event SET actor = 'eve' WHERE number = 3")
    story.run("audit.verify.damaged", "audit", "verify", root=harmed)


def _queue(story: Story, database: str) -> None:
    """A deployment that a worker carries out, with a ledger that both share."""
    root = story.root.parent / "queued"
    for path in ("jobs/settle.py", "runtimes/spark.lock"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(story.root / path, root / path)
    (root / "interlock.yaml").write_text(
        f"version: 1\nproject: queued\nledger: {database}\nspark: {{jobs: [jobs/*.py]}}\n"
        "runtimes: {spark: {python: '3.11', lock: runtimes/spark.lock}}\n"
        "environments: {dev: {spark: {root: .interlock/env/dev/spark}}}\n"
    )
    story.run("build.queued", "build", root=root)
    story.run("deploy.queued", "deploy", "dev", "--detach", "--yes", root=root)
    command = [sys.executable, "-m", "interlock", "worker", "--json"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as worker:
        assert worker.stdout is not None
        line = worker.stdout.readline()
        worker.send_signal(signal.SIGTERM)
    story.keep("worker", ("worker",), worker.returncode, json.loads(line), root)


# One chapter is enough to see the fields; tests/scenarios/test_story.py runs all of them.
_SHORT = "import interlock.cli.commands.demo as demo; demo.CHAPTERS = demo.CHAPTERS[:1]; import interlock.cli.main as m; m.main()"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> dict[str, dict[str, Any]]:
    story = Story(tmp_path_factory.mktemp("json") / "small")
    story.root.mkdir()
    parts: tuple[Callable[[Story], None], ...] = (_begin, _deploy, _operate, _damage)
    for part in parts:
        part(story)
    _queue(story, postgres.create_database("json_contract"))
    place = story.root.parent / "demo"
    story.run("demo", "demo", "--into", str(place), "--rows", "1000", root=place.parent, code=("-c", _SHORT))
    if UPDATE:
        for old in GOLDEN.glob("*.json"):
            old.unlink()
        for name, one in story.told.items():
            (GOLDEN / f"{name}.json").write_text(_pretty(one))
    return story.told


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _difference(wanted: str, found: str) -> str:
    lines = difflib.unified_diff(wanted.splitlines(), found.splitlines(), "golden", "printed now", lineterm="", n=4)
    return "\n".join(lines)


def test_every_command_prints_what_its_golden_file_holds(told):
    wrong = []
    for name, one in told.items():
        path = GOLDEN / f"{name}.json"
        wanted = path.read_text() if path.exists() else ""
        if difference := _difference(wanted, _pretty(one)):
            wrong.append(f"--- {name} ---\n{difference}")
    if wrong:
        pytest.fail(
            "\n\n".join(wrong) + "\n\nIf that is meant: INTERLOCK_UPDATE_GOLDEN=1, and docs/cli.md.", pytrace=False
        )


def test_every_golden_file_is_compared(told):
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(told)


def test_every_output_names_its_version_and_kind_first(told):
    for name, one in told.items():
        assert list(one["output"])[:2] == ["version", "kind"], name
        assert one["output"]["version"] == 1, name


def test_the_exit_code_says_what_the_object_says(told):
    """A script may look at either: ``ok`` false and a turned deployment are 1, an error is the code that it names."""
    for name, one in told.items():
        output, code = one["output"], one["exit_code"]
        if output["kind"] == "error":
            assert code == output["error"]["exit_code"] != 0, name
        elif "ok" in output:
            assert code == (0 if output["ok"] else 1), name
        elif "verdict" in output:
            assert code == (0 if output["verdict"] == "pass" else 1), name
        elif output["kind"] == "release.diff":
            assert code == (0 if output["same"] else 1), name
        elif output["kind"] == "deployment":
            assert code == (1 if output["outcome"] == "turned" else 0), name
