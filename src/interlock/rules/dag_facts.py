"""What a file tells about its DAGs to rules that look across files."""

import ast
import builtins
import re
import sys
from collections.abc import Iterator
from typing import Any

from interlock.rules.dag_assets import assets_of
from interlock.rules.dag_model import (
    Dag,
    DagModel,
    Task,
    decorator_origins,
    is_group,
    is_task_decorator,
    read_dag_model,
)
from interlock.rules.dag_running import running_scopes
from interlock.rules.dag_source import DagSource, Scope, Site, Where, in_dag_folder, is_test_file
from interlock.rules.dag_tables import GROUP_CLASSES, GROUP_DECORATORS
from interlock.rules.files import SourceFile

DAGS = "dag-definitions"
MENTIONS = "dag-mentions"
_OPERATOR = re.compile(r"(Operator|Sensor|SensorAsync|Marker)$")
_IMPORTED = re.compile(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]+)", re.MULTILINE)
_CALLED = re.compile(r"\.(\w+)\(")
_COMMENT = re.compile(r"#[^\n]*")
_WORD = re.compile(r"\w+")
_BUILTINS = frozenset(dir(builtins)) - {"exec", "eval", "__import__", "globals", "vars", "locals", "getattr", "map"}
_HARMLESS_MODULES = frozenset(sys.stdlib_module_names) - {"importlib", "runpy"} | {"airflow", "pendulum", "dateutil"}
_HARMLESS_METHODS = frozenset(
    str.split(
        """
        set_upstream set_downstream add_inlets add_outlets as_setup as_teardown format join split replace strip lower
        upper get items keys values append extend update copy astimezone add subtract strftime isoformat date time
        replace total_seconds set_xcomargs_dependencies startswith endswith getenv override partial expand
        expand_kwargs output test cli info debug warning error setLevel joinpath resolve exists read_text
        """
    )
)
_WAITING = {"ExternalTaskSensor": "external_dag_id", "ExternalTaskMarker": "external_dag_id",
            "TriggerDagRunOperator": "trigger_dag_id"}  # fmt: skip


def dag_definitions(file: SourceFile) -> dict[str, Any] | None:
    """DAGs of a file, what they wait for and trigger, and the assets they wait for and make.

    ``dags``: ``id`` (None where computed), ``line``, ``end``, ``sure`` (made whenever the file is parsed), ``tasks``:
    every task id that it can have, or None. ``dynamic``: the file may make DAGs that are not among them. ``makers``:
    functions that make a DAG and that this file does not use. ``waits``: ``dag``, ``tasks``, ``task``, ``line``,
    ``end``, ``triggers``. ``consumes`` and ``produces``: [asset, line, end] and assets; ``unknown_outlets``.
    """
    if file.tree is None:
        return {"dynamic": True} if in_dag_folder(file) else None
    model = read_dag_model(file)
    if model is None or is_test_file(file.path):
        return None
    told: dict[str, Any] = {
        "dags": _definitions(model),
        "dynamic": _is_dynamic(model),
        "makers": list(_makers(model)),
        "waits": list(_waits(model)),
        **assets_of(model),
    }
    return told if any(told.values()) else None


def dag_mentions(file: SourceFile) -> list[str] | None:
    """Names that a file imports or calls as an attribute, with "*module" for star imports; rather too many."""
    text = file.text
    if "import" not in text:
        return None
    names = set(_CALLED.findall(text))
    for module, listed in _IMPORTED.findall(text):
        words = _WORD.findall(_COMMENT.sub("", listed))
        names |= set(words) if "*" not in listed else {"*" + module.rpartition(".")[2]}
    return sorted(names - {"as"}) or None


def _definitions(model: DagModel) -> list[dict[str, Any]]:
    running = running_scopes(model.source)
    found = []
    for dag in model.dags:
        top = dag.where.scope is model.source.tree and dag.where.sure and not dag.where.main
        called = dag.function is None or _calls(model.source, dag.function.name) > 0
        found.append(
            {
                "id": dag.id,
                "line": dag.line,
                "end": dag.node.end_lineno or dag.line,
                "sure": top and called and _is_kept(model.source, dag),
                "tasks": task_ids(model, dag, running),
            }
        )
    return found


