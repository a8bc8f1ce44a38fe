"""Rules about DAGs.

========= ======== ==================================================================================================
ILK-AF001 error    a DAG file cannot be imported (reader)
ILK-AF002 error    one DAG id is defined more than once (reader)
ILK-AF003 both     a sensor or trigger names a DAG or task that nothing defines; an error when it is surely a mistake
ILK-AF004 error    importing a DAG file does not end in time (reader)
ILK-AF005 error    importing a DAG file needs too much memory (reader)
ILK-AF006 error    importing a DAG file ends the process (reader)
ILK-AF007 error    importing a DAG file kills the process (reader)
ILK-AF008 warning  importing a DAG file is slow (reader)
ILK-AF009 warning  a line of .airflowignore is no regular expression (reader)
========= ======== ==================================================================================================
"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from interlock.catalog.reading import ProjectReading
from interlock.config import ProjectConfig
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Kind, Resource, key_of

_BROKEN = frozenset({"ILK-AF001", "ILK-AF004", "ILK-AF005", "ILK-AF006", "ILK-AF007"})


def dangling(reading: ProjectReading, _: ProjectConfig) -> Iterator[Finding]:
    """ILK-AF003: a sensor waits for, or a task triggers, something that nothing defines.

    A DAG that is not here may live in another repository: only a near miss is an error. A task that a DAG of this
    project lacks is always one.
    """
    dags = {one.name: one for one in reading.catalog.resources if one.kind is Kind.DAG}
    incomplete = any(finding.rule in _BROKEN for finding in reading.findings)
    for dag in dags.values():
        for named in (*dag.settings.get("waits", ()), *dag.settings.get("triggers", ())):
            if "{{" in named["dag"]:
                continue
            other = dags.get(named["dag"])
            if other is None:
                yield _no_dag(dag, named, dags, incomplete)
            else:
                yield from _no_task(dag, named, other)


def _verb(named: dict[str, Any]) -> str:
    return "waits for" if "tasks" in named else "triggers"


def _no_dag(dag: Resource, named: dict[str, Any], dags: dict[str, Resource], incomplete: bool) -> Finding:
    near = get_close_matches(named["dag"], dags, n=1, cutoff=0.75)
    surely = bool(near) and not incomplete
    if near:
        remedy = f"Name '{near[0]}' ({dags[near[0]].path}), or add the DAG '{named['dag']}'."
    else:
        remedy = f"Add the DAG '{named['dag']}', or make sure that another repository deploys it."
    return Finding(
        "ILK-AF003", Severity.ERROR if surely else Severity.WARNING, Place(dag.path, named["line"] or dag.line),
        f"task '{named['task']}' {_verb(named)} the DAG '{named['dag']}', which nothing here defines", remedy, dag.key,
        detail="Some DAG files could not be read: the DAG may be in one of them." if incomplete else "",
    )  # fmt: skip


def _no_task(dag: Resource, named: dict[str, Any], other: Resource) -> Iterator[Finding]:
    known = other.settings.get("task_ids", [])
    for task in named.get("tasks", ()):
        if task in known or "{{" in task:
            continue
        near = get_close_matches(task, known, n=1, cutoff=0.5)
        remedy = f"Name '{near[0]}', which {other.name} has." if near else f"Its tasks are: {', '.join(known[:20])}."
        yield Finding(
            "ILK-AF003", Severity.ERROR, Place(dag.path, named["line"] or dag.line),
            f"task '{named['task']}' waits for the task '{task}' of '{other.name}', which has no such task: "
            "it would wait until it times out",
            remedy, dag.key, affected=(key_of(Kind.DAG, other.name),),
        )  # fmt: skip
