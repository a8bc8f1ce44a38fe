"""Files of data and settings that nothing can read: YAML, JSON and TOML with mistakes, merges left half done."""

import re
import tomllib
from collections.abc import Iterator

import yaml

from interlock.model.findings import Finding, Severity
from interlock.rules import json_causes, yaml_causes
from interlock.rules.dag_factory import unknown_dependencies
from interlock.rules.files import SourceFile
from interlock.rules.front_matter import front_matter
from interlock.rules.rule import Family, FileCheck, Rule
from interlock.rules.rule_dbt_properties import is_read_by_dbt
from interlock.rules.surroundings import is_broken_on_purpose, is_foreign, weighed

_TEXTS = (
    "*.py", "*.sql", "*.y*ml", "*.json", "*.toml", "*.cfg", "*.ini", "*.env", ".env*", "*.tf", "*.tfvars", "*.hcl",
    "*.sh", "*.md", "*.rst", "*.txt", "*.in", "*.lock", "Dockerfile*", "Makefile", "*.properties", "*.conf", "*.xml",
    "*.ipynb", "*.csv", "*.avsc", "*.proto", "*.scala", "*.java", "*.r", "*.R", "*.js", "*.ts", ".gitignore",
    ".airflowignore", "*.jinja", "*.j2", "*.html",
)  # fmt: skip
_MARKER_STARTS = re.compile(rb"^(<{7}(?= \S)|={7}(?=\r?$)|>{7}(?= \S))", re.M)
_PROSE = (".md", ".rst", ".txt", ".html")
_TOML_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)| \(at end of document\)")


def _conflicts(file: SourceFile) -> list[tuple[int, int]]:
    """The first and last line of each conflict that a merge left."""
    if b"<<<<<<< " not in file.source or b">>>>>>> " not in file.source:
        return []
    found, begun, line, at = [], 0, 1, 0
    divided = False
    for match in _MARKER_STARTS.finditer(file.source):
        line += file.source.count(b"\n", at, match.start())
        at = match.start()
        mark = match[0][:1]
        if mark == b"<":
            begun, divided = line, False
        elif mark == b"=" and begun:
            divided = True
        elif mark == b">" and begun and divided:
            found.append((begun, line))
            begun = 0
    return found


def _is_quoted(file: SourceFile) -> bool:
    """Whether the markers stand in texts of a file that can be read: tests and tools of merges have such."""
    name = file.path
    if name.endswith(".py"):
        return file.tree is not None
    if name.endswith((".yml", ".yaml")):
        return file.documents is not None
    return name.endswith((".json", ".ipynb")) and file.data is not None


def merge_conflicts(file: SourceFile) -> Iterator[Finding]:
    """ILK-DF004: marks of a merge that was never finished. Prose may only be about them."""
    conflicts = _conflicts(file)
    if not conflicts or is_foreign(file.path) or is_broken_on_purpose(file.path) or _is_quoted(file):
        return
    for first, last in conflicts:
        severity = Severity.WARNING if file.path.endswith(_PROSE) else Severity.ERROR
        yield file.finding(
            "ILK-DF004", first, "the marks of an unfinished merge stand in the file",
            "Decide which side is right, and remove the lines with <<<<<<<, ======= and >>>>>>>.",
            end_line=last, severity=weighed(severity, file.path) if severity is Severity.ERROR else severity,
        )  # fmt: skip


def _is_template(file: SourceFile) -> bool:
    """Whether the file becomes what its name says only when it is rendered."""
    return "{{" in file.text and re.search(r"(?:^|/)(?:\w*templates?|cookiecutter)/", file.path) is not None


def yaml_files(file: SourceFile) -> Iterator[Finding]:
    """ILK-DF001, ILK-DF002, ILK-DF006 and ILK-DF008."""
    if is_foreign(file.path) or is_broken_on_purpose(file.path):
        return
    if file.documents is None:
        if _conflicts(file) or _is_template(file):
            return
        cause = yaml_causes.why_no_yaml(file.text, rendered=not is_read_by_dbt(file))
        if cause is not None:
            yield file.finding(
                "ILK-DF001", cause.line, f"the file is no YAML: {cause.what}", cause.remedy,
                end_line=cause.end_line, column=cause.column, severity=weighed(Severity.ERROR, file.path),
            )  # fmt: skip
        return
    if "{%" not in file.text:
        yield from _in_mappings(file)
        yield from unknown_dependencies(file)


def _in_mappings(file: SourceFile) -> Iterator[Finding]:
    waiting: list[yaml.Node] = list(file.documents or ())
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                waiting.append(value)
                if isinstance(key, yaml.ScalarNode):
                    yield from _repeated(file, key, keys)
                    yield from _embedded(file, key.value, value)


def _repeated(file: SourceFile, key: yaml.ScalarNode, keys: dict[tuple[str, str], int]) -> Iterator[Finding]:
    line = key.start_mark.line + 1
    first = keys.setdefault((key.tag, key.value), line)
    if first != line and key.value != "<<":
        yield file.finding(
            "ILK-DF002", line, f"the key '{key.value[:60]}' stands twice in one mapping: the first one is ignored",
            "Merge the two entries, or rename one.", severity=weighed(Severity.WARNING, file.path),
            column=key.start_mark.column + 1, detail=f"The first one is on line {first}.",
        )  # fmt: skip


