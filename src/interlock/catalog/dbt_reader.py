"""dbt models, seeds and snapshots: parsed by the project's own dbt, once for each content of its folder.

Parsing is taken from the cache while every file of the dbt project, the runtime's lock and this module's version are
the same: dbt resolves names across all files, so nothing smaller is sound. dbt's own partial parse makes a changed file
cheap.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from interlock.catalog.dbt_nodes import DbtNodes
from interlock.catalog.reading import Context, EngineReading, UnitTest, unsteady
from interlock.config import DbtSection, ProjectConfig
from interlock.model.canonical import digest_of, plain
from interlock.model.errors import ConfigError, Place
from interlock.model.findings import Finding, Severity
from interlock.model.progress import Progress
from interlock.model.resources import Edge, Resource
from interlock.runtimes.environments import Runtime
from interlock.runtimes.parsing import parsing_place
from interlock.runtimes.sandbox import Confinement
from interlock.runtimes.worker import Worker

VERSION = 2
TIMEOUT_SECONDS = 300.0
_SPACE, _RECENT = "dbt", "recent"
_KEPT = 8
# What dbt itself leaves behind in a project.
_MADE_BY_DBT = ("target", "logs", ".user.yml")
_NODE_PLACE = re.compile(r"\(([\w./-]+\.(?:sql|ya?ml|py|csv|md))\)|([\w./-]+\.(?:sql|ya?ml|py|csv))\b")
_TEXT = (".sql", ".yml", ".yaml", ".py", ".csv", ".md")
_UNDECODABLE = "codec can't decode byte"
_LINE = re.compile(r"\bline (\d+)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_STAMP = re.compile(r"^\d\d:\d\d:\d\d\s+", re.MULTILINE)


def read_dbt(context: Context) -> EngineReading:
    """The dbt nodes of the project; nothing where it declares none. Raises WorkerError when dbt cannot be started."""
    section = context.config.dbt
    if section is None:
        return EngineReading()
    if not context.sources.exists(f"{section.project}/dbt_project.yml".removeprefix("./")):
        raise ConfigError(
            f"there is no dbt_project.yml in '{section.project}'",
            remedy="Point dbt.project in interlock.yaml at the folder that holds it.",
            place=Place("interlock.yaml"),
        )
    runtime = context.runtime_for(section.runtime)
    files = context.sources.under(section.project, skip=_MADE_BY_DBT)
    key = digest_of([VERSION, runtime.lock_digest, shape_of_warehouse(context.config), context.sources.digests(files)])
    stored = context.cache.get(_SPACE, key)
    parsed, changed = 0, []
    if stored is None:
        stored = _read(context, section, runtime)
        parsed, changed = len(stored["resources"]), context.sources.changed(files)
        if not changed:
            # Who goes back and forth between branches finds both.
            recent = [key, *(context.cache.get(_SPACE, _RECENT) or ())][:_KEPT]
            context.cache.save(_SPACE, {key: stored, _RECENT: recent}, keep=recent)
    return EngineReading(
        resources=tuple(Resource(**{**one, "files": tuple(one["files"])}) for one in stored["resources"]),
        edges=tuple(Edge(*one) for one in stored["edges"]),
        findings=tuple(_finding(*one) for one in stored["errors"]),
        facts=stored["facts"],
        runtime={section.runtime: runtime.lock_digest},
        parsed=parsed,
        not_checked=unsteady(changed),
        fleeting=bool(changed),
        unit_tests=tuple(_unit_test(one) for one in stored["unit_tests"]),
    )


def _unit_test(stored: dict[str, Any]) -> UnitTest:
    return UnitTest(**{**stored, "files": tuple(stored["files"]), "untyped": tuple(stored["untyped"])})


def shape_of_warehouse(config: ProjectConfig) -> dict[str, str]:
    """What profiles.yml may read while it is parsed: the shape of a warehouse, nowhere to connect to, no secret."""
    return {
        "ILK_WAREHOUSE_TYPE": config.dialect or "duckdb",
        "ILK_WAREHOUSE_PATH": "interlock.duckdb",
        "ILK_WAREHOUSE_HOST": "127.0.0.1",
        "ILK_WAREHOUSE_PORT": "5432",
        "ILK_WAREHOUSE_DATABASE": "interlock",
        "ILK_WAREHOUSE_USER": "interlock",
        "ILK_WAREHOUSE_PASSWORD": "",
        "ILK_WAREHOUSE_SCHEMA": config.default_schema,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


@contextmanager
def parsed_project(
    root: Path, section: DbtSection, config: ProjectConfig, runtime: Runtime, folder: Path
) -> Iterator[tuple[Worker, dict[str, Any]]]:
    """A confined worker that has read the dbt project, and its answer; ``folder`` holds what dbt remembers."""
    remembered = folder / "dbt" / (runtime.lock_digest[:12] or "interpreter")
    with (
        parsing_place(remembered, root / section.project) as place,
        Worker(
            runtime, "dbt_worker.py", env=shape_of_warehouse(config), keep=True,
            confinement=Confinement((root, place.project.parent), (place.target,)),
        ) as worker,
    ):  # fmt: skip
        yield worker, worker.request(
            "parse", timeout=TIMEOUT_SECONDS, project_dir=str(place.project), profiles_dir=str(place.project),
            target_path=str(place.target),
        )  # fmt: skip


def _read(context: Context, section: DbtSection, runtime: Runtime) -> dict[str, Any]:
    """What the project's own dbt says of the files as they are."""
    context.on_progress(Progress("dbt", "parsing the dbt project"))
    root = context.sources.root
    with parsed_project(root, section, context.config, runtime, context.folder) as (_, answer):
        return _result(context, section, answer, runtime)


