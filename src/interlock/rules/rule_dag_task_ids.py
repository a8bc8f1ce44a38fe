"""Task ids that two tasks of one DAG share."""

import ast
from collections.abc import Iterator

from interlock.model.findings import Finding
from interlock.rules.dag_model import DagModel, Task, read_dag_model
from interlock.rules.files import SourceFile
from interlock.rules.rule import Family, FileCheck, Rule


def check_task_ids(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG022: two operators that are surely both made, in one DAG and one group, under one id."""
    model = read_dag_model(file)
    if model is None:
        return
    decorated = {id(dag.function) for dag in model.dags if dag.function is not None}
    first: dict[tuple[int, tuple[int, ...], str, str], Task] = {}
    for task in model.tasks:
        home = _home(model, task, decorated)
        if home is None or task.id is None or not task.origin or not task.site.where.sure or task.site.where.main:
            continue
        key = (id(task.site.where.scope), tuple(id(one) for one in task.site.where.withs), home, task.id)
        if first.setdefault(key, task) is not task:
            call = task.site.call
            yield file.finding(
                "ILK-DG022", call.lineno, f"two tasks of one DAG have the id '{task.id}': the second raises an error",
                "Give one of the two another task_id.", end_line=call.end_lineno or 0,
            )  # fmt: skip


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


FAMILY = Family(
    "dag-task-ids",
    (Rule("ILK-DG022", "same-task-id", "two tasks of one DAG have the same id"),),
    file_checks=(FileCheck(("*.py",), check_task_ids),),
)
