"""Airflow's variables, connections and pools: what DAGs name, against what a file of the repository declares."""

from collections.abc import Iterator

from interlock.model.canonical import is_unicode
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.airflow_settings import declared, from_environment, no_json
from interlock.rules.inspection import Inspection
from interlock.rules.nearest import nearest
from interlock.rules.rule import Family, FileFacts, Rule
from interlock.rules.settings_mentions import mentions
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
            if _is_airflows(kind, name):
                continue
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


def unused(inspection: Inspection) -> Iterator[Finding]:
    """ILK-CF104. Said of a kind only where the DAG folders name another one of the same file, and no name is computed.

    Any file that holds the name uses it; another declaration of it does not.
    """
    in_dags = {name for facts in inspection.of(_PYTHON_FACTS).values() for name in facts["names"]}
    candidates = [one for one in _declarations(inspection) if one[2] not in in_dags]
    if not candidates:
        return
    told = mentions(inspection, {name for _, _, name in candidates})
    computed = {kind for one in told.values() for kind in one["computed"]}
    declaring = {(path, name) for path, _, name in candidates}
    used = set()
    for path, one in told.items():
        here = {name for name, times in one["names"].items() if times > 1 or (path, name) not in declaring}
        used |= here
        in_dags |= here if inspection.layout.dag_folder(path) is not None else set()
    for path, kind, name in candidates:
        ours = not in_dags.isdisjoint(inspection.of(_DECLARED)[path][kind])
        # Where the name is written in another way, other files may do so too.
        if name in used or kind in computed or not ours or name not in told[path]["names"]:
            continue
        text = inspection.file(path).text.lower()
        line = text.count("\n", 0, text.find(name.lower())) + 1
        yield Finding(
            "ILK-CF104", Severity.INFO, Place(path, line, line),
            f"nothing else in the project names the {kind} '{name}'",
            f"Remove it from {path}, unless something outside of the project reads it.", cause=f"{kind}:{name}",
        )  # fmt: skip


def _declarations(inspection: Inspection) -> Iterator[tuple[str, str, str]]:
    """Path, kind and name of what somebody has to name to use it; what tests and examples declare is left out."""
    for path, kinds in inspection.of(_DECLARED).items():
        for kind, names in kinds.items() if not is_less_serious(path) else ():
            for name in names:
                if name and is_unicode(name) and name not in _BUILT_IN[kind] and not _is_airflows(kind, name):
                    yield path, kind, name


def _is_airflows(kind: str, name: str) -> bool:
    """Whether Airflow or an operator uses it without anybody's naming it."""
    return kind == "connection" and (name.endswith("_default") or name == "airflow_db")


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
        Rule("ILK-CF104", "unused-setting", "a declared setting is named nowhere else", Severity.INFO),
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
    project_checks=(undeclared, unused, of_another_type),
)
