"""Schema files by themselves: JSON that is none, Avro schemas and Protobuf files that their own tools refuse."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules import avro_schema, compat_avro, compat_protobuf
from interlock.rules.compat_protobuf import ProtoFile, collisions
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.json_places import is_template, loaded, mistake_in, places
from interlock.rules.rule import Family, FileCheck, FileFacts, Rule
from interlock.rules.schema_files import is_sample, proto_line

_NAMES = "avro-names"
_AVRO = ("*.avsc",)
_JSON = ("*.avsc", "*.schema.json", "schemas/*.json", "*/schemas/*.json")
_PROTO = ("*.proto",)
_EDITION = re.compile(r"^\s*edition\s*=", re.MULTILINE)
_LARGEST_PROTO = 300_000
# Types of other systems that people write where Avro has another word.
_MEANT = {
    "integer": "int", "int32": "int", "smallint": "int", "short": "int", "int64": "long", "bigint": "long",
    "number": "double", "float32": "float", "float64": "double", "bool": "boolean", "str": "string", "text": "string",
    "varchar": "string", "char": "string", "binary": "bytes", "list": "array", "dict": "map", "none": "null",
}  # fmt: skip
_LOGICAL = {
    "date": "int", "time-millis": "int", "time-micros": "long", "timestamp-millis": "long", "timestamp-micros": "long",
    "local-timestamp-millis": "long", "local-timestamp-micros": "long", "decimal": "bytes", "uuid": "string",
    "timestamp": "long", "datetime": "long",
}  # fmt: skip
_COMPLEX = ("record", "enum", "array", "map", "fixed", "error", "union")


def check_json(file: SourceFile) -> Iterator[Finding]:
    """ILK-SC001: a schema file that is no JSON."""
    text = file.text
    if is_sample(file.path) or b"\0" in file.source or not text.strip() or is_template(text):
        return
    if not file.path.endswith((".avsc", ".schema.json")) and '"$schema"' not in text:
        return
    wrong = mistake_in(text)
    if wrong is None:
        return
    # Several schemas one after the other are read by some tools.
    severity = Severity.WARNING if wrong.what.startswith("more text") else Severity.ERROR
    yield file.finding(
        "ILK-SC001", wrong.line, f"the schema file is no JSON: {wrong.what}", wrong.remedy,
        severity=severity, column=wrong.column,
    )  # fmt: skip


def check_avro(file: SourceFile) -> Iterator[Finding]:
    """ILK-SC002 and ILK-SC003: what Avro refuses in a schema."""
    data = avro_in(file)
    if data is None:
        return
    found = avro_schema.mistakes(data)
    if not found:
        return
    where = places(file.text)
    for one in found:
        line, end = where.get(one.path) or _nearest(where, one.path)
        severity = Severity.ERROR if one.certain else Severity.WARNING
        rule = "ILK-SC003" if one.is_default else "ILK-SC002"
        yield file.finding(rule, line, one.what, one.remedy, severity=severity, end_line=end)


def _nearest(where: dict[tuple[Any, ...], tuple[int, int]], path: tuple[Any, ...]) -> tuple[int, int]:
    while path and path not in where:
        path = path[:-1]
    return where.get(path, (1, 1))


def avro_in(file: SourceFile) -> Any:
    """The Avro schema of a file; None for templates, samples of broken ones, and what is no schema."""
    if is_sample(file.path) or is_template(file.text):
        return None
    return _avro(file.text)


@lru_cache(maxsize=8)
def _avro(text: str) -> Any:
    data = loaded(text)
    if isinstance(data, dict) and ("protocol" in data or "type" not in data):
        return None
    return data if isinstance(data, (dict, list)) else None


def avro_names(file: SourceFile) -> dict[str, Any] | None:
    """Full names that a schema defines, and those that it uses and does not: [name, line, last line]."""
    data = avro_in(file)
    if data is None:
        return None
    defines: list[str] = []
    lacking: dict[str, tuple[Any, ...]] = {}
    for name, is_definition, path in compat_avro.names_in(data):
        if is_definition:
            defines.append(name)
        else:
            lacking.setdefault(name, path)
    uses = {name: path for name, path in lacking.items() if name not in defines}
    where = places(file.text) if uses else {}
    lines = [[name, *(where.get(path) or _nearest(where, path))] for name, path in uses.items()]
    return {"defines": defines, "uses": lines} if defines or uses else None


def check_unknown_types(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC004: a type that is none of Avro's, and that no schema of the project defines."""
    facts = inspection.of(_NAMES)
    defined = {name for one in facts.values() for name in one["defines"]}
    simple = {name.rpartition(".")[2] for name in defined}
    spaces: dict[str, dict[str, str]] = {}
    for name in sorted(defined):
        spaces.setdefault(name.rpartition(".")[0], {})[name.rpartition(".")[2]] = name
    for path, told in facts.items():
        for name, line, end in told["uses"]:
            short = name.rpartition(".")[2]
            if name in defined or short in simple:
                continue
            remedy = _meant(short)
            near = "" if remedy else _twin(short, spaces.get(name.rpartition(".")[0], {}))
            if remedy or near:
                what = f"'{short}' is no type of Avro, and no schema here defines it"
                yield Finding(
                    "ILK-SC004", Severity.ERROR if remedy else Severity.WARNING, Place(path, line, end), what,
                    remedy or f'Write "{near}", or define {short}.', cause=f"avro:{name}",
                )  # fmt: skip


