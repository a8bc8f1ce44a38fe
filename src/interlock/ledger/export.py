"""The ledger as a file for auditors: JSON lines that can be checked without Interlock's database.

The first line is ``{"format":1,"head":{"hash":…,"number":…},"kind":"interlock.ledger"}``. Every further line is one
event as RFC 8785 canonical JSON, with ``hash`` beside the eight fields that it covers.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from interlock.ledger.chain import ChainProblem, Head, find_problems
from interlock.ledger.records import RawEvent, load_json
from interlock.model.canonical import canonical_json
from interlock.model.errors import ConfigError, UsageError

KIND = "interlock.ledger"
FORMAT = 1


def write_export(path: Path, head: Head, rows: Iterable[RawEvent]) -> None:
    """``path`` holds all of ``rows``, or is as it was; ``ConfigError`` where it cannot be written."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            header = {"kind": KIND, "format": FORMAT, "head": {"number": head.number, "hash": head.hash}}
            file.write(canonical_json(header) + b"\n")
            for row in rows:
                line = {**row._asdict(), "data": load_json(row.data)}
                file.write(canonical_json(line) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise ConfigError(
            f"The export cannot be written to {path} ({error.strerror}).",
            remedy="Name another file, or free some space.",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def verify_export(path: Path, expected_head: Head | None = None) -> list[ChainProblem]:
    """Everything that is wrong with an export, [] when it is whole; ``UsageError`` where there is no readable file."""
    try:
        with path.open("rb") as file:
            head = _head(file.readline())
            if head is None:
                return [ChainProblem(0, "unreadable", "the first line is not that of an export of a ledger")]
            unreadable: list[ChainProblem] = []
            problems = find_problems(
                _rows(file, unreadable), {head.number: head.hash} if head.number else {}, expected_head
            )
    except OSError as error:
        raise UsageError(
            f"The export {path} cannot be read ({error.strerror}).", remedy="Check the file's name and rights."
        ) from error
    return [*unreadable, *problems]


def _head(line: bytes) -> Head | None:
    try:
        header = load_json(line.decode())
        if header["kind"] != KIND or header["format"] != FORMAT:
            return None
        return Head(int(header["head"]["number"]), str(header["head"]["hash"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _rows(lines: Iterable[bytes], unreadable: list[ChainProblem]) -> Iterator[RawEvent]:
    for count, line in enumerate(lines, 1):
        try:
            found: dict[str, Any] = load_json(line.decode())
            yield RawEvent(**{**found, "data": canonical_json(found["data"]).decode()})
        except (ValueError, KeyError, TypeError, RecursionError):
            unreadable.append(ChainProblem(0, "unreadable", f"line {count + 1} is no event"))
