"""What is wrong inside one Avro schema, by the specification: names, unions, enums, defaults."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_NAMED = ("record", "error", "enum", "fixed")
_NAME = re.compile(r"[^\W\d]\w*")
_RANGES = {"int": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}

Path = tuple[Any, ...]


@dataclass(frozen=True)
class Mistake:
    """``path``: where, as keys and indices. ``is_default``: a default does not fit. ``certain`` is false where newer
    versions of Avro accept it."""

    path: Path
    what: str
    remedy: str
    is_default: bool = False
    certain: bool = True


def mistakes(data: Any) -> list[Mistake]:
    """What Avro refuses in a schema, given as a JSON value; names that it does not define are left out of account."""
    check = _Check()
    try:
        check.schema(data, "", ())
    except RecursionError:
        return []
    return check.found


class _Check:
    def __init__(self) -> None:
        self.found: list[Mistake] = []
        self.defined: dict[str, tuple[Mapping[str, Any], str]] = {}

    def _add(self, path: Path, what: str, remedy: str) -> None:
        self.found.append(Mistake(path, what, remedy))

    def schema(self, data: Any, space: str, path: Path) -> None:
        """One schema in a namespace; names that it defines are known afterwards."""
        if isinstance(data, list):
            self._union(data, space, path)
        elif isinstance(data, dict):
            kind = data.get("type")
            if kind in ("record", "error"):
                self._record(data, self._define(data, space, path), path)
            elif kind == "enum":
                self._define(data, space, path)
                self._enum(data, path)
            elif kind == "fixed":
                self._define(data, space, path)
                if "size" not in data:
                    self._add(path, f"fixed {data.get('name')} has no size", 'Give it a "size" in bytes.')
            elif kind in ("array", "map"):
                inner = "items" if kind == "array" else "values"
                if inner not in data:
                    self._add(path, f'{_a(kind)} has no "{inner}"', f'Say of what it consists: "{inner}": "string".')
                self.schema(data.get(inner), space, (*path, inner))
            elif isinstance(kind, (dict, list)):
                self.schema(kind, space, (*path, "type"))
            elif not isinstance(kind, str) and path:
                self._add(path, 'an object stands where a type should, and has no "type"', 'Give it a "type".')

    def _define(self, data: Mapping[str, Any], space: str, path: Path) -> str:
        """Remembers a name; gives the namespace that holds inside."""
        name, kind = data.get("name"), data["type"]
        if not isinstance(name, str) or not name:
            self._add(path, f"{_a(kind)} has no name", 'Give it a "name".')
            return space
        own = data.get("namespace")
        full = name if "." in name else f"{own if isinstance(own, str) else space}.{name}".lstrip(".")
        simple = full.rpartition(".")[2]
        if not _NAME.fullmatch(simple):
            self._add((*path, "name"), f"'{simple}' is no name in Avro", _NAME_REMEDY)
        if full in self.defined and self.defined[full][0] != data:
            self._add((*path, "name"), f"{full} is defined twice", f'Use its name where it is meant: "type": "{full}".')
        self.defined.setdefault(full, (data, full.rpartition(".")[0]))
        return full.rpartition(".")[0]

    def _record(self, data: Mapping[str, Any], space: str, path: Path) -> None:
        fields = data.get("fields")
        if not isinstance(fields, list):
            self._add(path, f"record {data.get('name')} has no fields", 'Give it "fields": [...].')
            return
        seen: set[str] = set()
        for number, field in enumerate(fields):
            here = (*path, "fields", number)
            if not isinstance(field, dict):
                self._add(here, f"a field of {data.get('name')} is no object", 'Write {"name": ..., "type": ...}.')
                continue
            name = field.get("name")
            if not isinstance(name, str) or not name:
                self._add(here, f"a field of {data.get('name')} has no name", 'Give it a "name".')
                continue
            if name in seen:
                self._add(here, f"record {data.get('name')} has two fields '{name}'", "Remove or rename one of them.")
            elif not _NAME.fullmatch(name):
                self._add(here, f"'{name}' is no name in Avro", _NAME_REMEDY)
            seen.add(name)
            if "type" not in field:
                self._add(here, f"field '{name}' has no type", 'Give it a "type".')
                continue
            self.schema(field["type"], space, (*here, "type"))
            if "default" in field:
                self._default(name, field, space, here)

    def _enum(self, data: Mapping[str, Any], path: Path) -> None:
        symbols, name = data.get("symbols"), data.get("name")
        if not isinstance(symbols, list):
            self._add(path, f"enum {name} has no symbols", 'Give it "symbols": [...].')
            return
        words = [one for one in symbols if isinstance(one, str)]
        if len(words) < len(symbols):
            self._add((*path, "symbols"), f"a symbol of enum {name} is no text", "Write symbols as texts.")
        for symbol, count in Counter(words).items():
            if count > 1:
                self._add((*path, "symbols"), f"enum {name} has the symbol {symbol} twice", "Remove one of them.")
            if not _NAME.fullmatch(symbol):
                self._add((*path, "symbols"), f"symbol '{symbol}' of enum {name} is no name in Avro", _NAME_REMEDY)
        default = data.get("default")
        if isinstance(default, str) and default not in symbols:
            what = f"the default of enum {name} is none of its symbols"
            self._add((*path, "default"), what, f"Name one of {', '.join(words[:5])}, or add the symbol.")

    def _union(self, data: list[Any], space: str, path: Path) -> None:
        seen: set[str] = set()
        for number, branch in enumerate(data):
            here = (*path, number)
            if isinstance(branch, list):
                self._add(here, "a union stands inside a union", "List all its branches in one union.")
                continue
            self.schema(branch, space, here)
            kind = branch if isinstance(branch, str) else branch.get("type") if isinstance(branch, dict) else None
            if kind in (*_PRIMITIVES, "array", "map"):
                if kind in seen:
                    self._add(here, f"a union has the type {kind} twice", "Remove one of them.")
                seen.add(str(kind))

    def _default(self, name: str, field: Mapping[str, Any], space: str, path: Path) -> None:
        kind, default = field["type"], field["default"]
        told = _told(default)
        if isinstance(kind, list) and kind:
            answers = [self._fits(default, one, space, 0) for one in kind]
            if answers[0] is not False or None in answers:
                return
            first = _spoken(kind[0])
            if True in answers:
                branch = _spoken(kind[answers.index(True)])
                what = f"the default of '{name}' ({told}) fits the union's branch {branch}, but not the first, {first}"
                remedy = f"Write {branch} first in the union: Avro before 1.12 takes a default for the first branch."
                if default == "null" and "null" in kind:
                    remedy = _NULL_REMEDY
                self.found.append(Mistake((*path, "default"), what, remedy, True, certain=False))
                return
            what = f"the default of '{name}' ({told}) fits no branch of its union"
        elif self._fits(default, kind, space, 0) is False:
            what = f"the default of '{name}' ({told}) is no {_spoken(kind)}"
        else:
            return
        branches = kind if isinstance(kind, list) else [kind]
        if default == "null" and "null" in branches:
            remedy = _NULL_REMEDY
        elif default is None:
            remedy = 'Remove the default, or make the field nullable: "type": ["null", ...].'
        else:
            remedy = f"Write a default that is {_a(_spoken(branches[0]))}, or change the type."
        self.found.append(Mistake((*path, "default"), what, remedy, True))

    def _fits(self, value: Any, kind: Any, space: str, depth: int) -> bool | None:
        """Whether a value is a default of a type; None where that cannot be told."""
        if depth > 30:
            return None
        if isinstance(kind, str) and kind in _PRIMITIVES:
            return _fits_primitive(value, kind)
        if isinstance(kind, str):
            full = kind if "." in kind or not space else f"{space}.{kind}"
            known = self.defined.get(full)
            return None if known is None else self._fits(value, known[0], known[1], depth + 1)
        if isinstance(kind, list):
            answers = [self._fits(value, one, space, depth + 1) for one in kind]
            return True if True in answers else None if None in answers or not answers else False
        if not isinstance(kind, dict):
            return None
        inner = kind.get("type")
        if inner == "array" or inner == "map":
            if not isinstance(value, list if inner == "array" else dict):
                return False
            values = value if isinstance(value, list) else list(value.values())
            of = kind.get("items" if inner == "array" else "values")
            return _all(self._fits(one, of, space, depth + 1) for one in values)
        if inner == "enum":
            symbols = kind.get("symbols")
            return isinstance(value, str) and value in symbols if isinstance(symbols, list) else None
        if inner == "fixed":
            return isinstance(value, str)
        if inner in ("record", "error"):
            return self._fits_record(value, kind, space, depth)
        return self._fits(value, inner, space, depth + 1)

    def _fits_record(self, value: Any, kind: Mapping[str, Any], space: str, depth: int) -> bool | None:
        if not isinstance(value, dict):
            return False
        own = kind.get("namespace")
        space = own if isinstance(own, str) else space
        answers: list[bool | None] = []
        fields = kind.get("fields")
        for field in fields if isinstance(fields, list) else ():
            if isinstance(field, dict) and isinstance(field.get("name"), str):
                if field["name"] in value:
                    answers.append(self._fits(value[field["name"]], field.get("type"), space, depth + 1))
                else:
                    answers.append("default" in field)
        return _all(answers)


_NULL_REMEDY = 'Write "default": null, without quotes.'
_NAME_REMEDY = "Use letters, digits and underscores, and begin with a letter or an underscore."


def _fits_primitive(value: Any, kind: str) -> bool | None:
    if kind == "null":
        return value is None
    if kind == "boolean":
        return isinstance(value, bool)
    if kind in ("string", "bytes"):
        return isinstance(value, str)
    if isinstance(value, bool) or value is None or isinstance(value, (list, dict)):
        return False
    if kind in ("float", "double"):
        # Avro's Java parser turns a text into a number here.
        return isinstance(value, (int, float)) or _is_number(value)
    if isinstance(value, float):
        return None if value.is_integer() else False
    first, last = _RANGES[kind]
    return isinstance(value, int) and first <= value <= last


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _all(answers: Any) -> bool | None:
    listed = list(answers)
    return False if False in listed else None if None in listed else True


def _spoken(kind: Any) -> str:
    if isinstance(kind, dict):
        inner = kind.get("type")
        return f"{inner} {kind['name']}" if inner in _NAMED and "name" in kind else _spoken(inner)
    return "union" if isinstance(kind, list) else str(kind)


def _a(kind: str) -> str:
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind}"


def _told(value: Any) -> str:
    """What kind of value a default is; never the value of a text, which might be one of a row."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if value == "null":
        return 'the text "null"'
    if isinstance(value, str):
        return "a text" if value else "an empty text"
    if isinstance(value, (int, float)):
        return "a number"
    return "a list" if isinstance(value, list) else "an object"