def _result(context: Context, section: DbtSection, answer: dict[str, Any], runtime: Runtime) -> dict[str, Any]:
    said = answer.get("errors") or []
    errors = [_error(section.project, error, context) for error in said]
    if any(_UNDECODABLE in str(error) for error in said):
        errors = _no_utf_8(section.project, context) or errors
    nothing: dict[str, Any] = {"resources": [], "edges": [], "errors": errors, "facts": {}, "unit_tests": []}
    if errors or not answer.get("manifest_path"):
        return nothing
    manifest = json.loads(Path(answer["manifest_path"]).read_bytes())
    nodes = DbtNodes(context, section.project, manifest, _variables(context, section))
    resources, edges = nodes.resources(runtime.lock_digest)
    return {
        "resources": [plain(one) for one in sorted(resources, key=lambda one: one.key)],
        "edges": [[edge.source, edge.target, edge.why] for edge in edges],
        "errors": [],
        "facts": dict(_facts(nodes, manifest)),
        "unit_tests": [plain(one) for one in nodes.unit_tests(resources, runtime.lock_digest)],
    }


def _facts(nodes: DbtNodes, manifest: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What dbt's own selection looks at, by resource key; sources under ``source:<source>.<table>``."""
    found = []
    for uid, node in manifest["nodes"].items():
        key = nodes.key(uid)
        if key is not None:
            found.append((key, {
                "name": node["name"], "type": node["resource_type"], "package": node["package_name"],
                "path": node["original_file_path"], "fqn": node["fqn"], "tags": node.get("tags") or [],
                "materialized": node["config"].get("materialized"), "parents": _parents(nodes, manifest, node),
            }))  # fmt: skip
    for exposure in manifest.get("exposures", {}).values():
        found.append((f"exposure:{exposure['name']}", {
            "name": exposure["name"], "type": "exposure", "package": exposure["package_name"],
            "path": exposure["original_file_path"], "fqn": exposure["fqn"], "tags": exposure.get("tags") or [],
            "materialized": None, "parents": _parents(nodes, manifest, exposure),
        }))  # fmt: skip
    for source in manifest.get("sources", {}).values():
        found.append((f"source:{source['source_name']}.{source['name']}", {
            "name": source["name"], "type": "source", "package": source["package_name"],
            "path": source["original_file_path"], "fqn": source["fqn"], "tags": source.get("tags") or [],
            "materialized": None, "parents": [], "source": source["source_name"],
        }))  # fmt: skip
    return found


def _parents(nodes: DbtNodes, manifest: dict[str, Any], node: dict[str, Any]) -> list[str]:
    found = []
    for uid in node["depends_on"].get("nodes", []):
        source = manifest.get("sources", {}).get(uid)
        key = f"source:{source['source_name']}.{source['name']}" if source else nodes.key(uid)
        if key:
            found.append(key)
    return found


def _variables(context: Context, section: DbtSection) -> dict[str, Any]:
    import yaml

    try:
        declared = yaml.safe_load(context.sources.read(f"{section.project}/dbt_project.yml".removeprefix("./")))
        variables = (declared or {}).get("vars") or {}
    except (yaml.YAMLError, AttributeError):
        return {}
    return plain(variables) if isinstance(variables, dict) else {}


def _error(base: str, error: Any, context: Context) -> list[Any]:
    """[path, line, summary, detail] of one error of dbt's."""
    said = error if isinstance(error, dict) else {"message": str(error)}
    text = _STAMP.sub("", _COLOURS.sub("", str(said.get("message", "")))).strip()
    text = text.replace(f"{context.sources.root}/", "")
    path = _named_file(str(said.get("file") or ""), text, base, context)
    found = _LINE.search(text)
    line = said.get("line") or (int(found[1]) if found else 0)
    lines = [one.strip() for one in text.splitlines() if one.strip()]
    summary = " ".join(lines[:2]) if lines else "dbt could not read the project"
    return [path or f"{base}/dbt_project.yml", line if path else 0, summary, text]


def _no_utf_8(base: str, context: Context) -> list[list[Any]]:
    """Errors for the files that are no UTF-8: dbt stops at the first of them and does not name it."""
    found = []
    for path in context.sources.under(base, skip=_MADE_BY_DBT):
        if path.endswith(_TEXT):
            source = context.sources.read(path)
            try:
                source.decode("utf-8")
            except UnicodeDecodeError as error:
                line = source[: error.start].count(b"\n") + 1
                found.append([path, line, f"is not UTF-8: byte 0x{source[error.start]:02x}", str(error)])
    return found


def _named_file(hint: str, text: str, base: str, context: Context) -> str:
    """The file of the dbt project that an error names; dbt often says no more than the last part of its path."""
    known = context.sources.under(base, skip=_MADE_BY_DBT)
    for name in (hint, *(match[1] or match[2] for match in _NODE_PLACE.finditer(text))):
        matches = [path for path in known if name and (path == f"{base}/{name}" or path.endswith("/" + name))]
        if matches:
            # The shortest is the one that was named whole, if any was.
            return min(matches, key=len)
    return ""


def _finding(path: str, line: int, summary: str, detail: str) -> Finding:
    return Finding(
        "ILK-DB001", Severity.ERROR, Place(path, line), summary,
        "Correct the file; `dbt parse` in the dbt project shows the same error.", detail=detail,
    )  # fmt: skip
