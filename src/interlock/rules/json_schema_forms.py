"""JSON Schemas in one form, whichever draft they are written in, so that two of them can be compared."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

ANNOTATIONS = {
    "title", "description", "default", "examples", "example", "$comment", "$id", "id", "$schema", "readOnly",
    "writeOnly", "deprecated", "definitions", "$defs", "$anchor", "$vocabulary",
}  # fmt: skip
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")


def is_remote(schema: Any) -> bool:
    """Whether a schema refers to something outside this document."""
    ref = schema.get("$ref") if isinstance(schema, dict) else None
    return isinstance(ref, str) and not (ref == "#" or ref.startswith("#/"))


def has_ref(schema: Any) -> bool:
    """Whether a schema stands for another one."""
    return isinstance(schema, dict) and isinstance(schema.get("$ref"), str)


def followed(schema: Any, root: Any) -> Any:
    """What ``$ref`` stands for, where it points into this document; None where it points to nothing."""
    for _ in range(20):
        ref = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(ref, str) or is_remote(schema):
            return schema
        at = root
        for part in ref[2:].split("/") if ref != "#" else ():
            part = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(at, list) and part.isdecimal() and int(part) < len(at):
                at = at[int(part)]
            elif isinstance(at, dict) and part in at:
                at = at[part]
            else:
                return None
        beside = {k: v for k, v in schema.items() if k != "$ref" and k not in ANNOTATIONS}
        if beside and isinstance(at, dict):
            at = {**at, **beside}
        schema = at
    return None


def modernised(schema: Any) -> dict[str, Any] | None:
    """The schema with what older drafts and OpenAPI say otherwise brought into today's form."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    if not isinstance(schema, dict):
        return None
    modern = dict(schema)
    for bound, word in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(modern.get(word), bool) and modern.pop(word) and bound in modern:
            modern[word] = modern.pop(bound)
    if modern.get("nullable") is True and isinstance(modern.get("type"), str):
        modern["type"] = [modern["type"], "null"]
    return modern


def types_of(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """The types that a schema admits, a number's integers among them; None where ``type`` is no such list."""
    told = schema.get("type")
    if told is None:
        return frozenset(TYPES)
    names = [told] if isinstance(told, str) else told
    if not isinstance(names, list) or not all(isinstance(one, str) and one in (*TYPES, "any") for one in names):
        return None
    if "any" in names:
        return frozenset(TYPES)
    return frozenset([*names, "integer"] if "number" in names else names)


def values_of(schema: Mapping[str, Any]) -> frozenset[str] | None:
    """The values that ``enum`` or ``const`` lists, each as JSON; None where any is admitted."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return frozenset(canonical(one) for one in values) if isinstance(values, list) else None


def rest_of(schema: Mapping[str, Any]) -> Any:
    """What an object may hold besides its properties: true, false, or a schema."""
    rest = schema.get("additionalProperties", True)
    if schema.get("unevaluatedProperties") is False and rest is True:
        return False
    return True if rest == {} else rest


def canonical(value: Any) -> str:
    """One text for equal values."""
    return json.dumps(value, sort_keys=True)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; 1 and true are not."""
    return one == other and canonical(one) == canonical(other)


def as_branches(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Where only one side lists alternatives and nothing else, the other counts as a list of one."""
    for word in ("anyOf", "oneOf"):
        alone = [one.keys() - ANNOTATIONS == {word} for one in (old, new)]
        if alone[0] and not alone[1]:
            return old, {word: [{k: v for k, v in new.items() if k not in ANNOTATIONS}]}
        if alone[1] and not alone[0]:
            return {word: [{k: v for k, v in old.items() if k not in ANNOTATIONS}]}, new
    return old, new


def spoken(schema: Mapping[str, Any]) -> str:
    """The type that a schema tells, in words."""
    told = schema.get("type")
    return "any" if told is None else " or ".join(told) if isinstance(told, list) else str(told)
