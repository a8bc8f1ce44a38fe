"""Seconds of `plan` at two sizes, and of `sqlmesh plan` on the dbt part alone."""

import json
import os
import shutil
from pathlib import Path
from time import perf_counter

from bench import ENVIRONMENT, Bench, BenchError, ScaleProject, checked, load_raw
from deployed import deployed
from edits import change_model
from figures import Figure, ratio

TITLE = "plan"
GOALS = (1.0, 5.0)
SQLMESH = "sqlmesh[dbt]==0.236.4"
# The last dbt with a parser in Python; the newer one wants a download when it is installed.
SQLMESH_WITH = ("dbt-core~=1.11.0", "dbt-duckdb==1.11.1")

_SQLMESH_SETTINGS = """\
dbt: {infer_state_schema_name: true}
virtual_environment_mode: dev_only
plan: {always_recreate_environment: true}
model_defaults: {start: 2026-01-01}
disable_anonymized_analytics: true
"""


def measure(bench: Bench) -> list[Figure]:
    """Nothing live, nothing changed, one model changed; at the usual size and at the large one; then sqlmesh."""
    small = _at(bench, bench.pipelines, GOALS[0])
    large = _at(bench, bench.large, GOALS[1])
    grown = bench.large / bench.pipelines
    growth = [
        ratio(f"{over.name} / at {bench.pipelines}", over, under, note=f"{grown:g} times the pipelines")
        for over, under in zip(large, small, strict=True)
    ]
    beside = _sqlmesh(bench) if bench.compare else None
    against = [ratio("sqlmesh plan / plan, nothing changed", beside, small[1])] if beside else []
    return [*small, *large, *growth, *([beside] if beside else []), *against]


def _at(bench: Bench, pipelines: int, goal: float) -> list[Figure]:
    project = deployed(bench, pipelines).project.copy(f"plan-{pipelines}")
    size = f"{pipelines} pipelines"
    found = [
        _plan(bench, project, f"plan, {size}, nothing live", goal, environment="staging"),
        _plan(bench, project, f"plan, {size}, nothing changed", goal),
    ]
    change_model(project.root, 2)
    project.interlock("build")
    found.append(_plan(bench, project, f"plan, {size}, one model changed", goal))
    shutil.rmtree(project.root)
    return found


def _plan(bench: Bench, project: ScaleProject, name: str, goal: float, environment: str = ENVIRONMENT) -> Figure:
    bench.say(name)
    runs = [project.interlock("plan", environment) for _ in range(bench.repeats)]
    return Figure(name, tuple(run.seconds for run in runs), "s", goal)


def _sqlmesh(bench: Bench) -> Figure | None:
    """`sqlmesh plan` on an environment that has everything already; None, said aloud, when it cannot run here."""
    bench.say("sqlmesh: environment, first plan")
    try:
        python = sqlmesh_environment(bench)
        folder, environment = _sqlmesh_project(bench, python)
        command: list[str | Path] = [python.parent / "sqlmesh", "-p", folder, "plan", "--no-prompts"]
        # Not timed: it builds every model once, so that nothing is left to do.
        checked([*command, "--auto-apply"], cwd=folder, env=environment)
        values = []
        for number in range(1, bench.repeats + 1):
            bench.say(f"sqlmesh plan, run {number} of {bench.repeats}")
            started = perf_counter()
            said = checked(command, cwd=folder, env=environment)
            values.append(perf_counter() - started)
            if "No changes to plan" not in said:
                raise BenchError(f"sqlmesh plan found something to do:\n{said[-2000:]}")
    except BenchError as error:
        bench.say(f"sqlmesh cannot run here: {error}")
        return None
    name = f"sqlmesh plan, {bench.pipelines} pipelines, the dbt part alone, nothing changed"
    return Figure(name, tuple(values), note=SQLMESH.replace("[dbt]", ""))


def sqlmesh_environment(bench: Bench) -> Path:
    """The interpreter of an environment with sqlmesh, made once below the cache folder; BenchError if that fails."""
    folder = bench.cache / SQLMESH.replace("[dbt]==", "-")
    python, ready = folder / "bin" / "python", folder / "ready"
    wanted = json.dumps([SQLMESH, *SQLMESH_WITH])
    if not ready.exists() or ready.read_text() != wanted:
        bench.cache.mkdir(parents=True, exist_ok=True)
        checked([bench.uv, "venv", "--quiet", "--clear", "--python", "3.11", folder], cwd=bench.cache)
        install: list[str | Path] = [bench.uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
        checked([*install, SQLMESH, *SQLMESH_WITH], cwd=bench.cache)
        ready.write_text(wanted)
    return python


def _sqlmesh_project(bench: Bench, python: Path) -> tuple[Path, dict[str, str]]:
    """A copy of the dbt part with sqlmesh's settings and a warehouse of its own, and the environment to run it in."""
    project = bench.project("sqlmesh", bench.pipelines)
    warehouse = project.root / "warehouse.duckdb"
    # By sqlmesh's own DuckDB: an older one does not open the file of a newer one.
    load_raw(python, project.root, warehouse)
    folder = project.root / "dbt"
    (folder / "sqlmesh.yaml").write_text(_SQLMESH_SETTINGS)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath), "HOME": str(bench.scratch), "LANG": "C.UTF-8", "TZ": "UTC",
        "ILK_WAREHOUSE_PATH": str(warehouse), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "true",
    }  # fmt: skip
    return folder, environment
