"""Rules about what dbt refuses in its YAML files although they are YAML: it reads them before any Jinja is rendered."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dbt_project import DbtProject, projects
from interlock.rules.dbt_yaml_facts import PROJECT_FILES
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.nearest import nearest
from interlock.rules.rule import Family, FileCheck, FileFacts, Rule
from interlock.rules.surroundings import is_foreign
from interlock.rules.yaml_nodes import each, get, line_of, pairs

DOCS = "dbt_docs"
_DOCS_BLOCK = re.compile(r"\{%[-+]?\s*docs\s+([A-Za-z_]\w*)\s*[-+]?%\}")
_ENTRIES = ("models", "seeds", "snapshots", "analyses", "sources", "exposures", "metrics", "macros", "unit_tests")
_PROPERTIES = re.compile(rf"^(?:{'|'.join(_ENTRIES)}|semantic_models|saved_queries|groups):", re.MULTILINE)
_OWN_FILES = (*PROJECT_FILES, "profiles.yml", "selectors.yml")
_MOST_NODES = 50_000


def is_read_by_dbt(file: SourceFile) -> bool:
    """Whether dbt reads a YAML file as it stands: one of its own, or one that describes what a project has."""
    if file.layout.dbt_project(file.path) is None or is_foreign(file.path) or "{{" in file.path:
        return False
    return file.path.rpartition("/")[2] in _OWN_FILES or _PROPERTIES.search(file.text) is not None


def docs_blocks(file: SourceFile) -> list[str] | None:
    """The names of the blocks of documentation in a Markdown file of a dbt project."""
    if file.layout.dbt_project(file.path) is None or "docs" not in file.text:
        return None
    return sorted(set(_DOCS_BLOCK.findall(file.text))) or None


def refused(file: SourceFile) -> Iterator[Finding]:
    """ILK-DS024: values that are no text where dbt wants one, and arguments of tests that are no mapping."""
    if file.documents is None or not is_read_by_dbt(file):
        return
    for root in file.documents[:1]:
        yield from _unquoted(file, root)
        for kind in _ENTRIES:
            for entry in each(get(root, kind)):
                yield from _entry(file, entry)


def _unquoted(file: SourceFile, root: yaml.Node) -> Iterator[Finding]:
    """``key: {{ value }}`` is a mapping whose key is a mapping to YAML."""
    waiting, seen = [root], 0
    while waiting and seen < _MOST_NODES:
        node, seen = waiting.pop(), seen + 1
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
            if any(isinstance(key, yaml.MappingNode) for key, _ in node.value):
                yield file.finding(
                    "ILK-DS024", line_of(node), "an expression in braces stands without quotes: YAML takes its braces "
                    "for a mapping, and dbt cannot read the file", 'Quote it: "{{ ... }}".',
                )  # fmt: skip


def _entry(file: SourceFile, entry: yaml.Node) -> Iterator[Finding]:
    yield from _named(file, entry)
    yield from _tests(file, entry)
    for part in (*each(get(entry, "columns")), *each(get(entry, "tables"))):
        yield from _named(file, part)
        yield from _tests(file, part)
        for column in each(get(part, "columns")):
            yield from _named(file, column)
            yield from _tests(file, column)


def _named(file: SourceFile, entry: yaml.Node) -> Iterator[Finding]:
    name = next(((key, value) for word, key, value in pairs(entry) if word == "name"), None)
    if name is not None and isinstance(name[1], yaml.CollectionNode) and not _is_expression(name[1]):
        yield file.finding(
            "ILK-DS024", line_of(name[0]), "a name is no text but a whole entry or a list: dbt refuses the file",
            "Write the name itself; an alias (*name) stands for everything that its anchor holds.",
        )  # fmt: skip


def _is_expression(node: yaml.CollectionNode) -> bool:
    """Whether it is one of ``_unquoted``."""
    return isinstance(node, yaml.MappingNode) and any(isinstance(key, yaml.MappingNode) for key, _ in node.value)


def _tests(file: SourceFile, owner: yaml.Node) -> Iterator[Finding]:
    for test in (*each(get(owner, "tests")), *each(get(owner, "data_tests"))):
        for name, key, arguments in pairs(test):
            if isinstance(arguments, yaml.SequenceNode) and len(test.value) == 1:
                yield file.finding(
                    "ILK-DS024", line_of(key), f"the arguments of the test '{name}' are a list: dbt refuses the file",
                    "Write them as a mapping, without the hyphens.",
                )  # fmt: skip


def missing_docs(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS025: blocks of documentation that nothing has; dbt stops when it parses."""
    blocks = inspection.of(DOCS)
    for project in projects(inspection).certain:
        if project.missing:
            continue
        folders = [one.folder for one in (project, *project.packages)]
        known = {
            name for path, names in blocks.items()
            if path in project.roles or any(not folder or path.startswith(f"{folder}/") for folder in folders)
            for name in names
        }  # fmt: skip
        for path, told in project.yaml.items():
            for name, line in told.get("docs", ()):
                if name not in known and not name.startswith("__") and _is_applied(project, told, line):
                    yield _undocumented(path, line, name, nearest(name, known))


def _is_applied(project: DbtProject, told: Mapping[str, Any], line: int) -> bool:
    """Whether the entry that a line belongs to describes something: what is not there or off is left alone."""
    above = [one for one in (*told.get("entries", ()), *told.get("sources", ())) if one["line"] <= line]
    entry = max(above, key=lambda one: int(one["line"]), default=None)
    if entry is None or "kind" not in entry:
        return True
    return any(one.enabled is True for one in project.nodes.get(entry["name"], ()))


def _undocumented(path: str, line: int, name: str, closest: str) -> Finding:
    return Finding(
        "ILK-DS025", Severity.ERROR, Place(path, line, line), f"doc('{name}') names no block of documentation",
        f"Write doc('{closest}')." if closest else f"Write the block in a Markdown file: {{% docs {name} %}}.",
        cause=f"dbt-doc:{name}",
    )  # fmt: skip


def bare_refs(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS026: ``from ref('x')`` without braces, which no warehouse has a function for."""
    for project in projects(inspection).own:
        for path, told in project.sql.items():
            bare: list[Any] = told.get("bare", [])
            if project.roles.get(path) not in ("model", "snapshot", "test") or path in project.off:
                continue
            for call, line in bare:
                yield Finding(
                    "ILK-DS026", Severity.ERROR, Place(path, line, line),
                    f"{call}(...) stands outside of braces, so that the warehouse looks for a function of this name",
                    f"Write {{{{ {call}(...) }}}}.",
                )  # fmt: skip


FAMILY = Family(
    "dbt-properties",
    (
        Rule("ILK-DS024", "refused-properties", "a value in YAML is not of the kind that dbt takes"),
        Rule("ILK-DS025", "missing-doc", "a description names a block of documentation that nothing has"),
        Rule("ILK-DS026", "ref-without-braces", "a ref or source stands outside of braces"),
    ),
    file_checks=(FileCheck(("*.yml", "*.yaml"), refused),),
    facts=(FileFacts(DOCS, ("*.md",), docs_blocks),),
    project_checks=(missing_docs, bare_refs),
)
