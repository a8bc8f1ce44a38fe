"""Rules about SQL in files of its own, outside of dbt: what DAGs and jobs run.

dbt's models are SQL too once they are rendered; the same rules are told of them from elsewhere.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.rule import Family, FileCheck
from interlock.rules.sql_findings import RULES, SqlKind, SqlProblem, findings_of

_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# Streams speak SQL of their own.
_STREAMING = re.compile(
    r"\bemit\s+changes\b|\bcreate\s+(?:or\s+replace\s+)?stream\b|'connector'\s*=|\bkafka_topic\b", re.I
)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|--[^\n]*|/\*.*?\*/", re.DOTALL)


def check_sql(file: SourceFile) -> Iterator[Finding]:
    """ILK-SQ001 to ILK-SQ009 for one file, read in the project's dialect."""
    from interlock.rules.sql_syntax import CERTAIN
    from interlock.rules.sql_text import parses_in_another, problems

    if _is_dbt(file) or not file.text.strip() or "\0" in file.text or _STREAMING.search(file.text):
        return
    filled = without_expressions(file.text)
    if filled is None:
        return
    sql, opaque = filled
    dialect = file.layout.dialect
    found = problems(sql, dialect, {}, opaque=opaque, table=False)
    if any(one.kind is SqlKind.SYNTAX and one.severity is Severity.ERROR for one in found):
        in_dag = file.layout.dag_folder(file.path) is not None
        foreign = parses_in_another(sql, dialect)
        if foreign and not dialect:
            # Nobody said which warehouse it is for, and one of them takes it.
            found = [one for one in found if one.kind is not SqlKind.SYNTAX]
        found = [_weighed(one, certain=one.detail.startswith(CERTAIN), in_dag=in_dag, foreign=foreign) for one in found]
    yield from findings_of(found, file.path)


def without_expressions(text: str) -> tuple[str, set[str]] | None:
    """A text with ``{{ }}`` within quotes made letters, at the same places, and the names that they are part of.

    None where Jinja decides more than the inside of a quoted text: then only rendering tells what the SQL is.
    """
    if "{%" in text or "{#" in text:
        return None
    if "{{" not in text:
        return text, set()
    filled = _EXPRESSION.sub(lambda found: re.sub(r"[^\n]", "x", found[0]), text)
    if "{{" in filled or "}}" in filled:
        return None
    quoted = [match.span() for match in _QUOTED.finditer(filled)]
    names: set[str] = set()
    for match in _EXPRESSION.finditer(text):
        around = next(((a, b) for a, b in quoted if a < match.start() and match.end() < b), None)
        if around is None:
            return None
        inside = filled[around[0] + 1 : around[1] - 1].lower()
        names.update((inside, *inside.split(".")))
    return filled, names


def _is_dbt(file: SourceFile) -> bool:
    """Whether dbt reads the file; a DAG folder within a dbt project is none of dbt's."""
    project, dags = file.layout.dbt_project(file.path), file.layout.dag_folder(file.path)
    return project is not None and (dags is None or len(dags) <= len(project))


def _weighed(problem: SqlProblem, *, certain: bool, in_dag: bool, foreign: bool) -> SqlProblem:
    """A warning where the file may be meant for another warehouse than the project's."""
    told_here = (in_dag and not foreign) or (certain and (in_dag or not foreign))
    if problem.kind is SqlKind.SYNTAX and not told_here:
        return replace(problem, severity=Severity.WARNING)
    return problem


FAMILY = Family("sql", tuple(RULES.values()), file_checks=(FileCheck(("*.sql",), check_sql),))
