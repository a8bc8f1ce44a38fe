"""What a serialized DAG says about schedules, datasets, and other engines: the little that the catalog keeps of it."""

import re
from collections.abc import Iterator
from typing import Any

from interlock.catalog.sql_tables import tables_of

_INTERESTING = re.compile(r"\bdbt\b|spark-submit")
_SPARK_TYPES = re.compile(r"spark", re.IGNORECASE)


def dag_facts(dag_id: str, serialized: dict[str, Any], source: str, dialect: str, schema: str) -> dict[str, Any]:
    """The facts of one DAG, JSON only. ``source`` is the file's text: lines are looked up in it.

    ``waits`` and ``triggers``: {task, dag, tasks, line}; ``commands``, ``jobs``: [task, text]; ``sql``: {task, reads,
    writes, why}.
    """
    dag = serialized.get("dag", serialized)
    facts: dict[str, Any] = {
        "dag_id": dag_id,
        "line": line_of(source, dag_id),
        "schedule": _schedule(dag),
        "timezone": _timezone(dag),
        "tags": sorted(dag.get("tags") or []),
        "catchup": bool(dag.get("catchup", False)),
        "on": sorted(set(_uris(dag.get("timetable")))),
        "tasks": [], "inlets": [], "outlets": [], "waits": [], "triggers": [], "commands": [], "jobs": [], "sql": [],
    }  # fmt: skip
    owners: dict[str, None] = {}
    for task in dag.get("tasks", []):
        fields = _plain(task)
        fields = {**(fields.get("partial_kwargs") or {}), **fields}
        facts["tasks"].append(fields.get("task_id", ""))
        owners[fields.get("owner", "")] = None
        facts["inlets"] += _uris(fields.get("inlets"))
        facts["outlets"] += _uris(fields.get("outlets"))
        _other_dags(facts, fields, source)
        _other_engines(facts, fields, dialect, schema)
    default = (_plain(dag.get("default_args")) or {}).get("owner", "")
    facts["owner"] = default or next((owner for owner in owners if owner and owner != "airflow"), "")
    facts["tasks"].sort()
    for name in ("inlets", "outlets"):
        facts[name] = sorted(set(facts[name]))
    return facts


def line_of(source: str, name: str) -> int:
    """The first line that holds ``name`` as a string literal; 0 where there is none (it was made up at run time)."""
    found = re.search(rf"""["']{re.escape(name)}["']""", source)
    if found is None:
        found = re.search(rf"def\s+{re.escape(name)}\s*\(", source)
    return source.count("\n", 0, found.start()) + 1 if found else 0


def _plain(value: Any) -> Any:
    """Airflow's ``{"__type": …, "__var": …}`` envelopes taken off."""
    if isinstance(value, dict):
        if "__var" in value:
            return _plain(value["__var"])
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _schedule(dag: dict[str, Any]) -> str:
    interval = dag.get("schedule_interval")
    if isinstance(interval, str):
        return interval
    if isinstance(interval, dict):
        value = interval.get("__var")
        return f"every {value:g} s" if isinstance(value, (int, float)) else f"every {_plain(value)}"
    timetable = dag.get("timetable")
    if not isinstance(timetable, dict):
        return ""
    kind = str(timetable.get("__type", "")).rpartition(".")[2]
    expression = _timetable(dag).get("expression")
    if isinstance(expression, str):
        return expression
    if kind.startswith(("DatasetTriggered", "AssetTriggered")):
        return "datasets"
    return "" if kind == "NullTimetable" else "@once" if kind == "OnceTimetable" else kind


def _timezone(dag: dict[str, Any]) -> str:
    """That of the schedule; a cron expression has one of its own."""
    return str(_timetable(dag).get("timezone") or _plain(dag.get("timezone")) or "UTC")


def _timetable(dag: dict[str, Any]) -> dict[str, Any]:
    """What a timetable says of itself; nothing for one that says it otherwise than Airflow's own."""
    timetable = dag.get("timetable")
    told = _plain(timetable.get("__var")) if isinstance(timetable, dict) else None
    return told if isinstance(told, dict) else {}


def _uris(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("uri"), str):
            yield value["uri"]
        for inner in value.values():
            yield from _uris(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _uris(inner)


def _other_dags(facts: dict[str, Any], fields: dict[str, Any], source: str) -> None:
    task, kind = fields.get("task_id", ""), fields.get("_task_type", "")
    waited = fields.get("external_dag_id")
    if isinstance(waited, str) and "Marker" not in kind:
        ids = fields.get("external_task_ids") or [fields.get("external_task_id")]
        tasks = sorted({one for one in ids if isinstance(one, str)})
        group = fields.get("external_task_group_id")
        line = line_of(source, waited)
        facts["waits"].append({"task": task, "dag": waited, "tasks": tasks, "group": group, "line": line})
    triggered = fields.get("trigger_dag_id")
    if isinstance(triggered, str):
        facts["triggers"].append({"task": task, "dag": triggered, "line": line_of(source, triggered)})


def _other_engines(facts: dict[str, Any], fields: dict[str, Any], dialect: str, schema: str) -> None:
    task, kind = fields.get("task_id", ""), fields.get("_task_type", "")
    expanded = (fields.get("expand_input") or {}).get("value")
    expanded = expanded if isinstance(expanded, dict) else {}
    job = fields.get("job")
    if isinstance(job, str) and _SPARK_TYPES.search(kind):
        facts["jobs"].append([task, job])
    else:
        for command in _texts(fields.get("bash_command")) + _texts(expanded.get("bash_command")):
            if _INTERESTING.search(command):
                facts["commands"].append([task, command])
    for application in _texts(fields.get("application") or fields.get("_application")):
        if application.endswith((".py", ".jar")):
            facts["jobs"].append([task, application])
    statements = _texts(fields.get("sql")) + _texts(expanded.get("sql"))
    if statements:
        reads, writes, why = tables_of(";\n".join(statements), dialect, schema)
        facts["sql"].append({"task": task, "reads": reads, "writes": writes, "why": why})


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str) and one.strip()]
