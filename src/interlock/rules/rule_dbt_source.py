"""Rules about what the files of a dbt project name: Jinja, models, sources, macros, tests. dbt itself is not needed."""

from collections.abc import Iterable, Iterator

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dbt_names import CONTEXT, GENERIC_TESTS, MACROS, is_known
from interlock.rules.dbt_project import DbtProject, projects
from interlock.rules.dbt_sql_facts import SQL_FACTS, sql_facts
from interlock.rules.dbt_yaml_facts import PROJECT_FACTS, PROJECT_FILES, YAML_FACTS, project_facts, yaml_facts
from interlock.rules.inspection import Inspection
from interlock.rules.nearest import nearest
from interlock.rules.rule import Family, FileFacts, Rule

_LEFT_OUT = "dbt only warns of it, and leaves the test out: nothing is tested."
_READ_ROLES = ("model", "snapshot", "test", "analysis", "macro")


def broken_jinja(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS001. Of macro files dbt reads the blocks alone, so only mistakes inside of them count."""
    for project in projects(inspection).own:
        for path, told in project.sql.items():
            if "error" not in told or project.roles.get(path) not in _READ_ROLES:
                continue
            line, last, message = told["error"]
            blocks = told.get("blocks", [])
            outside = not any(first <= last and line <= end for first, end in blocks)
            if project.roles[path] == "macro" and blocks and outside:
                continue
            yield Finding(
                "ILK-DS001", Severity.ERROR, Place(path, line, last), f"dbt cannot read the Jinja: {message}",
                "Close what is open, and set a comma between arguments; 'dbt parse' says the same.",
                cause=f"dbt-jinja:{path}",
            )  # fmt: skip


def missing_refs(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS002 and ILK-DS004: models that are not there, or switched off."""
    every = projects(inspection)
    for project in every.certain:
        beside = every.beside(project)
        for path, told in project.sql.items():
            role = project.roles.get(path, "")
            if role not in _READ_ROLES or path in project.off:
                continue
            test, block = role == "test", role == "macro" or bool(told.get("macros"))
            for target, version, line, conditional in told.get("refs", ()):
                place = Place(path, line, line)
                yield from ref_findings(
                    project, target, version, place, weak=conditional or block, beside=beside, test=test
                )


def ref_findings(
    project: DbtProject,
    target: str | list[str],
    version: str,
    place: Place,
    *,
    weak: bool = False,
    test: bool = False,
    beside: Iterable[str] = (),
    rule: str = "ILK-DS002",
    who: str = "",
) -> Iterator[Finding]:
    """What is wrong with one ``ref``.

    ``weak``: it may never be asked for. ``test``: a test asks for it, which dbt then leaves out. ``beside`` are models
    of other projects.
    """
    package, name = ("", target) if isinstance(target, str) else (target[0], target[1])
    if not isinstance(name, str) or "{" in name:
        return
    if package and package != project.name:
        other = next((one for one in project.packages if one.name == package), None)
        if other is None or not other.certain:
            return
        project = other
    nodes = project.named(name)
    said = f"{who}ref('{name}')" if not package else f"{who}ref('{package}', '{name}')"
    if nodes:
        if all(one.enabled is False for one in nodes) and not test:
            yield Finding(
                "ILK-DS004", Severity.WARNING if weak else Severity.ERROR, place,
                f"{said} names a model that is switched off",
                f"Set enabled to true for '{name}' ({nodes[0].off_by}), or stop reading from it.",
                cause=f"dbt-model:{name}",
            )  # fmt: skip
        versions = nodes[0].versions
        if version and version != "?" and versions and version not in versions:
            yield Finding(
                rule, Severity.WARNING if weak or test else Severity.ERROR, place,
                f"{said} asks for version {version}, which is not declared",
                f"Ask for one of the versions {', '.join(versions)}.", cause=f"dbt-model:{name}:{version}",
                detail=_LEFT_OUT if test else "",
            )  # fmt: skip
        return
    if any(entry["kind"] == "seeds" and entry["name"] == name for _, entry in project.entries):
        return  # large seeds are often kept out of the repository
    known = set(project.all_names())
    closest = nearest(name, known)
    unsure = (project.brings and name not in project.had) or project.unread or name in beside
    if unsure and (not closest or name in beside):
        return
    severity = Severity.WARNING if weak or test or unsure else Severity.ERROR
    remedy = f"Write ref('{closest}')." if closest else "Add the model, or name one that exists."
    yield Finding(
        rule, severity, place, f"{said} names no model, seed or snapshot of the project", remedy,
        detail=_LEFT_OUT if test else "", cause=f"dbt-model:{name}",
    )  # fmt: skip


def missing_sources(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS003: sources that no YAML declares."""
    for project in projects(inspection).certain:
        if project.unread:
            continue
        for path, told in project.sql.items():
            role = project.roles.get(path, "")
            if role not in _READ_ROLES or path in project.off:
                continue
            test, block = role == "test", role == "macro" or bool(told.get("macros"))
            for source, table, line, conditional in told.get("sources", ()):
                place = Place(path, line, line)
                yield from source_findings(project, source, table, place, weak=conditional or block, test=test)


def source_findings(
    project: DbtProject,
    source: str,
    table: str,
    place: Place,
    *,
    weak: bool = False,
    test: bool = False,
    rule: str = "ILK-DS003",
    who: str = "",
) -> Iterator[Finding]:
    """What is wrong with one ``source``. ``weak`` and ``test`` as for ``ref_findings``."""
    declared: dict[str, set[str]] = {}
    for one in (project, *project.packages):
        for name, tables in one.sources.items():
            declared.setdefault(name, set()).update(tables)
    if table in declared.get(source, ()) or any("{" in name for name in declared):
        return
    if any("{" in name for name in declared.get(source, ())):
        return
    said = f"{who}source('{source}', '{table}')"
    if source in declared:
        closest, what = nearest(table, declared[source]), f"a table that source '{source}' does not declare"
        remedy = f"Write source('{source}', '{closest}')." if closest else f"Declare '{table}' under source '{source}'."
    else:
        closest, what = nearest(source, declared), "a source that no YAML file declares"
        remedy = f"Write source('{closest}', '{table}')." if closest else f"Declare source '{source}' in a YAML file."
    unsure = project.brings and (source, table) not in project.had_sources
    if unsure and not closest:
        return
    yield Finding(
        rule, Severity.WARNING if weak or test or unsure else Severity.ERROR, place, f"{said} names {what}", remedy,
        detail=_LEFT_OUT if test else "", cause=f"dbt-source:{source}.{table}",
    )  # fmt: skip


def missing_in_tests(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS002 and ILK-DS003 for what the arguments of generic tests name."""
    every = projects(inspection)
    for project in every.certain:
        beside = every.beside(project)
        for path, told in project.yaml.items():
            for test in told.get("tests", ()):
                nodes = project.named(test["owner"][1])
                if nodes and all(one.enabled is False for one in nodes):
                    continue
                place, who = Place(path, test["line"], test["line"]), f"in the test '{test['name']}', "
                for call, args in test.get("reads", ()):
                    if call == "ref" and 1 <= len(args) <= 2:
                        target = args[0] if len(args) == 1 else args
                        yield from ref_findings(project, target, "", place, test=True, beside=beside, who=who)
                    elif call == "source" and len(args) == 2 and not project.unread:
                        yield from source_findings(project, args[0], args[1], place, test=True, who=who)


def unknown_macros(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS005 and ILK-DS006: macros that nothing defines, and arguments that a macro does not take."""
    every = projects(inspection)
    for project in every.certain:
        shared = {name for one in every.everything for name in one.macros}
        twice = _defined_twice(project)
        for path, told in project.sql.items():
            role = project.roles.get(path, "")
            if role not in _READ_ROLES:
                continue
            own = set(told.get("names", ()))
            for package, name, line, count, keys, open_ended, conditional in told.get("calls", ()):
                if (package and package != project.name) or (not package and name in own):
                    continue
                place = Place(path, line, line)
                macro = project.macro(name)
                if macro is not None:
                    if name not in twice and not open_ended:
                        yield from _misfit(macro[1], count, keys, place)
                elif name not in shared and not project.doubtful and not (not package and is_known(name)):
                    yield from _undefined(project, name, place, weak=conditional or role in ("macro", "analysis"))


def _defined_twice(project: DbtProject) -> set[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for told in project.sql.values():
        for macro in told.get("macros", ()):
            (twice if macro[0] in seen else seen).add(macro[0])
    return twice


def _undefined(project: DbtProject, name: str, place: Place, *, weak: bool) -> Iterator[Finding]:
    mine = nearest(name, project.macros, 0.9 if weak else 0.8)
    closest = mine or nearest(name, CONTEXT | MACROS, 0.85)
    if weak and not mine:
        return  # an adapter that is not known here may bring it
    severity = Severity.WARNING if weak or (project.missing and not closest) else Severity.ERROR
    remedy = f"Call '{closest}'." if closest else "Define the macro, or name the package that has it: package.macro()."
    yield Finding(
        "ILK-DS005", severity, place, f"nothing defines the macro '{name}' that is called here", remedy,
        cause=f"dbt-macro:{name}",
    )  # fmt: skip


def _misfit(macro: list[object], count: int, keys: list[str], place: Place) -> Iterator[Finding]:
    name, _, parameters, more_positional, more_keywords = macro
    assert isinstance(parameters, list)
    if count > len(parameters) and not more_positional:
        yield Finding(
            "ILK-DS006", Severity.ERROR, place,
            f"the macro '{name}' is given {count} arguments and takes {len(parameters)}",
            f"It takes: {', '.join(parameters) or 'nothing'}.", cause=f"dbt-macro:{name}",
        )  # fmt: skip
    for key in keys:
        if key not in parameters and not more_keywords and key != "caller":
            closest = nearest(key, parameters, 0.6)
            remedy = f"Write '{closest}'." if closest else f"It takes: {', '.join(parameters) or 'nothing'}."
            yield Finding(
                "ILK-DS006", Severity.ERROR, place, f"the macro '{name}' has no argument '{key}'", remedy,
                cause=f"dbt-macro:{name}",
            )  # fmt: skip


def unknown_tests(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS007: generic tests that nothing defines."""
    every = projects(inspection)
    shared = {name.removeprefix("test_") for one in every.everything for name in one.macros if name.startswith("test_")}
    for project in every.certain:
        if project.doubtful:
            continue
        mine = {name.removeprefix("test_") for name in project.macros if name.startswith("test_")}
        for path, told in project.yaml.items():
            for test in told.get("tests", ()):
                package, _, name = test["name"].rpartition(".")
                if package not in ("", project.name) or name in shared or (not package and name in GENERIC_TESTS):
                    continue
                closest = nearest(name, {*GENERIC_TESTS, *mine})
                remedy = f"Write '{closest}'." if closest else "Define it in a test block, or name its package."
                yield Finding(
                    "ILK-DS007", Severity.ERROR, Place(path, test["line"], test["line"]),
                    f"the generic test '{test['name']}' of {test['owner'][1]} does not exist", remedy,
                    cause=f"dbt-test:{name}",
                )  # fmt: skip


FAMILY = Family(
    "dbt-source",
    (
        Rule("ILK-DS001", "broken-jinja", "dbt cannot read a file's Jinja"),
        Rule("ILK-DS002", "missing-ref", "a ref names no model of the project"),
        Rule("ILK-DS003", "missing-source", "a source is used that no YAML declares"),
        Rule("ILK-DS004", "disabled-ref", "a ref names a model that is switched off"),
        Rule("ILK-DS005", "unknown-macro", "a macro is called that nothing defines"),
        Rule("ILK-DS006", "macro-arguments", "a macro is called with arguments that it does not take"),
        Rule("ILK-DS007", "unknown-generic-test", "a generic test does not exist"),
    ),
    facts=(
        FileFacts(SQL_FACTS, ("*.sql", "*.py"), sql_facts),
        FileFacts(YAML_FACTS, ("*.yml", "*.yaml"), yaml_facts),
        FileFacts(PROJECT_FACTS, PROJECT_FILES, project_facts),
    ),
    project_checks=(
        broken_jinja,
        missing_refs,
        missing_sources,
        missing_in_tests,
        unknown_macros,
        unknown_tests,
    ),
)
