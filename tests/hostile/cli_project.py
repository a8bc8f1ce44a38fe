"""Small projects, and the command line run on them as a user runs it: ``python -m interlock … --json``."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.process import wait_until

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "examples" / "payments" / "runtimes"

DONE, NO, USAGE, HELD, UNREACHABLE = 0, 1, 2, 4, 5
_ON_PURPOSE = frozenset({DONE, NO, USAGE, 3, HELD, UNREACHABLE})

SPARK = "spark: {runtime: spark, jobs: [jobs/*.py], include: [lib]}\n"
AIRFLOW = "airflow: {dags: dags, runtime: airflow}\n"
DBT = "dbt: {project: dbt, runtime: dbt}\n"
DUCKDB = "{type: duckdb, path: warehouse.duckdb}"

_PROFILE = """\
small:
  target: prod
  outputs:
    prod:
      type: "{{ env_var('ILK_WAREHOUSE_TYPE') }}"
      threads: 1
      schema: "{{ env_var('ILK_WAREHOUSE_SCHEMA') }}"
      path: "{{ env_var('ILK_WAREHOUSE_PATH', '') }}"
      host: "{{ env_var('ILK_WAREHOUSE_HOST', '') }}"
      port: "{{ env_var('ILK_WAREHOUSE_PORT', '5432') | as_number }}"
      database: "{{ env_var('ILK_WAREHOUSE_DATABASE', 'warehouse') }}"
      user: "{{ env_var('ILK_WAREHOUSE_USER', '') }}"
      password: "{{ env_var('ILK_WAREHOUSE_PASSWORD', '') }}"
