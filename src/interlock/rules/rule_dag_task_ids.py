"""Ids of DAGs and tasks: those that two tasks of one DAG share, and those that Airflow refuses."""

import ast
import re
from collections.abc import Iterator, Sequence

from interlock.model.findings import Finding, Severity
from interlock.rules.dag_model import DagModel, Task, is_group, read_dag_model
from interlock.rules.dag_source import DagSource, Scope, is_test_file
from interlock.rules.files import SourceFile
from interlock.rules.rule import Family, FileCheck, Rule

# `airflow.utils.helpers.validate_key` of 2, which is no stricter than that of 1.10 but for letters beyond ASCII.
_KEY = re.compile(r"[\w.-]{1,250}")
_GROUP_KEY = re.compile(r"[\w.-]*")
_OPERATOR = re.compile(r"(?:Operator|Sensor)$")


def check_task_ids(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG022: two operators that are surely both made, in one DAG and one group, under one id."""
    model = read_dag_model(file)
    if model is None:
        return
    decorated = {id(dag.function) for dag in model.dags if dag.function is not None}
    first: dict[tuple[int, tuple[int, ...], str, str], Task] = {}
    for task in model.tasks:
        home = _home(model, task, decorated)
        if home is None or not _is_operator(task) or not task.site.where.sure or task.site.where.main:
            continue
        key = (id(task.site.where.scope), tuple(id(one) for one in task.site.where.withs), home, str(task.id))
        if first.setdefault(key, task) is not task:
            sure = bool(task.origin and first[key].origin)
            yield _twice(file, task, f"two tasks of one DAG have the id '{task.id}'", sure)
    for task in _in_loops(model):
        if _home(model, task, decorated) is not None and not task.site.where.main:
            yield _twice(file, task, f"every turn of a loop makes a task '{task.id}'", bool(task.origin))


def _twice(file: SourceFile, task: Task, summary: str, sure: bool) -> Finding:
    call = task.site.call
    return file.finding(
        "ILK-DG022", call.lineno, f"{summary}: the second raises an error", "Give each a task_id of its own.",
        end_line=call.end_lineno or 0, severity=Severity.ERROR if sure else Severity.WARNING,
        detail="" if sure else f"Unless {task.kind}, which is not Airflow's own, changes its task_id.",
    )  # fmt: skip


def _is_operator(task: Task) -> bool:
    return task.id is not None and bool(task.origin or _OPERATOR.search(task.kind))


def _home(model: DagModel, task: Task, decorated: set[int]) -> str | None:
    """Which DAG a task goes to: a name for it that is the same in its scope; None where that is not certain."""
    where = task.site.where
    given = task.site.keywords.get("dag")
    if "task_group" in task.site.keywords or task.site.open:
        return None
    if given is not None:
        found = model.source.resolved(given, where.scope)
        return f"dag={found.lineno}:{found.col_offset}" if found is not None and _is_dag(model, found) else None
    if any(_is_dag(model, model.source.resolved(one.context_expr, where.scope)) for one in where.withs):
        return "with"
    return "decorated" if id(where.scope) in decorated else None


def _is_dag(model: DagModel, found: ast.expr | None) -> bool:
    return any(dag.node is found for dag in model.dags)


def _in_loops(model: DagModel) -> Iterator[Task]:
    """Operators with a literal id that a loop makes, in each of at least two turns."""
    tasks = {id(task.site.call): task for task in model.tasks if _is_operator(task)}
    scopes: list[Scope] = [model.source.tree, *(function for function, _ in model.source.functions)]
    for scope in scopes:
        for loop in _loops(scope.body if isinstance(scope.body, list) else ()):
            if not _turns_twice(model.source, loop.iter, scope) or any(
                isinstance(one, ast.Break | ast.Continue | ast.Return) for one in ast.walk(loop)
            ):
                continue
            for statement in loop.body:
                made = statement.value if isinstance(statement, ast.Assign | ast.Expr) else None
                if id(made) in tasks:
                    yield tasks[id(made)]


def _loops(body: Sequence[ast.stmt]) -> Iterator[ast.For]:
    """The loops that are reached whenever the statements are."""
    for statement in body:
        if isinstance(statement, ast.For):
            yield statement
        elif isinstance(statement, ast.With):
            yield from _loops(statement.body)


def _turns_twice(source: DagSource, iterated: ast.expr, scope: Scope) -> bool:
    found = source.resolved(iterated, scope)
    if isinstance(found, ast.Call) and isinstance(found.func, ast.Name) and found.args and not found.keywords:
        if found.func.id == "range":
            ends = [one.value for one in found.args if isinstance(one, ast.Constant) and isinstance(one.value, int)]
            return len(ends) == len(found.args) < 3 and len(range(*ends)) > 1
        if found.func.id in ("enumerate", "sorted", "list"):
            return _turns_twice(source, found.args[0], scope)
    views = ("items", "keys", "values")
    if isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute) and found.func.attr in views:
        return _turns_twice(source, found.func.value, scope)
    if isinstance(found, ast.Dict):
        return len([one for one in found.keys if one is not None]) > 1
    if isinstance(found, ast.List | ast.Tuple | ast.Set):
        return len([one for one in found.elts if not isinstance(one, ast.Starred)]) > 1
    return False


def check_keys(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG024: ids with characters that Airflow does not take, without any, or with too many."""
    model = read_dag_model(file)
    if model is None or is_test_file(file.path):
        return
    for dag in model.dags:
        if dag.id is not None and not dag.where.main and not _KEY.fullmatch(dag.id):
            yield _refused(file, dag.line, "a DAG", dag.id)
    for task in model.tasks:
        if task.id is not None and task.origin and not task.site.where.main and not _KEY.fullmatch(task.id):
            yield _refused(file, task.site.keywords["task_id"].lineno, "a task", task.id)
    for site in model.source.sites:
        if is_group(model.source, site.call, site.where) and not site.where.main:
            given = site.call.args[0] if site.call.args else site.keywords.get("group_id")
            name = model.source.text(given, site.where.scope) if given is not None else None
            if name is not None and not _GROUP_KEY.fullmatch(name):
                yield _refused(file, site.call.lineno, "a task group", name)


def _refused(file: SourceFile, line: int, what: str, name: str) -> Finding:
    if not name:
        why, remedy = "an empty id", "Give it a name."
    elif len(name) > 250:
        why, remedy = f"an id of {len(name)} characters", "Take at most 250 characters."
    else:
        odd = next(one for one in name if not _KEY.fullmatch(one))
        plain = re.sub(r"[^\w.-]+", "_", name).strip("_")
        why = f"the id '{name}', in which {'a space' if odd.isspace() else repr(odd)} stands"
        remedy = f"Write '{plain}': letters, digits, '-', '_' and '.' alone."
    return file.finding("ILK-DG024", line, f"{what} has {why}: Airflow refuses it", remedy)


FAMILY = Family(
    "dag-task-ids",
    (
        Rule("ILK-DG022", "same-task-id", "two tasks of one DAG have the same id"),
        Rule("ILK-DG024", "refused-id", "the id of a DAG or task has characters that Airflow refuses"),
    ),
    file_checks=(FileCheck(("*.py",), check_task_ids), FileCheck(("*.py",), check_keys)),
)
