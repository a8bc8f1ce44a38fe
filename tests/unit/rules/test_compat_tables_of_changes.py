"""Every row of the table of changes, in both directions: what new schemas read, and what old ones do."""

from typing import Any

import pytest

from interlock.rules import compat_avro, compat_json_schema, compat_protobuf, compat_tables
from interlock.rules.compat import Change, Mode, holds
from interlock.rules.compat_tables import Column, Table

Y, N = True, False


def both(changes: list[Change]) -> tuple[bool | None, bool | None]:
    """The verdict in both directions."""
    return holds(changes, Mode.BACKWARD), holds(changes, Mode.FORWARD)


def record(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Order", "namespace": "shop", "fields": list(fields), **more}


def of(kind: Any, **more: Any) -> dict[str, Any]:
    return record({"name": "x", "type": kind, **more})


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return of({"type": "enum", "name": "Size", "symbols": list(symbols), **more})


def fixed(size: int) -> dict[str, Any]:
    return of({"type": "fixed", "name": "Hash", "size": size})


X, Z = {"name": "x", "type": "int"}, {"name": "z", "type": "int"}
ZD = {**Z, "default": 0}

AVRO = {
    "add with default": (record(X), record(X, ZD), Y, Y),
    "remove with default": (record(X, ZD), record(X), Y, Y),
    "reorder": (record(X, Z), record(Z, X), Y, Y),
    "string to bytes": (of("string"), of("bytes"), Y, Y),
    "bytes to string": (of("bytes"), of("string"), Y, Y),
    "namespace": (record(X), record(X, namespace="market"), Y, Y),
    "add without default": (record(X), record(X, Z), N, Y),
    "remove without default": (record(X, Z), record(X), Y, N),
    "rename field with alias": (record(X), record({"name": "y", "type": "int", "aliases": ["x"]}), Y, N),
    "rename record with alias": (record(X), record(X, name="Sale", aliases=["Order"]), Y, N),
    "rename record with full alias": (record(X), record(X, name="Sale", aliases=["shop.Order"]), Y, N),
    "rename record": (record(X), record(X, name="Sale"), N, N),
    "fixed size": (fixed(8), fixed(16), N, N),
    "int to string": (of("int"), of("string"), N, N),
    "int to long": (of("int"), of("long"), Y, N),
    "long to double": (of("long"), of("double"), Y, N),
    "nullable": (of("int"), of(["null", "int"]), Y, N),
    "add branch": (of(["null", "int"]), of(["null", "int", "string"]), Y, N),
    "no longer nullable": (of(["null", "int"]), of("int"), N, Y),
    "add symbol": (enum("S"), enum("S", "L"), Y, N),
    "add symbol, caught": (enum("S", default="S"), enum("S", "L", default="S"), Y, Y),
    "remove symbol": (enum("S", "L"), enum("S"), N, Y),
    "remove symbol, caught": (enum("S", "L", default="S"), enum("S", default="S"), Y, Y),
}


@pytest.mark.parametrize("row", AVRO)
def test_avro(row: str) -> None:
    old, new, backward, forward = AVRO[row]
    assert both(compat_avro.changes(old, new)) == (backward, forward), compat_avro.changes(old, new)


def logical(base: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **more}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (logical("bytes", "decimal", precision=10, scale=2), logical("bytes", "decimal", precision=10, scale=4)),
        (logical("bytes", "decimal", precision=10, scale=2), logical("bytes", "decimal", precision=12, scale=2)),
        (logical("long", "timestamp-millis"), logical("long", "timestamp-micros")),
        (logical("int", "date"), "int"),
        ("long", logical("long", "timestamp-micros")),
        (logical("int", "time-millis"), logical("long", "time-micros")),
        (["null", logical("long", "timestamp-millis")], ["null", logical("long", "timestamp-micros")]),
        (
            {"type": "array", "items": logical("long", "timestamp-millis")},
            {"type": "array", "items": logical("long", "local-timestamp-millis")},
        ),
    ],
)
def test_logical_type_is_refused_though_every_checker_accepts_it(old: Any, new: Any) -> None:
    found = compat_avro.changes(of(old), of(new))
    assert any(one.logical for one in found)
    assert both(found)[0] is False


def test_uuid_is_the_same_text_with_and_without() -> None:
    assert both(compat_avro.changes(of("string"), of(logical("string", "uuid")))) == (Y, Y)


