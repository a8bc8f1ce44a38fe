"""Which parts of a DAG file run when Airflow parses it."""

import ast

from interlock.rules.dag_source import DagSource, Function, Site, Where
from interlock.rules.dag_tables import DAG_DECORATORS, GROUP_DECORATORS

_RUNS_THROUGH = frozenset({"functools.cache", "functools.lru_cache", *DAG_DECORATORS, *GROUP_DECORATORS})


def running_scopes(source: DagSource) -> dict[int, str]:
    """The scopes that run when the module is imported, with the function's name ("" for the module and classes)."""
    running: dict[int, str] = {id(source.tree): ""}
    places = {id(function): (function, where) for function, where in source.functions}
    by_scope: dict[int, list[Site]] = {}
    for site in source.sites:
        by_scope.setdefault(id(site.where.scope), []).append(site)
    classes: dict[int, list[ast.ClassDef]] = {}
    for one, where in source.classes:
        if not where.main:
            classes.setdefault(id(where.scope), []).append(one)
    todo: list[int] = [id(source.tree)]
    while todo:
        scope = todo.pop()
        for one in classes.get(scope, ()):
            if id(one) not in running:
                running[id(one)] = running[scope]
                todo.append(id(one))
        for site in by_scope.get(scope, ()):
            called = None if site.where.main else _called(source, site)
            if called is not None and id(called) not in running and _runs_through(source, *places[id(called)]):
                running[id(called)] = f"{called.name}()"
                todo.append(id(called))
    return running


def _called(source: DagSource, site: Site) -> ast.FunctionDef | None:
    if not isinstance(site.call.func, ast.Name):
        return None
    found = source.value(site.where.scope, site.call.func.id)
    return found if isinstance(found, ast.FunctionDef) else None


def _runs_through(source: DagSource, function: Function, where: Where) -> bool:
    """Whether calling it runs its body: not where a decorator makes a task of it, nor a generator."""
    for one in function.decorator_list:
        origins = source.origins(one.func if isinstance(one, ast.Call) else one, where.scope)
        if not origins or not origins <= _RUNS_THROUGH:
            return False
    todo: list[ast.AST] = list(function.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return False
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)
    return True
