"""Which changes of a JSON Schema are compatible, by what each keyword admits. Drafts 4 to 2020-12.

A change is backward compatible where the new schema admits all that the old one did, forward the other way round.
``lenient`` leaves out of account what an open or closed object admits besides its properties. What a keyword means that
is not compared here is not guessed: a change of it is unknown in both directions.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from interlock.rules.compat import Change

_ANNOTATIONS = {
    "title", "description", "default", "examples", "example", "$comment", "$id", "id", "$schema", "readOnly",
    "writeOnly", "deprecated", "definitions", "$defs", "$anchor", "$vocabulary",
}  # fmt: skip
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_COMPARED = {
    *_LOWER, *_UPPER, "type", "enum", "const", "multipleOf", "uniqueItems", "required", "properties",
    "additionalProperties", "unevaluatedProperties", "items", "prefixItems", "anyOf", "oneOf", "allOf", "$ref",
    "pattern", "nullable",
}  # fmt: skip
_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")


def changes(old: Any, new: Any, *, lenient: bool = False) -> list[Change]:
    """Every difference between two JSON Schemas, given as JSON values. Equal schemas have none."""
    walk = _Walk(old, new, lenient)
    try:
        walk.compare(old, new, "")
    except RecursionError:
        return [Change("", "nested too deeply to be compared", None, None, kind="unknown")]
    return list(dict.fromkeys(walk.found))


class _Walk:
    def __init__(self, old: Any, new: Any, lenient: bool) -> None:
        self.found: list[Change] = []
        self._roots = (old, new)
        self._lenient = lenient
        self._seen: set[tuple[int, int, str]] = set()
        self._referred: set[tuple[str, str]] = set()
        self._keep: list[Any] = []  # what was made on the way stays, so that no id is given twice

    def _add(self, path: str, what: str, backward: bool | None, forward: bool | None, kind: str) -> None:
        self.found.append(Change(path, what, backward, forward, kind=kind))

    def _unknown(self, path: str, what: str) -> None:
        self.found.append(Change(path, what, None, None, "what this means for readers is unknown", "unknown"))

    def compare(self, old: Any, new: Any, path: str) -> None:
        """The differences of one pair of schemas; true and false are schemas, too."""
        same_pair = (id(old), id(new), path)
        if same_pair in self._seen or len(path) > 2_000:
            return
        self._seen.add(same_pair)
        if any(_is_remote(one) for one in (old, new)) and old != new:
            self._unknown(path, "the schema that $ref names became another one")
            return
        chased = (_followed(old, self._roots[0]), _followed(new, self._roots[1]))
        if chased[0] is None or chased[1] is None:
            if old != new:
                self._unknown(path, "$ref names nothing in this document")
            return
        before, after = _modern(chased[0]), _modern(chased[1])
        if before is None or after is None:
            if old != new:
                self._unknown(path, "no schema stands here")
            return
        if _has_ref(old) and _has_ref(new):
            pair = (_canonical(old), _canonical(new))
            if pair in self._referred:
                return
            self._referred.add(pair)
        self._keep += [before, after]
        if before.get("not") == {} or after.get("not") == {}:
            if before != after:
                admits = before.get("not") == {}
                self._add(
                    path,
                    "nothing is admitted any more" if not admits else "is admitted now",
                    admits,
                    not admits,
                    "type",
                )
            return
        self._keywords(before, after, path)

    def _keywords(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        old, new = _as_branches(old, new)
        self._types(old, new, path)
        self._values(old, new, path)
        self._bounds(old, new, path)
        self._objects(old, new, path)
        self._arrays(old, new, path)
        for word in ("anyOf", "oneOf", "allOf"):
            self._combined(word, old.get(word), new.get(word), path)
        for word in sorted((old.keys() | new.keys()) - _ANNOTATIONS - _COMPARED):
            if not _same(old.get(word), new.get(word)):
                self._unknown(path, f"{word} changed")

    def _types(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        before, after = _types_of(old), _types_of(new)
        if before is None or after is None:
            if not _same(old.get("type"), new.get("type")):
                self._unknown(path, "type changed")
        elif before != after:
            what = f"type {_spoken(old)} became {_spoken(new)}"
            self._add(path, what, _within(before, after), _within(after, before), "type")

    def _values(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        before, after = _values_of(old), _values_of(new)
        if before == after:
            return
        if before is None or after is None:
            what = "any value is admitted instead of a list" if after is None else "values were limited to a list"
            self._add(path, what, after is None, before is None, "enum")
            return
        added, removed = after - before, before - after
        said = [f"{_few(names)} {verb}" for names, verb in ((added, "added"), (removed, "removed")) if names]
        self._add(path, f"admitted values: {', '.join(said)}", not removed, not added, "enum")

    def _bounds(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        for words, sign in ((_LOWER, 1), (_UPPER, -1)):
            for word in words:
                before, after = old.get(word), new.get(word)
                if _same(before, after):
                    continue
                if any(one is not None and not _is_number(one) for one in (before, after)):
                    self._unknown(path, f"{word} changed")
                    continue
                tighter = before is None or (after is not None and after * sign > before * sign)
                what = f"{word} {_told(before)} became {_told(after)}"
                self._add(path, what, not tighter, tighter, "constraint")
        before, after = old.get("multipleOf"), new.get("multipleOf")
        if not _same(before, after):
            what = f"multipleOf {_told(before)} became {_told(after)}"
            self._add(path, what, _divides(after, before), _divides(before, after), "constraint")
        if bool(old.get("uniqueItems")) != bool(new.get("uniqueItems")):
            unique = bool(new.get("uniqueItems"))
            self._add(path, f"uniqueItems became {str(unique).lower()}", not unique, unique, "constraint")
        before, after = old.get("pattern"), new.get("pattern")
        if not _same(before, after):
            if before is not None and after is not None:
                self._unknown(path, "pattern changed")
            else:
                what = "pattern was added" if before is None else "pattern was removed"
                self._add(path, what, after is None, before is None, "constraint")

    def _objects(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        before, after = _dict(old.get("properties")), _dict(new.get("properties"))
        for name in sorted(after.keys() - before.keys()):
            self._property(name, old, after[name], path, added=True)
        for name in sorted(before.keys() - after.keys()):
            self._property(name, new, before[name], path, added=False)
        for name in sorted(before.keys() & after.keys()):
            self.compare(before[name], after[name], f"{path}.{name}".lstrip("."))
        self._required(old, new, path)
        closed, closes = _rest(old), _rest(new)
        if _same(closed, closes):
            return
        if isinstance(closed, bool) and isinstance(closes, bool):
            what = "the object became open" if closes else "the object became closed"
            self._add(path, what, closes or self._lenient, closed or self._lenient, "openness")
        else:
            self.compare(closed, closes, f"{path}.*".lstrip("."))

    def _property(self, name: str, model: Mapping[str, Any], schema: Any, path: str, *, added: bool) -> None:
        """A property that only one side names; ``model`` is the other side, which says what else it admits."""
        here = f"{path}.{name}".lstrip(".")
        rest = _rest(model)
        kind, what = ("added", f"property {name} was added") if added else ("removed", f"property {name} was removed")
        if not isinstance(rest, bool) or model.get("patternProperties"):
            if self._lenient:
                self._add(here, what, True, True, kind)
            elif model.get("patternProperties"):
                self._unknown(here, what)
            else:
                self._add(here, what, True, True, kind)
                self.compare(*((rest, schema) if added else (schema, rest)), here)
            return
        everything = schema is True or schema == {}
        widens = not rest  # naming a property of a closed object admits more, of an open object less
        more, less = (True, self._lenient) if widens else (everything or self._lenient, True)
        said = f"{what}, and the object is {'open' if rest else 'closed'}"
        self._add(here, said, more if added else less, less if added else more, kind)

    def _required(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        before, after = _names(old.get("required")), _names(new.get("required"))
        for name in sorted(after - before):
            caught = "default" in _dict(_dict(new.get("properties")).get(name))
            self._add(f"{path}.{name}".lstrip("."), f"{name} became required", caught, True, "required")
        for name in sorted(before - after):
            caught = "default" in _dict(_dict(old.get("properties")).get(name))
            self._add(f"{path}.{name}".lstrip("."), f"{name} is no longer required", True, caught, "optional")

    def _arrays(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        for word in ("items", "prefixItems"):
            if word not in old and word not in new:
                continue
            before, after = old.get(word, True), new.get(word, True)
            if _same(before, after):
                if isinstance(before, (dict, bool)):
                    self.compare(before, after, path + "[]")
            elif isinstance(before, (dict, bool)) and isinstance(after, (dict, bool)):
                self.compare(before, after, path + "[]")
            elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
                for number, (one, other) in enumerate(zip(before, after, strict=True)):
                    self.compare(one, other, f"{path}[{number}]")
            else:
                self._unknown(path, f"{word} changed")

    def _combined(self, word: str, old: Any, new: Any, path: str) -> None:
        if not isinstance(old, list) or not isinstance(new, list):
            if old is None and new is None:
                return
            if (isinstance(old, list) or old is None) and (isinstance(new, list) or new is None):
                limits = old is None
                self._add(path, f"{word} was {'added' if limits else 'removed'}", not limits, limits, "constraint")
            elif not _same(old, new):
                self._unknown(path, f"{word} changed")
            return
        left, right = _without_twins(old, new)
        for one, other in _twins(old, new):
            self.compare(one, other, path)
        if len(left) == 1 and len(right) == 1:
            self.compare(left[0], right[0], path)
        elif left and right:
            self._unknown(path, f"{word} changed")
        elif left or right:
            more = bool(right) is (word != "allOf")
            what = f"an alternative was {'added to' if right else 'removed from'} {word}"
            self._add(path, what, more, not more, "alternatives")


def _without_twins(old: list[Any], new: list[Any]) -> tuple[list[Any], list[Any]]:
    return (
        [one for one in old if not any(_same(one, other) for other in new)],
        [one for one in new if not any(_same(one, other) for other in old)],
    )


def _twins(old: list[Any], new: list[Any]) -> Iterable[tuple[Any, Any]]:
    for one in old:
        other = next((other for other in new if _same(one, other)), None)
        if other is not None:
            yield one, other


def _as_branches(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Where only one side lists alternatives and nothing else, the other counts as a list of one."""
    for word in ("anyOf", "oneOf"):
        alone = [one.keys() - _ANNOTATIONS == {word} for one in (old, new)]
        if alone[0] and not alone[1]:
            return old, {word: [{k: v for k, v in new.items() if k not in _ANNOTATIONS}]}
        if alone[1] and not alone[0]:
            return {word: [{k: v for k, v in old.items() if k not in _ANNOTATIONS}]}, new
    return old, new


