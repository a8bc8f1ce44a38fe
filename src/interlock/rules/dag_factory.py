"""DAGs that dag-factory makes of YAML: a dependency must name a task or a group of tasks of the same DAG."""

from collections.abc import Iterator
from difflib import get_close_matches

import yaml

from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.surroundings import weighed


def unknown_dependencies(file: SourceFile) -> Iterator[Finding]:
    """ILK-DF008. Said only of DAGs whose tasks and groups all have literal names."""
    if "dependencies:" not in file.text or "operator:" not in file.text:
        return
    for document in file.documents or ():
        for _, dag in _pairs(document):
            parts = {key.value: value for key, value in _pairs(dag)}
            tasks = _entries(parts.get("tasks"), "task_id")
            if not tasks or not any(
                key.value in ("operator", "decorator") for _, one in tasks for key, _ in _pairs(one)
            ):
                continue
            if "generator:" in file.text:
                continue  # it makes tasks of names that are not here
            groups = _entries(parts.get("task_groups"), "group_name")
            yield from _unknown(file, [*tasks, *groups])


def _unknown(file: SourceFile, entries: list[tuple[str, yaml.Node]]) -> Iterator[Finding]:
    known = {name for name, _ in entries}
    if any("{{" in name or not name for name in known):
        return
    for name, entry in entries:
        named = next((value for key, value in _pairs(entry) if key.value == "dependencies"), None)
        for one in named.value if isinstance(named, yaml.SequenceNode) else ():
            if not isinstance(one, yaml.ScalarNode) or one.value in known or "." in one.value or "{{" in one.value:
                continue
            near = get_close_matches(one.value, known, n=1, cutoff=0.6)
            remedy = f"Name '{near[0]}'." if near else f"Define it, or name one of: {', '.join(sorted(known)[:12])}."
            yield file.finding(
                "ILK-DF008", one.start_mark.line + 1,
                f"'{name}' depends on '{one.value}', which its DAG does not define", remedy,
                severity=weighed(Severity.ERROR, file.path), column=one.start_mark.column + 1,
            )  # fmt: skip


def _entries(node: yaml.Node | None, name_key: str) -> list[tuple[str, yaml.Node]]:
    """Tasks or groups by name: a mapping by name, or a list of entries that hold their names."""
    if isinstance(node, yaml.MappingNode):
        return [(key.value, value) for key, value in _pairs(node)]
    found = []
    for one in node.value if isinstance(node, yaml.SequenceNode) else ():
        name = next((value.value for key, value in _pairs(one) if key.value == name_key), "")
        found.append((name if isinstance(name, str) else "", one))
    return found


def _pairs(node: yaml.Node | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value
