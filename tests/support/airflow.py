"""A real Airflow 2 of a test's own: scheduler and web server on PostgreSQL, reached through its REST API."""

import base64
import hashlib
import json
import os
import secrets
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from tests.support import process
from tests.support.process import ServiceError

T = TypeVar("T")

USER = "admin"

# Taken from the caller's environment as they are; everything else that a service sees is written down here.
_PASSED_ON = ("LANG", "LC_ALL", "TMPDIR", "JAVA_HOME", "SSL_CERT_FILE")


class AirflowService:
    """A running Airflow that serves `dags_folder`.

    `python` is the interpreter of a runtime that holds Airflow 2 and psycopg2; `database_url` names an empty
    PostgreSQL database, or one that an earlier service has migrated (then start-up is shorter). `env` is added to
    what scheduler, web server and tasks see, and may override any `AIRFLOW__…` setting. `start` returns once the
    API answers, the login works and the scheduler has reported in; ServiceError with the end of the logs otherwise.
    """

    def __init__(
        self,
        python: Path,
        dags_folder: Path,
        database_url: str,
        home: Path,
        env: Mapping[str, str] | None = None,
        *,
        timeout: float = 120,
    ) -> None:
        self.home = home
        self.port = process.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.auth = (USER, secrets.token_hex(12))
        self._airflow: list[str | Path] = [python, "-m", "airflow"]
        self._database_url = database_url
        self._timeout = timeout
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._started = datetime.now(UTC)
        self.environment = {
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            **_settings(python, dags_folder, database_url, home),
            **(env or {}),
        }

    def start(self) -> None:
        """Everything runs and answers; whatever had been started is stopped again when it does not."""
        self.home.mkdir(parents=True, exist_ok=True)
        try:
            self.migrate()
            self._started = datetime.now(UTC)
            self._launch("webserver", "--hostname", "127.0.0.1", "--port", str(self.port))
            self._launch("scheduler", "--skip-serve-logs")
            self._await("the web server", self._login_works)
            self._await("the scheduler", self._scheduler_healthy)
        except BaseException:
            self.stop()
            raise

    def migrate(self) -> None:
        """The database has this Airflow's tables; cheap when it had them already."""
        if self._migrated():
            return
        log = self.home / "migrate.log"
        child = process.start([*self._airflow, "db", "migrate"], env=self.environment, cwd=self.home, log=log)
        if child.wait(timeout=self._timeout) != 0:
            raise ServiceError(f"airflow db migrate failed:\n{process.tail(log)}")

    def stop(self) -> None:
        """No process of this Airflow is left."""
        for child in self._children.values():
            # Nothing in there is worth a graceful end, which takes Airflow up to half a minute.
            process.kill_tree(child)
        self._children.clear()

    def __enter__(self) -> "AirflowService":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def get(self, path: str, **query: str) -> Any:
        """What `GET /api/v1<path>` answers: parsed when it is JSON, else text; `urllib.error.HTTPError` as it comes."""
        return self.request("GET", path, query=query)

    def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """What the stable REST API answers to one request below `/api/v1`, with the administrator's login."""
        url = f"{self.url}/api/v1{path}"
        if query:
            url += "?" + urllib.parse.urlencode(query)
        headers = {"Authorization": _basic(*self.auth), "Accept": "application/json, text/plain"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        call = urllib.request.Request(url, data=data, headers=headers, method=method)
        with urllib.request.urlopen(call, timeout=30) as answer:
            text = answer.read().decode()
            return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text

    def source(self, dag_id: str) -> str:
        """The text of the DAG's file as Airflow serves it."""
        token = self.get(f"/dags/{urllib.parse.quote(dag_id)}")["file_token"]
        answer = self.get(f"/dagSources/{token}")
        return str(answer["content"] if isinstance(answer, dict) else answer)

    def wait_for(
        self, predicate: Callable[["AirflowService"], T | None], *, timeout: float = 60, what: str = "an answer"
    ) -> T:
        """The first true answer of `predicate`; not found and not ready yet count as no answer."""

        def probe() -> T | None:
            self._all_alive()
            try:
                return predicate(self)
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return None

        try:
            return process.wait_until(probe, timeout=timeout, what=what, interval=0.2)
        except ServiceError as error:
            raise ServiceError(f"{error}\n{self.logs()}") from None

    def logs(self) -> str:
        """The end of every log, for error messages."""
        return "\n".join(f"--- {log.name}\n{process.tail(log)}" for log in sorted(self.home.glob("*.log")))

    def _launch(self, command: str, *arguments: str) -> None:
        self._children[command] = process.start(
            [*self._airflow, command, *arguments],
            env=self.environment,
            cwd=self.home,
            log=self.home / f"{command}.log",
        )

    def _await(self, what: str, ready: Callable[["AirflowService"], bool]) -> None:
        self.wait_for(ready, timeout=self._timeout, what=f"Airflow: {what}")

    def _all_alive(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                raise ServiceError(f"airflow {name} ended with {child.returncode}:\n{self.logs()}")

    def _migrated(self) -> bool:
        with psycopg.connect(self._database_url) as connection:
            row = connection.execute("SELECT to_regclass('public.dag_code'), to_regclass('public.ab_user')").fetchone()
            return row is not None and None not in row

    def _login_works(self, _: "AirflowService") -> bool:
        self.get_health()
        self._ensure_administrator()
        return bool(self.get("/dags", limit="1"))

    def _scheduler_healthy(self, _: "AirflowService") -> bool:
        scheduler = self.get_health()["scheduler"]
        if scheduler["status"] != "healthy":
            return False
        # A database that an earlier service used still holds that one's heartbeat.
        beat = datetime.fromisoformat(scheduler["latest_scheduler_heartbeat"])
        return beat >= self._started

    def get_health(self) -> Any:
        """The parsed answer of `/health`, which needs no login."""
        with urllib.request.urlopen(f"{self.url}/health", timeout=30) as answer:
            return json.load(answer)

    def _ensure_administrator(self) -> None:
        # The web server writes the roles as it starts. Adding the account here saves a whole further start of
        # Airflow (`airflow users create`), some five seconds.
        with psycopg.connect(self._database_url) as connection:
            row = connection.execute("SELECT id FROM ab_role WHERE name = 'Admin'").fetchone()
            if row is None:
                raise ConnectionError("the web server has not written its roles yet")
            known = "SELECT id FROM ab_user WHERE username = %s"
            connection.execute(f"DELETE FROM ab_user_role WHERE user_id IN ({known})", [USER])
            connection.execute("DELETE FROM ab_user WHERE username = %s", [USER])
            user = connection.execute(
                "INSERT INTO ab_user (id, first_name, last_name, username, password, active, email)"
                " VALUES (nextval('ab_user_id_seq'), 'Test', 'Admin', %s, %s, true, 'admin@example.invalid')"
                " RETURNING id",
                [USER, _password_hash(self.auth[1])],
            ).fetchone()
            assert user is not None
            connection.execute(
                "INSERT INTO ab_user_role (id, user_id, role_id) VALUES (nextval('ab_user_role_id_seq'), %s, %s)",
                [user[0], row[0]],
            )


def _settings(python: Path, dags_folder: Path, database_url: str, home: Path) -> dict[str, str]:
    dialect_url = "postgresql+psycopg2://" + database_url.split("://", 1)[1]
    sections: dict[str, dict[str, str]] = {
        "core": {
            "dags_folder": str(dags_folder),
            "executor": "LocalExecutor",
            "parallelism": "2",
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "min_serialized_dag_update_interval": "1",
            "min_serialized_dag_fetch_interval": "1",
        },
        "database": {"sql_alchemy_conn": dialect_url, "load_default_connections": "False"},
        "scheduler": {
            "dag_dir_list_interval": "5",
            "min_file_process_interval": "5",
            "parsing_processes": "2",
            "scheduler_heartbeat_sec": "1",
            "catchup_by_default": "False",
        },
        "webserver": {
            "workers": "1",
            "expose_config": "False",
            "secret_key": secrets.token_hex(16),
            "rate_limit_enabled": "False",
            "show_trigger_form_if_no_params": "False",
        },
        "api": {"auth_backends": "airflow.providers.fab.auth_manager.api.auth.backend.basic_auth"},
        "usage_data_collection": {"enabled": "False"},
        "logging": {"base_log_folder": str(home / "logs"), "logging_level": "INFO"},
    }
    settings = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": value
        for section, values in sections.items()
        for key, value in values.items()
    }
    # The web server starts gunicorn by name: the runtime's own must be found first.
    path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**settings, "AIRFLOW_HOME": str(home), "HOME": str(home), "TZ": "UTC", "PATH": path}


def _password_hash(password: str) -> str:
    """The password as Werkzeug stores it; few rounds, since each API call checks it again."""
    salt, rounds = secrets.token_hex(8), 1000
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), rounds).hex()
    return f"pbkdf2:sha256:{rounds}${salt}${digest}"


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
