"""The models of dbt projects as SQL, for rules that look into queries.

``rendered_models(inspection)`` gives, by path, JSON for each model, snapshot and singular test that is SQL and whose
Jinja can be read (a file with several snapshots is there once for each: ``path#snapshot``)::

    name, kind      of the model; kind is "model", "snapshot", "test" or "analysis"
    path, project   the file, and the folder of its dbt project
    sql             what a first run makes of it; see ``jinja_sql`` for what stands in it
    incremental_sql what a later run makes of it, where that is another text; "" otherwise
    lines           for each line of ``sql`` the line of the file; ``incremental_lines`` the same for the other text
    opaque          {placeholder in the SQL: what it stands for}: a value, a list of columns or a whole statement.
                    A query in whose projection one stands may have columns that are not seen
    relations       {identifier in the SQL: ["ref", package, model, version] or ["source", source, table] or ["this"]}
    complete        false where something unknown decided a branch or a loop, or rendering ended early: other columns
                    and tables may then be there, and the text need not be valid SQL
    materialized    as far as it is known: the file's config, then its YAML, then dbt_project.yml; "" where computed
    contract        whether a contract is enforced
    columns         {column: line} that its YAML declares, and ``columns_path``, that YAML file
    enabled         false where it is switched off; null where that is computed
    refs, sources   [[package, model, version]] and [[source, table]] that were asked for

A model is computed once for its content, the texts of all macros and dbt_project.yml; that is kept in the cache. What
YAML says is added anew each time.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from interlock.rules.dbt_project import DbtProject, Node, projects
from interlock.rules.inspection import Inspection
from interlock.rules.jinja_sql import JinjaProject, Rendered, render
from interlock.rules.rule_dbt_yaml import effective

_SPACE = "dbt-rendered"
_ADAPTERS = {"tsql": "sqlserver"}


def rendered_models(inspection: Inspection) -> dict[str, dict[str, Any]]:
    """See the module. Computed once for an inspection."""
    return inspection.once("dbt rendered", lambda: _rendered_models(inspection))


def _rendered_models(inspection: Inspection) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for project in projects(inspection).certain:
        found |= _of_project(project, inspection)
    return found


def _of_project(project: DbtProject, inspection: Inspection) -> dict[str, dict[str, Any]]:
    files = {
        path: told
        for path, told in project.sql.items()
        if project.roles.get(path) in ("model", "snapshot", "test", "analysis")
        and path.endswith(".sql") and "error" not in told and not told.get("macros")
    }  # fmt: skip
    shared = _shared_digest(project, inspection)
    keys = {path: f"{told['digest']} {shared}" for path, told in files.items()}

    def compute(paths: Sequence[str]) -> Mapping[str, Any]:
        jinja = jinja_project(project, inspection)
        return {path: _rendered(path, project, jinja, inspection) for path in paths}

    found: dict[str, dict[str, Any]] = {}
    nodes = {one.path: one for named in project.nodes.values() for one in named if one.kind != "snapshot"}
    snapshots = {
        (one.path, one.name): one for named in project.nodes.values() for one in named if one.kind == "snapshot"
    }
    for path, parts in inspection.kept(_SPACE, keys, compute).items():
        for part in parts:
            node = snapshots.get((path, part["snapshot"])) if part["snapshot"] else nodes.get(path)
            key = f"{path}#{part['snapshot']}" if len(parts) > 1 else path
            found[key] = {**part, **_described(path, part, node, project)}
    return found


def jinja_project(project: DbtProject, inspection: Inspection) -> JinjaProject:
    """What rendering has to know of a project: its macros, variables and the packages whose files are there."""

    def macros(of: DbtProject) -> dict[str, str]:
        return {
            path: inspection.read(path).decode("utf-8-sig", "replace")
            for path, told in of.sql.items()
            if told.get("macros") and of.roles.get(path) in ("macro", "test")
        }

    dialect = inspection.layout.dialect
    return JinjaProject(
        project.name, macros(project), adapter=_ADAPTERS.get(dialect, dialect), variables=_variables(project),
        packages={one.name: macros(one) for one in project.packages if one is not project and one.name},
    )  # fmt: skip


def _variables(project: DbtProject) -> dict[str, Any]:
    """The variables that dbt_project.yml states, packages' defaults below the project's own."""
    found: dict[str, Any] = {}
    for one in (*reversed(project.packages), project):
        told = one.data.get("vars")
        if isinstance(told, dict):
            names = {project.name, one.name}
            found |= {key: value for key, value in told.items() if key not in names}
            for name in (one.name, project.name):
                if isinstance(told.get(name), dict):
                    found |= told[name]
    return {key: value for key, value in found.items() if not (isinstance(value, str) and "{{" in value)}


def _shared_digest(project: DbtProject, inspection: Inspection) -> str:
    told = hashlib.sha256(inspection.layout.dialect.encode())
    for one in (project, *project.packages):
        told.update(repr((one.name, one.data.get("vars"))).encode("utf-8", "surrogatepass"))
        for path, facts in sorted(one.sql.items()):
            if facts.get("macros"):
                told.update(f"{path} {facts['digest']}\n".encode("utf-8", "surrogatepass"))
    return told.hexdigest()[:32]


def _rendered(path: str, project: DbtProject, jinja: JinjaProject, inspection: Inspection) -> list[dict[str, Any]]:
    text = inspection.read(path).decode("utf-8-sig", "replace")
    names = [one[0] for one in project.sql[path].get("snapshots", ())] or [""]
    found = []
    for name in names:
        first = render(text, jinja, path=path, snapshot=name)
        if first.error is None:
            again = (
                render(text, jinja, path=path, incremental=True, snapshot=name) if "is_incremental" in text else first
            )
            found.append(_part(name, first, again))
    return found


def _part(snapshot: str, first: Rendered, again: Rendered) -> dict[str, Any]:
    other = again.sql if again.sql != first.sql else ""
    return {
        "snapshot": snapshot, "sql": first.sql, "incremental_sql": other, "lines": list(first.line_of),
        "incremental_lines": list(again.line_of) if other else [], "opaque": {**again.opaque, **first.opaque},
        "incremental_opaque": dict(again.opaque) if other else {},
        "relations": {**again.relations, **first.relations}, "complete": first.complete and again.complete,
        "config": dict(first.config), "refs": [list(one) for one in sorted({*first.refs, *again.refs})],
        "sources": [list(one) for one in sorted({*first.sources, *again.sources})],
    }  # fmt: skip


def _described(path: str, part: dict[str, Any], node: Node | None, project: DbtProject) -> dict[str, Any]:
    stem = path.rpartition("/")[2].removesuffix(".sql")
    name = node.name if node else stem
    told: dict[str, Any] = {
        "name": name, "kind": node.kind if node else project.roles[path], "path": path, "project": project.folder,
        "materialized": "", "contract": False, "columns": {}, "columns_path": "", "enabled": True,
    }  # fmt: skip
    if node is None:
        return told
    config, _, opened = effective(project, node)
    if not {"*", "materialized"} & opened:
        default = "view" if node.kind == "model" else "snapshot"
        told["materialized"] = str(config.get("materialized") or default)
    told["enabled"] = node.enabled
    where, entry = project.entry_of.get((f"{node.kind}s", node.name), ("", None))
    contract = config.get("contract")
    told["contract"] = isinstance(contract, dict) and contract.get("enforced") is True
    if entry is not None and not entry.get("versions"):
        told |= {"columns": entry["columns"], "columns_path": where}
        told["contract"] = bool(told["contract"] or entry["contract"])
    return told
