"""Fixtures that every test may ask for: real services, started when first used and gone afterwards."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from interlock.runtimes.environments import ensure
from interlock.runtimes.spec import RuntimeSpec
from tests.support import gitleaks
from tests.support.airflow import AirflowService
from tests.support.moto import S3Server
from tests.support.postgres import PostgresServer
from tests.support.suites import plain_pytest

ROOT = Path(__file__).resolve().parent.parent

# The programs of the figures import each other by plain names, as they do when they are run from there.
sys.path.insert(0, str(ROOT / "benches"))

# Whatever keeps an engine imported leaves soon after the tests.
os.environ.setdefault("INTERLOCK_KEEP", "30")

# Whether somebody has yanked a version since yesterday must change no test.
os.environ.setdefault("INTERLOCK_OFFLINE", "1")

StartAirflow = Callable[..., AirflowService]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run; make databases and roles of your own in it, and do not stop it."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty database that is dropped after the test."""
    name = f"t_{uuid4().hex[:12]}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 endpoint with one bucket for the whole run; use a prefix of your own."""
    with S3Server() as server:
        yield server


@pytest.fixture(scope="session")
def runtime_python() -> Callable[[str], Path]:
    """The interpreter of one of the example platform's runtimes (airflow, dbt, spark), built when first asked for."""
    folder = ROOT / "examples" / "payments" / "runtimes"

    def python(name: str) -> Path:
        return ensure(RuntimeSpec(name, python="3.11", lock=folder / f"{name}.lock")).python

    return python


@pytest.fixture(scope="session")
def gitleaks_program() -> Path:
    """The real gitleaks, built once for all runs; without it and without Go the test is skipped by name."""
    found = gitleaks.program()
    if isinstance(found, str):
        pytest.skip(f"no gitleaks here: {found}")
    return found


@pytest.fixture(scope="session")
def plain_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with pytest and nothing else, for projects whose tests need no engine."""
    return plain_pytest(tmp_path_factory.mktemp("plain-pytest") / "environment")


@pytest.fixture(scope="session")
def airflow_database(
    postgres: PostgresServer, runtime_python: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Makes databases that hold Airflow's tables already: migrated once (some 5 s), copied from then on (0.2 s)."""
    template = f"airflow_template_{uuid4().hex[:8]}"
    migrated: list[str] = []

    def make() -> str:
        if not migrated:
            url = postgres.create_database(template)
            home = tmp_path_factory.mktemp("airflow-migrate")
            AirflowService(runtime_python("airflow"), home / "dags", url, home).migrate()
            migrated.append(url)
        return postgres.create_database(f"airflow_{uuid4().hex[:12]}", template=template)

    return make


@pytest.fixture(scope="module")
def airflow_service(
    airflow_database: Callable[[], str],
    runtime_python: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[StartAirflow]:
    """Starts an Airflow that serves the given DAG folder: `airflow_service(dags_folder, env={...})`.

    What was started stops at the end of the module; a test that wants its memory back earlier calls `stop`.
    """
    started: list[AirflowService] = []

    def start(dags_folder: Path, env: Mapping[str, str] | None = None) -> AirflowService:
        home = tmp_path_factory.mktemp("airflow")
        service = AirflowService(runtime_python("airflow"), dags_folder, airflow_database(), home, env)
        service.start()
        started.append(service)
        return service

    yield start
    for service in started:
        service.stop()
