"""Edges across engines: what a DAG runs, reads, writes, waits for and triggers."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from interlock.catalog.commands import HOLE, DbtCommand, SparkCommand, commands_in
from interlock.catalog.dbt_select import Selection, UnknownSelection
from interlock.model.resources import Edge, Kind, Resource, Unknown, key_of

_VERB_TYPES = {
    "build": {"model", "seed", "snapshot"}, "test": {"model", "seed", "snapshot"}, "run": {"model"},
    "seed": {"seed"}, "snapshot": {"snapshot"},
}  # fmt: skip


class Lineage:
    """Joins the facts of DAGs with the nodes of dbt and the jobs of Spark."""

    def __init__(
        self, dags: dict[str, dict[str, Any]], resources: Iterable[Resource], dbt: dict[str, dict[str, Any]]
    ) -> None:
        self._dags = dags
        self._by_key = {resource.key: resource for resource in resources}
        self._dbt = dbt
        self._selection = Selection(dbt)
        self._jobs: dict[str, str] = {}
        for key, resource in self._by_key.items():
            if resource.kind in (Kind.BATCH, Kind.STREAM):
                self._jobs[resource.name] = key
                self._jobs[resource.path] = key

    def edges(self) -> tuple[list[Edge], list[Unknown]]:
        """Every edge that starts or ends at a DAG, and what could not be resolved."""
        edges: dict[Edge, None] = {}
        unknowns: dict[Unknown, None] = {}
        for key in sorted(self._dags):
            for one in self._of_dag(key, self._dags[key]):
                if isinstance(one, Edge):
                    edges[one] = None
                else:
                    unknowns[one] = None
        return list(edges), list(unknowns)

    def _of_dag(self, key: str, dag: dict[str, Any]) -> Iterator[Edge | Unknown]:
        for uri in dag["inlets"]:
            yield Edge(_dataset(uri), key, "reads")
        for uri in dag["outlets"]:
            yield Edge(key, _dataset(uri), "updates")
        for uri in dag["on"]:
            yield Edge(_dataset(uri), key, "triggers")
        for wait in dag["waits"]:
            yield from self._other_dag(key, wait, "waits")
        for trigger in dag["triggers"]:
            yield from self._other_dag(key, trigger, "triggers")
        for sql in dag["sql"]:
            for dataset in sql["reads"]:
                yield Edge(dataset, key, "reads")
            for dataset in sql["writes"]:
                yield Edge(key, dataset, "writes")
            if sql["why"]:
                yield self._unknown(key, sql["task"], sql["why"])
        for task, job in dag["jobs"]:
            yield self._job(key, task, job)
        for task, text in dag["commands"]:
            yield from self._command(key, task, text)

    def _other_dag(self, key: str, named: dict[str, Any], why: str) -> Iterator[Edge | Unknown]:
        if "{{" in named["dag"]:
            yield self._unknown(key, named["task"], f"the DAG that it {why} is named when the task runs", named["line"])
            return
        other = key_of(Kind.DAG, named["dag"])
        if other in self._by_key:
            yield Edge(other, key, why) if why == "waits" else Edge(key, other, why)
        else:
            verb = "waits for" if why == "waits" else "triggers"
            text = f"{verb} the DAG '{named['dag']}', which is not here"
            yield self._unknown(key, named["task"], text, named["line"])

    def _command(self, key: str, task: str, text: str) -> Iterator[Edge | Unknown]:
        try:
            commands = commands_in(text)
        except ValueError as error:
            yield self._unknown(key, task, f"its command is not understood: {error}")
            return
        for command in commands:
            if isinstance(command, SparkCommand):
                yield self._job(key, task, command.job)
            else:
                yield from self._dbt_command(key, task, command)

    def _job(self, key: str, task: str, job: str) -> Edge | Unknown:
        found = self._jobs.get(job) or self._jobs.get(job.removeprefix("./"))
        if found is None and job.endswith(".py") and HOLE not in PurePosixPath(job).name:
            # Applications are named by the path they have where they are deployed; the end of it tells the file.
            matches = {k for path, k in self._jobs.items() if path.endswith(".py") and _same_end(job, path)}
            found = matches.pop() if len(matches) == 1 else None
        if found is None:
            what = "named when the task runs" if not job or HOLE in job or "$" in job else f"'{job}', which is not here"
            return self._unknown(key, task, f"runs a Spark job that is {what}")
        return Edge(key, found, "runs")

    def _dbt_command(self, key: str, task: str, command: DbtCommand) -> Iterator[Edge | Unknown]:
        said = f"dbt {command.verb} --select {' '.join(command.select)}" if command.select else f"dbt {command.verb}"
        said = said.replace(HOLE, "{{ … }}")
        if not self._dbt:
            yield self._unknown(key, task, f"`{said}`: no dbt project was read")
            return
        if command.selector:
            text = f"`dbt {command.verb} --selector {command.selector}`: selectors.yml is not read"
            yield self._unknown(key, task, text)
            return
        try:
            nodes = self._selection.nodes(list(command.select), list(command.exclude))
        except UnknownSelection as error:
            yield self._unknown(key, task, f"`{said}`: {str(error).replace(HOLE, '{{ … }}')}")
            return
        wanted = _VERB_TYPES[command.verb]
        chosen = sorted(node for node in nodes if self._dbt[node]["type"] in wanted)
        if not chosen and not (command.verb == "test" and nodes):
            yield self._unknown(key, task, f"`{said}` selects nothing")
        for node in chosen:
            yield Edge(key, node, "tests" if command.verb == "test" else "runs")

    def _unknown(self, key: str, task: str, why: str, line: int = 0) -> Unknown:
        resource = self._by_key[key]
        return Unknown(key, resource.path, line or resource.line, f"task '{task}': {why}")


def _dataset(uri: str) -> str:
    """A dataset's name from Airflow's URI: ``warehouse://anything/schema/table`` is the project's own warehouse."""
    scheme, _, rest = uri.partition("://")
    parts = rest.strip("/").split("/")
    return f"warehouse:{parts[-2]}.{parts[-1]}" if scheme == "warehouse" and len(parts) > 1 else uri


def _same_end(one: str, other: str) -> bool:
    """Whether two paths agree in their last two folders, or in all of the shorter one."""
    a, b = PurePosixPath(one).parts, PurePosixPath(other).parts
    count = min(len(a), len(b), 2)
    return a[-count:] == b[-count:]
