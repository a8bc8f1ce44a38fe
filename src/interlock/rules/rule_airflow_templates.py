"""Templates of parsed DAGs, in the environment that Airflow renders them in: macros, filters, params, ids of tasks."""

import ast
from collections.abc import Iterator
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Kind, key_of
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, FileFacts, Needs, Rule
from interlock.rules.template_claims import standing_claims

_PLUGINS = "airflow-plugins"
_ANY = "*"
_WHAT = {
    "name": ("uses '{name}', which neither Airflow nor the DAG defines",
             "Define it: DAG(..., user_defined_macros={{'{name}': ...}})."),
    "filter": ("uses the filter '{name}', which neither Jinja, Airflow nor the DAG defines",
               "Define it: DAG(..., user_defined_filters={{'{name}': ...}})."),
    "test": ("uses the test '{name}', which Jinja does not define", "Write a test that Jinja has, such as 'defined'."),
    "macro": ("uses 'macros.{name}', which neither Airflow nor a plugin defines",
              "Add it to the macros of a plugin, or to the DAG's user_defined_macros."),
    "param": ("uses 'params.{name}', which the DAG does not declare",
              "Declare it: DAG(..., params={{'{name}': ...}})."),
}  # fmt: skip


def airflow_plugins(file: SourceFile) -> list[str] | None:
    """Names of Airflow plugins that a file defines, under which ``macros`` has theirs; "*" for one that is computed."""
    if b"AirflowPlugin" not in file.source or file.tree is None:
        return None
    found = [_plugin(node) for node in ast.walk(file.tree) if isinstance(node, ast.ClassDef) and _is_plugin(node)]
    return sorted(found) or None


def _is_plugin(node: ast.ClassDef) -> bool:
    return any(
        (base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")) == "AirflowPlugin"
        for base in node.bases
    )


def _plugin(node: ast.ClassDef) -> str:
    for one in node.body:
        targets = one.targets if isinstance(one, ast.Assign) else [getattr(one, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "name" for target in targets):
            value = getattr(one, "value", None)
            return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else _ANY
    return _ANY


def templates(inspection: Inspection) -> Iterator[Finding]:
    """ILK-AF010 and ILK-AF011: what text alone does not say already."""
    if inspection.reading is None:
        return
    plugins = {name for names in inspection.of(_PLUGINS).values() for name in names}
    claimed = standing_claims(inspection)
    for path, dags in inspection.reading.templates.items():
        for dag in dags:
            for problem in dag["problems"]:
                if any(one.is_about(problem) for one in claimed.get(path, ())):
                    continue
                if problem["kind"] == "macro" and plugins & {problem["name"], _ANY}:
                    continue
                yield _pull(dag, problem) if problem["kind"] == "pull" else _template(dag, problem)


def _place(problem: dict[str, Any]) -> Place:
    return Place(problem["path"], problem["line"], problem["line"])


def _template(dag: dict[str, Any], problem: dict[str, Any]) -> Finding:
    task, name, near = problem["task"], problem["name"], problem["near"]
    if problem["kind"] == "syntax":
        told = f"is no Jinja: {name.splitlines()[0][:160] if name else 'its braces are wrong'}"
        remedy = "Mend the braces, or put what is no Jinja between {% raw %} and {% endraw %}."
    else:
        what, define = _WHAT[problem["kind"]]
        told = what.format(name=name)
        remedy = f"Write '{near}'." if near else define.format(name=name)
    return Finding(
        "ILK-AF010", Severity.ERROR if problem["surely"] else Severity.WARNING, _place(problem),
        f"{problem['field']} of the task '{task}' {told}", remedy, key_of(Kind.DAG, dag["dag"]),
        cause=f"template:{problem['digest']}",
    )  # fmt: skip


def _pull(dag: dict[str, Any], problem: dict[str, Any]) -> Finding:
    near = problem["near"]
    return Finding(
        "ILK-AF011", Severity.ERROR if problem["surely"] else Severity.WARNING, _place(problem),
        f"{problem['field']} of the task '{problem['task']}' pulls what the task '{problem['name']}' returned, and "
        f"'{dag['dag']}' has no such task: it renders 'None'",
        f"Write '{near}'." if near else f"Name a task of '{dag['dag']}', with the groups that it is in.",
        key_of(Kind.DAG, dag["dag"]), cause=f"template:{problem['digest']}",
    )  # fmt: skip


FAMILY = Family(
    "airflow templates",
    (
        Rule("ILK-AF010", "unrenderable-template", "Airflow cannot render a field of a task", needs=Needs.DAGS),
        Rule("ILK-AF011", "pull-from-nothing", "a template pulls from a task that its DAG lacks", needs=Needs.DAGS),
    ),
    facts=(FileFacts(_PLUGINS, ("*.py",), airflow_plugins),),
    project_checks=(templates,),
)
