"""Rules about DAGs as Airflow itself parsed them. Most are answered by the reader (`catalog.airflow_errors`)."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Kind, Resource, key_of
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule

_BROKEN = frozenset({"ILK-AF001", "ILK-AF004", "ILK-AF005", "ILK-AF006", "ILK-AF007"})


def dangling(inspection: Inspection) -> Iterator[Finding]:
    """ILK-AF003: a sensor waits for, or a task triggers, something that nothing defines.

    A DAG that is not here may live in another repository: only a near miss is an error. A task that a DAG of this
    project lacks is always one.
    """
    reading = inspection.reading
    if reading is None:
        return
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


def _rule(number: int, name: str, summary: str, severity: Severity = Severity.ERROR) -> Rule:
    return Rule(f"ILK-AF{number:03d}", name, summary, severity, Needs.DAGS)


FAMILY = Family(
    "airflow",
    (
        _rule(1, "dag-import", "a DAG file cannot be imported"),
        _rule(2, "duplicate-dag-id", "one DAG id is defined more than once"),
        _rule(3, "dangling-dag", "a sensor or trigger names a DAG or task that nothing defines"),
        _rule(4, "endless-import", "importing a DAG file does not end in time"),
        _rule(5, "hungry-import", "importing a DAG file needs too much memory"),
        _rule(6, "exiting-import", "importing a DAG file ends the process"),
        _rule(7, "crashing-import", "importing a DAG file kills the process"),
        _rule(8, "slow-import", "importing a DAG file is slow", Severity.WARNING),
        _rule(9, "broken-airflowignore", "a line of .airflowignore is no regular expression", Severity.WARNING),
        _rule(12, "second-import", "a module fails when it is imported twice in one process"),
    ),
    project_checks=(dangling,),
)
