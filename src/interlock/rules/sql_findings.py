"""What parsing one SQL text brings up, and how it is told. Nothing here parses, so that importing it costs nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.rule import Rule


class SqlKind(StrEnum):
    """What can be wrong. The values are the names of the rules."""

    SYNTAX = "sql-syntax"
    RESERVED = "reserved-word"
    RELATION = "misspelt-cte"
    COLUMN = "unknown-column"
    AMBIGUOUS = "ambiguous-column"
    DUPLICATE = "duplicate-column"
    UNION_COUNT = "union-column-count"
    UNION_ORDER = "union-column-order"
    NO_CONDITION = "join-without-condition"


@dataclass(frozen=True)
class SqlProblem:
    """``line`` to ``end_line`` and ``column`` count from 1 in the text that was parsed; a column of 0 is not known.

    ``name`` is what it is about, as it is written. ``detail`` ends a sentence that begins with it. ``near`` is the
    nearest name that exists, or "".
    """

    kind: SqlKind
    line: int
    end_line: int
    column: int
    name: str
    detail: str
    near: str = ""
    severity: Severity = Severity.ERROR


RULES: dict[SqlKind, Rule] = {
    SqlKind.SYNTAX: Rule("ILK-SQ001", "sql-syntax", "a statement cannot be parsed"),
    SqlKind.RESERVED: Rule(
        "ILK-SQ002", "reserved-word", "a reserved word stands where a name should, without quotes", Severity.WARNING
    ),
    SqlKind.RELATION: Rule("ILK-SQ003", "misspelt-cte", "FROM or JOIN names a CTE that is written otherwise"),
    SqlKind.COLUMN: Rule("ILK-SQ004", "unknown-column", "a column is in none of the tables that it is taken from"),
    SqlKind.AMBIGUOUS: Rule("ILK-SQ005", "ambiguous-column", "a column without a table's name is in two of the tables"),
    SqlKind.DUPLICATE: Rule("ILK-SQ006", "duplicate-column", "two columns of one SELECT have the same name"),
    SqlKind.UNION_COUNT: Rule(
        "ILK-SQ007", "union-column-count", "the sides of a UNION have different numbers of columns"
    ),
    SqlKind.UNION_ORDER: Rule(
        "ILK-SQ008", "union-column-order", "the sides of a UNION have the same columns in another order",
        Severity.WARNING,
    ),
    SqlKind.NO_CONDITION: Rule(
        "ILK-SQ009", "join-without-condition", "tables are joined without a condition", Severity.INFO
    ),
}  # fmt: skip

_REMEDIES = {
    SqlKind.SYNTAX: "Mend the statement there.",
    SqlKind.RESERVED: "Put '{name}' in the warehouse's quotes, or rename it.",
    SqlKind.RELATION: "Name the CTE as its WITH clause does, or qualify the table with its schema.",
    SqlKind.COLUMN: "Take it from a table that has it, or add it to the SELECT that it should come from.",
    SqlKind.AMBIGUOUS: "Write the table's alias before '{name}'.",
    SqlKind.DUPLICATE: "Give one of them another alias, or leave it out.",
    SqlKind.UNION_COUNT: "Select the same columns on both sides; write NULL with an alias for one that is missing.",
    SqlKind.UNION_ORDER: "Write the columns of every side in the order of the first.",
    SqlKind.NO_CONDITION: "Add ON or USING, or write CROSS JOIN where every pair is wanted.",
}
_LEADS = {
    SqlKind.SYNTAX: "the SQL is broken near '{name}': ",
    SqlKind.RESERVED: "'{name}' ",
    SqlKind.RELATION: "'{name}' ",
    SqlKind.COLUMN: "'{name}' ",
    SqlKind.AMBIGUOUS: "'{name}' ",
    SqlKind.DUPLICATE: "'{name}' ",
    SqlKind.UNION_COUNT: "",
    SqlKind.UNION_ORDER: "",
    SqlKind.NO_CONDITION: "'{name}' ",
}


def findings_of(
    problems: Iterable[SqlProblem], path: str, line_of: Callable[[int], int] = lambda line: line, resource: str = ""
) -> list[Finding]:
    """The problems of one text as findings in ``path``; ``line_of`` turns the text's lines into the file's.

    Problems that say the same are told once, at the first of them: one mistake in a column is often repeated.
    """
    found: dict[tuple[str, str], Finding] = {}
    for one in sorted(problems, key=lambda problem: (problem.line, problem.column)):
        first, last = sorted((line_of(one.line), line_of(max(one.line, one.end_line))))
        summary = _LEADS[one.kind].replace("{name}", one.name) + one.detail
        remedy = f"Write '{one.near}'." if one.near else _REMEDIES[one.kind].replace("{name}", one.name)
        column = one.column if line_of(one.line) == one.line else 0
        rule = RULES[one.kind].id
        finding = Finding(rule, one.severity, Place(path, first, last, column), summary, remedy, resource)
        earlier = found.get((rule, summary))
        if earlier is None:
            found[rule, summary] = finding
        elif earlier.severity is not Severity.ERROR and one.severity is Severity.ERROR:
            found[rule, summary] = replace(earlier, severity=Severity.ERROR)
    return list(found.values())