def _is_remote(schema: Any) -> bool:
    ref = schema.get("$ref") if isinstance(schema, dict) else None
    return isinstance(ref, str) and not (ref == "#" or ref.startswith("#/"))


def _has_ref(schema: Any) -> bool:
    return isinstance(schema, dict) and isinstance(schema.get("$ref"), str)


def _followed(schema: Any, root: Any) -> Any:
    """What ``$ref`` stands for, where it points into this document; None where it points to nothing."""
    for _ in range(20):
        ref = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(ref, str) or _is_remote(schema):
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
        beside = {k: v for k, v in schema.items() if k != "$ref" and k not in _ANNOTATIONS}
        if beside and isinstance(at, dict):
            at = {**at, **beside}
        schema = at
    return None


def _modern(schema: Any) -> dict[str, Any] | None:
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


def _types_of(schema: Mapping[str, Any]) -> frozenset[str] | None:
    told = schema.get("type")
    if told is None:
        return frozenset(_TYPES)
    names = [told] if isinstance(told, str) else told
    if not isinstance(names, list) or not all(isinstance(one, str) and one in (*_TYPES, "any") for one in names):
        return None
    if "any" in names:
        return frozenset(_TYPES)
    return frozenset([*names, "integer"] if "number" in names else names)


def _within(inner: frozenset[str], outer: frozenset[str]) -> bool:
    return inner <= outer


