"""What a YAML file of a dbt project tells of itself, as JSON.

The facts of a properties file (``YAML_FACTS``)::

    error       true where it is no YAML, and nothing else then
    entries     [{kind, name, line, columns: {name: line}, types: [columns without data_type: [name, line]], config,
                contract: line or 0, versions: [[version, defined in, line]], typed: false where columns are generated}]
                of models, seeds, snapshots, analyses
    sources     [{name, line, tables: [[name, line, has freshness, is switched off]]}]
    tests       [{owner: [kind, name], column, name, line, args, severity, warn_if, error_if, where, enabled,
                reads: [["ref" or "source", arguments]] that arguments name}]
    depends     [[kind, name, line, "ref" or "source", arguments]] of exposures, metrics, unit tests, semantic models
    unit_tests  [[name, model, line, enabled]]
    docs        [[name, line]] of blocks of documentation that descriptions of this project's own ask for

The facts of dbt_project.yml, packages.yml and dependencies.yml (``PROJECT_FACTS``) are ``error``, ``data`` (all of it)
and ``lines``: of the keys of model configs by their path (``models/shop/staging``).
"""

import json
import re
from typing import Any

import yaml

from interlock.rules.files import SourceFile
from interlock.rules.yaml_nodes import each, get, is_broken, line_of, pairs, plain, text

YAML_FACTS = "dbt_yaml"
PROJECT_FACTS = "dbt_project"
PROJECT_FILES = ("dbt_project.yml", "packages.yml", "dependencies.yml")
_YES = ("true", "yes", "on")
_KINDS = ("models", "seeds", "snapshots", "analyses")
# What dbt makes of a test's name, whatever follows.
_TEST_NAME = re.compile(r"(?:[A-Za-z_]\w*\.)?[A-Za-z_]\w*")
_CALL = re.compile(r"\b(ref|source)\s*\(([^()]*)\)")
_DOC = re.compile(r"\{\{-?\s*doc\s*\(\s*\\?['\"]{1,2}([A-Za-z_]\w*)\\?['\"]{1,2}\s*\)\s*-?\}\}")
_STRING = re.compile(r"\s*(?:'([^']*)'|\"([^\"]*)\")\s*")
_TEST_CONFIG = ("severity", "warn_if", "error_if", "where", "enabled")
_NO_ARGUMENTS = (
    *_TEST_CONFIG, "limit", "fail_calc", "store_failures", "store_failures_as", "tags", "meta", "name", "description",
    "config", "alias", "schema", "database", "group", "test_name",
)  # fmt: skip


def project_facts(file: SourceFile) -> dict[str, Any] | None:
    """See the module."""
    if file.path.rpartition("/")[2] == "dependencies.yml" and file.layout.dbt_project(file.path) is None:
        return None
    documents = file.documents
    if documents is None:
        return {"error": True, "data": {}, "lines": {}}
    lines: dict[str, int] = {}
    root = documents[0] if documents else None
    for section in ("models", "seeds", "snapshots"):
        _config_lines(get(root, section), section, lines, 0)
    for key, node, _ in pairs(root):
        lines.setdefault(f"/{key}", line_of(node))
    data = plain(root)
    return {"data": data if isinstance(data, dict) else {}, "lines": lines}


def _config_lines(node: Any, path: str, lines: dict[str, int], depth: int) -> None:
    for key, key_node, value in pairs(node):
        if isinstance(value, yaml.MappingNode) and not key.startswith("+") and depth < 20 and len(lines) < 2000:
            lines[f"{path}/{key}"] = line_of(key_node)
            _config_lines(value, f"{path}/{key}", lines, depth + 1)


def yaml_facts(file: SourceFile) -> dict[str, Any] | None:
    """See the module; None for files of no dbt project, and for those of ``PROJECT_FACTS``."""
    if file.layout.dbt_project(file.path) is None or file.path.rpartition("/")[2] in PROJECT_FILES:
        return None
    documents = file.documents
    if documents is None:
        return {"error": True} if is_broken(file.text) else None
    told: dict[str, Any] = {"entries": [], "sources": [], "tests": [], "depends": [], "unit_tests": []}
    root = documents[0] if documents else None
    if not isinstance(root, yaml.MappingNode):
        return None
    for kind in _KINDS:
        for node in each(get(root, kind)):
            _entry(kind, node, told)
    for node in each(get(root, "sources")):
        _source(node, told)
    _dependants(root, told)
    if "doc(" in file.text:
        told["docs"] = [
            [match[1], number] for number, line in enumerate(file.lines, 1)
            if not line.lstrip().startswith("#") for match in _DOC.finditer(line)
        ]  # fmt: skip
    return {key: value for key, value in told.items() if value} or None


