"""Names that one tool's files use and another tool's files define: dbt selections, scripts, SQL files, DAGs."""

import posixpath
from collections.abc import Iterator
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.across_dbt import dbt_facts, yaml_names
from interlock.rules.across_files import missing_scripts, missing_sql
from interlock.rules.across_python import environment_reads, python_facts
from interlock.rules.across_selection import DBT_FACTS, Part, Projects
from interlock.rules.inspection import Inspection
from interlock.rules.nearest import nearest
from interlock.rules.rule import Family, FileFacts, Rule
from interlock.rules.shell_commands import UNKNOWN
from interlock.rules.surroundings import weighed

_PYTHON_FACTS = "across-python"
_YAML_FACTS = "across-yaml"
_READS = "across-environment"


def empty_selections(inspection: Inspection) -> Iterator[Finding]:
    """ILK-AX001. Only where the repository holds a dbt project; names of packages are left alone."""
    told = [(path, one) for path, facts in inspection.of(_PYTHON_FACTS).items() for one in facts.get("dbt", ())]
    if not told or not inspection.layout.dbt:
        return
    projects = Projects.of(inspection)
    before = Projects.of(inspection.base) if inspection.base is not None else None
    if not projects.nodes:
        return
    for path, (line, end_line, command, selected, excluded, project) in told:
        sure = _is_ours(project, projects.folders)
        for part in projects.missing(selected, command):
            gone = before is not None and not any(before.missing([part.written], command))
            yield from _selects_nothing(path, (line, end_line), part, projects, sure, gone)
        for part in projects.missing(excluded, command):
            near = nearest(part.name, part.known)
            if near and sure:
                yield Finding(
                    "ILK-AX001", weighed(Severity.WARNING, path), Place(path, line, end_line),
                    f"dbt excludes '{part.written}', but the project has no such {part.kind}: nothing is excluded",
                    f"Write '{part.written.replace(part.name, near)}'.", cause=f"dbt-{part.kind}:{part.name}",
                )  # fmt: skip


def _is_ours(project: str, folders: tuple[str, ...]) -> bool:
    """Whether the command surely runs in a project of this repository, and not in one of another."""
    if not project or project == UNKNOWN:
        return not project and len(folders) == 1
    name = posixpath.basename(project.rstrip("/"))
    return sum(posixpath.basename(one) == name for one in folders) == 1 or (
        len(folders) == 1 and (folders[0] == "." or name in (".", ""))
    )


def _selects_nothing(
    path: str, lines: tuple[int, int], part: Part, projects: Projects, sure: bool, gone: bool
) -> Iterator[Finding]:
    near = nearest(part.name, part.known, 0.85 if projects.has_packages else 0.8)
    if not near and not gone and (projects.has_packages or not sure):
        return
    severity = Severity.ERROR if sure and (near or gone) else Severity.WARNING
    why = " any more" if gone else ""
    remedy = (
        f"Write '{part.written.replace(part.name, near)}'." if near else f"Name a {part.kind} that the project has."
    )
    yield Finding(
        "ILK-AX001", weighed(severity, path), Place(path, *lines),
        f"dbt selects '{part.written}', but the project has no such {part.kind}{why}: it would do nothing",
        remedy, cause=f"dbt-{part.kind}:{part.name}",
    )  # fmt: skip


def lost_tasks(inspection: Inspection) -> Iterator[Finding]:
    """ILK-AX004: what dbt's metadata names of Airflow, where no file of a DAG folder holds that name."""
    told = [(path, one) for path, facts in inspection.of(DBT_FACTS).items() for one in facts["airflow"]]
    if not told or not inspection.layout.dags:
        return
    known, dynamic = _airflow_names(inspection)
    before = _airflow_names(inspection.base)[0] if inspection.base is not None else frozenset()
    for path, (line, key, value) in told:
        for name in _named(value):
            if name in known or "{{" in name or not name:
                continue
            gone = name in before
            near = nearest(name, known, 0.85) if known and not dynamic else ""
            if gone or near:
                why = " any more" if gone else ""
                remedy = f"Name '{near}'." if near else "Name what took its place, or remove the entry."
                yield Finding(
                    "ILK-AX004", weighed(Severity.ERROR, path), Place(path, line, line),
                    f"'{key}' names '{name}', which no DAG file of the project defines{why}", remedy,
                    cause=f"airflow-name:{name}",
                )  # fmt: skip


def _named(value: str) -> list[str]:
    """``dag.task`` and ``dag/task`` name two things, a plain name one."""
    return [one for one in value.replace("/", ".").replace(":", ".").split(".") if one]


def _airflow_names(inspection: Inspection) -> tuple[frozenset[str], bool]:
    """Every name in the DAG folders, and whether some id is computed."""
    found: set[str] = set()
    dynamic = False
    for facts in inspection.of(_PYTHON_FACTS).values():
        for name in facts["names"]:
            found.update((name, *name.split(".")) if "." in name else (name,))
        dynamic |= facts["dynamic"]
    for names in inspection.of(_YAML_FACTS).values():
        found.update(part for name in names for part in (name, *name.split(".")))
    for path in inspection.paths:
        if inspection.layout.dag_folder(path) is not None:
            found.update(part.partition(".")[0] for part in path.split("/"))
    return frozenset(found), dynamic


def unset_variables(inspection: Inspection) -> Iterator[Finding]:
    """ILK-AX005: a job reads a variable that its operator sets under a name that differs by a letter or two."""
    reads = inspection.of(_READS)
    by_name: dict[str, list[str]] = {}
    for path in reads:
        by_name.setdefault(posixpath.basename(path), []).append(path)
    for path, facts in inspection.of(_PYTHON_FACTS).items():
        for line, end_line, script, names in facts.get("env", ()):
            jobs = by_name.get(posixpath.basename(script), [])
            if len(jobs) == 1:
                yield from _unset(path, (line, end_line), jobs[0], names, reads[jobs[0]])


def _unset(path: str, lines: tuple[int, int], job: str, names: list[str], reads: list[Any]) -> Iterator[Finding]:
    read = {name for _, name in reads}
    for name in sorted(read - set(names)):
        near = nearest(name, (one for one in names if one not in read), 0.8)
        if near:
            yield Finding(
                "ILK-AX005", weighed(Severity.WARNING, path), Place(path, *lines),
                f"{job} reads the variable '{name}', and its task sets '{near}'", f"Set '{name}', or read '{near}'.",
                cause=f"variable:{job}:{name}",
            )  # fmt: skip


FAMILY = Family(
    "across tools",
    (
        Rule("ILK-AX001", "empty-dbt-selection", "a DAG runs dbt with a selection that selects nothing"),
        Rule("ILK-AX002", "missing-script", "a task runs a script that the project does not have"),
        Rule("ILK-AX003", "missing-sql-file", "an operator names a SQL file that the project does not have"),
        Rule("ILK-AX004", "lost-airflow-task", "dbt's metadata names a DAG or task that is not there"),
        Rule(
            "ILK-AX005", "unset-variable", "a job reads a variable that its task sets under another name",
            Severity.WARNING,
        ),
    ),
    facts=(
        FileFacts(_PYTHON_FACTS, ("*.py",), python_facts),
        FileFacts(_YAML_FACTS, ("*.yml", "*.yaml"), yaml_names),
        FileFacts(DBT_FACTS, ("*.sql", "*.py", "*.yml", "*.yaml"), dbt_facts),
        FileFacts(_READS, ("*.py",), environment_reads),
    ),
    project_checks=(empty_selections, missing_scripts, missing_sql, lost_tasks, unset_variables),
)  # fmt: skip