def _calls(source: DagSource, name: str) -> int:
    """How often the module itself calls a function, surely."""
    return sum(
        isinstance(site.call.func, ast.Name) and site.call.func.id == name
        for site in source.sites
        if site.where.scope is source.tree and site.where.sure and not site.where.main
    )


def _is_kept(source: DagSource, dag: Dag) -> bool:
    """Whether Airflow finds the DAG: a decorated one, or one that a name of the module or a ``with`` holds."""
    if dag.function is not None:
        return True
    held = any(isinstance(one.value, ast.Call) and one.value is dag.node for one, _ in source.assigned)
    return held or any(one.context_expr is dag.node for site in source.sites for one in site.where.withs)


def task_ids(model: DagModel, dag: Dag, running: dict[int, str]) -> list[str] | None:
    """Every task id that the DAG can have, and some that it has not; None where that is not known."""
    if len(model.dags) != 1 or any(site.open and _is_task(model, site) for site in model.source.sites):
        return None
    ids: set[str] = set()
    tasks = {id(task.site): task for task in model.tasks}
    flows = {
        id(function): flow_id(model.source, function, where)
        for function, where in model.source.functions
        if any(is_task_decorator(one) for one in decorator_origins(model.source, function, where))
    }
    for site in model.source.sites:
        if id(site.where.scope) not in running or site.where.main:
            continue
        prefix = _prefix(model.source, site.where)
        task = tasks.get(id(site))
        if prefix is None:
            return None
        if task is not None:
            if task.id is None or not (task.origin or _OPERATOR.search(task.kind)):
                return None
            ids.add(prefix + task.id)
            continue
        called = flow_called(model.source, site)
        if called is not None and id(called) in flows:
            name = flows[id(called)]
            if name is None:
                return None
            ids |= {prefix + name, *(f"{prefix}{name}__{number}" for number in range(1, 20))}
            named = site.keywords.get("task_id")
            if named is not None:
                given = model.source.text(named, site.where.scope)
                if given is None:
                    return None
                ids.add(prefix + given)
        elif not _is_harmless(model.source, site):
            return None
    return sorted(ids)


def _is_task(model: DagModel, site: Site) -> bool:
    return any(task.site is site for task in model.tasks)


def flow_id(source: DagSource, function: ast.FunctionDef | ast.AsyncFunctionDef, where: Where) -> str | None:
    """The id of the task that a ``@task`` function makes when it is called once; None where it is computed."""
    if len(function.decorator_list) != 1:
        return None
    one = function.decorator_list[0]
    if not isinstance(one, ast.Call):
        return function.name
    site = Site(one, where)
    given = site.keywords.get("task_id")
    if given is not None:
        return source.text(given, where.scope)
    return None if site.open else function.name


def flow_called(source: DagSource, site: Site) -> ast.expr | Scope | None:
    """The function below ``f(...)``, ``f.override(...)``, ``f.partial(...).expand(...)``."""
    expr = site.call.func
    for _ in range(10):
        if isinstance(expr, ast.Attribute) and expr.attr in ("override", "partial", "expand", "expand_kwargs"):
            expr = expr.value
        elif isinstance(expr, ast.Call):
            expr = expr.func
        else:
            break
    return source.value(site.where.scope, expr.id) if isinstance(expr, ast.Name) else None


def _prefix(source: DagSource, where: Where) -> str | None:
    """What the task groups around a place put before a task's id; None where that is not known."""
    if isinstance(where.scope, ast.FunctionDef) and any(
        one & GROUP_DECORATORS for one in decorator_origins(source, where.scope, Where(source.tree))
    ):
        return None
    prefix = ""
    for item in where.withs:
        call = item.context_expr
        if isinstance(call, ast.Call) and is_group(source, call, where):
            site = Site(call, where)
            given = call.args[0] if call.args else site.keywords.get("group_id")
            name = source.text(given, where.scope) if given is not None else None
            if name is None or "prefix_group_id" in site.keywords or site.open:
                return None
            prefix += f"{name}."
        elif isinstance(call, ast.Call) and source.origins(call.func, where.scope) & GROUP_CLASSES:
            return None
    return prefix


