"""What all benches share: their settings, scale projects in a scratch folder, and `interlock` run as a user runs it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import scale_project
from uv import find_uv_bin

from interlock.engine.project import Project
from interlock.runtimes.environments import ensure
from interlock.runtimes.keeping import dismiss_keepers
from interlock.runtimes.spec import RuntimeSpec

ROOT = Path(__file__).resolve().parent.parent
MEASURED = Path(__file__).resolve().parent / "measured.py"
PARTS = Path(__file__).resolve().parent / "parts.py"
ENVIRONMENT = "dev"


class BenchError(RuntimeError):
    """A command that was to be timed did not do its work; the message carries what it said."""


@dataclass(frozen=True)
class Bench:
    """Settings of a run. `scratch` is ours to fill; `cache` keeps the environments of the tools compared with.

    `pipelines` is the size of the figures, `large` the one that growth is shown with; `repeats` counts runs of short
    commands, `airflow_runs` those that wait for Airflow. Without `compare` other people's tools stay out. `say` hears
    where the run is.
    """

    scratch: Path
    cache: Path
    pipelines: int = 250
    large: int = 2500
    repeats: int = 3
    airflow_runs: int = 2
    compare: bool = True
    say: Callable[[str], None] = field(default=lambda text: None)

    @property
    def uv(self) -> str:
        return find_uv_bin()

    @property
    def ruff(self) -> Path:
        return Path(sys.executable).parent / "ruff"

    def runtime(self, name: str) -> Path:
        """The interpreter of a scale project's runtime (airflow, dbt, spark), built when it is not there yet."""
        lock = scale_project.RUNTIMES / f"{name}.lock"
        requirements = scale_project.RUNTIMES / f"{name}.in"
        return ensure(RuntimeSpec(name, python="3.11", lock=lock, requirements=requirements)).python

    def project(self, name: str, pipelines: int) -> "ScaleProject":
        """A fresh scale project below the scratch folder; its runtimes are built, its cache is empty."""
        for runtime in ("airflow", "dbt", "spark"):
            self.runtime(runtime)
        root = self.scratch / name
        shutil.rmtree(root, ignore_errors=True)
        scale_project.generate(root, pipelines)
        return ScaleProject(root)


@dataclass(frozen=True)
class Run:
    """What one command cost: wall seconds from its process's start, seconds of processors for it and its workers, peak
    MiB of itself and of its largest worker."""

    seconds: float
    cpu: float
    own_mb: float
    worker_mb: float
    output: str


@dataclass(frozen=True)
class ScaleProject:
    """A scale project in a folder of ours."""

    root: Path

    def interlock(self, *arguments: str, accept: Sequence[int] = (0,), keep: float = 0) -> Run:
        """One command, timed from outside as a user would; BenchError with its output when it ends otherwise.

        ``keep``: seconds for which dbt may stay imported afterwards, for the next command that does not say 0.
        """
        costs = self.root.parent / f"{self.root.name}.costs.json"
        costs.unlink(missing_ok=True)
        # Without its own compiled code each start would compile anew, which no installation does.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["INTERLOCK_KEEP"] = str(keep)
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, str(MEASURED), str(costs), *arguments],
            cwd=self.root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        if done.returncode not in accept:
            said = (done.stdout + done.stderr)[-4000:]
            raise BenchError(f"interlock {' '.join(arguments)} ended with {done.returncode}:\n{said}")
        cost = json.loads(costs.read_text())
        costs.unlink()
        return Run(seconds, cost["cpu"], cost["own_mb"], cost["worker_mb"], done.stdout)

    def part(self, name: str) -> float:
        """Seconds of processors for one part of a cold check, done alone (`parts.py`)."""
        self.forget()
        environment = {**os.environ, "INTERLOCK_KEEP": "0"}
        said = checked([sys.executable, PARTS, self.root, name], cwd=self.root, env=environment)
        return float(json.loads(said)["cpu"])

    def forget(self) -> None:
        """Nothing of Interlock's is left: no cache, no release, no ledger, no environment, no dbt that is imported."""
        dismiss_keepers()
        shutil.rmtree(self.root / ".interlock", ignore_errors=True)
        shutil.rmtree(Project(self.root).cache, ignore_errors=True)

    def load_raw(self, python: Path) -> None:
        """The environment's DuckDB file holds the raw tables; `python` is an interpreter with duckdb."""
        warehouse = self.root / ".interlock" / "env" / ENVIRONMENT / "warehouse.duckdb"
        load_raw(python, self.root, warehouse)

    def copy(self, name: str) -> "ScaleProject":
        """The project as it stands, with its environments, under another name beside it."""
        target = self.root.parent / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.root, target, symlinks=True)
        return ScaleProject(target)


def load_raw(python: Path, project: Path, warehouse: Path) -> None:
    """`warehouse` is a DuckDB file with the project's raw tables, written by the duckdb of `python`."""
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    code = "import duckdb, sys; duckdb.connect(sys.argv[2]).execute(open(sys.argv[1]).read())"
    checked([python, "-c", code, project / "warehouse" / "raw.sql", warehouse], cwd=project)


def checked(argv: Sequence[str | Path], *, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What the command printed; BenchError when it fails."""
    command = [str(part) for part in argv]
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        raise BenchError(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    return done.stdout
