"""Which changes of a table are compatible, by its columns' names, types and nullability.

Types are compared loosely: names that mean the same in some dialect are the same, and where a dialect leaves a size
out, nothing is said of sizes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from interlock.rules.compat import Change


@dataclass(frozen=True)
class Column:
    """``nullable`` and ``type`` may be unknown: None and "". ``default``: whether it has one."""

    name: str
    type: str = ""
    nullable: bool | None = None
    default: bool = False


@dataclass(frozen=True)
class Table:
    """``keys``: primary key or grain. ``partitioned_by`` of a ``layout`` ("hive", "iceberg", or "" where unknown).

    ``dialect`` is the warehouse's, as sqlglot names it, or "".
    """

    columns: Sequence[Column]
    keys: Sequence[str] = ()
    partitioned_by: Sequence[str] = ()
    layout: str = ""
    clustered_by: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    dialect: str = ""


@dataclass(frozen=True)
class ColumnType:
    """A type's family, how wide it is in it, and its sizes where they are told."""

    family: str
    width: int = 0
    sizes: tuple[int, ...] = ()


_FAMILIES: dict[str, tuple[str, int]] = {
    **dict.fromkeys(("tinyint", "byte", "byteint"), ("integer", 1)),
    **dict.fromkeys(("smallint", "int16", "int2", "short"), ("integer", 2)),
    **dict.fromkeys(("int", "int32", "int4", "mediumint"), ("integer", 4)),
    **dict.fromkeys(("bigint", "int64", "long"), ("integer", 8)),
    **dict.fromkeys(("real", "float32", "float4"), ("float", 4)),
    **dict.fromkeys(("double", "float64", "float8", "double precision"), ("float", 8)),
    **dict.fromkeys(("decimal", "numeric", "dec"), ("decimal", 0)),
    **dict.fromkeys(
        ("varchar", "string", "text", "nvarchar", "character varying", "nvarchar2", "varchar2", "longtext"),
        ("text", 0),
    ),
    **dict.fromkeys(("char", "character", "nchar", "bpchar"), ("char", 0)),
    **dict.fromkeys(("boolean", "bool"), ("boolean", 0)),
    **dict.fromkeys(("date",), ("date", 0)),
    **dict.fromkeys(("time",), ("time", 0)),
    **dict.fromkeys(
        (
            "timestamp", "datetime", "datetime2", "timestamp_ntz", "timestampntz", "timestamp without time zone",
            "timestamp_tz", "timestamptz", "timestamp_ltz", "timestamp with time zone", "timestamp_s", "timestamp_ms",
            "timestamp_ns",
        ),
        ("timestamp", 0),
    ),
    **dict.fromkeys(("binary", "varbinary", "bytes", "blob", "bytea"), ("binary", 0)),
    **dict.fromkeys(("uuid", "uniqueidentifier"), ("uuid", 0)),
    **dict.fromkeys(("json", "jsonb"), ("json", 0)),
}  # fmt: skip
# There every integer type is a name of one and the same. (int8 is eight bits in some dialects and bytes in others, so
# that nothing is said of it.)
_ONE_INTEGER = ("bigquery", "snowflake", "sqlite")
_TYPE = re.compile(r"^\s*([A-Za-z_][\w ]*?)\s*(?:\(\s*([\d\s,]*)\s*\))?\s*((?:with|without) (?:local )?time zone)?\s*$")
_ZONED = ("timestamp_tz", "timestamptz", "timestamp_ltz", "timestamp with time zone")


def column_type(text: str) -> ColumnType | None:
    """What a type's name means; None for names that are not known here (``integer`` alone is 4 bytes)."""
    match = _TYPE.match(text or "")
    if match is None:
        return None
    name = re.sub(r"\s+", " ", " ".join(filter(None, (match[1], match[3])))).strip().lower()
    if name == "integer":
        name = "int"
    known = _FAMILIES.get(name)
    if known is None:
        return None
    sizes = tuple(int(one) for one in (match[2] or "").split(",") if one.strip())
    return ColumnType(known[0], known[1], sizes if known[0] in ("decimal", "text", "char", "binary") else ())


def changes(old: Table, new: Table) -> list[Change]:
    """Every difference between two tables. ``new.renamed`` says which old names have which new ones."""
    found: list[Change] = []
    before = {one.name.lower(): one for one in old.columns}
    after = {one.name.lower(): one for one in new.columns}
    renamed = {o.lower(): n.lower() for o, n in new.renamed.items()} or _renamed(old.columns, new.columns)
    for was, becomes in renamed.items():
        if was in before and becomes in after:
            what = f"column {before[was].name} is called {after[becomes].name}"
            found.append(Change(before[was].name, what, False, False, kind="renamed"))
    for name, column in after.items():
        if name in before:
            found += _column(before[name], column, new.dialect)
        elif name not in renamed.values():
            found.append(_added(column))
    for name, column in before.items():
        if name not in after and name not in renamed:
            found.append(Change(column.name, f"column {column.name} was dropped", True, False, kind="dropped"))
    return found + _as_a_whole(old, new)