def _entry(kind: str, node: yaml.Node, told: dict[str, Any]) -> None:
    name = text(get(node, "name"))
    if not name or "{{" in name:
        return
    config = plain(get(node, "config"))
    config = config if isinstance(config, dict) else {}
    contract = get(get(node, "config"), "contract") or get(node, "contract")
    enforced = get(contract, "enforced")
    entry: dict[str, Any] = {
        "kind": kind, "name": name, "line": line_of(node), "config": config,
        "contract": line_of(enforced) if enforced is not None and text(enforced).lower() in _YES else 0,
    }  # fmt: skip
    columns = get(node, "columns")
    entry["columns"] = {text(get(one, "name")): line_of(one) for one in each(columns) if text(get(one, "name"))}
    entry["types"] = [
        [text(get(one, "name")), line_of(one)]
        for one in each(columns)
        if text(get(one, "name")) and not text(get(one, "data_type"))
    ]
    if get(node, "relation") is not None:
        entry["relation"] = True
    versions = [
        [text(get(one, "v")), text(get(one, "defined_in")), line_of(one)] for one in each(get(node, "versions"))
    ]
    if versions:
        entry["versions"] = versions
    told["entries"].append(entry)
    _tests([kind, name], node, told)


def _source(node: yaml.Node, told: dict[str, Any]) -> None:
    name = text(get(node, "name"))
    if not name:
        return
    above = _fresh(node)
    tables = []
    for table in each(get(node, "tables")):
        table_name = text(get(table, "name"))
        if not table_name:
            continue
        own = _fresh(table)
        off = plain(get(get(table, "config") or get(node, "config"), "enabled")) not in (None, True)
        tables.append([table_name, line_of(table), above if own is None else own, off])
        _tests(["sources", f"{name}.{table_name}"], table, told)
    overrides = {"overrides": True} if get(node, "overrides") is not None else {}
    told["sources"].append({"name": name, "line": line_of(node), "tables": tables, **overrides})


def _fresh(node: yaml.Node) -> bool | None:
    """Whether freshness is told; None where nothing is said. ``freshness: null`` says that none is wanted."""
    for one in (node, get(node, "config")):
        if get(one, "freshness") is not None:
            return True
    return None


def _tests(owner: list[str], node: yaml.Node, told: dict[str, Any]) -> None:
    for one in each(get(node, "tests")) + each(get(node, "data_tests")):
        _test(owner, "", one, told)
    for version in each(get(node, "versions")):
        for one in each(get(version, "tests")) + each(get(version, "data_tests")):
            _test([owner[0], f"{owner[1]}.v{text(get(version, 'v'))}"], "", one, told)
    for column in each(get(node, "columns")):
        name = text(get(column, "name"))
        for one in each(get(column, "tests")) + each(get(column, "data_tests")):
            _test(owner, name, one, told)


def _test(owner: list[str], column: str, node: yaml.Node, told: dict[str, Any]) -> None:
    body: yaml.Node | None = None
    if isinstance(node, yaml.ScalarNode):
        name = text(node)
    else:
        name = text(get(node, "test_name"))
        body = node
        if not name:
            name, body = next(((key, value) for key, _, value in pairs(node)), ("", None))
    match = _TEST_NAME.match(name)
    if match is None or "{" in name:
        return
    name = match[0]
    config = get(body, "config")
    test: dict[str, Any] = {"owner": owner, "column": column, "name": name, "line": line_of(node)}
    for key in _TEST_CONFIG:
        value = get(config, key) or get(body, key)
        if value is not None:
            test[key] = plain(value)
    args = {key: plain(value) for key, _, value in pairs(body) if key not in _NO_ARGUMENTS}
    if args:
        test["args"] = json.dumps(args, sort_keys=True, default=str)[:500]
    reads = [named for value in args.values() if isinstance(value, str) if (named := _named(value)) is not None]
    if reads:
        test["reads"] = reads
    if text(get(body, "name")):
        test["title"] = text(get(body, "name"))
    told["tests"].append(test)


def _dependants(root: yaml.Node, told: dict[str, Any]) -> None:
    for node in each(get(root, "exposures")):
        for one in each(get(node, "depends_on")):
            _depends("exposure", node, one, told)
    for node in each(get(root, "metrics")):
        _depends("metric", node, get(node, "model"), told)
    for node in each(get(root, "semantic_models")):
        _depends("semantic model", node, get(node, "model"), told)
    for node in each(get(root, "unit_tests")):
        name, model = text(get(node, "name")), text(get(node, "model"))
        if name and model and "{" not in model:
            enabled = plain(get(get(node, "config"), "enabled")) is not False
            told["unit_tests"].append([name, model, line_of(node), enabled])
        for given in each(get(node, "given")):
            _depends("unit test", node, get(given, "input"), told)


def _depends(kind: str, owner: yaml.Node, node: yaml.Node | None, told: dict[str, Any]) -> None:
    named = _named(text(node)) if node is not None else None
    if named is not None and node is not None:
        told["depends"].append([kind, text(get(owner, "name")), line_of(node), *named])


def _named(said: str) -> list[Any] | None:
    """The ["ref" or "source", literal arguments] that a text calls."""
    match = _CALL.search(said)
    if match is None:
        return None
    parts = match[2].split(",")
    matches = [_STRING.fullmatch(part) for part in parts]
    args = [one[1] or one[2] or "" for one in matches if one]
    literal = len(args) == len(parts) or (args and all("=" in part for part in parts[len(args) :]))
    return [match[1], args] if literal else None