def _values_of(schema: Mapping[str, Any]) -> frozenset[str] | None:
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    return frozenset(_canonical(one) for one in values) if isinstance(values, list) else None


def _rest(schema: Mapping[str, Any]) -> Any:
    """What an object may hold besides its properties: true, false, or a schema."""
    rest = schema.get("additionalProperties", True)
    if schema.get("unevaluatedProperties") is False and rest is True:
        return False
    return True if rest == {} else rest


def _divides(part: Any, whole: Any) -> bool | None:
    """Whether all multiples of ``whole`` are multiples of ``part``; None for fractions, which do not divide exactly."""
    if part is None:
        return True
    if whole is None:
        return False
    if not isinstance(part, int) or not isinstance(whole, int) or not part:
        return None
    return whole % part == 0


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _same(one: Any, other: Any) -> bool:
    return one == other and _canonical(one) == _canonical(other)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> set[str]:
    return {one for one in value if isinstance(one, str)} if isinstance(value, list) else set()


def _few(names: Iterable[str]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if len(listed) > 5 else "")


def _told(value: Any) -> str:
    return "(none)" if value is None else str(value)


def _spoken(schema: Mapping[str, Any]) -> str:
    told = schema.get("type")
    return "any" if told is None else " or ".join(told) if isinstance(told, list) else str(told)