def obj(required: list[str] | None = None, closed: bool = False, **properties: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        found["required"] = required
    if closed:
        found["additionalProperties"] = False
    return found


S: dict[str, Any] = {"type": "string"}
# old, new, then backward and forward strictly, then leniently
JSON = {
    "add optional, open": (obj(a=S), obj(a=S, b=S), N, Y, Y, Y),
    "add optional, closed": (obj(a=S, closed=True), obj(a=S, b=S, closed=True), Y, N, Y, Y),
    "remove optional, open": (obj(a=S, b=S), obj(a=S), Y, N, Y, Y),
    "remove optional, closed": (obj(a=S, b=S, closed=True), obj(a=S, closed=True), N, Y, Y, Y),
    "required": (obj(a=S), obj(["a"], a=S), N, Y, N, Y),
    "required with default": (obj(a=S), obj(["a"], a={**S, "default": ""}), Y, Y, Y, Y),
    "enum widened": (obj(a={"enum": ["x"]}), obj(a={"enum": ["x", "y"]}), Y, N, Y, N),
    "type widened": (obj(a={"type": "integer"}), obj(a={"type": "number"}), Y, N, Y, N),
    "type widened to null": (obj(a=S), obj(a={"type": ["string", "null"]}), Y, N, Y, N),
    "constraint relaxed": (obj(a={**S, "maxLength": 5}), obj(a={**S, "maxLength": 9}), Y, N, Y, N),
    "bound removed": (obj(a={"minimum": 1}), obj(a={}), Y, N, Y, N),
    "open": (obj(a=S, closed=True), obj(a=S), Y, N, Y, Y),
    "words": (obj(a=S), {**obj(a={**S, "default": "x"}), "title": "A", "description": "a"}, Y, Y, Y, Y),
    "draft 4 bound": (
        obj(a={"minimum": 1, "exclusiveMinimum": True}), obj(a={"exclusiveMinimum": 1}), Y, Y, Y, Y,
    ),
    "any of one more": (obj(a=S), obj(a={"anyOf": [S, {"type": "null"}]}), Y, N, Y, N),
}  # fmt: skip


@pytest.mark.parametrize("row", JSON)
def test_json_schema(row: str) -> None:
    old, new, backward, forward, lenient_backward, lenient_forward = JSON[row]
    assert both(compat_json_schema.changes(old, new)) == (backward, forward)
    assert both(compat_json_schema.changes(old, new, lenient=True)) == (lenient_backward, lenient_forward)


def test_json_schema_follows_references_in_the_document() -> None:
    old = {"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {"type": "integer"}}}
    new = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}
    assert both(compat_json_schema.changes(old, new)) == (N, N)
    new["$defs"] = {"A": {"type": "integer"}}
    assert compat_json_schema.changes(old, new) == []


def test_json_schema_that_refers_to_itself_ends() -> None:
    tree = {"properties": {"left": {"$ref": "#"}, "value": {"type": "integer"}}}
    other = {"properties": {"left": {"$ref": "#"}, "value": {"type": "number"}}}
    assert both(compat_json_schema.changes(tree, other)) == (Y, N)


@pytest.mark.parametrize("word", ["if", "patternProperties", "dependentSchemas", "x-unit", "not", "format"])
def test_json_schema_does_not_guess_what_it_does_not_know(word: str) -> None:
    assert both(compat_json_schema.changes({word: {"a": 1}}, {word: {"a": 2}})) == (None, None)


def message(body: str, more: str = "", package: str = "shop") -> compat_protobuf.ProtoFile:
    found = compat_protobuf.parsed(f'syntax = "proto2";\npackage {package};\nmessage M {{ {body} }}\n{more}')
    assert found is not None and not found.problems, found
    return found


E = "enum E { A = 0; }"
PROTO = {
    "add a field": (message(""), message("optional int32 a = 1;"), Y, Y),
    "remove a field": (message("optional int32 a = 1;"), message(""), Y, Y),
    "rename": (message("optional int32 a = 1;"), message("optional int32 b = 1;"), Y, Y),
    "enum added": (message(""), message("", E), Y, Y),
    "enum removed": (message("", E), message(""), Y, Y),
    "enum value added": (message("", E), message("", "enum E { A = 0; B = 1; }"), Y, Y),
    "int32 to bool": (message("optional int32 a = 1;"), message("optional bool a = 1;"), Y, Y),
    "int64 to uint32": (message("optional int64 a = 1;"), message("optional uint32 a = 1;"), Y, Y),
    "int32 to enum": (message("optional int32 a = 1;", E), message("optional E a = 1;", E), Y, Y),
    "sint": (message("optional sint32 a = 1;"), message("optional sint64 a = 1;"), Y, Y),
    "bytes": (message("optional string a = 1;"), message("optional bytes a = 1;"), Y, Y),
    "fixed32": (message("optional fixed32 a = 1;"), message("optional sfixed32 a = 1;"), Y, Y),
    "fixed64": (message("optional fixed64 a = 1;"), message("optional sfixed64 a = 1;"), Y, Y),
    "across": (message("optional int32 a = 1;"), message("optional sint32 a = 1;"), N, N),
    "to string": (message("optional int32 a = 1;"), message("optional string a = 1;"), N, N),
    "package": (message(""), message("", package="market"), N, N),
    "number": (message("optional int32 a = 1;"), message("optional int32 a = 2;"), N, N),
    "required added": (message(""), message("required int32 a = 1;"), N, N),
    "required removed": (message("required int32 a = 1;"), message(""), N, N),
    "became required": (message("optional int32 a = 1;"), message("required int32 a = 1;"), N, N),
    "add a message": (message(""), message("", "message N {}"), Y, N),
    "remove a message": (message("", "message N {}"), message(""), N, Y),
    "add to oneof": (message("oneof o { int32 a = 1; }"), message("oneof o { int32 a = 1; int32 b = 2; }"), Y, N),
    "remove from oneof": (message("oneof o { int32 a = 1; int32 b = 2; }"), message("oneof o { int32 a = 1; }"), N, Y),
    "several into one": (
        message("optional int32 a = 1; optional int32 b = 2;"), message("oneof o { int32 a = 1; int32 b = 2; }"), N, Y,
    ),
    "one into an existing": (
        message("optional int32 a = 1; oneof o { int32 b = 2; }"), message("oneof o { int32 a = 1; int32 b = 2; }"),
        N, Y,
    ),
    "one into a new": (message("optional int32 a = 1;"), message("oneof o { int32 a = 1; }"), Y, Y),
    "the same name written in full": (
        message("optional N a = 1;", "message N {}"), message("optional .shop.N a = 1;", "message N {}"), Y, Y,
    ),
}  # fmt: skip


@pytest.mark.parametrize("row", PROTO)
def test_protobuf(row: str) -> None:
    old, new, backward, forward = PROTO[row]
    assert both(compat_protobuf.changes(old, new)) == (backward, forward), compat_protobuf.changes(old, new)


def test_protobuf_deleting_without_reserving_is_told() -> None:
    old = message("optional int32 a = 1; optional int32 b = 2;")
    assert [one.name for _, one in compat_protobuf.unreserved(old, message("optional int32 a = 1;"))] == ["b"]
    assert compat_protobuf.unreserved(old, message("reserved 2 to 4; optional int32 a = 1;")) == []


A = Column("a", "integer", nullable=False)


def table(*columns: Column, **more: Any) -> Table:
    return Table((A, *columns), **more)


def b(kind: str = "integer", nullable: bool | None = True, default: bool = False) -> Table:
    return table(Column("b", kind, nullable, default))


TABLES = {
    "add nullable": (table(), b(), Y, Y),
    "add with default": (table(), b(nullable=False, default=True), Y, Y),
    "add not null": (table(), b(nullable=False), N, Y),
    "drop": (b(), table(), Y, N),
    "rename": (b(), table(Column("c", "integer", True)), N, N),
    "rename, told": (b(), table(Column("c", "bigint", True), renamed={"b": "c"}), N, N),
    "widen": (b("integer"), b("bigint"), Y, N),
    "widen text": (b("varchar(10)"), b("varchar(20)"), Y, N),
    "widen precision": (b("numeric(10, 2)"), b("numeric(12, 2)"), Y, N),
    "narrow": (b("bigint"), b("int"), N, Y),
    "narrow text": (b("varchar(20)"), b("varchar(10)"), N, Y),
    "other type": (b("integer"), b("boolean"), N, N),
    "scale": (b("numeric(10, 2)"), b("numeric(10, 4)"), N, N),
    "not null to null": (b(nullable=False), b(nullable=True), Y, N),
    "null to not null": (b(nullable=True), b(nullable=False), N, Y),
    "partition key": (table(partitioned_by=["d"], layout="hive"), table(partitioned_by=["e"], layout="hive"), N, N),
    "key": (table(keys=["a"]), table(keys=["a", "b"]), N, N),
    "iceberg": (table(partitioned_by=["d"], layout="iceberg"), table(partitioned_by=["e"], layout="iceberg"), Y, Y),
    "clustering": (table(clustered_by=["a"]), table(clustered_by=["b"]), Y, Y),
    "the same type by another name": (b("int"), b("INTEGER"), Y, Y),
}


@pytest.mark.parametrize("row", TABLES)
def test_tables(row: str) -> None:
    old, new, backward, forward = TABLES[row]
    assert both(compat_tables.changes(old, new)) == (backward, forward), compat_tables.changes(old, new)


@pytest.mark.parametrize("row", PROTO)
def test_a_protobuf_file_does_not_differ_from_itself(row: str) -> None:
    for file in PROTO[row][:2]:
        assert compat_protobuf.changes(file, file) == []


@pytest.mark.parametrize("row", TABLES)
def test_a_table_does_not_differ_from_itself(row: str) -> None:
    for one in TABLES[row][:2]:
        assert (
            compat_tables.changes(one, Table(one.columns, one.keys, one.partitioned_by, one.layout, one.clustered_by))
            == []
        )


@pytest.mark.parametrize(
    ("old", "new", "dialect"),
    [
        ("integer", "int64", "bigquery"),
        ("int", "bigint", "snowflake"),
        ("varchar", "string", ""),
        ("timestamp", "datetime", ""),
        ("double precision", "float8", "postgres"),
        ("struct<a int>", "struct<a bigint>", ""),
        ("int8", "integer", ""),
        ("varchar(20)", "text", ""),
    ],
)
def test_types_that_may_be_the_same_break_nothing(old: str, new: str, dialect: str) -> None:
    found = compat_tables.changes(b(old), Table((A, Column("b", new, True)), dialect=dialect))
    assert False not in both(found)
