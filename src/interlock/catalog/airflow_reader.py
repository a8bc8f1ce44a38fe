"""DAGs: parsed by the project's own Airflow, once for each content.

A file's result is taken from the cache as long as everything that could change it is unchanged:

- its own bytes, and those of every project file that it imports, found anew in the syntax trees each time: so a new
  module that an import now means instead, or one that was missing, changes the set;
- those of the files that the import was *seen* to run or to open (imports by computed names, YAML beside a factory);
- where the code imports by computed names, looks for files by pattern, or failed: the list of all files as well, as a
  new one could be found;
- the runtime's lock, this module's version, and the project's modules that anybody's import could pick up (names of
  the standard library, ``sitecustomize``, ``airflow_local_settings``).

Results that depend on the machine's load (time, memory, a crash) are never kept.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from interlock.catalog.airflow_errors import findings_of
from interlock.catalog.airflow_facts import dag_facts
from interlock.catalog.airflow_files import dag_files
from interlock.catalog.airflow_templates import placed
from interlock.catalog.fingerprint import combine, python_part
from interlock.catalog.python_imports import ModuleIndex
from interlock.catalog.reading import Context, EngineReading, unsteady
from interlock.config import AirflowSection
from interlock.model.canonical import digest_of
from interlock.model.errors import Place
from interlock.model.findings import Finding, NotChecked, Severity
from interlock.model.progress import Progress
from interlock.model.resources import Kind, Resource, Unknown, key_of
from interlock.runtimes.environments import Runtime
from interlock.runtimes.sandbox import Confinement
from interlock.runtimes.worker import Worker

VERSION = 4
# dbt works in one process and takes longest: where processors are few, Airflow's many give way to it, but not for ever.
_NICENESS = 5
TIMEOUT_SECONDS = 30.0
MEMORY_MB = 1024
_SPACE = "airflow"
_KEPT = frozenset({"ok", "error", "exited"})
_EMPTY = python_part(b"")
_PICKED_UP = frozenset(sys.stdlib_module_names) | {"sitecustomize", "usercustomize", "airflow_local_settings"}


class AirflowReader:
    """Reads the DAG folder of one project."""

    def __init__(self, context: Context, section: AirflowSection) -> None:
        self._context = context
        self._section = section
        sources = context.sources
        self._folders = (section.dags, *section.include)
        self._paths = sorted({path for folder in self._folders for path in sources.under(folder)})
        self._index = ModuleIndex(self._paths, self._folders, context.python)
        in_folder = sources.under(section.dags)
        self._files, self._findings = dag_files(sources, section.dags, in_folder)
        self._zips = [path for path in in_folder if path.endswith(".zip")]
        self._other = [path for path in self._paths if not path.endswith(".py")]
        self._around = digest_of(self._paths)
        self._closures: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._changed: list[str] = []

    def read(self) -> EngineReading:
        """Every DAG with its closure and facts. Raises WorkerError or RuntimeBuildError when Airflow cannot start."""
        runtime = self._context.runtime_for(self._section.runtime)
        common = self._common(runtime)
        stored = self._context.cache.load(_SPACE)
        results: dict[str, dict[str, Any]] = {}
        for path in self._files:
            entry = stored.get(path)
            if entry and entry["signature"] == self._signature(path, entry["result"], common):
                results[path] = entry["result"]
        missing = [path for path in self._files if path not in results]
        if missing:
            # Whatever a file imports or opens may change while Airflow reads it.
            self._context.sources.watch(self._paths)
            parsed = self._parse(runtime, missing)
            results |= parsed
            signed = {
                path: {"signature": self._signature(path, result, common), "result": result}
                for path, result in parsed.items()
                if _is_kept(result)
            }
            changed = {path: self._context.sources.changed(self._seen(path, parsed[path])) for path in parsed}
            self._changed = sorted({one for path in changed for one in changed[path]})
            steady = {path: entry for path, entry in signed.items() if not changed[path]}
            self._context.cache.save(_SPACE, steady, keep=self._files)
        return self._reading([results[path] for path in self._files], runtime, len(missing))

    # What a result depends on

    def _common(self, runtime: Runtime) -> str:
        picked_up = [name for name in self._index.names if name.split(".")[0] in _PICKED_UP]
        shadows = self._context.sources.digests(self._index.by_name[name] for name in picked_up)
        limits = [TIMEOUT_SECONDS, MEMORY_MB, list(self._folders)]
        sql = [self._context.config.dialect, self._context.config.default_schema]
        return digest_of([VERSION, runtime.lock_digest, shadows, limits, sql])

    def _signature(self, path: str, result: dict[str, Any], common: str) -> str:
        closure = self._closure(path, result["imports"])
        facts = [self._context.python.facts(one) for one in closure if one.endswith(".py")]
        # An entry of an earlier version has no second import.
        failed = result["outcome"] != "ok" or result.get("second")
        looks_around = failed or any(fact.dynamic or fact.listing for fact in facts)
        around = self._around if looks_around else ""
        return digest_of([common, self._context.sources.digests(self._seen(path, result)), around])

    def _seen(self, path: str, result: dict[str, Any]) -> list[str]:
        """The files that the result of one is made of."""
        reads = (read for read in result["reads"] if self._context.sources.exists(read))
        return sorted({*self._closure(path, result["imports"]), *reads})

    def _closure(self, path: str, imported: Sequence[str]) -> tuple[str, ...]:
        """What a DAG file reaches by its imports, as they are written and as they were seen (``imported``)."""
        key = (path, *imported)
        if key not in self._closures:
            there = [one for one in imported if self._context.sources.exists(one)]
            self._closures[key] = self._index.closure(path, there)
        return self._closures[key]

    # Parsing

    def _parse(self, runtime: Runtime, paths: list[str]) -> dict[str, dict[str, Any]]:
        context = self._context
        root = context.sources.root

        def heard(event: dict[str, Any]) -> None:
            if event.get("kind") == "parsed":
                context.on_progress(Progress("airflow", event["path"], event["done"], event["total"]))

        context.on_progress(Progress("airflow", "starting Airflow", 0, len(paths)))
        with Worker(runtime, "airflow_worker.py", confinement=Confinement((root,)), niceness=_NICENESS) as worker:
            answer = worker.request(
                "parse",
                timeout=60 + len(paths) * (TIMEOUT_SECONDS + 10),
                on_event=heard,
                dags_folder=str(root / self._section.dags),
                project_root=str(root),
                include=[str(root / folder) for folder in self._section.include],
                files=paths,
                timeout_s=TIMEOUT_SECONDS,
                memory_mb=MEMORY_MB,
            )
        return {result["path"]: self._kept(result) for result in answer["files"]}

    def _kept(self, result: dict[str, Any]) -> dict[str, Any]:
        """Of one file's answer, what the catalog needs; the serialized DAG is large and stays out of the cache."""
        context = self._context
        text = context.sources.read(result["path"]).decode("utf-8", "replace")
        dialect, schema = context.config.dialect, context.config.default_schema
        dags = [
            {
                **dag_facts(dag["dag_id"], dag["serialized"], text, dialect, schema),
                "templates": placed(dag["templates"], result, context.sources),
            }
            for dag in result["dags"]
        ]
        names = ("path", "errors", "import_seconds", "imports", "outcome", "second")
        return {**{name: result[name] for name in names}, "reads": result.get("reads", []), "dags": dags}

    # What comes of it

    def _reading(self, results: list[dict[str, Any]], runtime: Runtime, parsed: int) -> EngineReading:
        sources = self._context.sources
        findings = [*self._findings, *findings_of(results, self._index, sources)]
        resources: dict[str, Resource] = {}
        facts: dict[str, dict[str, Any]] = {}
        unknowns: list[Unknown] = []
        places: dict[str, list[Place]] = defaultdict(list)
        for result in results:
            for dag in result["dags"]:
                key = key_of(Kind.DAG, dag["dag_id"])
                places[key].append(Place(result["path"], dag["line"]))
                if key not in resources:
                    resources[key] = self._resource(key, dag, result, runtime)
                    facts[key] = dag
        findings += [_duplicate(key, found) for key, found in places.items() if len(found) > 1]
        not_checked = tuple(NotChecked(path, "DAGs inside a zip archive are not read") for path in self._zips)
        not_checked += unsteady(self._changed)
        return EngineReading(
            resources=tuple(resources[key] for key in sorted(resources)),
            unknowns=tuple(unknowns),
            findings=tuple(findings),
            not_checked=not_checked,
            facts=facts,
            templates={result["path"]: _looked(result) for result in results if result["outcome"] == "ok"},
            runtime={self._section.runtime: runtime.lock_digest},
            parsed=parsed,
            fleeting=bool(self._changed) or any(not _is_kept(result) for result in results),
        )

    def _resource(self, key: str, dag: dict[str, Any], result: dict[str, Any], runtime: Runtime) -> Resource:
        path = result["path"]
        closure = self._closure(path, result["imports"])
        modules = [one for one in closure if one.endswith(".py")]
        data = sorted({*self._data_of(modules, result["reads"]), *(one for one in closure if not one.endswith(".py"))})
        code = {one: self._context.python.facts(one).part for one in modules}
        parts = {
            "code": combine({one: part for one, part in code.items() if part != _EMPTY}),
            "runtime": runtime.lock_digest,
        }
        if data:
            parts["data"] = combine({one: self._context.data_part(one) for one in data})
        settings = {
            "schedule": dag["schedule"], "timezone": dag["timezone"],
            "tasks": len(dag["tasks"]), "task_ids": dag["tasks"], "tags": dag["tags"],
            "catchup": dag["catchup"], "inlets": dag["inlets"], "outlets": dag["outlets"], "datasets": dag["on"],
            "waits": dag["waits"], "triggers": dag["triggers"],
        }  # fmt: skip
        files = tuple(sorted({*closure, *data}))
        return Resource(key, path, files, combine(parts), parts, settings, dag["owner"], dag["line"])

    def _data_of(self, modules: list[str], reads: list[str]) -> set[str]:
        """Files that are no modules: those that the import opened, and those that the code names for a later time."""
        found = {read for read in reads if not read.endswith(".py") and self._context.sources.exists(read)}
        by_name = self._by_file_name()
        for module in modules:
            for literal in self._context.python.facts(module).names:
                for path in by_name.get(literal.rpartition("/")[2], ()):
                    if path == literal or path.endswith("/" + re.sub(r"^(\.{1,2}/)+", "", literal)):
                        found.add(path)
        return found

    def _by_file_name(self) -> dict[str, list[str]]:
        if not hasattr(self, "_named"):
            self._named: dict[str, list[str]] = defaultdict(list)
            for path in self._other:
                self._named[path.rpartition("/")[2]].append(path)
        return self._named


