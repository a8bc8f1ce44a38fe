"""Which files are schemas, and where in them a named thing stands."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from interlock.rules.json_places import Path, places
from interlock.rules.surroundings import is_foreign

# Samples of what is wrong, and test data, are meant to be as they are. Examples are not among them: schemas that are
# shown are copied.
_SAMPLES = {"test", "tests", "testdata", "test-data", "test_data", "fixtures", "resources-test", "__tests__", "build"}
_SAMPLE_NAME = re.compile(
    r"(?:^|[_.-])(?i:invalid|broken|bad|malformed|incorrect|wrong|corrupt|incompatible)(?:$|[_.\-A-Z0-9])"
)


def is_sample(path: str) -> bool:
    """Whether a file is test data, generated, or somebody else's."""
    parts = PurePosixPath(path).parts
    return (
        is_foreign(path)
        or any(part.lower() in _SAMPLES for part in parts[:-1])
        or any(_SAMPLE_NAME.search(part) for part in parts)
    )


def avro_places(text: str, data: Any) -> dict[str, tuple[int, int]]:
    """First and last line of each field of an Avro schema, by its dotted path; "" is the schema."""
    where = places(text)
    found = {"": where.get((), (1, 1))}
    for dotted, path in _fields(data, (), ""):
        found.setdefault(dotted, where.get(path, (1, 1)))
    return found


def _fields(data: Any, path: Path, dotted: str) -> Iterator[tuple[str, Path]]:
    if isinstance(data, list):
        for number, one in enumerate(data):
            yield from _fields(one, (*path, number), dotted)
    elif isinstance(data, dict):
        fields = data.get("fields")
        for number, field in enumerate(fields if isinstance(fields, list) else ()):
            if isinstance(field, dict) and isinstance(field.get("name"), str):
                below = f"{dotted}.{field['name']}".lstrip(".")
                yield below, (*path, "fields", number)
                yield from _fields(field.get("type"), (*path, "fields", number, "type"), below)
        for key in ("items", "values", "type"):
            if isinstance(data.get(key), (dict, list)):
                yield from _fields(data[key], (*path, key), dotted)


def json_schema_places(text: str, data: Any) -> dict[str, tuple[int, int]]:
    """First and last line of each property of a JSON Schema, by its dotted path; "" is the schema."""
    where = places(text)
    found = {"": where.get((), (1, 1))}
    for dotted, path in _properties(data, (), ""):
        found.setdefault(dotted, where.get(path, (1, 1)))
    return found


def _properties(data: Any, path: Path, dotted: str) -> Iterator[tuple[str, Path]]:
    if not isinstance(data, dict):
        return
    properties = data.get("properties")
    for name, one in properties.items() if isinstance(properties, dict) else ():
        below = f"{dotted}.{name}".lstrip(".")
        yield below, (*path, "properties", name)
        yield from _properties(one, (*path, "properties", name), below)
    yield from _properties(data.get("items"), (*path, "items"), dotted)


def nearest(found: dict[str, tuple[int, int]], dotted: str) -> tuple[int, int]:
    """The place of a path, or of the innermost thing around it that is there."""
    bare = re.sub(r"\[\d*\]|\{\}", "", dotted)
    while bare and bare not in found:
        bare = bare.rpartition(".")[0]
    return found.get(bare, (1, 1))


def proto_line(text: str, message: str, name: str = "") -> int:
    """The line of a field or value of a message or enum, or of the message itself; the last one called so."""
    inner = message.rpartition(".")[2]
    start = re.search(rf"\b(?:message|enum|group|extend)\s+{re.escape(inner)}\s*\{{", text)
    at = start.start() if start else 0
    if name:
        until = _end_of_block(text, start.end()) if start else len(text)
        hits = [m.start() for m in re.finditer(rf"\b{re.escape(name)}\s*=\s*-?\w+", text[:until]) if m.start() >= at]
        at = hits[-1] if hits else at
    return text.count("\n", 0, at) + 1


def _end_of_block(text: str, start: int) -> int:
    depth = 1
    for match in re.finditer(r"[{}]", text[start:]):
        depth += 1 if match[0] == "{" else -1
        if not depth:
            return start + match.start()
    return len(text)
