"""Aggregates of a candidate and its live version, measured inside the warehouse: no row leaves it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from interlock.adapters.dbt.relations import Relation, quoted

RELATIVE_TOLERANCE = 1e-9
"""Two floating-point values that differ by less than this share of the greater one count as equal."""

_FLOATS = ("double", "double precision", "float", "float4", "float8", "real")
_NUMBERS = (
    *_FLOATS, "smallint", "integer", "bigint", "hugeint", "tinyint", "utinyint", "usmallint", "uinteger", "ubigint",
    "uhugeint", "numeric", "decimal",
)  # fmt: skip
# Types without an equality operator in PostgreSQL, compared as text.
_WITHOUT_EQUALITY = ("json", "xml", "point", "polygon", "box", "path", "line", "lseg", "circle")


class Measurable(Protocol):
    """What measuring needs of a warehouse session."""

    dialect: str

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


@dataclass(frozen=True)
class Side:
    """One relation: rows, nulls by column, and of the key how many rows have it twice or have a null in it."""

    rows: int
    nulls: dict[str, int]
    duplicates: int | None = None
    null_keys: int | None = None
    newest: float | None = None  # seconds since 1970, UTC


@dataclass(frozen=True)
class Difference:
    """A keyed comparison: rows only in the candidate, only in the live version, and in both but not alike."""

    added: int
    removed: int
    changed: int
    by_column: dict[str, int]


def measure(
    session: Measurable,
    relation: Relation,
    columns: Sequence[str],
    key: Sequence[str] = (),
    newest_of: str | None = None,
) -> Side:
    """All aggregates of one relation in one statement."""
    parts = ["count(*)"]
    if key:
        names = ", ".join(quoted(k) for k in key)
        any_null = " OR ".join(f"{quoted(k)} IS NULL" for k in key)
        parts.append(f"(SELECT count(*) FROM (SELECT DISTINCT {names} FROM {relation.sql}) AS k)")
        parts.append(f"count(*) FILTER (WHERE {any_null})")
    if newest_of:
        seconds = "epoch(max({0}))" if session.dialect == "duckdb" else "extract(epoch FROM max({0}))"
        parts.append(seconds.format(quoted(newest_of)))
    head = len(parts)
    parts += [f"count(*) - count({quoted(c)})" for c in columns]
    [row] = session.query(f"SELECT {', '.join(parts)} FROM {relation.sql}")
    return Side(
        rows=row[0],
        nulls=dict(zip(columns, row[head:], strict=True)),
        duplicates=row[0] - row[1] if key else None,
        null_keys=row[2] if key else None,
        newest=float(row[head - 1]) if newest_of and row[head - 1] is not None else None,
    )


def compare(
    session: Measurable,
    live: Relation,
    candidate: Relation,
    key: Sequence[str],
    live_types: dict[str, str],
    candidate_types: dict[str, str],
) -> Difference:
    """One statement that joins both by ``key``, which must be unique and without nulls on either side."""
    columns = [c for c in live_types if c in candidate_types and c not in key]
    on = " AND ".join(_same_key(k, live_types[k], candidate_types[k]) for k in key)
    differs = [_differs(c, live_types[c], candidate_types[c]) for c in columns]
    both = 'l."ilk_here" IS NOT NULL AND c."ilk_here" IS NOT NULL'
    parts = ['count(*) FILTER (WHERE l."ilk_here" IS NULL)', 'count(*) FILTER (WHERE c."ilk_here" IS NULL)']
    anything = " OR ".join(differs) or "FALSE"
    parts.append(f"count(*) FILTER (WHERE {both} AND ({anything}))")
    parts += [f"count(*) FILTER (WHERE {both} AND {d})" for d in differs]
    [row] = session.query(
        f"SELECT {', '.join(parts)}"
        f' FROM (SELECT 1 AS "ilk_here", t.* FROM {live.sql} AS t) AS l'
        f' FULL JOIN (SELECT 1 AS "ilk_here", t.* FROM {candidate.sql} AS t) AS c ON {on}'
    )
    by_column = {c: n for c, n in zip(columns, row[3:], strict=True) if n}
    return Difference(row[0], row[1], row[2], by_column)


def base_type(declared: str) -> str:
    """A column type without its length or precision, in lower case."""
    return declared.lower().split("(")[0].strip()


def _numeric(declared: str) -> bool:
    return base_type(declared) in _NUMBERS


def _same_key(column: str, live: str, candidate: str) -> str:
    left, right = f"l.{quoted(column)}", f"c.{quoted(column)}"
    if base_type(live) == base_type(candidate) or (_numeric(live) and _numeric(candidate)):
        return f"{left} = {right}"
    return f"CAST({left} AS varchar) = CAST({right} AS varchar)"


def _differs(column: str, live: str, candidate: str) -> str:
    left, right = f"l.{quoted(column)}", f"c.{quoted(column)}"
    if _numeric(live) and _numeric(candidate):
        distinct = f"{left} IS DISTINCT FROM {right}"
        if base_type(live) in _FLOATS or base_type(candidate) in _FLOATS:
            return f"({distinct} AND NOT {_close(left, right)})"
        return f"({distinct})"
    if base_type(live) != base_type(candidate) or base_type(live) in _WITHOUT_EQUALITY:
        left, right = f"CAST({left} AS varchar)", f"CAST({right} AS varchar)"
    return f"({left} IS DISTINCT FROM {right})"


def _close(left: str, right: str) -> str:
    # NaN counts as greater than infinity in both warehouses, so 'less than infinity' leaves out both; halves cannot
    # overflow; a null on one side makes the whole of it null.
    a, b = f"CAST({left} AS double precision)", f"CAST({right} AS double precision)"
    infinity = "CAST('Infinity' AS double precision)"
    near = f"abs({a} / 2 - {b} / 2) <= {RELATIVE_TOLERANCE!r} * greatest(abs({a}), abs({b})) / 2"
    # CASE and not AND, because only CASE promises an order.
    return f"coalesce(CASE WHEN abs({a}) < {infinity} AND abs({b}) < {infinity} THEN {near} END, FALSE)"
