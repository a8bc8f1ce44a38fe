"""Generated schemas: nothing differs from itself, and our verdicts are the avro library's but for logical types."""

import copy
from typing import Any

import avro.compatibility
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.rules import compat_avro, compat_json_schema
from interlock.rules.compat import Mode, holds

PRIMITIVES = ["boolean", "int", "long", "float", "double", "bytes", "string"]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@st.composite
def avro_types(draw: Any, names: list[str], depth: int = 0) -> Any:
    kind = draw(
        st.sampled_from(["primitive"] * 4 + (["array", "map", "union", "enum", "fixed", "record"] if depth < 2 else []))
    )
    if kind == "primitive":
        return draw(st.sampled_from(PRIMITIVES))
    if kind in ("array", "map"):
        return {"type": kind, "items" if kind == "array" else "values": draw(avro_types(names, depth + 1))}
    if kind == "union":
        branches = draw(st.lists(st.sampled_from([*PRIMITIVES, "null"]), min_size=1, max_size=3, unique=True))
        return branches
    name = f"{kind.title()}{len(names)}"
    names.append(name)
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": draw(st.integers(1, 3))}
    if kind == "enum":
        symbols = draw(st.lists(st.sampled_from("ABCD"), min_size=1, max_size=3, unique=True))
        found = {"type": "enum", "name": name, "symbols": symbols}
        if draw(st.booleans()):
            found["default"] = symbols[0]
        return found
    return {"type": "record", "name": name, "fields": draw(fields(names, depth + 1))}


@st.composite
def fields(draw: Any, names: list[str], depth: int) -> list[dict[str, Any]]:
    found = []
    for name in draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)):
        field: dict[str, Any] = {"name": name, "type": draw(avro_types(names, depth))}
        if draw(st.booleans()):
            field["default"] = None
        if draw(st.integers(0, 4)) == 0:
            field["aliases"] = [draw(st.sampled_from("abcd"))]
        found.append(field)
    return found


@st.composite
def avro_records(draw: Any) -> dict[str, Any]:
    return {"type": "record", "name": "Top", "namespace": "n", "fields": draw(fields([], 0))}


def library(reader: Any, writer: Any) -> bool:
    checker = avro.compatibility.ReaderWriterCompatibilityChecker()
    result = checker.get_compatibility(compat_avro.parsed(reader), compat_avro.parsed(writer))
    return result.compatibility is avro.compatibility.SchemaCompatibilityType.compatible


@QUICK
@given(avro_records())
def test_an_avro_schema_does_not_differ_from_itself(schema: Any) -> None:
    assert compat_avro.changes(schema, copy.deepcopy(schema)) == []


@QUICK
@given(avro_records(), avro_records())
def test_avro_verdicts_are_the_librarys(old: Any, new: Any) -> None:
    found = compat_avro.changes(old, new)
    assert holds(found, Mode.BACKWARD) is library(new, old)
    assert holds(found, Mode.FORWARD) is library(old, new)


@QUICK
@given(avro_records(), st.data())
def test_avro_verdicts_of_small_edits_are_the_librarys_and_told_where(old: Any, data: Any) -> None:
    new = copy.deepcopy(old)
    field = data.draw(st.sampled_from(new["fields"]))
    field["type"] = data.draw(avro_types(["x"] * 50))
    found = compat_avro.changes(old, new)
    assert holds(found, Mode.BACKWARD) is library(new, old)
    assert holds(found, Mode.FORWARD) is library(old, new)
    assert all(
        one.path.partition(".")[0].rstrip("[]{}") in {f["name"] for f in (*old["fields"], *new["fields"])}
        for one in found
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from("ab"),
    lambda v: st.lists(v, max_size=2),
    max_leaves=4,
)
json_schemas = st.recursive(
    st.booleans()
    | st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "number", ["string", "null"]]), "enum": st.lists(json_values, min_size=1, max_size=3),
            "minimum": st.integers(0, 3), "maxLength": st.integers(0, 3), "pattern": st.sampled_from("ab"),
            "$ref": st.sampled_from(["#", "#/properties/a", "#/nowhere", "other.json"]), "x-own": json_values,
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True), "additionalProperties": inner,
            "items": inner | st.lists(inner, max_size=2), "anyOf": st.lists(inner, min_size=1, max_size=2), "allOf": st.lists(inner, min_size=1, max_size=2),
            "if": inner, "exclusiveMinimum": st.booleans() | st.integers(0, 3),
        },
    ),
    max_leaves=8,
)  # fmt: skip


@QUICK
@given(json_schemas)
def test_a_json_schema_does_not_differ_from_itself(schema: Any) -> None:
    assert compat_json_schema.changes(schema, copy.deepcopy(schema)) == []


@QUICK
@given(json_schemas, json_schemas, st.booleans())
def test_json_schema_verdicts_turn_around_with_the_direction(old: Any, new: Any, lenient: bool) -> None:
    there, back = (
        compat_json_schema.changes(old, new, lenient=lenient),
        compat_json_schema.changes(new, old, lenient=lenient),
    )
    assert holds(there, Mode.BACKWARD) is holds(back, Mode.FORWARD)
    assert holds(there, Mode.FORWARD) is holds(back, Mode.BACKWARD)