def _is_harmless(source: DagSource, site: Site) -> bool:
    """Whether a call surely adds no task that is not seen elsewhere in the file."""
    function, scope = site.call.func, site.where.scope
    origins = source.origins(function, scope)
    if origins:
        return all(one.partition(".")[0] in _HARMLESS_MODULES for one in origins)
    if isinstance(function, ast.Name):
        bound = source.values(scope, function.id)
        if not bound:
            return function.id in _BUILTINS
        found = source.value(scope, function.id)
        # What a plain function does is seen in its own body; decorators and classes may do anything.
        return isinstance(found, ast.FunctionDef) and (not found.decorator_list or _is_dag_or_group(source, found))
    if isinstance(function, ast.Attribute):
        return function.attr in _HARMLESS_METHODS
    return isinstance(function, ast.Call)


def _is_dag_or_group(source: DagSource, function: ast.FunctionDef) -> bool:
    return all(
        "airflow" in one for origins in decorator_origins(source, function, Where(source.tree)) for one in origins
    )


def _is_dynamic(model: DagModel) -> bool:
    if any(dag.id is None for dag in model.dags):
        return True
    known = {id(dag.node) for dag in model.dags}
    for site in model.source.sites:
        function = site.call.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in ("globals", "exec", "import_module", "setattr", "type"):
            return True
        if "dag" not in name.lower() or id(site.call) in known or _OPERATOR.search(name):
            continue
        origins = model.source.origins(function, site.where.scope)
        local = isinstance(function, ast.Name) and model.source.value(site.where.scope, function.id)
        official = bool(origins) and all(one.startswith("airflow.") for one in origins)
        if not official and not isinstance(local, ast.FunctionDef):
            return True
    return any(
        (base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")).lower().endswith("dag")
        for one, _ in model.source.classes
        for base in one.bases
    )


def _makers(model: DagModel) -> Iterator[dict[str, Any]]:
    """Functions of the module that make a DAG and whose names nothing in this file reads."""
    exported = (id(model.source.tree), "__all__") in model.source.bound
    for dag in model.dags:
        function = dag.function if dag.function is not None else dag.where.scope
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        top = any(one is function and where.scope is model.source.tree for one, where in model.source.functions)
        if not top or exported or model.source.loads.get(function.name, 0):
            continue
        # A function that is given its DAG's id is a tool for others, which need not be in this project.
        if len(function.decorator_list) != (0 if dag.function is None else 1) or dag.id is None:
            continue
        yield {
            "name": function.name,
            "id": dag.id,
            "line": function.lineno,
            "decorated": dag.function is not None,
        }


def _waits(model: DagModel) -> Iterator[dict[str, Any]]:
    for task in model.tasks:
        argument = _WAITING.get(task.kind)
        if argument is None or not task.origin or task.site.open:
            continue
        scope = task.site.where.scope
        named = model.source.text(task.site.keywords.get(argument), scope)
        if named is None or "{" in named or not named:
            continue
        given = task.site.keywords[argument]
        yield {
            "dag": named,
            "tasks": _waited_tasks(model.source, task),
            "task": task.id or task.kind,
            "line": given.lineno if given.lineno >= task.site.call.lineno else task.site.call.lineno,
            "end": given.end_lineno or given.lineno,
            "triggers": task.kind == "TriggerDagRunOperator",
        }


def _waited_tasks(source: DagSource, task: Task) -> list[str]:
    if task.kind != "ExternalTaskSensor":
        return []
    scope = task.site.where.scope
    one = source.text(task.site.keywords.get("external_task_id"), scope)
    several = source.resolved(task.site.keywords.get("external_task_ids"), scope)
    listed = several.elts if isinstance(several, ast.List | ast.Tuple | ast.Set) else []
    names = [one, *(source.text(each, scope) for each in listed)]
    return [name for name in names if name and "{" not in name]
