"""Seconds of `rollback` with every resource, and until a real Airflow serves the old code, beside a plain copy."""

import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import psycopg
from bench import ENVIRONMENT, Bench, BenchError, ScaleProject
from deployed import Deployed, deployed
from figures import Figure, ratio

from tests.support.airflow import AirflowService
from tests.support.postgres import PostgresServer
from tests.support.process import wait_until

TITLE = "rollback"
GOAL = 10.0
_PATIENCE = 1800.0
# Nothing is to run while Airflow is watched: the DAGs wait for a person.
_PAUSED = {"AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True"}

Sources = dict[str, str]


def measure(bench: Bench) -> list[Figure]:
    """Everything switched back; then until Airflow's API serves the old sources, beside Airflow's own floor."""
    source = deployed(bench, bench.pipelines)
    size = f"{bench.pipelines} pipelines"
    switched = Figure(f"rollback, {size}, every resource switched", _switch(bench, source), "s", GOAL)
    with PostgresServer() as postgres:
        ours = _through_interlock(bench, source, postgres)
        floor = _plain_copy(bench, source, postgres)
    how = "from the command's start until the REST API serves every old source"
    served = Figure(f"rollback, {size}, served by Airflow", ours, note=how)
    copied = Figure(f"plain copy of the old folder, {size}, served by Airflow", floor, note="Airflow's own floor")
    return [switched, served, copied, ratio("rollback served / plain copy served", served, copied)]


def _switch(bench: Bench, source: Deployed) -> tuple[float, ...]:
    values = []
    for number in range(1, bench.repeats + 1):
        bench.say(f"rollback, run {number} of {bench.repeats}")
        project = source.project.copy("rollback")
        values.append(project.interlock("rollback", ENVIRONMENT, "--yes").seconds)
        _expect_live(project, old_sources(project), "rolled back")
    return tuple(values)


def _through_interlock(bench: Bench, source: Deployed, postgres: PostgresServer) -> tuple[float, ...]:
    """Seconds from the start of `rollback` until Airflow serves every DAG's old source, at least once."""
    project = source.project.copy("rollback-served")
    old, new = old_sources(project), new_sources(project)

    def back() -> None:
        project.interlock("rollback", ENVIRONMENT, "--yes")

    def forth() -> None:
        project.interlock("deploy", ENVIRONMENT, source.new, "--yes")

    return _served(bench, postgres, "interlock", _live_dags(project), old, new, back, forth)


def _plain_copy(bench: Bench, source: Deployed, postgres: PostgresServer) -> tuple[float, ...]:
    """The same with nothing but the files: the old folder copied over the live one."""
    project = source.project.copy("rollback-plain")
    old, new = old_sources(project), new_sources(project)
    versions = {
        name: _write(bench.scratch / f"plain-{name}", project, text) for name, text in (("old", old), ("new", new))
    }
    live = bench.scratch / "plain-live"
    shutil.rmtree(live, ignore_errors=True)

    def copy(name: str) -> None:
        # Contents and not times: Airflow looks at a file again only when its time is newer.
        shutil.copytree(versions[name], live, dirs_exist_ok=True, copy_function=shutil.copyfile)

    copy("new")
    return _served(bench, postgres, "plain", live, old, new, lambda: copy("old"), lambda: copy("new"))


def _served(
    bench: Bench,
    postgres: PostgresServer,
    name: str,
    folder: Path,
    old: Sources,
    new: Sources,
    back: Callable[[], None],
    forth: Callable[[], None],
) -> tuple[float, ...]:
    """Seconds of each way back until Airflow, which served `new` whole before, serves `old` whole."""
    database = postgres.create_database(f"bench_{name}")
    home = bench.scratch / f"airflow-{name}"
    shutil.rmtree(home, ignore_errors=True)
    values = []
    with AirflowService(bench.runtime("airflow"), folder, database, home, _PAUSED) as airflow:
        for number in range(1, bench.airflow_runs + 1):
            if number > 1:
                forth()
            bench.say(f"{name}: Airflow reads the new version, run {number} of {bench.airflow_runs}")
            _wait_until_served(airflow, database, new)
            bench.say(f"{name}: the way back")
            started = perf_counter()
            back()
            values.append(_wait_until_served(airflow, database, old) - started)
    postgres.drop_database(f"bench_{name}")
    return tuple(values)


def _wait_until_served(airflow: AirflowService, database: str, wanted: Sources) -> float:
    """The moment at which Airflow had every source, read from the table that its API answers from.

    Asking the API for each of hundreds of DAGs over and over would take the processors from the parsing that is
    measured; so the API is asked once for all, when the table has them, and must agree.
    """

    def stored() -> bool:
        with psycopg.connect(database) as connection:
            rows = connection.execute(
                "SELECT d.dag_id, c.source_code FROM dag d JOIN dag_code c ON c.fileloc = d.fileloc WHERE d.is_active"
            ).fetchall()
        found: Sources = dict(rows)
        return all(found.get(dag) == text for dag, text in wanted.items())

    wait_until(stored, timeout=_PATIENCE, what="Airflow to have every source", interval=0.25)
    moment = perf_counter()
    wrong = [dag for dag, text in wanted.items() if airflow.source(dag) != text]
    if wrong:
        raise BenchError(f"Airflow's API serves another source of {len(wrong)} DAGs: {', '.join(wrong[:5])}")
    return moment


def new_sources(project: ScaleProject) -> Sources:
    """The text of each DAG's file in the work tree, by DAG id."""
    files = sorted((project.root / "dags").rglob("*.py"))
    return {path.stem: path.read_text() for path in files if "scale_common" not in path.parts}


def old_sources(project: ScaleProject) -> Sources:
    """The same before everything was changed: `change_everything` added one line to each."""
    return {
        dag: "".join(line for line in text.splitlines(keepends=True) if "max_active_runs" not in line)
        for dag, text in new_sources(project).items()
    }


def _live_dags(project: ScaleProject) -> Path:
    return project.root / ".interlock" / "env" / ENVIRONMENT / "airflow" / "current" / "dags"


def _expect_live(project: ScaleProject, wanted: Sources, what: str) -> None:
    """BenchError unless the environment's DAG folder holds exactly these sources."""
    found = {path.stem: path.read_text() for path in _live_dags(project).rglob("*.py")}
    if any(found.get(dag) != text for dag, text in wanted.items()):
        raise BenchError(f"the live DAG folder was not {what}")


def _write(folder: Path, project: ScaleProject, sources: Sources) -> Path:
    """A DAG folder with these sources and everything else as in the work tree."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(project.root / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.rglob("*.py"):
        if path.stem in sources and "scale_common" not in path.parts:
            path.write_text(sources[path.stem])
    return folder
