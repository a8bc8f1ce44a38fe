"""Which changes of a Protobuf file are compatible, by field numbers, types, oneofs and messages."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock.rules.compat import Change

_GROUPS = (
    {"int32", "int64", "uint32", "uint64", "bool", "enum"},
    {"sint32", "sint64"},
    {"string", "bytes"},
    {"fixed32", "sfixed32"},
    {"fixed64", "sfixed64"},
)
_SCALARS = {*set().union(*_GROUPS), "float", "double"} - {"enum"}
_LARGEST = 536_870_911
_COMMENT = re.compile(r"""("[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*')|//[^\n]*|/\*.*?\*/""", re.DOTALL)


@dataclass(frozen=True)
class ProtoField:
    """``label``: "", "optional", "repeated", "required" or "map"; a map's type is ``key, value``."""

    name: str
    number: int
    type: str
    label: str = ""
    oneof: str = ""


@dataclass
class ProtoMessage:
    """``numbers`` are reserved ranges, both ends included, ``names`` reserved names."""

    fields: list[ProtoField] = field(default_factory=list)
    numbers: list[tuple[int, int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    values: list[tuple[str, int]] = field(default_factory=list)
    alias: bool = False

    def reserves(self, number: int) -> bool:
        """Whether a number must not be used."""
        return any(first <= number <= last for first, last in self.numbers)


@dataclass
class ProtoFile:
    """Messages and enums by full name without the package. ``problems``: (line, what) where it is no Protobuf."""

    package: str = ""
    syntax: str = ""
    messages: dict[str, ProtoMessage] = field(default_factory=dict)
    enums: dict[str, ProtoMessage] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)


def parsed(text: str) -> ProtoFile | None:
    """A .proto file; None where the parser itself fails on it."""
    from antlr4.error.ErrorListener import ErrorListener  # type: ignore[import-untyped]
    from proto_schema_parser import ast
    from proto_schema_parser.parser import Parser

    found = ProtoFile()

    class _Listener(ErrorListener):  # type: ignore[misc]
        def syntaxError(self, recognizer: Any, symbol: Any, line: int, column: int, msg: str, e: Any) -> None:
            found.problems.append((line, msg))

    def listen(part: Any) -> None:
        part.removeErrorListeners()
        part.addErrorListener(_Listener())

    try:
        tree = Parser(setup_lexer=listen, setup_parser=listen).parse(_without_comments(text))
        found.syntax = tree.edition or tree.syntax or ""
        for element in tree.file_elements:
            if isinstance(element, ast.Package):
                found.package = element.name
        _collect(tree.file_elements, "", found, ast)
    except Exception as failed:  # it recovers from errors with trees that its own visitor does not expect
        logging.getLogger(__name__).debug("proto_schema_parser failed: %s", failed)
        return found if found.problems else None
    return found


def _without_comments(text: str) -> str:
    """The text with its lines kept: the parser takes a step for every letter, and most letters are comments."""
    return _COMMENT.sub(lambda m: m[1] or " " + "\n" * m[0].count("\n"), text)


def _collect(elements: Sequence[Any], scope: str, into: ProtoFile, ast: Any) -> None:
    for element in elements:
        if isinstance(element, (ast.Message, ast.Group)):
            name = f"{scope}.{element.name}".lstrip(".")
            into.messages[name] = _message(element.elements, ast)
            _collect(element.elements, name, into, ast)
        elif isinstance(element, ast.Enum):
            into.enums[f"{scope}.{element.name}".lstrip(".")] = _enum(element.elements, ast)


def _message(elements: Sequence[Any], ast: Any) -> ProtoMessage:
    found = ProtoMessage()
    for element in elements:
        if isinstance(element, ast.OneOf):
            found.fields += [_field(one, element.name) for one in element.elements if isinstance(one, ast.Field)]
        elif isinstance(element, ast.Field):
            found.fields.append(_field(element, ""))
        elif isinstance(element, ast.Group):
            label = element.cardinality.value.lower() if element.cardinality else ""
            found.fields.append(ProtoField(element.name.lower(), element.number, element.name, label))
        elif isinstance(element, ast.MapField):
            kind = f"{element.key_type}, {element.value_type}"
            found.fields.append(ProtoField(element.name, element.number, kind, "map"))
        elif isinstance(element, ast.Reserved):
            found.numbers += _ranges(element.ranges)
            found.names += [one.strip("\"'") for one in element.names]
    return found


def _enum(elements: Sequence[Any], ast: Any) -> ProtoMessage:
    found = ProtoMessage()
    for element in elements:
        if isinstance(element, ast.EnumValue):
            found.values.append((element.name, element.number))
        elif isinstance(element, ast.EnumReserved):
            found.numbers += _ranges(element.ranges)
            found.names += [one.strip("\"'") for one in element.names]
        elif isinstance(element, ast.Option) and element.name == "allow_alias":
            found.alias = True
    return found


def _field(one: Any, oneof: str) -> ProtoField:
    label = one.cardinality.value.lower() if one.cardinality else ""
    return ProtoField(one.name, one.number, one.type, label, oneof)


def _ranges(told: Sequence[str]) -> list[tuple[int, int]]:
    found = []
    for text in told:
        match = re.fullmatch(r"\s*(-?\w+)\s*(?:to\s*(-?\w+))?\s*", text)
        if match is None:
            continue
        try:
            first = int(match[1], 0)
            last = first if match[2] is None else _LARGEST * 4 if match[2] == "max" else int(match[2], 0)
        except ValueError:
            continue
        found.append((first, last))
    return found


def changes(old: ProtoFile, new: ProtoFile) -> list[Change]:
    """Every difference between two Protobuf files that Interlock's table of changes knows."""
    found: list[Change] = []
    if old.package != new.package:
        what = f"package {old.package or '(none)'} became {new.package or '(none)'}"
        found.append(Change("", what, False, False, kind="package"))
    for name in new.messages.keys() - old.messages.keys():
        found.append(Change(name, f"message {name} was added", True, False, kind="added-message"))
    for name in old.messages.keys() - new.messages.keys():
        found.append(Change(name, f"message {name} was removed", False, True, kind="removed-message"))
    for name, before in old.messages.items():
        if name in new.messages:
            found += _fields(name, before, new.messages[name], old, new)
    found += _enums(old.enums, new.enums)
    return sorted(found, key=lambda one: (one.path, one.what))


def _enums(old: Mapping[str, ProtoMessage], new: Mapping[str, ProtoMessage]) -> Iterator[Change]:
    for name in old.keys() | new.keys():
        if name not in old or name not in new:
            verb = "added" if name not in old else "removed"
            yield Change(name, f"enum {name} was {verb}", True, True, kind=f"{verb}-enum")
        elif set(old[name].values) != set(new[name].values):
            yield Change(name, f"values of enum {name} changed", True, True, kind="enum-values")


def _fields(name: str, old: ProtoMessage, new: ProtoMessage, before: ProtoFile, after: ProtoFile) -> Iterator[Change]:
    olds, news = {one.number: one for one in old.fields}, {one.number: one for one in new.fields}
    gone = {one.name: one for number, one in olds.items() if number not in news}
    kept_oneofs = {one.oneof for one in old.fields if one.oneof} & {one.oneof for one in new.fields if one.oneof}
    for number, one in news.items():
        path = f"{name}.{one.name}"
        if number in olds:
            yield from _pair(path, name, olds[number], one, before, after)
        elif one.name in gone:
            lost = gone.pop(one.name)
            what = f"field {one.name} has number {number} instead of {lost.number}"
            yield Change(path, what, False, False, kind="number")
        elif one.label == "required":
            yield Change(path, f"required field {one.name} was added", False, False, kind="required")
        elif one.oneof in kept_oneofs:
            yield Change(path, f"{one.name} was added to oneof {one.oneof}", True, False, kind="added-to-oneof")
        else:
            yield Change(path, f"field {one.name} was added", True, True, kind="added")
    for one in gone.values():
        path = f"{name}.{one.name}"
        if one.label == "required":
            yield Change(path, f"required field {one.name} was removed", False, False, kind="required")
        elif one.oneof in kept_oneofs:
            yield Change(path, f"{one.name} was removed from oneof {one.oneof}", False, True, kind="removed-from-oneof")
        else:
            yield Change(path, f"field {one.name} was removed", True, True, kind="removed")
    yield from _moved(name, olds, news)


def _moved(name: str, olds: Mapping[int, ProtoField], news: Mapping[int, ProtoField]) -> Iterator[Change]:
    for one, other, verb, answer in ((olds, news, "moved into", False), (news, olds, "moved out of", True)):
        oneofs = {field.oneof for field in one.values() if field.oneof}
        into: dict[str, list[str]] = {}
        for number in one.keys() & other.keys():
            if other[number].oneof and not one[number].oneof:
                into.setdefault(other[number].oneof, []).append(other[number].name)
        for oneof, names in into.items():
            if len(names) > 1 or oneof in oneofs:
                what = f"{', '.join(sorted(names))} {verb} oneof {oneof}"
                yield Change(f"{name}.{oneof}", what, answer, not answer, kind="oneof")


def _pair(
    path: str, scope: str, old: ProtoField, new: ProtoField, before: ProtoFile, after: ProtoFile
) -> Iterator[Change]:
    if old.name != new.name:
        what = f"field {old.name} is called {new.name}, with the same number"
        yield Change(path, what, True, True, kind="renamed")
    if (old.label == "required") != (new.label == "required"):
        verb = "became" if new.label == "required" else "is no longer"
        yield Change(path, f"field {new.name} {verb} required", False, False, kind="required")
    if (old.label == "map") != (new.label == "map"):
        yield Change(path, _became(old, new), False, False, kind="type")
        return
    pairs = list(zip(old.type.split(", "), new.type.split(", "), strict=False))
    answers = [_alike(one, other, scope, before, after) for one, other in pairs]
    if False in answers:
        yield Change(path, _became(old, new), False, False, kind="type")
    elif None in answers:
        note = "one of the types is defined elsewhere"
        yield Change(path, _became(old, new), None, None, note, "unknown")
    elif any(one != other and one in _SCALARS for one, other in pairs):
        yield Change(path, _became(old, new), True, True, kind="type")
    if (old.label == "repeated") != (new.label == "repeated"):
        packed = old.type in _SCALARS - {"string", "bytes"} or old.type in before.enums
        what = f"field {new.name} {'became' if new.label == 'repeated' else 'is no longer'} repeated"
        note = "" if packed else "who reads a single value gets the last one"
        yield Change(path, what, not packed, not packed, note, "label")


def _became(old: ProtoField, new: ProtoField) -> str:
    told = [f"map<{one.type}>" if one.label == "map" else one.type for one in (old, new)]
    return f"field {new.name} became {told[1]} instead of {told[0]}"


def _alike(old: str, new: str, scope: str, before: ProtoFile, after: ProtoFile) -> bool | None:
    """Whether one type reads what the other wrote; None where a name is defined in another file."""
    if old == new:
        return True
    kinds = [_kind(old, scope, before), _kind(new, scope, after)]
    if kinds[0].startswith("message ") and kinds[1].startswith("message "):
        return kinds[0] == kinds[1]
    if "" in kinds:
        return True if old.rpartition(".")[2] == new.rpartition(".")[2] else None
    return kinds[0] == kinds[1] or any(kinds[0] in group and kinds[1] in group for group in _GROUPS)


def _kind(name: str, scope: str, file: ProtoFile) -> str:
    """A scalar's name, "enum", "message" with its full name, or "" for what other files define."""
    if name in _SCALARS:
        return name
    bare = name.lstrip(".")
    if file.package and bare.startswith(file.package + "."):
        bare = bare[len(file.package) + 1 :]
    parts = scope.split(".")
    for length in range(len(parts), -1, -1):
        full = ".".join([*parts[:length], bare])
        if full in file.enums:
            return "enum"
        if full in file.messages:
            return f"message {full}"
    return ""


def unreserved(old: ProtoFile, new: ProtoFile) -> list[tuple[str, ProtoField]]:
    """Fields that were deleted while nothing keeps their numbers from being given again, with their messages."""
    found = []
    for name, before in old.messages.items():
        after = new.messages.get(name)
        if after is None:
            continue
        used = {one.number for one in after.fields}
        for one in before.fields:
            if one.number not in used and not after.reserves(one.number):
                found.append((name, one))
    return found


def collisions(file: ProtoFile) -> list[tuple[str, str, str]]:
    """Numbers and names that are given twice or are reserved: (message, field, what is wrong)."""
    found = []
    for name, message in file.messages.items():
        numbers: dict[int, str] = {}
        names: set[str] = set()
        for one in message.fields:
            if one.number in numbers:
                other = numbers[one.number]
                found.append((name, one.name, f"number {one.number} is given to {other} and to {one.name}"))
            elif message.reserves(one.number):
                found.append((name, one.name, f"number {one.number} of {one.name} is reserved"))
            if one.name in names:
                found.append((name, one.name, f"two fields are called {one.name}"))
            elif one.name in message.names:
                found.append((name, one.name, f"the name {one.name} is reserved"))
            if not 1 <= one.number <= _LARGEST:
                found.append((name, one.name, f"{one.number} of {one.name} is no field number"))
            elif 19_000 <= one.number <= 19_999:
                found.append((name, one.name, f"number {one.number} of {one.name} belongs to Protobuf itself"))
            numbers.setdefault(one.number, one.name)
            names.add(one.name)
    for name, enum in file.enums.items():
        found += _enum_collisions(name, enum)
    return found


def _enum_collisions(name: str, enum: ProtoMessage) -> Iterator[tuple[str, str, str]]:
    numbers: dict[int, str] = {}
    names: set[str] = set()
    for value, number in enum.values:
        if number in numbers and not enum.alias:
            yield name, value, f"number {number} is given to {numbers[number]} and to {value}"
        elif enum.reserves(number):
            yield name, value, f"number {number} of {value} is reserved"
        if value in names:
            yield name, value, f"two values are called {value}"
        numbers.setdefault(number, value)
        names.add(value)
