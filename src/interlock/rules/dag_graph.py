"""Which task follows which, by the variables that hold them, as a DAG file's text tells."""

import ast

from interlock.rules.dag_model import DagModel, decorator_origins, is_group, is_task_decorator
from interlock.rules.dag_source import DagSource, Scope, Site, Where

_LABELS = frozenset({"airflow.utils.edgemodifier.Label", "airflow.sdk.Label"})
_CHAINS = frozenset({"airflow.models.baseoperator.chain", "airflow.sdk.chain", "airflow.utils.helpers.chain",
                     "airflow.models.chain", "airflow.sdk.bases.operator.chain"})  # fmt: skip
_DEEPEST = 200


class Graph:
    """What follows what, in one scope. ``names``: variables that hold one task, or one group, for good."""

    def __init__(self, source: DagSource, scope: Scope, names: set[str]) -> None:
        self.source = source
        self.scope = scope
        self.names = names
        self.edges: dict[str, dict[str, ast.expr]] = {}

    def follow(self, before: list[str], after: list[str], at: ast.expr) -> None:
        for one in before:
            for other in after:
                self.edges.setdefault(one, {}).setdefault(other, at)

    def read(self, expr: ast.expr, depth: int = 0) -> list[str]:
        """Adds the edges of an expression; the tasks that it stands for."""
        if depth > _DEEPEST:
            return []
        if isinstance(expr, ast.Name):
            return [expr.id] if expr.id in self.names else []
        if isinstance(expr, ast.List | ast.Tuple):
            return [name for one in expr.elts for name in self.read(one, depth + 1)]
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.RShift | ast.LShift):
            left, right = self.read(expr.left, depth + 1), self.read(expr.right, depth + 1)
            if self.is_label(expr.right):
                return left
            before, after = (left, right) if isinstance(expr.op, ast.RShift) else (right, left)
            self.follow(before, after, expr)
            return right
        return []

    def is_label(self, expr: ast.expr) -> bool:
        """``Label(...)``, which stands between two tasks."""
        return isinstance(expr, ast.Call) and bool(self.source.origins(expr.func, self.scope) & _LABELS)

    def call(self, call: ast.Call) -> None:
        """``set_upstream``, ``set_downstream`` and ``chain``."""
        function = call.func
        if isinstance(function, ast.Attribute) and function.attr in ("set_upstream", "set_downstream") and call.args:
            one, others = self.read(function.value), self.read(call.args[0])
            up = function.attr == "set_upstream"
            self.follow(others if up else one, one if up else others, call)
        elif self.source.origins(function, self.scope) & _CHAINS:
            for left, right in zip(call.args, call.args[1:], strict=False):
                both_listed = isinstance(left, ast.List | ast.Tuple) and isinstance(right, ast.List | ast.Tuple)
                if both_listed and isinstance(left, ast.List | ast.Tuple) and isinstance(right, ast.List | ast.Tuple):
                    for before, after in zip(left.elts, right.elts, strict=False):
                        self.follow(self.read(before), self.read(after), call)
                else:
                    self.follow(self.read(left), self.read(right), call)


def task_names(model: DagModel, scope: Scope) -> set[str]:
    """Names that are bound once in a scope, to an operator, a call of a ``@task`` function, or a group."""
    source = model.source
    calls = {id(task.site.call) for task in model.tasks if task.origin or task.id is not None}
    flows = {
        id(function)
        for function, where in source.functions
        if any(is_task_decorator(one) for one in decorator_origins(source, function, where))
    }
    names = set()
    for (owner, name), values in source.bound.items():
        if owner != id(scope) or len(values) != 1 or not isinstance(values[0], ast.expr):
            continue
        value = values[0]
        if id(value) in calls or is_group(source, value, Where(scope)):
            names.add(name)
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
            called = source.value(scope, value.func.id)
            if called is not None and id(called) in flows:
                names.add(name)
    loops = {
        one.id
        for site in source.sites
        if site.where.scope is scope and not site.where.sure
        for one in _assigned_in(source, site)
    }
    return names - loops


def _assigned_in(source: DagSource, site: Site) -> list[ast.Name]:
    """Names that hold what a call in a branch or loop gives: another task each time, or none."""
    return [
        target
        for assign, _ in source.assigned
        if assign.value is site.call
        for target in assign.targets
        if isinstance(target, ast.Name)
    ]
