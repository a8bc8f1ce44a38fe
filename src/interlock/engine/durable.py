"""The durable engine (DBOS) behind three calls, so that it can be exchanged.

DBOS records which calls of a walk are done, and takes up a walk that a dead process left. It is not the ledger: what
happened is read from there. Every process has an executor id of its own (two processes with one id would run a live
step twice), and the application version is ours, so that an upgrade of Interlock leaves no deployment behind. A walk is
taken up through a queue that only the holder of the environment's lease listens to.
"""

import itertools
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from interlock.engine.walk import Durably
from interlock.model.errors import InterlockError

_VERSION = "1"
_INTERRUPTED = "interrupted"
_POLL_SECONDS = 0.2
_PENDING = {"PENDING", "ENQUEUED", "DELAYED"}


def system_database(ledger_url: str, root: Path) -> str:
    """Where the durable engine keeps its tables: beside the ledger, never among its rows."""
    if ledger_url.startswith("sqlite:///"):
        ledger = root / ledger_url.removeprefix("sqlite:///")
        return f"sqlite:///{ledger.parent / 'durable.db'}"
    return ledger_url


def _teach_old_sqlite() -> None:
    """DBOS asks ``unixepoch('subsec')`` from Python 3.12 on; SQLite answers that from 3.42 on, and with NULL before."""
    if sys.version_info < (3, 12) or sqlite3.sqlite_version_info >= (3, 42):
        return
    from sqlalchemy import Engine, event

    if not event.contains(Engine, "connect", _add_unixepoch):
        event.listen(Engine, "connect", _add_unixepoch)


def _add_unixepoch(connection: Any, record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", 1, lambda modifier: round(time.time(), 3))


class Durable:
    """A launched durable engine: a context manager. ``body(deployment, durably)`` is the walk that it carries out.

    ``scope`` is the lease that the caller holds: walks of other scopes are never touched.
    """

    def __init__(self, database_url: str, scope: str, body: Callable[[str, Durably], str]) -> None:
        self._url = database_url
        self._scope = scope
        self._body = body
        self._error: InterlockError | None = None
        self._workflow: Any = None

    def __enter__(self) -> Self:
        from dbos import DBOS

        _teach_old_sqlite()

        @DBOS.workflow(name="deployment")
        def deployment(deployment: str) -> str:
            return self._carry(deployment)

        self._workflow = deployment
        DBOS(
            config={
                "name": "interlock",
                "system_database_url": self._url,
                "dbos_system_schema": "interlock_durable",
                "executor_id": f"interlock-{uuid.uuid4()}",
                "application_version": _VERSION,
                "log_level": "CRITICAL",
                "console_log_level": "CRITICAL",
                "enable_otlp": False,
            }
        )
        DBOS.listen_queues([self._scope])
        DBOS.launch()
        DBOS.register_queue(self._scope, polling_interval_sec=_POLL_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from dbos import DBOS

        DBOS.destroy(destroy_registry=True)

    def run(self, deployment: str) -> str:
        """Carry a deployment to its end, taking up a walk that was cut off. Returns its outcome.

        Raises the ``InterlockError`` that stopped the walk; the deployment can then be resumed.
        """
        from dbos import DBOS, SetWorkflowID

        self._error = None
        for attempt in itertools.count(1):
            walk = f"{deployment}.{attempt}"
            status = DBOS.get_workflow_status(walk)
            if status is None:
                with SetWorkflowID(walk):
                    handle = DBOS.start_workflow(self._workflow, deployment)
            elif status.status in _PENDING:
                handle = DBOS.resume_workflow(walk, queue_name=self._scope)
            else:
                continue
            outcome = str(handle.get_result(polling_interval_sec=0.05))
            if self._error is not None:
                raise self._error
            # Without an error of ours, a holder that lost its lease took the walk up and could do nothing with it.
            if outcome != _INTERRUPTED:
                return outcome
        raise AssertionError("unreachable")

    def _carry(self, deployment: str) -> str:
        from dbos import DBOS

        def durably(name: str, function: Callable[[str], Any], argument: str) -> Any:
            return DBOS.run_step({"name": name}, function, argument)

        try:
            return self._body(deployment, durably)
        except InterlockError as error:
            self._error = error
            return _INTERRUPTED
