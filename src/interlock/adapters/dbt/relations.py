"""Relations and moves: the data that staging, gates, switching and reverting share. No I/O."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Kind = Literal["table", "view", "matview"]
Role = Literal["candidate", "prev", "undone"]

TOKEN = "__ilk_"
"""Every schema (PostgreSQL) or relation (DuckDB) that Interlock makes beside production has this in its name."""


@dataclass(frozen=True)
class Relation:
    """A table or view by schema and name, in the warehouse's own database."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """The quoted name for a statement."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def ours(self) -> bool:
        """Whether Interlock made it beside production."""
        return TOKEN in self.schema or TOKEN in self.name

    def to_json(self) -> dict[str, str]:
        return {"schema": self.schema, "name": self.name}


def relation_of(data: dict[str, Any]) -> Relation:
    """The relation that ``to_json`` wrote; ``KeyError`` where it is not one."""
    return Relation(data["schema"], data["name"])


@dataclass(frozen=True)
class Obstacle:
    """Something that follows a live relation's object and cannot be repointed to its successor."""

    relation: Relation
    what: str


class Queries(Protocol):
    """What the parts of a session need of it."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement."""
        ...

    def oid(self, relation: Relation) -> int | None:
        """The number of the object at this name."""
        ...


def quoted(identifier: str) -> str:
    """The identifier in double quotes, whatever it holds."""
    return '"' + identifier.replace('"', '""') + '"'


def tag_of(deployment: str) -> str:
    """Eight hexadecimal digits that stand for one deployment in names."""
    return hashlib.sha256(deployment.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Move:
    """One live name whose relation is replaced.

    What lives at ``live``, if anything does, goes to ``parked``; then ``incoming`` goes to ``live`` (``None``: the name
    is left empty). ``expect`` is the fingerprint that the live table must still have.
    ``definition`` is the SQL of the view (or ``matview``: ``definition_kind``) that ``incoming`` was, should it have
    been dropped by somebody's cascade.
    ``grants_managed`` says that dbt set the privileges of ``incoming`` itself, so those of the old one are not carried.
    """

    key: str
    live: Relation
    parked: Relation
    incoming: Relation | None
    expect: dict[str, Any] | None = None
    definition: str = ""
    definition_kind: str = "view"
    grants_managed: bool = False


@dataclass(frozen=True)
class Moved:
    """What a move did: where the old relation is now, of which kind it was, and its SQL if it was a view."""

    key: str
    live: Relation
    previous: Relation | None
    previous_kind: str
    definition: str
    put: bool

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "live": self.live.to_json(),
            "previous": self.previous.to_json() if self.previous else None,
            "previous_kind": self.previous_kind,
            "definition": self.definition,
            "put": self.put,
        }


def moved_of(data: dict[str, Any]) -> Moved:
    """The value that ``Moved.to_json`` wrote; ``KeyError`` where it is not one."""
    previous = data["previous"]
    return Moved(
        key=data["key"],
        live=relation_of(data["live"]),
        previous=relation_of(previous) if previous else None,
        previous_kind=data["previous_kind"],
        definition=data["definition"],
        put=data["put"],
    )


_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$\$.*?\$\$", re.DOTALL)


def without_values(message: str) -> str:
    """The first line of a database's message with everything in quotes left out: it may be a value of a row."""
    first = message.strip().splitlines()[0] if message.strip() else ""
    return _QUOTED.sub("'…'", first)


_DATA_ERROR = re.compile(
    r"invalid input|could not convert|conversion error|constraint error|out of range|violates|duplicate key|overflow",
    re.I,
)


def shown(message: str) -> str:
    """A message of dbt's as it may be reported: short, and without values where it could quote a row."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    kept = [line for line in lines if not line.lower().startswith(("compiled code at", "detail:", "key (", "^"))][:4]
    text = " ".join(kept)
    return _QUOTED.sub("'…'", text) if _DATA_ERROR.search(message) else text[:400]