def _is_kept(result: dict[str, Any]) -> bool:
    """Whether what came of a file does not depend on the machine's load."""
    return result["outcome"] in _KEPT and (not result["second"] or result["second"]["outcome"] in _KEPT)


def _looked(result: dict[str, Any]) -> list[dict[str, Any]]:
    """What Airflow says of the templates of a file, by DAG; nothing where one of its DAGs could not be looked at."""
    if any(dag["templates"] is None for dag in result["dags"]):
        return []
    return [{"dag": dag["dag_id"], "tasks": dag["tasks"], **dag["templates"]} for dag in result["dags"]]


def _duplicate(key: str, places: list[Place]) -> Finding:
    name = key.partition(":")[2]
    where = ", ".join(str(place) for place in places)
    return Finding(
        "ILK-AF002", Severity.ERROR, places[1], f"the DAG id '{name}' is defined {len(places)} times: {where}",
        "Give each DAG an id of its own: Airflow keeps whichever file it parsed last.", key,
        affected=tuple(dict.fromkeys(place.path for place in places)),
    )  # fmt: skip


def read_airflow(context: Context) -> EngineReading:
    """The DAGs of the project; nothing where it declares none."""
    section = context.config.airflow
    return AirflowReader(context, section).read() if section is not None else EngineReading()
