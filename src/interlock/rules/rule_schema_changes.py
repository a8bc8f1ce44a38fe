"""Schema files against the base commit: what cannot be read any more, what is read wrongly, what is missed.

A subject promises BACKWARD, which is what schema registries promise when nobody says otherwise: the new schema reads
what was written with the old one.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules import compat_avro, compat_json_schema, compat_protobuf
from interlock.rules.compat import Change
from interlock.rules.compat_protobuf import ProtoField, ProtoFile, ProtoMessage
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.json_places import is_template, loaded
from interlock.rules.rule import Family, FileFacts, Needs, Rule
from interlock.rules.rule_schemas import avro_in, proto_in
from interlock.rules.schema_files import avro_places, is_sample, json_schema_places, nearest, proto_line

_AVRO, _JSON, _PROTO, _MENTIONS = "avro-schema", "json-schema", "protobuf", "schema-mentions"
_SCHEMA_FILE = re.compile(r"(?<![\w*{}$%<>])[\w./-]*[\w-]\.(?:avsc|proto|schema\.json)(?![\w.*-])")
_MENTION_FILES = ("*.py", "*.y*ml", "*.tf", "*.sh", "*.proto", "*.toml", "*.sql", "*.scala", "*.java", "Makefile")
# Packages whose very name says that they may break: shop.v1alpha1, shop.v2beta1, shop.v1development.
_UNSTABLE = re.compile(r"(?:^|\.)v\d+(?:p\d+)?(?:alpha|beta|test|dev)\w*(?:\.|$)")
_ENDINGS = (".avsc", ".proto", ".schema.json")
_COMMENTS = ("#", "//", "--", "*", "/*")
# What Protobuf's table calls incompatible though the bytes can be read: a warning.
_READABLE = {"removed-message", "removed-from-oneof", "oneof"}


def avro_fact(file: SourceFile) -> Any:
    """The schema of an Avro file."""
    data = avro_in(file)
    return None if data is None else [data]


def json_schema_fact(file: SourceFile) -> Any:
    """A JSON Schema of an object; None for other JSON."""
    if is_sample(file.path) or is_template(file.text) or '"properties"' not in file.text:
        return None
    data = loaded(file.text)
    if not isinstance(data, dict) or not isinstance(data.get("properties"), dict):
        return None
    return data if "$schema" in data or data.get("type") == "object" else None


def proto_fact(file: SourceFile) -> Any:
    """The messages and enums of a Protobuf file; None where it is none."""
    found = proto_in(file)
    return None if found is None or found.problems else asdict(found)


def mentions(file: SourceFile) -> list[list[Any]] | None:
    """Schema files that a file names: [name, line]."""
    if not any(ending.encode() in file.source for ending in _ENDINGS):
        return None
    found = []
    for number, line in enumerate(file.lines, 1):
        if len(line) < 2_000 and any(one in line for one in _ENDINGS) and not line.lstrip().startswith(_COMMENTS):
            found += [[match[0], number] for match in _SCHEMA_FILE.finditer(line)]
    return found[:500] or None


def _changed(inspection: Inspection, fact: str) -> Iterator[tuple[str, Any, Any]]:
    """Files of one kind that differ from the base: path, what was there, what is there."""
    if inspection.base is None:
        return
    before, after = inspection.base.of(fact), inspection.of(fact)
    for path in sorted(inspection.changed):
        if path in before and path in after and before[path] != after[path]:
            yield path, before[path], after[path]


def check_avro(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC007 and ILK-SC008 for Avro."""
    for path, old, new in _changed(inspection, _AVRO):
        try:
            found = compat_avro.changes(old[0], new[0])
        except compat_avro.Unreadable:
            continue
        if found:
            where = avro_places(inspection.file(path).text, new[0])
            yield from _findings(path, found, partial(_place, where))