def _embedded(file: SourceFile, name: str, node: yaml.Node) -> Iterator[Finding]:
    lower = name.lower()
    if not isinstance(node, yaml.ScalarNode) or not ("json" in lower or lower.endswith(("_config", "_conf"))):
        return
    text = node.value
    if not re.match(r"\s*(?:\{\s*(?:\"|\})|\[\s*\{\s*\")", text) or "{{" in text or "{%" in text:
        return
    cause = json_causes.why_no_json(text)
    if cause is not None and cause.certain:
        block = node.style in ("|", ">")
        exact = node.style == "|"
        top = node.start_mark.line + 1
        last = node.end_mark.line + (0 if block else 1)
        line, end = (top + cause.line, top + cause.end_line) if exact else (top, last)
        yield file.finding(
            "ILK-DF006", line, f"the text of '{name}' is no JSON: {cause.what}", cause.remedy,
            severity=weighed(Severity.WARNING, file.path), end_line=max(line, end),
        )  # fmt: skip


def _has_own_rule(file: SourceFile) -> bool:
    """Whether ILK-SC001 or ILK-CT007 says what is wrong: schemas, and suites of Great Expectations."""
    folder = file.path.split("/")[-2:-1]
    return (
        file.path.endswith(".schema.json")
        or (folder == ["schemas"] and b'"$schema"' in file.source)
        or ("expectations" in file.path.split("/")[:-1] and b'"expectations"' in file.source)
    )


def json_files(file: SourceFile) -> Iterator[Finding]:
    """ILK-DF003."""
    path = file.path
    if is_foreign(path) or is_broken_on_purpose(path) or json_causes.is_json_with_comments(path):
        return
    if file.data is not None or _has_own_rule(file) or _conflicts(file) or _is_template(file):
        return
    cause = json_causes.why_no_json(file.text)
    if cause is not None:
        severity = Severity.ERROR if cause.certain else Severity.WARNING
        yield file.finding(
            "ILK-DF003", cause.line, f"the file is no JSON: {cause.what}", cause.remedy,
            end_line=cause.end_line, severity=weighed(severity, path),
        )  # fmt: skip


def toml_files(file: SourceFile) -> Iterator[Finding]:
    """ILK-DF005. What TOML 1.1 allows beyond 1.0 is only a warning: some tools read it."""
    if is_foreign(file.path) or is_broken_on_purpose(file.path) or re.search(r"\{\{|\{%|<%", file.text):
        return
    try:
        tomllib.loads(file.text)
        return
    except tomllib.TOMLDecodeError as error:
        told = str(error)
    except (ValueError, RecursionError):
        return
    if _conflicts(file) or "\0" in file.text:
        return
    match = _TOML_PLACE.search(told)
    line, column = (int(match[1]), int(match[2])) if match and match[1] else (max(1, len(file.lines)), 0)
    newer = "inline table" in told.lower() or "escape" in told.lower()
    what = _TOML_PLACE.sub("", told)
    yield file.finding(
        "ILK-DF005", line, f"the file is no TOML: {what[:1].lower()}{what[1:]}", "Write it as TOML 1.0.", column=column,
        severity=weighed(Severity.WARNING if newer else Severity.ERROR, file.path),
    )  # fmt: skip


def front_matters(file: SourceFile) -> Iterator[Finding]:
    """ILK-DF007: the YAML at the top of a task's file, which says what the task is (gusty)."""
    if file.layout.dag_folder(file.path) is None or is_foreign(file.path) or _conflicts(file):
        return
    found = front_matter(file.text)
    cause = yaml_causes.why_no_yaml(found.text) if found else None
    if found and cause:
        yield file.finding(
            "ILK-DF007", found.line + cause.line - 1, f"the front matter is no YAML: {cause.what}", cause.remedy,
            end_line=found.line + cause.end_line - 1, severity=weighed(Severity.ERROR, file.path),
        )  # fmt: skip


FAMILY = Family(
    "data files",
    (
        Rule("ILK-DF001", "broken-yaml", "a file is no YAML"),
        Rule("ILK-DF002", "duplicate-yaml-key", "one key stands twice in a YAML mapping", Severity.WARNING),
        Rule("ILK-DF003", "broken-json", "a file is no JSON"),
        Rule("ILK-DF004", "unfinished-merge", "marks of an unfinished merge stand in a file"),
        Rule("ILK-DF005", "broken-toml", "a file is no TOML"),
        Rule("ILK-DF006", "broken-embedded-json", "a text in YAML should be JSON and is not", Severity.WARNING),
        Rule("ILK-DF007", "broken-front-matter", "the front matter of a task's file is no YAML"),
        Rule("ILK-DF008", "unknown-dag-factory-task", "a DAG in YAML names a dependency that it does not define"),
    ),
    file_checks=(
        FileCheck(_TEXTS, merge_conflicts),
        FileCheck(("*.yml", "*.yaml"), yaml_files),
        FileCheck(("*.json", "*.ipynb"), json_files),
        FileCheck(("*.toml",), toml_files),
        FileCheck(("*.py", "*.sql", "*.md"), front_matters),
    ),
)
