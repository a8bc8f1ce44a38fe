"""What earlier readings found out, kept between commands. Losing it costs time and nothing else."""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interlock.model.canonical import is_unicode

# Raised whenever a stored value changes its meaning: older entries are then not found.
FORMAT = 1


class ReadingCache:
    """JSON values by space and key in one SQLite file. A file that cannot be read counts as empty and is replaced."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"catalog-{FORMAT}.db"

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._path, timeout=10)) as db:
            # A crash may lose the newest entries, which only costs a reading.
            db.execute("PRAGMA synchronous = OFF")
            db.execute(
                "CREATE TABLE IF NOT EXISTS entries (space TEXT, key TEXT, value TEXT, PRIMARY KEY (space, key))"
                " WITHOUT ROWID"
            )
            with db:
                yield db

    def load(self, space: str) -> dict[str, Any]:
        """Every value of one space, by key."""
        try:
            with self._open() as db:
                rows = db.execute("SELECT key, value FROM entries WHERE space = ?", (space,)).fetchall()
            # One document is parsed several times faster than thousands of small ones.
            return dict(zip((k for k, _ in rows), json.loads(f"[{','.join(v for _, v in rows)}]"), strict=True))
        except sqlite3.OperationalError:
            return {}  # read-only, locked, or no space: the reading goes on without
        except (sqlite3.DatabaseError, ValueError):
            self._path.unlink(missing_ok=True)
            return {}
        except OSError:
            return {}

    def get(self, space: str, key: str) -> Any:
        """One value; None where there is none."""
        try:
            with self._open() as db:
                row = db.execute("SELECT value FROM entries WHERE space = ? AND key = ?", (space, key)).fetchone()
            return None if row is None else json.loads(row[0])
        except (sqlite3.Error, OSError, ValueError):
            return None

    def save(self, space: str, values: Mapping[str, Any], keep: Collection[str] | None = None) -> None:
        """``values`` are added or replaced; with ``keep``, keys that are in neither are dropped.

        What stands under a key that is no UTF-8 (file names may be so) is not kept.
        """
        with contextlib.suppress(sqlite3.Error, OSError), self._open() as db:
            db.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)",
                [
                    (space, key, json.dumps(value, separators=(",", ":")))
                    for key, value in values.items()
                    if is_unicode(key)
                ],
            )
            if keep is not None:
                wanted = set(keep) | set(values)
                there = [key for (key,) in db.execute("SELECT key FROM entries WHERE space = ?", (space,))]
                gone = [(space, key) for key in there if key not in wanted]
                db.executemany("DELETE FROM entries WHERE space = ? AND key = ?", gone)

    def revise(self, spaces: Sequence[str], key: str, change: Callable[[list[Any]], Sequence[Any]]) -> None:
        """The values of one key in several spaces become what ``change`` makes of them (None: there is none).

        All of them or none, and nobody else writes meanwhile.
        """
        with contextlib.suppress(sqlite3.Error, OSError, ValueError), self._open() as db:
            db.execute("BEGIN IMMEDIATE")
            found = []
            for space in spaces:
                row = db.execute("SELECT value FROM entries WHERE space = ? AND key = ?", (space, key)).fetchone()
                found.append(None if row is None else json.loads(row[0]))
            changed = [json.dumps(value, separators=(",", ":")) for value in change(found)]
            db.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)",
                [(space, key, value) for space, value in zip(spaces, changed, strict=True)],
            )