def _meant(short: str) -> str:
    """What to write instead of a word that is no type; "" for what may be somebody's own."""
    if short in _COMPLEX:
        return f'Write it as an object: {{"type": "{short}", ...}}.'
    lower = short.lower()
    if lower in _PRIMITIVES:
        return f'Write "{lower}".'
    if short != lower:
        return ""
    if lower in _LOGICAL:
        logical = "timestamp-millis" if lower in ("timestamp", "datetime") else lower
        return f'Write {{"type": "{_LOGICAL[lower]}", "logicalType": "{logical}"}}.'
    if lower in _MEANT:
        return f'Write "{_MEANT[lower]}".'
    near = get_close_matches(short, _PRIMITIVES, n=1, cutoff=0.8) if len(short) > 3 else []
    return f'Write "{near[0]}".' if near else ""


def _twin(short: str, twins: Mapping[str, str]) -> str:
    """A name of the same namespace that differs by a letter; others may come from another project."""
    close = get_close_matches(short, twins, n=1, cutoff=0.92) if len(short) > 6 else []
    if not close or _bare(close[0]) == _bare(short):
        return ""
    return twins[close[0]]


def _bare(name: str) -> str:
    """A name without digits and plural: V1 and V2, or Order and Orders, are no misspellings of each other."""
    return re.sub(r"\d", "", name).rstrip("s")


_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


def proto_in(file: SourceFile) -> ProtoFile | None:
    """A Protobuf file; None for samples of broken ones, large ones, and what the parser cannot read."""
    if is_sample(file.path) or len(file.source) > _LARGEST_PROTO or b"\0" in file.source or is_template(file.text):
        return None
    return _proto(file.text)


@lru_cache(maxsize=8)
def _proto(text: str) -> ProtoFile | None:
    return compat_protobuf.parsed(text)


def check_proto(file: SourceFile) -> Iterator[Finding]:
    """ILK-SC005 and ILK-SC006: a Protobuf file that protoc refuses."""
    found = proto_in(file)
    if found is None or found.syntax not in ("", "proto2", "proto3") or _EDITION.search(file.text):
        return
    if found.problems:
        line, what = found.problems[0]
        if len(what) > 160:
            what = what.partition(" expecting ")[0]
        remedy = "Mend the syntax there: a field is 'type name = number;', and every brace is closed."
        line = max(1, min(line, len(file.lines)))
        yield file.finding("ILK-SC005", line, f"protoc cannot parse the file: {what}", remedy)
        return
    for message, name, what in collisions(found):
        remedy = "Give it a number and a name that are not in use and were not before."
        line = proto_line(file.text, message, name)
        yield file.finding("ILK-SC006", line, f"{message}: {what}", remedy, resource="")


FAMILY = Family(
    "schema files",
    (
        Rule("ILK-SC001", "schema-not-json", "a schema file is no JSON"),
        Rule("ILK-SC002", "invalid-avro-schema", "Avro refuses a schema"),
        Rule("ILK-SC003", "avro-default-misfit", "a field's default does not fit its type"),
        Rule("ILK-SC004", "unknown-avro-type", "a schema uses a type that nothing defines"),
        Rule("ILK-SC005", "invalid-protobuf", "a Protobuf file cannot be parsed"),
        Rule("ILK-SC006", "protobuf-number-clash", "a field's number or name is given twice or reserved"),
    ),
    file_checks=(FileCheck(_JSON, check_json), FileCheck(_AVRO, check_avro), FileCheck(_PROTO, check_proto)),
    facts=(FileFacts(_NAMES, _AVRO, avro_names),),
    project_checks=(check_unknown_types,),
)
