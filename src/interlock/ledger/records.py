"""Events as rows: what may be written, and what the hash of a row covers."""

import hashlib
import json
import math
from dataclasses import replace
from typing import Any, NamedTuple

from interlock.model.canonical import canonical_json, is_unicode
from interlock.model.errors import InterlockError, TamperedError
from interlock.model.events import Event, EventType, Recorded

# The largest that is meant to be there is the receipt of a switch, 0.8 KB for each dbt node: room for 40,000 of them.
MAX_EVENT_BYTES = 32 * 1024 * 1024
NOTHING_BEFORE = "0" * 64
_LARGEST_INTEGER = 2**53 - 1  # RFC 8785: beyond it, readers that know only doubles see another number


class RawEvent(NamedTuple):
    """One row as it lies in the database or in an export; ``data`` is canonical JSON text. May hold anything."""

    number: int
    at: str
    type: str
    environment: str
    deployment: str
    actor: str
    data: str
    previous: str
    hash: str

    def hashed(self, *, number: int | None = None) -> str:
        """The hash that this row should have (standing at ``number``); "" where it holds what no event holds."""
        try:
            return hash_of(self if number is None else self._replace(number=number))
        except (TypeError, ValueError):
            return ""


def hash_of(row: RawEvent) -> str:
    """SHA-256 of the canonical JSON of ``{number, at, type, environment, deployment, actor, data, previous}``.

    The keys stand in their canonical order below and ``data`` is canonical already, so a row is not parsed to be
    checked. ``json.dumps`` writes single strings as RFC 8785 does.
    """
    text = (
        f'{{"actor":{_text(row.actor)},"at":{_text(row.at)},"data":{_checked(row.data)},'
        f'"deployment":{_text(row.deployment)},"environment":{_text(row.environment)},"number":{int(row.number)},'
        f'"previous":{_text(row.previous)},"type":{_text(row.type)}}}'
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: str) -> str:
    return json.dumps(_checked(value), ensure_ascii=False)


def _checked(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, found {type(value).__name__}")
    return value


def data_text(event: Event) -> str:
    """``event.data`` as canonical JSON; ``InterlockError`` for what is no JSON, too large, or not storable."""
    for name, value in (("environment", event.environment), ("deployment", event.deployment), ("actor", event.actor)):
        if not isinstance(value, str) or "\0" in value or not is_unicode(value):
            raise _refused(event, f"its {name} is not plain text")
    if not isinstance(event.data, dict):
        raise _refused(event, "its data is not a JSON object")
    try:
        _require_json(event.data, "data")
        text = canonical_json(event.data).decode()
    except RecursionError:
        raise _refused(event, "its data is nested too deeply") from None
    except ValueError as error:
        raise _refused(event, str(error)) from error
    size = len(text.encode())
    if size > MAX_EVENT_BYTES:
        raise _refused(event, f"its data takes {size:,} bytes, and {MAX_EVENT_BYTES:,} is the most that one may take")
    return text


def _refused(event: Event, why: str) -> InterlockError:
    return InterlockError(
        f"The ledger does not take the event {event.type}: {why}.",
        remedy="This is a defect of whatever made the event (Interlock, or an adapter). Nothing was recorded.",
    )


def _require_json(value: Any, where: str) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if not is_unicode(value):
            raise ValueError(f"{where} holds text that is no Unicode")
    elif isinstance(value, int):
        if abs(value) > _LARGEST_INTEGER:
            raise ValueError(f"{where} holds {value}, beyond what every JSON reader can hold: write it as text")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} holds {value}, which is no number in JSON")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not is_unicode(key):
                raise ValueError(f"{where} has the key {key!r}, which is no text")
            _require_json(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _require_json(item, f"{where}[{index}]")
    else:
        raise ValueError(f"{where} holds a {type(value).__name__}, which is no JSON")


def load_json(text: str) -> Any:
    """What canonical JSON says, so that writing it again gives the same text (integers beyond 2^53 are doubles)."""
    return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | float:
    value = int(digits)
    return value if abs(value) <= _LARGEST_INTEGER else float(digits)


def raw_event(event: Event, data: str, number: int, at: str, previous: str) -> RawEvent:
    """The row for ``event`` that follows the row whose hash is ``previous``."""
    row = RawEvent(number, at, event.type.value, event.environment, event.deployment, event.actor, data, previous, "")
    return row._replace(hash=hash_of(row))


def recorded(row: RawEvent) -> Recorded:
    """The row as a fact; ``TamperedError`` where it cannot be one."""
    try:
        event = Event(EventType(row.type), row.environment, row.deployment, row.actor, load_json(row.data))
        if not isinstance(event.data, dict):
            raise ValueError("its data is no JSON object")
    except (TypeError, ValueError, RecursionError) as error:
        raise TamperedError(
            f"Event {row.number} of the ledger cannot be read.",
            remedy="`interlock audit verify` says what was changed. If a newer Interlock wrote it, use that version.",
            detail=str(error),
        ) from error
    return Recorded(row.number, row.at, event, row.previous, row.hash)


def as_recorded(event: Event, row: RawEvent) -> Recorded:
    """The fact just written: as it will be read, with lists where the caller gave tuples."""
    return Recorded(row.number, row.at, replace(event, data=load_json(row.data)), row.previous, row.hash)
