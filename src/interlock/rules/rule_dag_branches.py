"""Branches: what they pick that their DAG does not have, and what they never pick."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from interlock.model.findings import Finding, Severity
from interlock.rules.dag_facts import flow_id, task_ids
from interlock.rules.dag_graph import Graph, task_names
from interlock.rules.dag_model import Dag, DagModel, read_dag_model
from interlock.rules.dag_running import running_scopes
from interlock.rules.dag_source import DagSource, Origin, Scope, Site, Where, is_test_file
from interlock.rules.dag_tables import GROUP_CLASSES, GROUP_DECORATORS, TASK_DECORATORS
from interlock.rules.files import SourceFile
from interlock.rules.rule import Family, FileCheck, Rule

_BRANCH_TASKS = frozenset(f"{task}.branch" for task in TASK_DECORATORS)
# What gives tasks ids that are not written in the file, makes tasks in another way, or keeps them from being skipped.
_UNREADABLE = GROUP_CLASSES | GROUP_DECORATORS | frozenset(
    f"{module}.{name}" for module in ("airflow.decorators", "airflow.sdk") for name in ("setup", "teardown")
)  # fmt: skip
_UNREADABLE_ATTRIBUTES = frozenset(
    {"expand", "expand_kwargs", "partial", "override", "TaskGroup", "task_group", "setup", "teardown", "as_setup",
     "as_teardown", "tasks", "task_dict", "get_task", "add_task", "roots", "leaves"}
)  # fmt: skip
_DEEPEST = 100


@dataclass(frozen=True)
class _Branch:
    """``site``: the call that makes the task. ``picks``: of each id that the function may return, the place."""

    site: Site
    function: ast.FunctionDef
    picks: dict[str, ast.expr]


def check_branches(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG027 and ILK-DG028. Silent where any task, dependency or picked id is computed."""
    model = read_dag_model(file) if b"ranch" in file.source and not is_test_file(file.path) else None
    if model is None or len(model.dags) != 1 or _is_unreadable(model.source):
        return
    running = running_scopes(model.source)
    dag = model.dags[0]
    if dag.where.main or id(dag.function or dag.where.scope) not in running:
        return
    known = task_ids(model, dag, running)
    if known is None or any(not _is_of(model.source, dag, task.site) for task in model.tasks):
        return
    for branch in _branches(model):
        if id(branch.site.where.scope) in running and not branch.site.where.main:
            missing = [one for one in branch.picks if one not in known]
            for one in missing:
                yield _to_nothing(file, model, branch, one, known)
            if not missing:
                yield from _never_run(file, model, branch)


def _is_unreadable(source: DagSource) -> bool:
    imported = {one.name for values in source.bound.values() for one in values if isinstance(one, Origin)}
    return bool(imported & _UNREADABLE or source.attributes & _UNREADABLE_ATTRIBUTES)


def _is_of(source: DagSource, dag: Dag, site: Site) -> bool:
    """Whether a task that names its DAG, or a group, names this one and none."""
    given = site.keywords.get("dag")
    return "task_group" not in site.keywords and (given is None or source.resolved(given, site.where.scope) is dag.node)


def _branches(model: DagModel) -> Iterator[_Branch]:
    source = model.source
    for task in model.tasks:
        given = task.site.keywords.get("python_callable")
        if task.kind == "BranchPythonOperator" and task.origin and isinstance(given, ast.Name):
            function = source.value(task.site.where.scope, given.id)
            if isinstance(function, ast.FunctionDef) and not function.decorator_list:
                yield from _branch(source, task.site, function)
    for site in source.sites:
        called = source.value(site.where.scope, site.call.func.id) if isinstance(site.call.func, ast.Name) else None
        if isinstance(called, ast.FunctionDef) and len(called.decorator_list) == 1:
            one = called.decorator_list[0]
            origins = source.origins(one.func if isinstance(one, ast.Call) else one, source.parents[id(called)])
            if origins and origins <= _BRANCH_TASKS:
                yield from _branch(source, site, called)


def _branch(source: DagSource, site: Site, function: ast.FunctionDef) -> Iterator[_Branch]:
    """The branch, where every ``return`` of its function is written out."""
    picks: dict[str, ast.expr] = {}
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return
        if isinstance(node, ast.Return):
            picked = _picked(source, node.value, function)
            if picked is None:
                return
            for name, place in picked:
                picks.setdefault(name, place)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            todo += reversed(list(ast.iter_child_nodes(node)))
    if picks:
        yield _Branch(site, function, picks)


def _picked(source: DagSource, value: ast.expr | None, scope: Scope) -> list[tuple[str, ast.expr]] | None:
    """The ids of one ``return``, none where it returns None; None where they are computed."""
    found: list[tuple[str, ast.expr]] = []
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, ast.IfExp):
            todo += [one.orelse, one.body]
        elif isinstance(one, ast.List | ast.Tuple | ast.Set):
            todo += reversed(one.elts)
        elif one is not None and not (isinstance(one, ast.Constant) and one.value is None):
            name = source.text(one, scope)
            if name is None:
                return None
            found.append((name, one))
    return found


