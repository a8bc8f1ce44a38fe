"""Habits that show in the text of a SQL file whose Jinja is blanked out: enough for hints, seldom for errors."""

import re
from collections.abc import Iterator

_TAG = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_RELATION = re.compile(r"\{\{[-+]?\s*(?:ref|source)\s*\(")
_QUIET = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^'\\\n]|''|\\.)*'", re.DOTALL)
_NAME = r"(?:[A-Za-z_][\w$-]*|\"[^\"\n]+\"|`[^`\n]+`)"
_TABLE = re.compile(rf"\b(?:from|join)\s+({_NAME}(?:\.{_NAME}){{1,2}}|`[\w$.-]+\.[\w$.*-]+`)(?!\s*\(|[\w.$])", re.I)
_BARE = re.compile(r"\b(?:from|join)\s+(ref|source)\s*\(\s*''", re.I)
_INSIDE = re.compile(r"\b(?:extract|l?r?trim|substring|overlay|position)\s*\([^()]*$|\bdistinct\s+$", re.I)
_SYSTEM = re.compile(r"information_schema|pg_catalog|\bsys\b|account_usage|^snowflake\.|\bsvv?_|\bstl_", re.I)
_CTE = re.compile(
    r"\b(\w+)\s+as\s*\(\s*select\s+\*\s+(?:except\s*\([^)]*\)\s*)?from\s+(\w+)\s*(?:where\b[^()]*)?\)", re.I
)
_LAST = re.compile(
    r"(?:^|\))\s*(select\s+\*\s+(?:except\s*\([^)]*\)\s*)?from\s+(\w+))\s*(?:where\b[^()]*)?;?\s*$", re.I
)
_INCREMENTAL = re.compile(
    r"\{%[-+]?\s*if\s+is_incremental\(\)\s*[-+]?%\}(.*?)\{%[-+]?\s*(?:endif|else|elif)\b", re.DOTALL
)
_NEWEST = re.compile(
    r"([\w.\"`]+)\s*>\s*\(\s*select\s+max\s*\(\s*[\w.\"`]+\s*\)\s*(?:as\s+\w+\s*)?from\s+\{\{-?\s*this\s*-?\}\}\s*\)",
    re.I,
)
_EVENT = re.compile(r"event|occur|happen|order|session|click|visit|purchas|transact|(?:collector|derived)_tstamp", re.I)
_LOAD = re.compile(
    r"load|ingest|insert|sync|_sdc|extract|etl|updat|modif|batch|receiv|import|process|_id$|_key$|seq", re.I
)
_LARGEST = 200_000


def without_jinja(text: str) -> str:
    """The text with its Jinja, comments and strings blanked, line for line; ``__rel__`` where a relation is named."""
    if len(text) > _LARGEST:
        return ""

    def blank(match: re.Match[str]) -> str:
        kept = "__rel__" if _RELATION.match(match[0]) else "__x__" if match[0].startswith("{{") else ""
        return kept + "\n" * match[0].count("\n")

    def quiet(match: re.Match[str]) -> str:
        return ("''" if match[0].startswith("'") else "") + "\n" * match[0].count("\n")

    return _QUIET.sub(quiet, _TAG.sub(blank, text))


def bare_refs(plain: str) -> list[tuple[str, int]]:
    """``ref`` and ``source`` where a table is taken from, outside of all Jinja, and their lines."""
    return [(match[1].lower(), plain.count("\n", 0, match.start(1)) + 1) for match in _BARE.finditer(plain)]


def hard_coded_tables(plain: str) -> list[tuple[str, int]]:
    """Tables that are named with their schema, and their lines."""
    return list(_tables(plain))[:20]


def _tables(plain: str) -> Iterator[tuple[str, int]]:
    for match in _TABLE.finditer(plain):
        name = match[1]
        first = name.partition(".")[0].strip('"`')
        if "__x__" in name or "__rel__" in name or _SYSTEM.search(name):
            continue
        if _INSIDE.search(plain[max(0, match.start() - 300) : match.start()]) or first.lower() == "lateral":
            continue
        # The element of an array: ``from orders as o cross join o.items``.
        alias = rf"(?:\bas\s+|__\s+|\bfrom\s+|\bjoin\s+|\)\s*|,\s*|\w\s+){re.escape(first)}\b(?!\s*\.)"
        if "`" not in name and re.search(alias, plain, re.I):
            continue
        yield name, plain.count("\n", 0, match.start(1)) + 1


def last_star(plain: str) -> int | None:
    """The line of a last ``select *`` whose columns are those of a model or source, however many CTEs pass them on."""
    if plain.count("*") > 200:
        return None
    match = _LAST.search(plain.strip()) if "*" in plain else None
    if match is None:
        return None
    passed = {name.lower(): of for name, of in _CTE.findall(plain)}
    name = match[2].lower()
    for _ in range(20):
        if name == "__rel__":
            lead = len(plain) - len(plain.lstrip())
            return plain.count("\n", 0, match.start(1) + lead) + 1
        name = passed.get(name, "").lower()
    return None


def late_filter(text: str) -> tuple[str, int] | None:
    """A column of event time, and the line, of an incremental filter that only takes what is newer than the newest."""
    if "is_incremental" not in text or len(text) > _LARGEST:
        return None
    for block in _INCREMENTAL.finditer(text):
        for match in _NEWEST.finditer(block[1]):
            column = match[1].rpartition(".")[2].strip('"`')
            if _EVENT.search(column) and not _LOAD.search(column):
                return column, text.count("\n", 0, block.start(1) + match.start()) + 1
    return None
