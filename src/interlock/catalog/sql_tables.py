"""Which tables a piece of SQL reads and writes."""

import re

_HOLE = "ilk_unknown_name"
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


def dataset_of(name: str, schema: str) -> str:
    """``warehouse:schema.table`` for a dotted table name; ``schema`` stands in where it names none."""
    parts = [part.strip('"`[]') for part in name.split(".")]
    return f"warehouse:{parts[-2] if len(parts) > 1 else schema}.{parts[-1]}"


def tables_of(sql: str, dialect: str, schema: str) -> tuple[list[str], list[str], str]:
    """(datasets read, datasets written, why some are unknown or "")."""
    from sqlglot import exp, parse
    from sqlglot.errors import SqlglotError

    text = _JINJA.sub(lambda found: _HOLE if found[0].startswith("{{") else "", sql)
    try:
        statements = [one for one in parse(text, read=dialect or None) if one is not None]
    except (SqlglotError, ValueError, RecursionError):
        return [], [], "its SQL could not be parsed"
    reads: set[str] = set()
    writes: set[str] = set()
    why = ""
    for statement in statements:
        targets = _targets(statement)
        own = {id(table) for table in targets}
        ctes = {cte.alias_or_name for cte in statement.find_all(exp.CTE)}
        for table in statement.find_all(exp.Table):
            name = ".".join(part for part in (table.db, table.name) if part)
            if _HOLE in name:
                why = "a table's name is made by a template"
            elif not table.name or (not table.db and table.name in ctes):
                continue
            elif id(table) in own:
                writes.add(dataset_of(name, schema))
            else:
                reads.add(dataset_of(name, schema))
        if isinstance(statement, exp.Command):
            why = f"the statement '{statement.name.split()[0] if statement.name else 'command'}' is not understood"
    return sorted(reads), sorted(writes), why


def _targets(statement: object) -> list[object]:
    from sqlglot import exp

    found: list[object] = []
    if isinstance(statement, (exp.Insert, exp.Create, exp.Update, exp.Delete, exp.Merge, exp.Copy, exp.TruncateTable)):
        if isinstance(statement, exp.TruncateTable):
            found += statement.expressions
        target = statement.this
        if isinstance(target, exp.Schema):
            target = target.this
        if isinstance(target, exp.Table):
            found.append(target)
    return found
