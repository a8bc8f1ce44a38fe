"""Which changes of an Avro schema are compatible: the avro library's reader and writer check, told field by field.

To what the library answers a rule of our own is added: a logical type that changes (a decimal's scale, milliseconds
that become microseconds, an int that becomes a date) leaves every byte readable and every value wrong.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from interlock.rules.compat import Change

_NAMED = ("record", "enum", "fixed")
_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
# Values read with another of these mean something else. A uuid is the same text with and without.
_LOGICAL = (
    "decimal", "date", "time-millis", "time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos",
    "local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos", "duration",
)  # fmt: skip


class Unreadable(ValueError):
    """The avro library refuses a schema; says why."""


def changes(old: Any, new: Any) -> list[Change]:
    """Every difference between two Avro schemas, given as JSON values.

    Names that a schema uses and does not define (other files define them) count as equal when they are called equal.
    Raises Unreadable where the library refuses one of them.
    """
    before, after = parsed(old), parsed(new)
    walk = _Walk()
    try:
        walk.compare(before, after, "")
        return _agreeing(walk, before, after)
    except RecursionError:
        raise Unreadable("nested too deeply") from None


def parsed(data: Any) -> Any:
    """The schema as the library sees it, with stand-ins for names that it does not define. Raises Unreadable."""
    import avro.schema
    from avro.errors import AvroException
    from avro.name import Names

    try:
        names = Names(validate_names=False)
        for name in undefined_names(data):
            avro.schema.RecordSchema(name.rpartition(".")[2], name.rpartition(".")[0], [], names, validate_names=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schema = avro.schema.make_avsc_object(data, names, validate_enum_symbols=False, validate_names=False)
        for named in names.names.values():
            named.type = "record" if named.type == "error" else named.type
            told: Any = named.props.get("aliases") or ()
            named.props["aliases"] = [_full(one, named.namespace) for one in told if isinstance(one, str)]
    except (AvroException, RecursionError, AttributeError, TypeError, ValueError, KeyError) as refused:
        raise Unreadable(str(refused)) from None
    return schema


def undefined_names(data: Any) -> list[str]:
    """Full names that a schema uses before or without defining them, each once."""
    defined: set[str] = set()
    lacking: dict[str, None] = {}
    for name, is_definition, _ in names_in(data):
        if is_definition:
            defined.add(name)
        elif name not in defined:
            lacking[name] = None
    return [name for name in lacking if name not in defined]


def names_in(data: Any, space: str = "", path: tuple[Any, ...] = ()) -> Iterator[tuple[str, bool, tuple[Any, ...]]]:
    """Names in the order they are met: (full name, whether it is defined there, where as keys and indices)."""
    if isinstance(data, str):
        if data not in _PRIMITIVES and data:
            yield _full(data, space), False, path
    elif isinstance(data, list):
        for number, branch in enumerate(data):
            yield from names_in(branch, space, (*path, number))
    elif isinstance(data, dict):
        kind = data.get("type")
        if isinstance(kind, str) and kind in (*_NAMED, "error"):
            name, inner = data.get("name"), data.get("namespace")
            if isinstance(name, str) and name:
                full = _full(name, inner if isinstance(inner, str) else space)
                yield full, True, path
                space = full.rpartition(".")[0]
            fields = data.get("fields")
            for number, field in enumerate(fields if isinstance(fields, list) else ()):
                if isinstance(field, dict) and kind in ("record", "error"):
                    yield from names_in(field.get("type"), space, (*path, "fields", number, "type"))
        elif kind == "array":
            yield from names_in(data.get("items"), space, (*path, "items"))
        elif kind == "map":
            yield from names_in(data.get("values"), space, (*path, "values"))
        else:
            yield from names_in(kind, space, (*path, "type"))


def _full(name: str, space: str | None) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _reads(reader: Any, writer: Any) -> bool:
    from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

    checker: Any = ReaderWriterCompatibilityChecker  # untyped
    result = checker().get_compatibility(reader, writer)
    return bool(result.compatibility is SchemaCompatibilityType.compatible)


def _agreeing(walk: "_Walk", old: Any, new: Any) -> list[Change]:
    """The changes, with the library's word for the whole where the parts add up to another one."""
    found = walk.found
    backward, forward = _reads(new, old), _reads(old, new)
    if backward:
        found = [one if one.logical else replace(one, backward=True) for one in found]
    if forward:
        found = [one if one.logical else replace(one, forward=True) for one in found]
    lacking_backward = not backward and all(one.backward for one in found if not one.logical)
    lacking_forward = not forward and all(one.forward for one in found if not one.logical)
    if lacking_backward or lacking_forward:
        found.append(Change("", "the schemas differ", not lacking_backward, not lacking_forward, kind="type"))
    return found


