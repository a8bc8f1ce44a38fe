"""Arguments of DAGs and operators that Airflow refuses, or silently ignores where they stand."""

import ast
from collections.abc import Iterator
from difflib import get_close_matches

from interlock.model.findings import Finding, Severity
from interlock.rules.dag_model import Dag, DagModel, Task, read_dag_model
from interlock.rules.dag_source import DagSource, Site, is_test_file
from interlock.rules.dag_tables import (
    CORE_MODULES,
    DAG_ARGUMENTS,
    GONE_IN_SDK,
    ONLY_DAGS,
    ONLY_TASKS,
    OPERATOR_ARGUMENTS,
    REQUIRED_ARGUMENTS,
    TASK_ARGUMENTS,
    TASK_METHODS,
)
from interlock.rules.files import SourceFile
from interlock.rules.rule import Family, FileCheck, Rule

_NEAR = 0.84
_NEAR_METHOD = 0.9


def check_arguments(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG008 to ILK-DG011, ILK-DG025 and ILK-DG026."""
    model = read_dag_model(file)
    if model is None or is_test_file(file.path):
        return
    seen: set[int] = set()
    for dag in model.dags:
        yield from _default_args(file, model, dag, seen)
        yield from _dag_call(file, dag)
    for task in model.tasks:
        yield from _task_call(file, model, task)
        yield from _lacking(file, task)
    for site in model.source.sites:
        yield from _misspelt_method(file, model.source, site)


def _default_args(file: SourceFile, model: DagModel, dag: Dag, seen: set[int]) -> Iterator[Finding]:
    given = dag.arguments.get("default_args")
    found = model.source.mapping(given, dag.where.scope)
    if given is None or found is None or _is_read(model, given):
        return
    for name, value in found[0].items():
        if id(value) in seen:
            continue
        seen.add(id(value))
        if name in ONLY_DAGS and name not in TASK_ARGUMENTS - {"schedule_interval"}:
            yield file.finding(
                "ILK-DG008", value.lineno, f"default_args holds '{name}', which is an argument of the DAG: "
                "Airflow passes default_args to tasks alone and ignores it",
                f"Give it to the DAG itself: DAG(..., {name}=...).", severity=Severity.WARNING,
                end_line=value.end_lineno or 0, cause=f"default-args:{file.path}:{name}",
            )  # fmt: skip
        elif near := _near(name, TASK_ARGUMENTS | DAG_ARGUMENTS):
            yield file.finding(
                "ILK-DG008", value.lineno, f"default_args holds '{name}', which no operator of Airflow takes",
                f"Write '{near}'.", severity=Severity.WARNING, end_line=value.end_lineno or 0,
            )  # fmt: skip


def _is_read(model: DagModel, given: ast.expr) -> bool:
    """Whether a named dict is used for anything besides being somebody's default_args."""
    if not isinstance(given, ast.Name):
        return False
    handed = 0
    for site in model.source.sites:
        value = site.keywords.get("default_args")
        handed += isinstance(value, ast.Name) and value.id == given.id
    return model.source.loads.get(given.id, 0) > handed


def _near(name: str, known: frozenset[str]) -> str | None:
    """The real argument that a word was surely meant to be: a letter or two apart, and long enough to tell."""
    if name in known or len(name) < 4:
        return None
    found = get_close_matches(name.lower(), known, n=1, cutoff=_NEAR)
    return found[0] if found and abs(len(found[0]) - len(name)) <= 2 else None


def _dag_call(file: SourceFile, dag: Dag) -> Iterator[Finding]:
    if dag.site is None:
        return
    shown = "@dag" if dag.function else "DAG"
    for word in dag.site.call.keywords:
        name = word.arg
        if name is None:
            continue
        line, end = word.value.lineno, word.value.end_lineno or 0
        if name in ONLY_TASKS:
            yield file.finding(
                "ILK-DG009", line, f"{shown} is given '{name}', which is an argument of tasks: it raises a TypeError",
                f"Move it into default_args={{'{name}': ...}}.", end_line=end,
            )  # fmt: skip
        elif dag.sdk and name in GONE_IN_SDK:
            instead = GONE_IN_SDK[name]
            yield file.finding(
                "ILK-DG009", line, f"{shown} of airflow.sdk is given '{name}', which it does not have: "
                "it raises a TypeError", f"Write '{instead}='." if instead else "Remove it.", end_line=end,
            )  # fmt: skip
        elif name not in DAG_ARGUMENTS and (near := _near(name, DAG_ARGUMENTS)):
            yield file.finding(
                "ILK-DG010", line, f"{shown} has no argument '{name}': it raises a TypeError", f"Write '{near}'.",
                end_line=end,
            )  # fmt: skip


def _task_call(file: SourceFile, model: DagModel, task: Task) -> Iterator[Finding]:
    own = OPERATOR_ARGUMENTS.get(task.kind)
    core = own is not None and task.origin.startswith(CORE_MODULES)
    call = task.site.call
    mapped = isinstance(call.func, ast.Attribute) and call.func.attr == "partial"
    for word in call.keywords if core else ():
        near = _near(word.arg, (own or frozenset()) | TASK_ARGUMENTS) if word.arg else None
        if near:
            yield file.finding(
                "ILK-DG010", word.value.lineno, f"{task.kind} has no argument '{word.arg}': it raises an error",
                f"Write '{near}'.", end_line=word.value.end_lineno or 0,
            )  # fmt: skip
    if core and call.args and not mapped and not any(isinstance(one, ast.Starred) for one in call.args):
        yield file.finding(
            "ILK-DG009", call.lineno, f"{task.kind} is given an argument without a name: it raises an error",
            "Name it: task_id='...'.", end_line=call.args[0].end_lineno or 0,
        )  # fmt: skip
    if task.origin and "task_id" not in task.site.keywords and not task.site.open:
        if call.args or "default_args" in task.site.keywords or _is_class_use(model.source, task):
            return
        yield file.finding(
            "ILK-DG011", call.lineno, f"{task.kind}{'.partial' if mapped else ''} is made without a task_id: "
            "it raises an error", "Give it one: task_id='...'.", end_line=call.end_lineno or 0,
            severity=Severity.ERROR if core else Severity.WARNING,
        )  # fmt: skip


def _lacking(file: SourceFile, task: Task) -> Iterator[Finding]:
    """ILK-DG025. An argument may stand in default_args too, so that it must be named nowhere else in the file."""
    call = task.site.call
    required = REQUIRED_ARGUMENTS.get(task.kind, ()) if task.origin.startswith(CORE_MODULES) else ()
    if not required or call.args or task.site.open or task.site.where.main or isinstance(call.func, ast.Attribute):
        return
    given = task.site.keywords
    lacking = [
        one for one in required
        if one not in given and f"'{one}'" not in file.text.replace('"', "'") and not get_close_matches(one, given)
    ]  # fmt: skip
    if lacking and "default_args" not in given:
        yield file.finding(
            "ILK-DG025", call.lineno, f"{task.kind} is made without {' and '.join(lacking)}: it raises an error",
            f"Give it: {lacking[0]}=...", end_line=call.end_lineno or 0,
        )  # fmt: skip


def _misspelt_method(file: SourceFile, source: DagSource, site: Site) -> Iterator[Finding]:
    """ILK-DG026: no object has a method of such a name, unless this file defines one."""
    function = site.call.func
    if not isinstance(function, ast.Attribute) or function.attr in TASK_METHODS or "_" not in function.attr:
        return
    near = get_close_matches(function.attr, TASK_METHODS, n=1, cutoff=_NEAR_METHOD)
    if near and not any(one.name == function.attr for one, _ in source.functions):
        yield file.finding(
            "ILK-DG026", site.call.lineno, f"a task has no method '{function.attr}': it raises an AttributeError",
            f"Write '{near[0]}'.", end_line=site.call.end_lineno or 0,
        )  # fmt: skip


def _is_class_use(source: DagSource, task: Task) -> bool:
    """Not an operator that is made: a call of a function or a class method whose name looks like one's."""
    function = task.site.call.func
    last = task.origin.rpartition(".")[2]
    return not last[:1].isupper() or (isinstance(function, ast.Attribute) and function.attr not in (last, "partial"))


FAMILY = Family(
    "dag-arguments",
    (
        Rule("ILK-DG008", "ignored-default-argument", "default_args holds what no task takes", Severity.WARNING),
        Rule("ILK-DG009", "refused-argument", "a DAG or operator is given an argument that it does not take"),
        Rule("ILK-DG010", "misspelt-argument", "an argument of a DAG or operator is misspelt"),
        Rule("ILK-DG011", "operator-without-task-id", "an operator is made without a task_id"),
        Rule("ILK-DG025", "operator-without-argument", "an operator is made without an argument that it needs"),
        Rule("ILK-DG026", "misspelt-method", "a method of tasks is misspelt"),
    ),
    file_checks=(FileCheck(("*.py",), check_arguments),),
)