def _as_a_whole(old: Table, new: Table) -> list[Change]:
    found = []
    if _lowered(old.keys) != _lowered(new.keys):
        what = f"the key ({', '.join(old.keys)}) became ({', '.join(new.keys)})"
        found.append(Change("", what, False, False, kind="key"))
    if list(_lowered(old.partitioned_by)) != list(_lowered(new.partitioned_by)):
        free = "iceberg" in (old.layout, new.layout)
        what = f"partitioned by ({', '.join(new.partitioned_by)}) instead of ({', '.join(old.partitioned_by)})"
        found.append(Change("", what, free, free, kind="partition"))
    if list(_lowered(old.clustered_by)) != list(_lowered(new.clustered_by)):
        found.append(Change("", "clustered otherwise", True, True, kind="clustering"))
    return found


def _added(column: Column) -> Change:
    if column.nullable is False and not column.default:
        what = f"column {column.name} was added, which is NOT NULL and has no default"
        return Change(column.name, what, False, True, kind="added-not-null")
    note = "whoever reads SELECT * or loads by position gets one column more"
    return Change(column.name, f"column {column.name} was added", True, True, note, "added")


def _column(old: Column, new: Column, dialect: str) -> list[Change]:
    found = []
    if old.type and new.type and (change := _type_change(old, new, dialect)) is not None:
        found.append(change)
    if old.nullable is False and new.nullable is True:
        found.append(Change(new.name, f"column {new.name} may be NULL now", True, False, kind="nullable"))
    elif old.nullable is True and new.nullable is False:
        found.append(Change(new.name, f"column {new.name} became NOT NULL", False, True, kind="not-null"))
    return found


def _type_change(old: Column, new: Column, dialect: str) -> Change | None:
    if _squeezed(old.type) == _squeezed(new.type):
        return None
    before, after = column_type(old.type), column_type(new.type)
    what = f"column {new.name} became {new.type} instead of {old.type}"
    if before is None or after is None:
        return Change(new.name, what, None, None, "one of the types is not known", "unknown")
    if dialect in _ONE_INTEGER and before.family == after.family == "integer":
        return None
    wider = _wider(before, after)
    if before.family == after.family == "decimal":
        return _decimals(before, after, new.name, what)
    if wider is None:
        if before.family == after.family:
            return _zones(old, new, what)
        return Change(new.name, what, False, False, kind="type")
    return Change(new.name, what, wider, not wider, kind="widened" if wider else "narrowed")


def _wider(old: ColumnType, new: ColumnType) -> bool | None:
    """Whether the new type holds more; None where neither holds all of the other, or both hold the same."""
    if old.family == new.family:
        if old.width != new.width:
            return new.width > old.width
        if old.family in ("text", "binary", "char") and old.sizes != new.sizes and old.sizes and new.sizes:
            return new.sizes > old.sizes
        return None
    for narrow, wide, answer in ((old, new, True), (new, old, False)):
        if (narrow.family, wide.family) in (("integer", "float"), ("integer", "decimal"), ("char", "text")):
            if wide.family == "decimal" and not (_digits(wide) >= _INTEGER_DIGITS.get(narrow.width, 19)):
                return None
            if wide.family == "float" and narrow.width * 2 > wide.width:
                return None
            return answer
    return None


_INTEGER_DIGITS = {1: 3, 2: 5, 4: 10, 8: 19}


def _digits(decimal: ColumnType) -> int:
    """Digits before the point; without a precision they are as many as a dialect gives, which is enough."""
    if not decimal.sizes:
        return 38
    return decimal.sizes[0] - (decimal.sizes[1] if len(decimal.sizes) > 1 else 0)


def _decimals(old: ColumnType, new: ColumnType, name: str, what: str) -> Change | None:
    if not old.sizes or not new.sizes:
        return None
    scales = [one.sizes[1] if len(one.sizes) > 1 else 0 for one in (old, new)]
    if scales[0] != scales[1]:
        return Change(name, what, False, False, kind="scale")
    if old.sizes[0] == new.sizes[0]:
        return None
    wider = new.sizes[0] > old.sizes[0]
    return Change(name, what, wider, not wider, kind="widened" if wider else "narrowed")


def _zones(old: Column, new: Column, what: str) -> Change | None:
    zoned = [any(one in _squeezed(column.type) for one in map(_squeezed, _ZONED)) for column in (old, new)]
    if zoned[0] != zoned[1]:
        return Change(new.name, what, None, None, "whether a time has a zone changed", "unknown")
    return None


def _renamed(old: Sequence[Column], new: Sequence[Column]) -> dict[str, str]:
    """One column that has another name at the same place and the same type, where nothing else came or went."""
    before, after = [one.name.lower() for one in old], [one.name.lower() for one in new]
    gone = [one for one in before if one not in after]
    come = [one for one in after if one not in before]
    if len(gone) != 1 or len(come) != 1 or before.index(gone[0]) != after.index(come[0]):
        return {}
    types = {one.name.lower(): _squeezed(one.type) for one in (*old, *new)}
    return {gone[0]: come[0]} if types[gone[0]] == types[come[0]] else {}


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text or "").lower()


def _lowered(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(one.lower() for one in names)