class _Walk:
    """Walks two schemas side by side and keeps what differs."""

    def __init__(self) -> None:
        self.found: list[Change] = []
        self._seen: set[tuple[int, int]] = set()

    def _add(self, path: str, what: str, backward: bool, forward: bool, kind: str, note: str = "") -> None:
        self.found.append(Change(path, what, backward, forward, note, kind))

    def compare(self, old: Any, new: Any, path: str) -> None:
        """The differences of one pair of types."""
        if (id(old), id(new)) in self._seen:
            return
        self._seen.add((id(old), id(new)))
        if "union" in (old.type, new.type):
            self._unions(old, new, path)
            return
        if old.type != new.type:
            backward, forward = _reads(new, old), _reads(old, new)
            what = f"type {_name(old)} became {_name(new)}"
            self._add(path, what, backward, forward, "type")
        self._logical(old, new, path)
        if old.type == new.type and old.type in _NAMED:
            self._named(old, new, path)
        elif old.type == new.type == "array":
            self.compare(old.items, new.items, path + "[]")
        elif old.type == new.type == "map":
            self.compare(old.values, new.values, path + "{}")

    def _logical(self, old: Any, new: Any, path: str) -> None:
        before, after = _logical_type(old), _logical_type(new)
        if before == after or (old.type != new.type and not (_reads(new, old) or _reads(old, new))):
            return
        what = f"{before or 'plain ' + old.type} became {after or 'plain ' + new.type}"
        note = "every checker calls it compatible, but values that were written before then mean something else"
        if before.startswith("decimal") and after.startswith("decimal") and before.split()[1:] == after.split()[1:]:
            note = "every checker calls it compatible, but decimals are the same only with the same precision"
        self.found.append(Change(path, what, False, False, note, "logical", logical=True))

    def _named(self, old: Any, new: Any, path: str) -> None:
        if old.name != new.name:
            backward = old.fullname in new.props.get("aliases", ())
            forward = new.fullname in old.props.get("aliases", ())
            self._add(path, f"{old.type} {old.name} is called {new.name}", backward, forward, "renamed")
            if not backward and not forward:
                return
        if old.type == "record":
            self._fields(old.fields, new.fields, path)
        elif old.type == "enum":
            self._symbols(old, new, path)
        elif old.size != new.size:
            self._add(path, f"size {old.size} became {new.size}", False, False, "type")

    def _fields(self, old: Sequence[Any], new: Sequence[Any], path: str) -> None:
        before = {field.name: field for field in old}
        matched: set[str] = set()
        for field in new:
            here = f"{path}.{field.name}".lstrip(".")
            aliases = field.props.get("aliases")
            names = [field.name, *(aliases if isinstance(aliases, list) else ())]
            name = next((one for one in names if isinstance(one, str) and one in before), None)
            if name is None:
                default = "with" if field.has_default else "without"
                self._add(here, f"field {field.name} was added {default} a default", field.has_default, True, "added")
                continue
            matched.add(name)
            if name != field.name:
                what = f"field {name} is called {field.name}, with the alias {name}"
                self._add(here, what, True, before[name].has_default, "renamed")
            self.compare(before[name].type, field.type, here)
        for field in old:
            if field.name not in matched:
                default = "a" if field.has_default else "no"
                here = f"{path}.{field.name}".lstrip(".")
                what = f"field {field.name} was removed, which had {default} default"
                self._add(here, what, True, field.has_default, "removed")

    def _symbols(self, old: Any, new: Any, path: str) -> None:
        added = [one for one in new.symbols if one not in old.symbols]
        removed = [one for one in old.symbols if one not in new.symbols]
        if added:
            caught = old.props.get("default") in old.symbols
            self._add(path, f"enum symbol {', '.join(added)} was added", True, caught, "added-symbol")
        if removed:
            caught = new.props.get("default") in new.symbols
            self._add(path, f"enum symbol {', '.join(removed)} was removed", caught, True, "removed-symbol")

    def _unions(self, old: Any, new: Any, path: str) -> None:
        before, after = _branches(old), _branches(new)
        left = list(before)
        for branch in after:
            twin = next((one for one in left if _same_branch(one, branch)), None)
            if twin is None:
                what = "became nullable" if branch.type == "null" else f"{_name(branch)} was added to the union"
                self._add(path, what, True, _reads(old, branch), "added-branch")
            else:
                left.remove(twin)
                self.compare(twin, branch, path)
        for branch in left:
            what = "is no longer nullable" if branch.type == "null" else f"{_name(branch)} was taken from the union"
            self._add(path, what, _reads(new, branch), True, "removed-branch")


def _branches(schema: Any) -> list[Any]:
    return list(schema.schemas) if schema.type == "union" else [schema]


def _same_branch(old: Any, new: Any) -> bool:
    if old.type != new.type:
        return False
    return old.type not in _NAMED or old.name == new.name or old.fullname in new.props.get("aliases", ())


def _name(schema: Any) -> str:
    return str(schema.name) if schema.type in _NAMED else str(schema.type)


def _logical_type(schema: Any) -> str:
    name = schema.props.get("logicalType") or getattr(schema, "logical_type", "")
    if name not in _LOGICAL:
        return ""
    if name == "decimal":
        return f"decimal({schema.props.get('precision')}, {schema.props.get('scale') or 0})"
    return str(name)
