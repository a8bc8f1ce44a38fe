"""Schema files against earlier versions: what cannot be read any more, what is read wrongly, what is missed.

A subject promises what ``schemas`` of interlock.yaml says, else BACKWARD: the new schema reads what was written with
the old one.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

from interlock.model.compatibility import Mode
from interlock.model.errors import Place
from interlock.model.findings import Compared, Finding, Severity
from interlock.rules import compat_avro, compat_json_schema, compat_protobuf
from interlock.rules.compat import Change
from interlock.rules.compat_protobuf import ProtoField, ProtoFile, ProtoMessage
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.json_places import is_template, loaded
from interlock.rules.nearest import nearest as nearest_name
from interlock.rules.rule import Family, FileFacts, Held, Needs, Rule
from interlock.rules.rule_schemas import avro_in, proto_in
from interlock.rules.schema_files import avro_places, is_sample, json_schema_places, nearest, proto_line
from interlock.rules.schema_subjects import (
    AVRO,
    JSON,
    PROTO,
    Compare,
    is_named,
    mode_of,
    since_base,
    since_earlier,
    subject_of,
    subjects,
)

_MENTIONS = "schema-mentions"
_CONFIG = "interlock.yaml"
_SCHEMA_FILE = re.compile(r"(?<![\w*{}$%<>])[\w./-]*[\w-]\.(?:avsc|proto|schema\.json)(?![\w.*-])")
_MENTION_FILES = ("*.py", "*.y*ml", "*.tf", "*.sh", "*.proto", "*.toml", "*.sql", "*.scala", "*.java", "Makefile")
# Packages whose very name says that they may break: shop.v1alpha1, shop.v2beta1, shop.v1development.
_UNSTABLE = re.compile(r"(?:^|\.)v\d+(?:p\d+)?(?:alpha|beta|test|dev)\w*(?:\.|$)")
_ENDINGS = (".avsc", ".proto", ".schema.json")
_COMMENTS = ("#", "//", "--", "*", "/*")
# What Protobuf's table calls incompatible though the bytes can be read: a warning.
_READABLE = {"removed-message", "removed-from-oneof", "oneof", "added-message", "added-to-oneof"}


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


def check_avro(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC007 and ILK-SC008 for Avro."""
    for path, news in _news(inspection, AVRO, _avro_changes).items():
        schema = inspection.of(AVRO)[path][0]
        where = avro_places(inspection.file(path).text, schema)
        yield from _findings(path, news, partial(_place, where), mode_of(path, inspection.config))


