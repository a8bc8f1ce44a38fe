"""Airflow's variables, connections and pools: what DAGs name, against what a file of the repository declares."""

from collections.abc import Iterator

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.airflow_settings import declared, from_environment, no_json
from interlock.rules.inspection import Inspection
from interlock.rules.nearest import nearest
from interlock.rules.rule import Family, FileFacts, Rule
from interlock.rules.surroundings import is_less_serious, weighed

_PYTHON_FACTS = "across-python"
_DECLARED = "across-declared"
_NO_JSON = "across-variables-no-json"
_ENVIRONMENT = "across-airflow-environment"
_RULES = {"variable": "ILK-CF101", "connection": "ILK-CF102", "pool": "ILK-CF103"}
_BUILT_IN = {"variable": frozenset[str](), "connection": frozenset[str](), "pool": frozenset({"default_pool"})}
_ADD = {"variable": "add the variable", "connection": "add the connection", "pool": "add the pool"}


def undeclared(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CF101 to ILK-CF103. Said of a kind only where exactly one file declares it.

    What is not near a declared name may be made by hand or by another repository: that is only mentioned.
    """
    files: dict[str, list[str]] = {}
    for path, kinds in inspection.of(_DECLARED).items():
        for kind in kinds:
            files.setdefault(kind, []).append(path)
    single = {kind: paths[0] for kind, paths in files.items() if len(paths) == 1}
    if not single:
        return
    known = {kind: frozenset(inspection.of(_DECLARED)[path][kind]) | _BUILT_IN[kind] for kind, path in single.items()}
    elsewhere = {kind: _in_environment(inspection, kind) for kind in single}
    for path, facts in inspection.of(_PYTHON_FACTS).items():
        for line, kind, name in facts.get("uses", ()):
            if kind not in single or name in known[kind] or name.lower() in elsewhere[kind]:
                continue
            if kind == "connection" and name.endswith("_default"):
                continue  # Airflow makes those itself
            near = nearest(name, known[kind], 0.82)
            if near and _is_numbered(name, near):
                near = ""
            remedy = f"Name '{near}', or {_ADD[kind]} to {single[kind]}." if near else f"Add it to {single[kind]}."
            yield Finding(
                _RULES[kind], weighed(Severity.WARNING if near else Severity.INFO, path), Place(path, line, line),
                f"the {kind} '{name}' is not declared in {single[kind]}", remedy, cause=f"{kind}:{name}",
            )  # fmt: skip


def of_another_type(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CF105: JSON is read, and every file declares a text. What code or the environment sets is left alone."""
    texts = inspection.of(_NO_JSON)
    if not texts:
        return
    declaring: dict[str, list[str]] = {}
    for path, kinds in inspection.of(_DECLARED).items():
        for name in kinds.get("variable", ()):
            declaring.setdefault(name, []).append(path)
    python = inspection.of(_PYTHON_FACTS)
    set_elsewhere = {name for facts in python.values() for name in facts.get("writes", ())}
    if None in set_elsewhere:
        return  # whichever it is
    environment = _in_environment(inspection, "variable")
    for path, facts in python.items():
        for line, name in facts.get("json", ()):
            files = declaring.get(name, [])
            if name in set_elsewhere or name.lower() in environment or not files:
                continue
            if all(name in texts.get(one, ()) and not is_less_serious(one) for one in files):
                yield Finding(
                    "ILK-CF105", weighed(Severity.WARNING, path), Place(path, line, line),
                    f"the variable '{name}' is read as JSON, and its value in {' and in '.join(files)} is none",
                    "Declare it as JSON, or read it as a text: without deserialize_json, or by var.value.",
                    cause=f"variable-type:{name}",
                )  # fmt: skip


def _is_numbered(name: str, near: str) -> bool:
    """Whether the two differ in digits alone: members of a series, not a slip."""
    return "".join(c for c in name if not c.isdigit()) == "".join(c for c in near if not c.isdigit())


def _in_environment(inspection: Inspection, kind: str) -> frozenset[str]:
    return frozenset(name for kinds in inspection.of(_ENVIRONMENT).values() for name in kinds.get(kind, ()))


FAMILY = Family(
    "Airflow settings",
    (
        Rule("ILK-CF101", "undeclared-variable", "a DAG reads a variable that no file declares", Severity.WARNING),
        Rule("ILK-CF102", "undeclared-connection", "a DAG uses a connection that no file declares", Severity.WARNING),
        Rule("ILK-CF103", "undeclared-pool", "a DAG uses a pool that no file declares", Severity.WARNING),
        Rule("ILK-CF105", "setting-of-another-type", "a DAG reads a text variable as JSON", Severity.WARNING),
    ),
    facts=(
        FileFacts(_DECLARED, ("*.json", "*.yml", "*.yaml"), declared),
        FileFacts(_NO_JSON, ("*.json", "airflow_settings.yml", "airflow_settings.yaml"), no_json),
        FileFacts(
            _ENVIRONMENT,
            ("*.env", ".env*", "*.yml", "*.yaml", "Dockerfile*", "*.sh", "*.tf", "*.toml", "Makefile", "*.md"),
            from_environment,
        ),
    ),
    project_checks=(undeclared, of_another_type),
)