def check_json_schema(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC007 for JSON Schemas: leniently, for most of them describe objects that are open only by omission."""
    for path, old, new in _changed(inspection, _JSON):
        found = [one for one in compat_json_schema.changes(old, new, lenient=True) if not one.unknown]
        if found:
            where = json_schema_places(inspection.file(path).text, new)
            yield from _findings(path, found, partial(_place, where), Severity.WARNING)


def check_proto(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC007 and ILK-SC009 for Protobuf."""
    for path, old, new in _changed(inspection, _PROTO):
        before, after = _proto(old), _proto(new)
        found = _outermost(compat_protobuf.changes(before, after))
        lost = compat_protobuf.unreserved(before, after)
        if not found and not lost:
            continue
        text = inspection.file(path).text
        unstable = _UNSTABLE.search(before.package) is not None
        usual = Severity.INFO if unstable else Severity.ERROR
        yield from _findings(path, found, partial(_proto_place, text), usual)
        renumbered = {one.path for one in found if one.kind == "number"}
        for message, one in lost:
            if f"{message}.{one.name}" in renumbered:
                continue
            line = proto_line(text, message)
            what = f"field {one.name} of {message} was deleted, and its number {one.number} is not reserved"
            remedy = f'Write in {message}: reserved {one.number}; reserved "{one.name}";'
            yield Finding("ILK-SC009", Severity.WARNING, Place(path, line, line), what, remedy)


def _place(where: dict[str, tuple[int, int]], change: Change) -> tuple[int, int]:
    return nearest(where, change.path)


def _outermost(changes: list[Change]) -> list[Change]:
    """Without messages of messages that are gone themselves, and without what was added: nobody waits for these."""
    gone = {one.path for one in changes if one.kind == "removed-message"}
    return [
        one
        for one in changes
        if not one.kind.startswith("added-")
        and not (one.kind == "removed-message" and any(one.path.startswith(f"{other}.") for other in gone))
    ]


def _proto_place(text: str, change: Change) -> tuple[int, int]:
    message, _, name = change.path.rpartition(".")
    if change.kind == "package":
        match = re.search(r"^\s*package\s", text, re.MULTILINE)
        line = text.count("\n", 0, match.end() - 1) + 1 if match else 1
    elif change.kind.endswith(("-message", "-enum")) or not message:
        line = proto_line(text, change.path)
    else:
        line = proto_line(text, message, name)
    return line, line


def _proto(told: Any) -> ProtoFile:
    return ProtoFile(
        told["package"], told["syntax"],
        {name: _message(one) for name, one in told["messages"].items()},
        {name: _message(one) for name, one in told["enums"].items()},
    )  # fmt: skip


def _message(told: Any) -> ProtoMessage:
    return ProtoMessage(
        [ProtoField(**one) for one in told["fields"]], [(first, last) for first, last in told["numbers"]],
        list(told["names"]), [(name, number) for name, number in told["values"]], told["alias"],
    )  # fmt: skip


def _findings(
    path: str, found: list[Change], place: Callable[[Change], tuple[int, int]], usual: Severity = Severity.ERROR
) -> Iterator[Finding]:
    for one in found:
        if one.logical:
            line, end = place(one)
            what = f"{one.path or 'the schema'}: {one.what}: {one.note}"
            yield Finding("ILK-SC008", Severity.ERROR, Place(path, line, end), what, _LOGICAL_REMEDY)
        elif one.backward is False:
            line, end = place(one)
            severity = Severity.WARNING if one.kind in _READABLE and usual is Severity.ERROR else usual
            what = f"{_said(one)}: the new schema cannot read what was written with the old one"
            remedy = _REMEDIES.get(one.kind, _REMEDY)
            yield Finding("ILK-SC007", severity, Place(path, line, end), what, remedy)
        elif one.forward is False:
            line, end = place(one)
            what = f"{_said(one)}: readers with the old schema cannot read what is written with the new one"
            remedy = "Upgrade the readers before the writers."
            yield Finding("ILK-SC007", Severity.INFO, Place(path, line, end), what, remedy)


def _said(change: Change) -> str:
    last = re.sub(r"\[\d*\]|\{\}", "", change.path).rpartition(".")[2]
    if not change.path or (last and re.search(rf"\b{re.escape(last)}\b", change.what) and "." not in change.path):
        return change.what
    return f"{change.path}: {change.what}"


_LOGICAL_REMEDY = "Keep the field as it was, and add a new field with the new logical type."
_REMEDY = "Keep what the old schema had, and add what is new beside it."
_REMEDIES = {
    "added": 'Give the field a default, such as "type": ["null", ...], "default": null.',
    "required": "Leave it optional, or give it a default.",
    "renamed": 'Name the old name in "aliases".',
    "type": "Keep the type, and add a new field with the new one.",
    "removed-branch": "Keep the branch in the union.",
    "removed-symbol": 'Keep the symbol, or give the enum a "default" for readers.',
    "number": "Give the field its old number again.",
    "package": "Keep the package, and add the new one beside it.",
    "removed-message": "Keep the message as long as somebody reads it.",
    "removed-from-oneof": "Keep the field, and mark it deprecated.",
    "oneof": "Leave the fields where they are, and add new ones to the oneof.",
    "label": "Add a new field with the new label.",
}


def check_removed(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC010: a schema file that is gone, and that other files still name."""
    if inspection.base is None:
        return
    gone = [
        path for path in sorted(inspection.changed)
        if path.endswith(_ENDINGS)
        and inspection.base.exists(path) and not inspection.exists(path)
    ]  # fmt: skip
    if not gone:
        return
    there = {path.rpartition("/")[2] for path in inspection.paths}
    for file, told in inspection.of(_MENTIONS).items():
        for name, line in told:
            bare = re.sub(r"^(?:\.{0,2}/)+", "", name)
            if bare.rpartition("/")[2] in there:
                continue
            lost = next((path for path in gone if _names(bare, path)), None)
            if lost is not None:
                what = f"{lost} was removed, but is still named here"
                remedy = "Put the file back, or name what took its place."
                place = Place(file, line, line)
                yield Finding("ILK-SC010", Severity.WARNING, place, what, remedy, cause=f"schema:{lost}")


def _names(mention: str, path: str) -> bool:
    return path == mention or path.endswith("/" + mention) or mention.endswith("/" + path)


FAMILY = Family(
    "schema changes",
    (
        Rule("ILK-SC007", "incompatible-schema-change", "a schema cannot read earlier data", needs=Needs.BASE),
        Rule("ILK-SC008", "logical-type-change", "values change their meaning and nobody notices", needs=Needs.BASE),
        Rule(
            "ILK-SC009", "protobuf-number-free-again", "a deleted field's number is not reserved",
            Severity.WARNING, Needs.BASE,
        ),
        Rule(
            "ILK-SC010", "removed-schema-still-named", "a schema file is gone, and others name it",
            Severity.WARNING, Needs.BASE,
        ),
    ),
    facts=(
        FileFacts(_AVRO, ("*.avsc",), avro_fact),
        FileFacts(_JSON, ("*.schema.json", "schemas/*.json", "*/schemas/*.json"), json_schema_fact),
        FileFacts(_PROTO, ("*.proto",), proto_fact),
        FileFacts(_MENTIONS, _MENTION_FILES, mentions),
    ),
    project_checks=(check_avro, check_json_schema, check_proto, check_removed),
)  # fmt: skip
