"""Rules about the YAML files of a dbt project: what they document, promise and configure."""

from collections.abc import Iterator
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dbt_project import DbtProject, Node, inherited, projects
from interlock.rules.inspection import Inspection
from interlock.rules.nearest import nearest
from interlock.rules.rule import Family, Rule
from interlock.rules.rule_dbt_source import ref_findings, source_findings

_KIND = {"models": "model", "seeds": "seed", "snapshots": "snapshot"}
_CONFIGS = frozenset(
    {"persist_docs", "meta", "grants", "contract", "docs", "labels", "partition_by", "column_types", "hooks", "quoting",
     "snapshot_meta_column_names", "tags", "vars", "freshness", "tblproperties", "pre-hook", "post-hook", "columns"}
)  # fmt: skip


def patches_for_nothing(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS008: YAML that documents and tests a model which is not there; dbt leaves it out without failing."""
    for project in projects(inspection).certain:
        for path, entry in project.entries:
            kind = _KIND.get(entry["kind"])
            nodes = project.nodes.get(entry["name"], [])
            if kind is None or any(one.kind == kind for one in nodes):
                continue
            known = [name for name, named in project.nodes.items() if any(one.kind == kind for one in named)]
            closest = nearest(entry["name"], known)
            if nodes:
                summary = f"'{entry['name']}' is documented under {entry['kind']}, and is a {nodes[0].kind}"
                remedy = f"Move the entry under '{nodes[0].kind}s:'."
            elif kind == "seed" and not closest:
                continue  # large seeds are often kept out of the repository
            else:
                summary = f"YAML describes the {kind} '{entry['name']}', which does not exist"
                remedy = f"Write '{closest}'." if closest else "Remove the entry, or add the file."
            yield Finding(
                "ILK-DS008", Severity.WARNING, Place(path, entry["line"], entry["line"]), summary, remedy,
                detail="dbt ignores its tests and its documentation.", cause=f"dbt-model:{entry['name']}",
            )  # fmt: skip


def duplicates(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS009 and ILK-DS010: two models of one name in a project, two YAML entries for one model."""
    for project in projects(inspection).certain:
        for name, nodes in project.nodes.items():
            on = [one for one in nodes if one.enabled is True]
            if len(on) > 1 and not any(one.versions for one in on):
                first, *others = sorted(on, key=lambda one: (one.path in inspection.changed, one.path))
                for one in others:
                    yield Finding(
                        "ILK-DS009", Severity.ERROR, Place(one.path, one.line, one.line),
                        f"two are named '{name}': a {one.kind} here, and a {first.kind} in {first.path}",
                        "Rename one of them, or switch one off with enabled=false.", cause=f"dbt-model:{name}",
                    )  # fmt: skip
        seen: dict[tuple[str, str], str] = {}
        for path, entry in project.entries:
            key = (entry["kind"], entry["name"])
            if key in seen:
                yield _twice(path, entry["line"], f"{key[0]} entry '{key[1]}'", seen[key])
            seen.setdefault(key, path)
        yield from _sources_twice(project)


def _sources_twice(project: DbtProject) -> Iterator[Finding]:
    seen: dict[tuple[str, str], str] = {}
    for path, told in project.yaml.items():
        for source in told.get("sources", ()):
            for name, line, _, off in source["tables"]:
                key = (source["name"], name)
                if off or source.get("overrides") or "{" in name or "{" in source["name"]:
                    continue
                if key in seen:
                    yield _twice(path, line, f"source '{key[0]}.{key[1]}'", seen[key])
                seen.setdefault(key, path)


def _twice(path: str, line: int, what: str, first: str) -> Finding:
    where = "further up in this file" if first == path else f"in {first}"
    return Finding(
        "ILK-DS010", Severity.ERROR, Place(path, line, line), f"the {what} is already {where}",
        "Put both into one entry; dbt refuses two.",
    )  # fmt: skip


def effective(project: DbtProject, node: Node) -> tuple[dict[str, Any], dict[str, tuple[str, int]], frozenset[str]]:
    """The configs of a node: values, where each is said, and keys that are computed. The file wins over its YAML, and
    that over dbt_project.yml."""
    found: dict[str, Any] = {}
    where: dict[str, tuple[str, int]] = {}
    opened = set(node.open)
    for key, value in inherited(project, node.kind, node.path).items():
        found[key], where[key] = value, (project.path, 1)
    path, entry = project.entry_of.get((f"{node.kind}s", node.name), ("", None))
    for key, value in entry["config"].items() if entry else ():
        found[key], where[key] = value, (path, entry["line"] if entry else 1)
    line = project.sql.get(node.path, {}).get("config_line", node.line) or node.line
    for key, value in node.config.items():
        found[key], where[key] = value, (node.path, line if node.kind == "model" else node.line)
    opened |= {key for key, value in found.items() if isinstance(value, str) and "{{" in value}
    return found, where, frozenset(opened)


def contracts_without_types(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS011: dbt refuses an enforced contract whose columns have no types, when it builds the model."""
    for project in projects(inspection).certain:
        for path, entry in project.entries:
            if entry["kind"] != "models" or entry.get("versions"):
                continue
            nodes = [one for one in project.nodes.get(entry["name"], ()) if one.kind == "model"]
            told = any((one.config.get("contract") or {}).get("enforced") is True for one in nodes
                       if isinstance(one.config.get("contract"), dict))  # fmt: skip
            if not (entry["contract"] or told) or any(
                "contract" in one.open or one.enabled is not True for one in nodes
            ):
                continue
            line = entry["contract"] or entry["line"]
            if not entry["columns"]:
                yield Finding(
                    "ILK-DS011", Severity.ERROR, Place(path, line, line),
                    f"the contract of '{entry['name']}' is enforced, and no column is declared",
                    "Declare every column with its name and data_type.",
                )  # fmt: skip
            for column, at in entry["types"]:
                yield Finding(
                    "ILK-DS011", Severity.ERROR, Place(path, at, at),
                    f"the contract of '{entry['name']}' is enforced, and column '{column}' has no data_type",
                    "Write its data_type.", cause=f"dbt-contract:{entry['name']}",
                )  # fmt: skip


def dependants_of_nothing(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS022: exposures, metrics and unit tests of models that do not exist."""
    every = projects(inspection)
    for project in every.certain:
        beside = every.beside(project)
        for path, told in project.yaml.items():
            for kind, owner, line, call, args in told.get("depends", ()):
                place, who = Place(path, line, line), f"the {kind} '{owner}' depends on "
                if call == "ref" and 1 <= len(args) <= 2:
                    target = args[0] if len(args) == 1 else args
                    yield from ref_findings(project, target, "", place, beside=beside, rule="ILK-DS022", who=who)
                elif call == "source" and len(args) == 2 and not project.unread:
                    yield from source_findings(project, args[0], args[1], place, rule="ILK-DS022", who=who)
            for name, model, line, enabled in told.get("unit_tests", ()):
                nodes = project.nodes.get(model, ())
                if enabled and not nodes and not (project.unread or model in beside or "." in model):
                    closest = nearest(model, project.nodes)
                    yield Finding(
                        "ILK-DS022", Severity.ERROR, Place(path, line, line),
                        f"the unit test '{name}' is for the model '{model}', which does not exist",
                        f"Write '{closest}'." if closest else "Name a model of the project, or remove the test.",
                        cause=f"dbt-model:{model}",
                    )  # fmt: skip


def configs_for_nothing(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS023: a path of dbt_project.yml that no folder has, and almost one has."""
    for project in projects(inspection).certain:
        for section, role in (("models", "model"), ("seeds", "seed"), ("snapshots", "snapshot")):
            keys = [key for key in project.lines if key.startswith(f"{section}/")]
            tree = _tree(project, role) if keys else set()
            for key in keys:
                parts = key.split("/")[1:]
                if parts[0] != project.name or len(parts) < 2 or _CONFIGS & set(parts):
                    continue
                inner = tuple(parts[1:])
                if inner in tree or (inner[:-1] and inner[:-1] not in tree):
                    continue
                closest = nearest(inner[-1], {one[-1] for one in tree if one[:-1] == inner[:-1]})
                if closest:
                    line = project.lines[key]
                    yield Finding(
                        "ILK-DS023", Severity.WARNING, Place(project.path, line, line),
                        f"the config of {section} '{'.'.join(parts)}' applies to nothing",
                        f"Write '{closest}', which exists there.",
                    )  # fmt: skip


def _tree(project: DbtProject, role: str) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    folders = sorted(project.data[f"/{role}"], key=len, reverse=True)
    for path, its in project.roles.items():
        folder = next((one for one in folders if one == "." or path.startswith(f"{one}/")), None)
        if its != role or folder is None:
            continue
        parts = (path if folder == "." else path[len(folder) + 1 :]).split("/")
        parts[-1] = parts[-1].rpartition(".")[0]
        found.update(tuple(parts[:length]) for length in range(1, len(parts) + 1))
    for path, told in project.sql.items():
        if project.roles.get(path) == role:  # snapshots are configured by their own names, too
            folder = next((one for one in folders if path.startswith(f"{one}/")), None)
            above = tuple(path[len(folder) + 1 :].split("/")[:-1]) if folder else ()
            found.update((*above, one[0]) for one in told.get("snapshots", ()))
    for _, entry in project.entries:
        found.add((entry["name"],))
    return found


FAMILY = Family(
    "dbt-yaml",
    (
        Rule("ILK-DS008", "patch-for-nothing", "YAML describes a model that does not exist", Severity.WARNING),
        Rule("ILK-DS009", "duplicate-model", "two models of a project have one name"),
        Rule("ILK-DS010", "described-twice", "two YAML entries describe one model or source"),
        Rule("ILK-DS011", "contract-without-types", "a column of an enforced contract has no data_type"),
        Rule("ILK-DS022", "dependant-of-nothing", "an exposure, metric or unit test is about a missing model"),
        Rule("ILK-DS023", "config-for-nothing", "a config path of dbt_project.yml matches no folder", Severity.WARNING),
    ),
    project_checks=(
        patches_for_nothing, duplicates, contracts_without_types, dependants_of_nothing, configs_for_nothing,
    ),
)  # fmt: skip