def _to_nothing(file: SourceFile, model: DagModel, branch: _Branch, picked: str, known: list[str]) -> Finding:
    plain = [one for one in known if "__" not in one]
    near = get_close_matches(picked, plain, n=1, cutoff=0.6)
    sure = all(task.origin for task in model.tasks)
    place = branch.picks[picked]
    return file.finding(
        "ILK-DG028", place.lineno,
        f"the branch '{branch.function.name}' picks the task '{picked}', which its DAG does not have: it fails",
        f"Return '{near[0]}'." if near else f"Return one of these: {', '.join(plain[:12])}.",
        end_line=place.end_lineno or 0, severity=Severity.ERROR if sure else Severity.WARNING,
        detail="" if sure else "Unless an operator here that is not Airflow's own changes its task_id.",
    )  # fmt: skip


def _never_run(file: SourceFile, model: DagModel, branch: _Branch) -> Iterator[Finding]:
    """Tasks behind the branch alone that it never picks; nothing unless what stands behind it is known to the last."""
    source, scope = model.source, branch.site.where.scope
    names = task_names(model, scope)
    graph, read = _graph(model, scope, names)
    held = {name: _held(model, scope, name) for name in names}
    itself = [name for name, site in held.items() if site is not None and site.call is branch.site.call]
    if len(itself) != 1 or source.loads.get(itself[0], 0) != read.get(itself[0], 0):
        return
    behind = {name: _id_of(model, held[name]) for name in graph.edges.get(itself[0], ())}
    if None in behind.values() or not branch.picks.keys() <= set(behind.values()):
        return
    for name, task in behind.items():
        site = held[name]
        before = [one for one, after in graph.edges.items() if name in after]
        if (
            task in branch.picks or site is None or before != itself or "trigger_rule" in site.keywords
            or source.loads.get(name, 0) != read.get(name, 0)
            or any(isinstance(one, ast.Name) and one.id in names for one in ast.walk(site.call))
        ):  # fmt: skip
            continue
        picks = " or ".join(f"'{one}'" for one in branch.picks)
        yield file.finding(
            "ILK-DG027", site.call.lineno,
            f"the task '{task}' never runs: '{branch.function.name}', the branch before it, picks {picks} alone",
            f"Return '{task}' where it is wanted (line {branch.function.lineno}), or take the task away.",
            end_line=site.call.end_lineno or 0,
        )  # fmt: skip


def _graph(model: DagModel, scope: Scope, names: set[str]) -> tuple[Graph, dict[str, int]]:
    """The dependencies that are surely made in a scope, and how often they name each variable."""
    graph, read = Graph(model.source, scope, names), dict[str, int]()
    for expr, where in model.source.statements:
        if where.scope is not scope or not where.sure or where.main:
            continue
        edges = sum(len(after) for after in graph.edges.values())
        if isinstance(expr, ast.Call):
            graph.call(expr)
        else:
            graph.read(expr)
        if sum(len(after) for after in graph.edges.values()) > edges:
            for one in _read_whole(graph, expr) or ():
                read[one] = read.get(one, 0) + 1
    return graph, read


def _read_whole(graph: Graph, expr: ast.expr, depth: int = 0) -> list[str] | None:
    """The variables of a dependency, of which nothing is left to guess; None of any other."""
    if depth > _DEEPEST:
        return None
    if graph.is_label(expr):
        return []
    if isinstance(expr, ast.Name):
        return [expr.id] if expr.id in graph.names else None
    if isinstance(expr, ast.List | ast.Tuple):
        parts = expr.elts
    elif isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.RShift | ast.LShift):
        parts = [expr.left, expr.right]
    elif isinstance(expr, ast.Call) and not expr.keywords:
        parts = [expr.func.value, *expr.args] if isinstance(expr.func, ast.Attribute) else expr.args
    else:
        return None
    found = [_read_whole(graph, one, depth + 1) for one in parts]
    named = [one for one in found if one is not None]
    return [name for one in named for name in one] if len(named) == len(found) else None


def _held(model: DagModel, scope: Scope, name: str) -> Site | None:
    """The call that made what a variable holds."""
    value = model.source.value(scope, name)
    return next((site for site in model.source.sites if site.call is value), None)


def _id_of(model: DagModel, site: Site | None) -> str | None:
    """The task's id; None where that is not certain."""
    source = model.source
    if site is None or site.open or not site.where.sure:
        return None
    task = next((task for task in model.tasks if task.site.call is site.call), None)
    if task is not None:
        return task.id
    function = source.value(site.where.scope, site.call.func.id) if isinstance(site.call.func, ast.Name) else None
    # A second call would give the task an id of its own.
    if not isinstance(function, ast.FunctionDef) or source.loads.get(function.name) != 1:
        return None
    return flow_id(source, function, Where(source.parents[id(function)]))


FAMILY = Family(
    "dag-branches",
    (
        Rule("ILK-DG027", "unreachable-task", "no branch picks a task that stands behind it", Severity.WARNING),
        Rule("ILK-DG028", "branch-to-nothing", "a branch picks a task that its DAG does not have"),
    ),
    file_checks=(FileCheck(("*.py",), check_branches),),
)
