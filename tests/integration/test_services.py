"""The services that other tests rely on are real and behave as those tests assume."""

import hashlib
import os
import urllib.error
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.support.airflow import AirflowService
from tests.support.moto import S3Server
from tests.support.postgres import PostgresServer, find_binaries

pytestmark = pytest.mark.engine

_DAG = """\
from airflow import DAG
from airflow.operators.bash import BashOperator

with DAG("hello_service", schedule=None):
    BashOperator(task_id="say", bash_command="echo {word}")
"""


def test_postgres_refuses_a_wrong_password(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.dsn(password="wrong"))


def test_each_test_gets_an_empty_database(postgres_database: str) -> None:
    with psycopg.connect(postgres_database) as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert row == (0,)


def test_a_killed_postgres_comes_back_with_every_commit() -> None:
    with PostgresServer() as server:
        url = server.create_database("kept")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS x")
            server.kill()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        assert not server.running
        server.start()
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT x FROM t").fetchall() == [(1,)]


def test_a_stopped_postgres_leaves_no_process_and_no_folder() -> None:
    server = PostgresServer()
    folder = server.log.parent
    server.close()
    left = [p.pid for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]
    assert left == []
    assert not folder.exists()


def test_postgres_runs_where_its_binaries_are_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # An environment below a home folder that is closed to other accounts; only root has to give up its own.
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "install").symlink_to(find_binaries().parent)
    monkeypatch.setattr("tests.support.postgres.find_binaries", lambda: closed / "install" / "bin")
    with PostgresServer() as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert (server.log.parent / "pginstall").exists() == (os.geteuid() == 0)


def test_the_s3_server_keeps_what_is_put(s3_server: S3Server) -> None:
    client = s3_server.client()
    client.put_object(Bucket=s3_server.bucket, Key="services/a", Body=b"bytes")
    assert client.get_object(Bucket=s3_server.bucket, Key="services/a")["Body"].read() == b"bytes"


@pytest.fixture(scope="module")
def served(
    airflow_service: Callable[..., AirflowService], tmp_path_factory: pytest.TempPathFactory
) -> tuple[AirflowService, Path]:
    """An Airflow whose DAG folder is a symlink to a release's folder, as the Airflow adapter lays it out."""
    root = tmp_path_factory.mktemp("deploy")
    release = root / "releases" / "one"
    release.mkdir(parents=True)
    (release / "hello_service.py").write_text(_DAG.format(word="one"))
    (root / "current").symlink_to(release)
    return airflow_service(root / "current"), root / "current"


def test_airflow_serves_the_file_behind_a_symlink(served: tuple[AirflowService, Path]) -> None:
    service, dags = served
    text = service.wait_for(lambda airflow: airflow.source("hello_service"), what="the DAG's source")
    file = (dags / "hello_service.py").read_bytes()
    assert hashlib.sha256(text.encode()).hexdigest() == hashlib.sha256(file).hexdigest()
    assert service.get("/importErrors")["total_entries"] == 0


def test_a_dag_is_active_at_once_and_runs(served: tuple[AirflowService, Path]) -> None:
    service, _ = served
    dag = service.wait_for(lambda airflow: airflow.get("/dags/hello_service"), what="the DAG")
    assert dag["is_active"] and not dag["is_paused"]
    service.request("POST", "/dags/hello_service/dagRuns", body={"dag_run_id": "first"})
    run = "/dags/hello_service/dagRuns/first"
    state = service.wait_for(
        lambda airflow: (s := airflow.get(run)["state"]) in ("success", "failed") and s, timeout=90, what="the run"
    )
    assert state == "success"


def test_airflow_refuses_a_stranger(served: tuple[AirflowService, Path]) -> None:
    service, _ = served
    right = service.auth
    service.auth = (right[0], "wrong")
    try:
        with pytest.raises(urllib.error.HTTPError) as refusal:
            service.get("/dags")
        # Not 401: Flask-AppBuilder sets a public role by default, so a failed login counts as an anonymous visitor,
        # who is then denied the page.
        assert refusal.value.code == 403
    finally:
        service.auth = right


def test_airflow_leaves_no_process_behind(airflow_service: Callable[..., AirflowService], tmp_path: Path) -> None:
    service = airflow_service(tmp_path)
    assert _processes_of(service) != []
    service.stop()
    assert _processes_of(service) == []


def _processes_of(service: AirflowService) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AIRFLOW_HOME") == str(service.home):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found