def check_json_schema(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC007 for JSON Schemas: leniently, for most of them describe objects that are open only by omission."""
    for path, news in _news(inspection, JSON, _json_changes).items():
        where = json_schema_places(inspection.file(path).text, inspection.of(JSON)[path])
        yield from _findings(path, news, partial(_place, where), mode_of(path, inspection.config), Severity.WARNING)


def check_proto(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC007 for Protobuf."""
    for path, news in _news(inspection, PROTO, _proto_changes).items():
        mode = mode_of(path, inspection.config)
        before = inspection.base.of(PROTO) if inspection.base else {}
        unstable = _UNSTABLE.search((before.get(path) or inspection.of(PROTO)[path])["package"]) is not None
        usual = Severity.INFO if unstable else Severity.ERROR
        # Nobody waits for what was added, unless old readers must be able to read it.
        told = {one: against for one, against in news.items() if mode.forward or not one.kind.startswith("added-")}
        yield from _findings(path, told, partial(_proto_place, inspection.file(path).text), mode, usual)


def check_numbers(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC009: a deleted field whose number may be given again."""
    for path, old, new in since_base(inspection, PROTO):
        before, after = _proto(old), _proto(new)
        text = inspection.file(path).text
        renumbered = {one.path for one in compat_protobuf.changes(before, after) if one.kind == "number"}
        for message, one in compat_protobuf.unreserved(before, after):
            if f"{message}.{one.name}" in renumbered:
                continue
            line = proto_line(text, message)
            what = f"field {one.name} of {message} was deleted, and its number {one.number} is not reserved"
            remedy = f'Write in {message}: reserved {one.number}; reserved "{one.name}";'
            yield Finding("ILK-SC009", Severity.WARNING, Place(path, line, line), what, remedy)


_News = dict[Change, list[Compared]]


def _news(inspection: Inspection, fact: str, compare: Compare) -> dict[str, _News]:
    """By path of a changed file: what differs from the base, and from which earlier versions what else does."""
    found: dict[str, _News] = {}
    for path, old, new in since_base(inspection, fact):
        found.setdefault(path, {}).update((one, []) for one in compare(old, new))
    for path, versions in since_earlier(inspection, fact, compare).items():
        known = found.setdefault(path, {})
        at_base = set(known)
        for changes, version in versions:
            for one in changes:
                if one not in at_base:
                    known.setdefault(one, []).append(version)
    return {path: news for path, news in found.items() if news}


def _avro_changes(old: Any, new: Any) -> list[Change]:
    try:
        return compat_avro.changes(old[0], new[0])
    except compat_avro.Unreadable:
        return []


def _json_changes(old: Any, new: Any) -> list[Change]:
    return [one for one in compat_json_schema.changes(old, new, lenient=True) if not one.unknown]


def _proto_changes(old: Any, new: Any) -> list[Change]:
    return _outermost(compat_protobuf.changes(_proto(old), _proto(new)))


def _place(where: dict[str, tuple[int, int]], change: Change) -> tuple[int, int]:
    return nearest(where, change.path)


def _outermost(changes: list[Change]) -> list[Change]:
    """Without messages of messages that are gone themselves."""
    gone = {one.path for one in changes if one.kind == "removed-message"}
    return [
        one
        for one in changes
        if not (one.kind == "removed-message" and any(one.path.startswith(f"{other}.") for other in gone))
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
    path: str,
    news: _News,
    place: Callable[[Change], tuple[int, int]],
    mode: Mode,
    usual: Severity = Severity.ERROR,
) -> Iterator[Finding]:
    for one, against in news.items():
        told = _logical(one) if one.logical else _broken(one, mode, usual)
        if told is not None:
            rule, severity, what, remedy = told
            yield Finding(rule, severity, Place(path, *place(one)), what, remedy, against=tuple(against))


_Told = tuple[str, Severity, str, str]


def _logical(change: Change) -> _Told:
    what = f"{change.path or 'the schema'}: {change.what}: {change.note}"
    return "ILK-SC008", Severity.ERROR, what, _LOGICAL_REMEDY


def _broken(change: Change, mode: Mode, usual: Severity) -> _Told | None:
    """What the mode forbids weighs as usual; what only has to be upgraded in the right order is information."""
    severity = Severity.WARNING if change.kind in _READABLE and usual is Severity.ERROR else usual
    if change.backward is False and (mode.backward or (mode.forward and change.forward is not False)):
        what = f"{_said(change)}: the new schema cannot read what was written with the old one"
        if mode.backward:
            return "ILK-SC007", severity, what, _REMEDIES.get(change.kind, _REMEDY)
        return "ILK-SC007", Severity.INFO, what, "Upgrade the writers before the readers."
    if change.forward is False and mode is not Mode.NONE:
        what = f"{_said(change)}: readers with the old schema cannot read what is written with the new one"
        if mode.forward:
            return "ILK-SC007", severity, what, _FORWARD_REMEDIES.get(change.kind, _REMEDY)
        return "ILK-SC007", Severity.INFO, what, "Upgrade the readers before the writers."
    return None


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
_FORWARD_REMEDIES = {
    "removed": "Keep the field, or give it a default in one version and remove it in the next.",
    "added-message": "Add it once its readers know it.",
    "added-to-oneof": "Add it once its readers know it.",
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


def check_subjects(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SC011: what interlock.yaml says of a subject that no schema file is."""
    section = inspection.config.schemas if inspection.config else None
    known = subjects(inspection) if section is not None else []
    for subject in section.subjects if section is not None else ():
        if any(is_named(path, subject) for path in known):
            continue
        near = nearest_name(subject, known if "/" in subject else map(subject_of, known), 0.7)
        remedy = (
            f"Name '{near}'." if near else "Name a schema file without its ending, or its path, or remove the line."
        )
        key = re.compile(rf"{re.escape(subject)}[\"']?\s*:")
        line = next((number for number, text in enumerate(inspection.file(_CONFIG).lines, 1) if key.search(text)), 0)
        what = f"'{subject}' under schemas is no schema file, so its mode applies to nothing"
        yield Finding("ILK-SC011", Severity.WARNING, Place(_CONFIG, line, line), what, remedy)


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
        Rule("ILK-SC011", "unknown-subject", "a mode is declared for a schema that is not there", Severity.WARNING),
    ),
    facts=(
        FileFacts(AVRO, ("*.avsc",), avro_fact, Held.EVERYWHERE),
        FileFacts(JSON, ("*.schema.json", "schemas/*.json", "*/schemas/*.json"), json_schema_fact, Held.EVERYWHERE),
        FileFacts(PROTO, ("*.proto",), proto_fact, Held.EVERYWHERE),
        FileFacts(_MENTIONS, _MENTION_FILES, mentions),
    ),
    project_checks=(check_subjects,),
    comparisons=(check_avro, check_json_schema, check_proto, check_numbers, check_removed),
)  # fmt: skip
