"""A real PostgreSQL server of a test's own, on loopback, thrown away afterwards."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import LiteralString
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from tests.support import process
from tests.support.process import ServiceError

SUPERUSER = "postgres"

# No flush to the disk: the data is worthless once the machine is off. Commits stay synchronous all the same: without
# that, what was committed in the last fraction of a second before `kill` is lost, and crash tests would lie.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "on",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "lc_messages": "C",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_ADDRESS_TAKEN = "Address already in use"


@dataclass(frozen=True)
class _Account:
    """The account that the server runs under; both ids are None when the caller's own will do."""

    uid: int | None
    gid: int | None


class PostgresServer:
    """A running PostgreSQL whose data directory is a fresh temporary folder.

    Login is by password (SCRAM), so a test that forgets one fails as it would in production. `stop` and `kill`
    keep the data and `start` brings the same data back on the same port; `close` stops the server and removes it.
    ServiceError when no binaries are found or the server does not come up.
    """

    def __init__(self, *, settings: dict[str, str] | None = None, timeout: float = 30) -> None:
        self.host = "127.0.0.1"
        self.port = process.free_port()
        self.user = SUPERUSER
        self.password = secrets.token_hex(12)
        self._settings = {**_SETTINGS, **(settings or {})}
        self._timeout = timeout
        self._child: subprocess.Popen[bytes] | None = None
        self._account = _unprivileged_account()
        self._folder = Path(tempfile.mkdtemp(prefix="ilk-pg-"))
        self._data = self._folder / "data"
        self.log = self._folder / "server.log"
        try:
            self._own(self._folder)
            self._bin = self._runnable_binaries()
            self._initialise()
            self.start()
        except BaseException:
            self.close()
            raise

    def dsn(self, database: str = "postgres", *, user: str | None = None, password: str | None = None) -> str:
        """The libpq URL of a database, as the superuser unless another login is named."""
        login = f"{quote(user or self.user, safe='')}:{quote(password or self.password, safe='')}"
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(database, safe='')}"

    def create_database(self, name: str, *, template: str | None = None) -> str:
        """The URL of a new database; with `template` it starts as a copy of that one, which must have no sessions."""
        statement: sql.Composed = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self.execute(statement)
        return self.dsn(name)

    def drop_database(self, name: str) -> None:
        """The database is gone, its sessions with it; none to begin with is fine."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def execute(self, statement: LiteralString | sql.SQL | sql.Composed, database: str = "postgres") -> None:
        """One statement has run on its own, outside a transaction, as the superuser."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            connection.execute(statement)

    @property
    def running(self) -> bool:
        """Whether the server process lives; it may still be recovering."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> None:
        """The server answers; nothing happens when it runs already."""
        if self.running:
            return
        for _ in range(5):
            written = self.log.stat().st_size if self.log.exists() else 0
            self._child = self._launch()
            if self._answers():
                return
            process.kill_tree(self._child)
            with self.log.open("rb") as stream:
                stream.seek(written)
                said = stream.read().decode(errors="replace")
            if _ADDRESS_TAKEN not in said:
                break
            self.port = process.free_port()
        raise ServiceError(f"PostgreSQL did not start:\n{process.tail(self.log)}")

    def stop(self) -> None:
        """The server is down in good order; open sessions were ended."""
        if self._child is not None:
            process.stop_tree(self._child, grace=10, first=signal.SIGINT)
            self._child = None

    def kill(self) -> None:
        """The server and its sessions died at once, without a word to anybody."""
        if self._child is not None:
            process.kill_tree(self._child)
            self._child = None

    def close(self) -> None:
        """The server is down and its data removed."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "PostgresServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _launch(self) -> subprocess.Popen[bytes]:
        options = [part for key, value in self._settings.items() for part in ("-c", f"{key}={value}")]
        return process.start(
            [self._bin / "postgres", "-D", self._data, "-p", str(self.port), *options],
            env=self._environment(),
            cwd=self._folder,
            log=self.log,
            user=self._account.uid,
            group=self._account.gid,
        )

    def _answers(self) -> bool:
        child = self._child
        assert child is not None

        def probe() -> str | None:
            if child.poll() is not None:
                return "died"
            try:
                psycopg.connect(self.dsn(), connect_timeout=5).close()
            except psycopg.OperationalError:
                return None
            return "up"

        return process.wait_until(probe, timeout=self._timeout, what="PostgreSQL to answer") == "up"

    def _initialise(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self.password)
        self._own(secret)
        command: list[str | Path] = [
            self._bin / "initdb", "-D", self._data, "-U", SUPERUSER, "--pwfile", secret,
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
        ]  # fmt: skip
        self._run(command, what="initdb")
        secret.unlink()

    def _runnable_binaries(self) -> Path:
        found = find_binaries()
        try:
            self._run([found / "postgres", "--version"], what="postgres --version")
        except (ServiceError, PermissionError):
            # An environment below a closed home directory: the unprivileged account cannot reach it there.
            copy = self._folder / "pginstall"
            shutil.copytree(found.parent, copy, symlinks=True)
            self._run([copy / "bin" / "postgres", "--version"], what="postgres --version")
            return copy / "bin"
        return found

    def _run(self, argv: list[str | Path], *, what: str) -> None:
        done = subprocess.run(
            [str(part) for part in argv],
            env=self._environment(),
            cwd=self._folder,
            capture_output=True,
            text=True,
            user=self._account.uid,
            group=self._account.gid,
            extra_groups=None if self._account.uid is None else [],
        )
        if done.returncode != 0:
            raise ServiceError(f"{what} failed ({done.returncode}):\n{done.stdout}{done.stderr}")

    def _environment(self) -> dict[str, str]:
        # PGDATA, PGPORT and their like in the caller's environment would change what starts.
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", "HOME": str(self._folder)}

    def _own(self, path: Path) -> None:
        if self._account.uid is not None:
            os.chown(path, self._account.uid, self._account.gid if self._account.gid is not None else -1)


def find_binaries() -> Path:
    """The folder that holds `initdb` and `postgres`: of PATH, of the system, else of the `pgserver` package.

    Where there is none, whoever asked is skipped by name.
    """
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(installed, key=lambda folder: _major(folder.parent.name), reverse=True)
    bundled = find_spec("pgserver")
    if bundled is not None and bundled.origin is not None:
        candidates.append(Path(bundled.origin).parent / "pginstall" / "bin")
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.skip("no PostgreSQL here: install it (Python 3.12 and older bring one along on x86-64)")


def _major(name: str) -> int:
    return int(name) if name.isdigit() else 0


def _unprivileged_account() -> _Account:
    """PostgreSQL refuses root, and initdb wants an account with a name: `nobody`, or the first that is not root."""
    if os.geteuid() != 0:
        return _Account(None, None)
    accounts = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    if not accounts:
        raise ServiceError("running as root, and this machine has no other account that PostgreSQL could use")
    chosen = next((entry for entry in accounts if entry.pw_name == "nobody"), accounts[0])
    return _Account(chosen.pw_uid, chosen.pw_gid)
