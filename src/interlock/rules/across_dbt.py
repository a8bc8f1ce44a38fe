"""What a file of a dbt project says of names, tags and Airflow, as JSON. More names than there are do no harm."""

import re
from typing import Any

import yaml

from interlock.rules.files import SourceFile

_TAGS = re.compile(r"[\"']?\btags[\"']?\s*[=:]\s*(\[[^\]]{0,800}\]|\"[^\"]{0,200}\"|'[^']{0,200}')?")
_TEXT = re.compile(r"[\"']([^\"']+)[\"']")
_SNAPSHOT = re.compile(r"\{%-?\s*snapshot\s+(\w+)")
_AIRFLOW_KEYS = frozenset(
    {"airflow_dag", "airflow_dag_id", "airflow_task", "airflow_task_id", "dag_id", "external_dag_id", "external_dag",
     "task_id", "external_task_id", "external_task_ids", "upstream_dag", "upstream_dag_id", "upstream_task",
     "upstream_task_id", "wait_for", "wait_for_task", "wait_for_dag", "waits_for", "depends_on_airflow"}
)  # fmt: skip
_META_IN_SQL = re.compile(
    r"[\"']?\b(?P<key>"
    + "|".join(sorted(_AIRFLOW_KEYS))
    + r")\b[\"']?\s*[=:]\s*(?P<value>\[[^\]]{0,800}\]|\"[^\"]{0,200}\"|'[^']{0,200}')"
)


def dbt_facts(file: SourceFile) -> dict[str, Any] | None:
    """``names``, ``tags``, ``dynamic`` (tags that are computed), ``airflow`` as [line, key, name]."""
    if file.layout.dbt_project(file.path) is None or "/dbt_packages/" in f"/{file.path}":
        return None
    facts = _of_yaml(file) if file.path.endswith((".yml", ".yaml")) else _of_source(file.text)
    return facts if any(facts.values()) else None


def _of_source(text: str) -> dict[str, Any]:
    tags: list[str] = []
    dynamic = False
    for match in _TAGS.finditer(text) if "tags" in text else ():
        tags += _TEXT.findall(match[1] or "")
        dynamic |= match[1] is None or "~" in match[1] or "(" in match[1] or "{" in match[1]
    airflow = []
    if "meta" in text or "config" in text:
        for match in _META_IN_SQL.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            airflow += [[line, match["key"], one] for one in _TEXT.findall(match["value"])]
    return {"names": _SNAPSHOT.findall(text), "tags": tags, "dynamic": dynamic, "airflow": airflow}


def _of_yaml(file: SourceFile) -> dict[str, Any]:
    names: list[str] = []
    tags: list[str] = []
    airflow: list[list[Any]] = []
    waiting: list[tuple[yaml.Node, bool]] = [(one, False) for one in file.documents or ()]
    seen: set[int] = set()
    dynamic = False
    while waiting:
        node, in_meta = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(one, in_meta) for one in node.value]
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else ""
                waiting.append((value, in_meta or name in ("meta", "+meta")))
                found = [one for one in _scalars(value) if one.value]
                if name == "name":
                    names += [one.value for one in found]
                elif name in ("tags", "+tags"):
                    tags += [one.value for one in found]
                    dynamic |= any("{{" in one.value for one in found) or isinstance(value, yaml.MappingNode)
                elif in_meta and name in _AIRFLOW_KEYS:
                    airflow += [[one.start_mark.line + 1, name, one.value] for one in found]
    return {"names": names, "tags": tags, "dynamic": dynamic, "airflow": airflow}


def _scalars(node: yaml.Node) -> list[yaml.ScalarNode]:
    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    return [one for one in nodes if isinstance(one, yaml.ScalarNode)]


def yaml_names(file: SourceFile) -> list[str] | None:
    """Every name in a YAML file of a DAG folder: DAGs and tasks may be made of it."""
    if file.layout.dag_folder(file.path) is None or len(file.source) > 200_000:
        return None
    return sorted(set(re.findall(r"[A-Za-z_][\w.\-]{1,79}", file.text)))[:4000] or None
