"""Which changes of a JSON Schema are compatible, by what each keyword admits. Drafts 4 to 2020-12.

A change is backward compatible where the new schema admits all that the old one did, forward the other way round.
``lenient`` leaves out of account what an open or closed object admits besides its properties. What a keyword means that
is not compared here is not guessed: a change of it is unknown in both directions.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.rules.compat import Change
from interlock.rules.json_schema_forms import (
    ANNOTATIONS,
    as_branches,
    canonical,
    followed,
    has_ref,
    is_remote,
    modernised,
    rest_of,
    same,
    spoken,
    types_of,
    values_of,
)

_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_COMPARED = {
    *_LOWER, *_UPPER, "type", "enum", "const", "multipleOf", "uniqueItems", "required", "properties",
    "additionalProperties", "unevaluatedProperties", "items", "prefixItems", "anyOf", "oneOf", "allOf", "$ref",
    "pattern", "nullable",
}  # fmt: skip


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
        if any(is_remote(one) for one in (old, new)) and old != new:
            self._unknown(path, "the schema that $ref names became another one")
            return
        chased = (followed(old, self._roots[0]), followed(new, self._roots[1]))
        if chased[0] is None or chased[1] is None:
            if old != new:
                self._unknown(path, "$ref names nothing in this document")
            return
        before, after = modernised(chased[0]), modernised(chased[1])
        if before is None or after is None:
            if old != new:
                self._unknown(path, "no schema stands here")
            return
        if has_ref(old) and has_ref(new):
            pair = (canonical(old), canonical(new))
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
        old, new = as_branches(old, new)
        self._types(old, new, path)
        self._values(old, new, path)
        self._bounds(old, new, path)
        self._objects(old, new, path)
        self._arrays(old, new, path)
        for word in ("anyOf", "oneOf", "allOf"):
            self._combined(word, old.get(word), new.get(word), path)
        for word in sorted((old.keys() | new.keys()) - ANNOTATIONS - _COMPARED):
            if not same(old.get(word), new.get(word)):
                self._unknown(path, f"{word} changed")

    def _types(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        before, after = types_of(old), types_of(new)
        if before is None or after is None:
            if not same(old.get("type"), new.get("type")):
                self._unknown(path, "type changed")
        elif before != after:
            what = f"type {spoken(old)} became {spoken(new)}"
            self._add(path, what, _within(before, after), _within(after, before), "type")

    def _values(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> None:
        before, after = values_of(old), values_of(new)
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
                if same(before, after):
                    continue
                if any(one is not None and not _is_number(one) for one in (before, after)):
                    self._unknown(path, f"{word} changed")
                    continue
                tighter = before is None or (after is not None and after * sign > before * sign)
                what = f"{word} {_told(before)} became {_told(after)}"
                self._add(path, what, not tighter, tighter, "constraint")
        before, after = old.get("multipleOf"), new.get("multipleOf")
        if not same(before, after):
            what = f"multipleOf {_told(before)} became {_told(after)}"
            self._add(path, what, _divides(after, before), _divides(before, after), "constraint")
        if bool(old.get("uniqueItems")) != bool(new.get("uniqueItems")):
            unique = bool(new.get("uniqueItems"))
            self._add(path, f"uniqueItems became {str(unique).lower()}", not unique, unique, "constraint")
        before, after = old.get("pattern"), new.get("pattern")
        if not same(before, after):
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
        closed, closes = rest_of(old), rest_of(new)
        if same(closed, closes):
            return
        if isinstance(closed, bool) and isinstance(closes, bool):
            what = "the object became open" if closes else "the object became closed"
            self._add(path, what, closes or self._lenient, closed or self._lenient, "openness")
        else:
            self.compare(closed, closes, f"{path}.*".lstrip("."))

    def _property(self, name: str, model: Mapping[str, Any], schema: Any, path: str, *, added: bool) -> None:
        """A property that only one side names; ``model`` is the other side, which says what else it admits."""
        here = f"{path}.{name}".lstrip(".")
        rest = rest_of(model)
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
            if same(before, after):
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
            elif not same(old, new):
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
        [one for one in old if not any(same(one, other) for other in new)],
        [one for one in new if not any(same(one, other) for other in old)],
    )


def _twins(old: list[Any], new: list[Any]) -> Iterable[tuple[Any, Any]]:
    for one in old:
        other = next((other for other in new if same(one, other)), None)
        if other is not None:
            yield one, other


def _within(inner: frozenset[str], outer: frozenset[str]) -> bool:
    return inner <= outer


def _divides(part: Any, whole: Any) -> bool | None:
    """Whether all multiples of ``whole`` are multiples of ``part``; None for fractions, which do not divide exactly."""
    if part is None:
        return True
    if whole is None:
        return False
    if not isinstance(part, int) or not isinstance(whole, int) or not part:
        return None
    return whole % part == 0


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