"""
_DBT_PROJECT = "name: small\nversion: '1.0'\nprofile: small\nmodels: {small: {+materialized: table}}\n"

Files = Mapping[str, str | bytes]


@dataclass(frozen=True)
class Said:
    """What one command answered: its exit code, its one JSON object, and what it wrote to standard error."""

    code: int
    body: dict[str, Any]
    stderr: str

    @property
    def problems(self) -> list[tuple[str, str, str]]:
        """Everything that it refused, as (place and words, remedy, detail)."""
        found = []
        if self.body["kind"] == "error":
            error = self.body["error"]
            words = " ".join([_place(error["place"]), error["summary"], *error["problems"]])
            found.append((words, error["remedy"], error["detail"]))
        for one in self.body.get("findings", ()):
            if one["severity"] == "error":
                found.append((f"{_place(one)} {one['summary']}", one["remedy"], one["detail"]))
        for one in self.body.get("problems", ()):
            found.append((f"{one['subject']} {one['summary']}", one["remedy"], ""))
        return found

    @property
    def not_checked(self) -> str:
        """What it says that it did not look at, as text."""
        return json.dumps(self.body["not_checked"])

    def about(self, *names: str) -> tuple[str, str, str]:
        """The problem that names all of ``names``; the test fails when none does, or when it has no remedy."""
        matching = [one for one in self.problems if all(name in one[0] for name in names)]
        assert matching, f"nothing names {names} in {json.dumps(self.body, indent=1)}"
        assert all(remedy.strip() for _, remedy, _ in matching), matching
        return matching[0]


def _place(place: Mapping[str, Any] | None) -> str:
    if not place:
        return ""
    return f"{place['path']}:{place['line']}" if place["line"] else str(place["path"])


def start(root: Path, *args: str, env: Mapping[str, str] | None = None, inside: Sequence[str] = ()) -> "Running":
    """The command is running; ``env`` comes on top of this process's, ``inside`` is a command that runs it."""
    command = [*inside, sys.executable, "-m", "interlock", *args, "--json", "--project", str(root)]
    return Running(
        subprocess.Popen(
            command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
    )  # fmt: skip


def interlock(root: Path, *args: str, env: Mapping[str, str] | None = None, inside: Sequence[str] = ()) -> Said:
    """What the command answered. It never may: end by a defect, show a traceback, or print anything but one object."""
    return start(root, *args, env=env, inside=inside).said()


@dataclass
class Running:
    """A command that has not ended."""

    process: subprocess.Popen[str]

    def said(self, timeout: float = 300) -> Said:
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        code = self.process.returncode
        assert code in _ON_PURPOSE, f"exit code {code}\n{out}\n{err}"
        assert "Traceback" not in err, err
        lines = out.splitlines()
        assert len(lines) == 1, f"one JSON object was expected: {out!r}"
        body = json.loads(lines[0])
        assert body["version"] == 1
        if body["kind"] == "error":
            assert body["error"]["exit_code"] == code
            assert body["error"]["summary"] and body["error"]["remedy"], body
        return Said(code, body, err)

    def wait_for(self, probe: Callable[[], Any], what: str) -> None:
        """``probe`` is true; the test fails at once when the command ends before that."""

        def look() -> Any:
            assert self.process.poll() is None, f"it ended before {what}: {self.said()}"
            return probe()

        wait_until(look, timeout=120, what=what)

    def end(self) -> None:
        """The command is over, if need be by SIGKILL."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def write(root: Path, files: Files) -> None:
    """The files stand in the project."""
    for path, content in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())


def config(parts: str, warehouse: str = DUCKDB) -> str:
    """interlock.yaml for one environment, ``prod``, and the given sections. Spark needs no engine to be deployed."""
    runtimes = f"  spark: {{interpreter: {sys.executable}}}\n"
    targets = "    spark: {root: live/spark}\n"
    for name in ("airflow", "dbt"):
        if f"runtime: {name}" in parts:
            runtimes += f'  {name}: {{python: "3.11", lock: runtimes/{name}.lock}}\n'
            targets += f"    {name}: {{root: live/{name}}}\n"
    if DBT in parts:
        targets += f"    warehouse: {warehouse}\n"
    return f"version: 1\nproject: small\n{parts}runtimes:\n{runtimes}environments:\n  prod:\n{targets}"


def spark_files(version: int = 1) -> dict[str, str | bytes]:
    """A project of two jobs that share a helper: built and deployed without any engine."""
    return {
        "interlock.yaml": config(SPARK),
        "jobs/settle.py": f"from shared import RATE\nprint('settle {version}', RATE)\n",
        "jobs/report.py": "print('report')\n",
        "lib/shared/__init__.py": f"RATE = {version}\n",
    }


def airflow_files(dags: Files) -> dict[str, str | bytes]:
    """A project of DAGs and nothing else."""
    return {
        "interlock.yaml": config(AIRFLOW),
        "runtimes/airflow.lock": (LOCKS / "airflow.lock").read_bytes(),
        **{f"dags/{name}.py": text for name, text in dags.items()},
    }


def dbt_files(models: Files, warehouse: str = DUCKDB) -> dict[str, str | bytes]:
    """A project of dbt models and nothing else."""
    return {
        "interlock.yaml": config(DBT, warehouse),
        "runtimes/dbt.lock": (LOCKS / "dbt.lock").read_bytes(),
        "dbt/dbt_project.yml": _DBT_PROJECT,
        "dbt/profiles.yml": _PROFILE,
        **{f"dbt/models/{name}": text for name, text in models.items()},
    }


def build(root: Path) -> str:
    """The id of a release that was built."""
    said = interlock(root, "build")
    assert said.code == DONE, said
    return str(said.body["release"])


def deploy(root: Path, env: Mapping[str, str] | None = None) -> None:
    """The newest release is live in prod."""
    said = interlock(root, "deploy", "prod", "--yes", env=env)
    assert (said.code, said.body["outcome"]) == (DONE, "succeeded"), said


def live_spark(root: Path) -> Path:
    """A project of Spark jobs whose version 1 is live; returns its folder."""
    write(root, spark_files())
    build(root)
    deploy(root)
    return root


def copy_of(project: Path, to: Path) -> Path:
    """The same project with all its state in another folder."""
    shutil.copytree(project, to, symlinks=True)
    return to


def live_job(root: Path, name: str = "settle") -> str:
    """The text of the job that the launcher would start now, as a caller of it sees it."""
    launcher = root / "live/spark/bin/interlock-spark-submit"
    done = subprocess.run([sys.executable, str(launcher), "--which", name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(Path(done.stdout.strip()).rglob(f"{name}.py")).read_text()


def unharmed(
    root: Path, release: str | None = None, env: Mapping[str, str] | None = None, inside: Sequence[str] = ()
) -> None:
    """The ledger is whole; nothing drifted; and ``release``, if given, is what is live in prod ("" for nothing)."""
    asked = [start(root, *command, env=env, inside=inside) for command in (("audit", "verify"), ("status",))]
    verified, status = (one.said() for one in asked)
    assert (verified.code, verified.body["ok"]) == (DONE, True), verified
    environment = status.body["environments"][0]
    assert environment["drift"] == [], environment
    assert release is None or environment["release"] == release, environment
