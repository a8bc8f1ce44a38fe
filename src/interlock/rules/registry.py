"""Every rule in one list. A rule is a function of a reading and the configuration; it neither prints nor raises."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from interlock.catalog.reading import ProjectReading
from interlock.config import ProjectConfig
from interlock.model.findings import Finding
from interlock.rules import rule_airflow, rule_config, rule_dbt, rule_spark

Check = Callable[[ProjectReading, ProjectConfig], Iterable[Finding]]


@dataclass(frozen=True)
class Rule:
    """``check`` is None for rules that the readers answer while they read."""

    id: str
    summary: str
    check: Check | None = None


RULES: tuple[Rule, ...] = (
    Rule("ILK-AF001", "a DAG file cannot be imported"),
    Rule("ILK-AF002", "one DAG id is defined more than once"),
    Rule("ILK-AF003", "a sensor or trigger names a DAG or task that nothing defines", rule_airflow.dangling),
    Rule("ILK-AF004", "importing a DAG file does not end in time"),
    Rule("ILK-AF005", "importing a DAG file needs too much memory"),
    Rule("ILK-AF006", "importing a DAG file ends the process"),
    Rule("ILK-AF007", "importing a DAG file kills the process"),
    Rule("ILK-AF008", "importing a DAG file is slow"),
    Rule("ILK-AF009", "a line of .airflowignore is no regular expression"),
    Rule("ILK-CF001", "gates are declared for a resource that does not exist", rule_config.gates_for_nothing),
    Rule("ILK-CF002", "a value looks like a secret and is declared as something else", rule_config.secret_in_the_open),
    Rule("ILK-DB001", "dbt cannot read its project"),
    Rule("ILK-DB002", "an incremental model that replaces rows has no key", rule_dbt.replaces_without_key),
    Rule("ILK-SP001", "a Spark script or a module of it is not valid Python"),
    Rule("ILK-SP002", "two scripts make the same job"),
    Rule("ILK-SP003", "no DAG of the project runs a batch job", rule_spark.never_run),
)


def findings(reading: ProjectReading, config: ProjectConfig) -> tuple[Finding, ...]:
    """What the readers and every rule found, by place; ``affected`` names what lies downstream of the resource."""
    found = list(reading.findings)
    for rule in RULES:
        if rule.check is not None:
            found += rule.check(reading, config)
    known = dict.fromkeys(_with_downstream(finding, reading) for finding in found)
    return tuple(sorted(known, key=lambda one: (one.place.path, one.place.line, one.rule, one.summary)))


def _with_downstream(finding: Finding, reading: ProjectReading) -> Finding:
    if not finding.resource:
        return finding
    below = reading.catalog.downstream(finding.resource)
    return replace(finding, affected=tuple(dict.fromkeys((*finding.affected, *below))))
