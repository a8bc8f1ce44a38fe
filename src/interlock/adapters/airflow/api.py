"""The few questions that are asked of Airflow's stable REST API (version 1, Airflow 2)."""

import base64
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any

from interlock.config.models import AirflowApi as ApiConfig
from interlock.model.errors import ConfigError, RefusedError, UnreachableError

_PAGE = 100
_CALL_SECONDS = 30.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """The password goes to the configured address and nowhere else."""
        return None


@dataclass(frozen=True)
class ServedDag:
    """One DAG as Airflow has it."""

    dag_id: str
    active: bool
    paused: bool
    last_parsed: datetime | None
    file_token: str
    tags: frozenset[str]


class AirflowApi:
    """Airflow's answers. ``UnreachableError`` where there is none, ``ConfigError`` where the login is refused."""

    def __init__(self, url: str, user: str, password: str) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ConfigError(f"'{url}' is no address of a web server", remedy="Write 'url: http://host:port'.")
        self.url = url.rstrip("/")
        self._login = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
        self.clock_ahead = 0.0  # seconds by which Airflow's clock is ahead of ours, as its last answer told (to 1 s)

    @classmethod
    def configured(cls, target: ApiConfig) -> "AirflowApi":
        """With user and password from the environment; ``ConfigError`` names the variable that is missing."""
        for name in (target.user_env, target.password_env):
            if not os.environ.get(name):
                raise ConfigError(
                    f"Airflow's API at {target.url} needs a login, and {name} is not set",
                    remedy=f"Set {target.user_env} and {target.password_env} where Interlock runs.",
                )
        return cls(target.url, os.environ[target.user_env], os.environ[target.password_env])

    def dags(self) -> dict[str, ServedDag]:
        """All DAGs that Airflow knows, also those that it no longer finds."""
        found = (_served(row) for row in self._all("/dags", "dags", {"only_active": "false", "order_by": "dag_id"}))
        return {dag.dag_id: dag for dag in found}

    def import_errors(self) -> dict[str, str]:
        """The last line of every import error, by the file's path on Airflow's machine."""
        rows = self._all("/importErrors", "import_errors", {})
        return {row["filename"]: (row.get("stack_trace") or "").strip().rpartition("\n")[2] for row in rows}

    def source(self, file_token: str) -> str:
        """The text of a DAG file as Airflow serves it."""
        answer = self._call("GET", f"/dagSources/{urllib.parse.quote(file_token)}")
        return str(answer["content"])

    def pause(self, dag_id: str, paused: bool) -> bool:
        """The DAG is paused, or is not; whether that had to be changed. ``RefusedError`` where there is no such DAG."""
        path = f"/dags/{urllib.parse.quote(dag_id, safe='')}"
        if bool(self._call("GET", path)["is_paused"]) is paused:
            return False
        self._call("PATCH", path + "?update_mask=is_paused", {"is_paused": paused})
        return True

    def _all(self, path: str, name: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self._call("GET", f"{path}?" + urllib.parse.urlencode({**query, "limit": _PAGE, "offset": offset}))
            rows = page[name]
            yield from rows
            offset += len(rows)
            # A server may cap a page below what was asked for: only an empty page or the total is the end.
            if not rows or offset >= page.get("total_entries", 0):
                return

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": self._login, "Accept": "application/json", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=_CALL_SECONDS) as answer:
                text = answer.read()
                self._read_clock(answer.headers.get("Date"))
                return json.loads(text)
        except urllib.error.HTTPError as error:
            raise self._refusal(error, path) from error
        except (OSError, HTTPException, ValueError) as error:
            raise UnreachableError(
                f"Airflow's API at {self.url} did not answer",
                remedy="See that the web server runs and that 'airflow.api.url' is right, then resume.",
                detail=str(error),
            ) from error

    def _refusal(self, error: urllib.error.HTTPError, path: str) -> Exception:
        if error.code in (401, 403):
            return ConfigError(
                f"Airflow's API at {self.url} refused the login ({error.code})",
                remedy="Check user and password, that the account may read and edit DAGs, and that basic"
                " authentication is one of Airflow's auth_backends.",
            )
        if error.code == 404:
            return RefusedError(
                f"Airflow does not know {path.partition('?')[0]}", remedy="See whether it was deployed."
            )
        if 300 <= error.code < 400:
            return ConfigError(
                f"Airflow's API at {self.url} sends elsewhere: {error.headers.get('Location', 'no address')}",
                remedy="Write the final address as 'airflow.api.url'.",
            )
        return UnreachableError(
            f"Airflow's API at {self.url} answered {error.code} to {path.partition('?')[0]}",
            remedy="Read the web server's log, then resume.",
        )

    def _read_clock(self, date: str | None) -> None:
        if date:
            try:
                self.clock_ahead = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
            except (TypeError, ValueError):
                self.clock_ahead = 0.0


def _served(row: dict[str, Any]) -> ServedDag:
    parsed = row.get("last_parsed_time")
    return ServedDag(
        dag_id=row["dag_id"],
        active=bool(row.get("is_active")),
        paused=bool(row.get("is_paused")),
        last_parsed=datetime.fromisoformat(parsed) if parsed else None,
        file_token=row.get("file_token") or "",
        tags=frozenset(tag["name"] for tag in row.get("tags") or ()),
    )
