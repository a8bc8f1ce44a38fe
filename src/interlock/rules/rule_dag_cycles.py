"""Tasks that depend on themselves, at once or around a few corners."""

import ast
from collections.abc import Iterator

from interlock.model.findings import Finding
from interlock.rules.dag_graph import Graph, task_names
from interlock.rules.dag_model import DagModel, read_dag_model
from interlock.rules.files import SourceFile
from interlock.rules.rule import Family, FileCheck, Rule


def check_cycles(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG021: a cycle among tasks of one DAG that every parse of the file makes."""
    model = read_dag_model(file)
    if model is None or len(model.dags) == 0:
        return
    graphs: dict[int, Graph] = {}
    for expr, where in model.source.statements:
        if not where.sure or where.main or not isinstance(expr, ast.BinOp | ast.Call):
            continue
        key = id(where.scope)
        if key not in graphs:
            graphs[key] = Graph(model.source, where.scope, task_names(model, where.scope))
        if isinstance(expr, ast.Call):
            graphs[key].call(expr)
        else:
            graphs[key].read(expr)
    for assign, where in model.source.assigned:
        if id(where.scope) in graphs and where.sure and isinstance(assign.value, ast.BinOp):
            graphs[id(where.scope)].read(assign.value)
    yield from _on_themselves(file, model)
    for graph in graphs.values():
        for cycle, at in _cycles(graph.edges):
            if len(cycle) == 1:
                yield _on_itself(file, cycle[0], at)
                continue
            shown = " >> ".join((*cycle, cycle[0]))
            yield file.finding(
                "ILK-DG021", at.lineno, f"tasks depend on each other in a circle: {shown}",
                "Take one of these dependencies away: Airflow refuses a DAG with a cycle.", end_line=at.end_lineno or 0,
            )  # fmt: skip


def _on_themselves(file: SourceFile, model: DagModel) -> Iterator[Finding]:
    """A task of a branch or a loop that is set before or behind itself; ``_cycles`` tells the others."""
    calls = {id(task.site.call) for task in model.tasks if task.origin}
    for site in model.source.sites:
        function, where = site.call.func, site.where
        if (
            not isinstance(function, ast.Attribute) or function.attr not in ("set_upstream", "set_downstream")
            or where.sure or where.main or len(site.call.args) != 1
        ):  # fmt: skip
            continue
        one, other = function.value, site.call.args[0]
        if isinstance(one, ast.Name) and isinstance(other, ast.Name) and one.id == other.id:
            values = model.source.values(where.scope, one.id)
            if values and all(id(value) in calls for value in values):
                yield _on_itself(file, one.id, site.call)


def _on_itself(file: SourceFile, name: str, at: ast.expr) -> Finding:
    return file.finding(
        "ILK-DG021", at.lineno, f"the task '{name}' depends on itself", f"Take '{name}' out on one side.",
        end_line=at.end_lineno or 0,
    )  # fmt: skip


def _cycles(edges: dict[str, dict[str, ast.expr]]) -> Iterator[tuple[list[str], ast.expr]]:
    """One cycle for each knot of tasks, with the dependency that closes it."""
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        todo: list[tuple[str, Iterator[str]]] = []
        if start in done:
            continue
        path.append(start)
        todo.append((start, iter(edges.get(start, ()))))
        while todo:
            here, following = todo[-1]
            step = next(following, None)
            if step is None:
                todo.pop()
                path.pop()
                done.add(here)
            elif step in path:
                yield path[path.index(step) :], edges[here][step]
                return
            elif step not in done:
                path.append(step)
                todo.append((step, iter(edges.get(step, ()))))


FAMILY = Family(
    "dag-cycles",
    (Rule("ILK-DG021", "task-cycle", "tasks depend on each other in a circle"),),
    file_checks=(FileCheck(("*.py",), check_cycles),),
)
