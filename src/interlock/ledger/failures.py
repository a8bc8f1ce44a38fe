"""What the databases' own errors mean for people."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from interlock.model.errors import ConfigError, HeldError, InterlockError, TamperedError, UnreachableError


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Errors of the driver leave as Interlock's own, with a remedy."""
    try:
        yield
    except DBAPIError as error:
        raise _meaning(error.orig, where) from error
    except sqlite3.Error as error:
        raise _meaning(error, where) from error


def _meaning(error: BaseException | None, where: str) -> InterlockError:
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error, where)
    return _of_postgresql(error, where)


def _of_sqlite(error: sqlite3.Error, where: str) -> InterlockError:
    name = getattr(error, "sqlite_errorname", None) or ""
    detail = f"{error} {f'({name})' if name else ''}".strip()
    if name.startswith("SQLITE_FULL"):
        return _disk_full(where, detail)
    if name.startswith("SQLITE_BUSY"):
        return _busy(where, detail)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return _damaged(where, detail)
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_CANTOPEN")):
        return ConfigError(
            f"The ledger {where} cannot be opened for writing.",
            remedy="Give the user that runs Interlock write access to the file and to the folder that holds it.",
            detail=detail,
        )
    if name.startswith("SQLITE_IOERR"):
        return UnreachableError(
            f"The disk that holds the ledger {where} does not answer as it should.",
            remedy="Look at the disk and its free space, then run the same command again.",
            detail=detail,
        )
    if name.startswith("SQLITE_ERROR") and "no such table" in str(error):
        return _damaged(where, detail)
    return _refused(where, detail)


def _of_postgresql(error: BaseException | None, where: str) -> InterlockError:
    state = getattr(error, "sqlstate", None) or ""
    detail = f"{error} {f'(SQLSTATE {state})' if state else ''}".strip()
    if state == "53100":
        return _disk_full(where, detail)
    if state == "55P03":
        return _busy(where, detail)
    if state in ("XX001", "XX002", "42P01"):
        return _damaged(where, detail)
    if state == "25006":
        return ConfigError(
            f"The ledger {where} can be read only: the server takes no writes.",
            remedy="Name the primary server in `ledger:` of interlock.yaml, not a standby.",
            detail=detail,
        )
    if state == "42501":
        return ConfigError(
            f"The database refuses this role what it tried on the ledger {where}.",
            remedy="Let the ledger's owner run `interlock doctor` once, which also migrates it, and grant the"
            " application role its rights. Events can be added and read, never changed.",
            detail=detail,
        )
    # While connecting, the server's refusal comes as text only.
    said = "" if state else detail
    if state.startswith("28") or state == "3D000" or "authentication failed" in said or "does not exist" in said:
        return UnreachableError(
            f"The server of the ledger {where} refuses the login.",
            remedy="Check user, database and password (PGPASSWORD or a password file) of `ledger:` in interlock.yaml.",
            detail=detail,
        )
    lost = not state and type(error).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")
    if lost or state[:2] in ("08", "53", "57"):
        return UnreachableError(
            f"The ledger {where} cannot be reached.",
            remedy="See that the server runs and that this machine may connect to it, then run the same command again:"
            " what was recorded stays, and `interlock resume` carries on.",
            detail=detail,
        )
    return _refused(where, detail)


def _disk_full(where: str, detail: str) -> InterlockError:
    return UnreachableError(
        f"The disk that holds the ledger {where} is full: nothing was recorded.",
        remedy="Free some space, then run the same command again, or `interlock resume` for a deployment.",
        detail=detail,
    )


def _busy(where: str, detail: str) -> InterlockError:
    return HeldError(
        f"Another process has been writing the ledger {where} for too long.",
        remedy="Run the same command again. If this goes on, look for a hanging process or an open transaction.",
        detail=detail,
    )


def _damaged(where: str, detail: str) -> InterlockError:
    return TamperedError(
        f"The ledger {where} is damaged: the database cannot read its own file.",
        remedy="Keep the file as evidence, restore the last backup, and compare with `interlock audit verify`.",
        detail=detail,
    )


def _refused(where: str, detail: str) -> InterlockError:
    return InterlockError(
        f"The ledger {where} refused a statement.",
        remedy="This is a defect of Interlock, or somebody changed the ledger's tables: run `interlock audit verify`.",
        detail=detail,
    )
