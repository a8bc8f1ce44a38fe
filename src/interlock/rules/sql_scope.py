"""What is in scope where a column is named: the tables, CTEs and subqueries of a SELECT, and what their columns are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from sqlglot import exp

# Names of columns in lower case, in order; "" is one whose name the warehouse makes up. None: not known.
Columns = tuple[str, ...] | None


@dataclass
class Source:
    """One table of a FROM. ``name`` is what columns are qualified with, ``table`` the name that the alias hides.

    ``joined`` is false for what only filters (semi and anti joins). ``rows`` is 1 where it has one row at most.
    """

    name: str
    columns: Columns
    table: str = ""
    joined: bool = True
    rows: int = 2

    @property
    def closed(self) -> bool:
        """Whether no column can be in it that is not known."""
        return self.columns is not None and "" not in self.columns


@dataclass
class Scope:
    """A SELECT. ``values``: names that stand for a value (``UNNEST(items) AS item``). ``merged``: columns of USING.

    ``aliases``: names that its SELECT gives. ``outputs``: all names that its columns have; ``unlisted``: and others.
    ``open``: something is in it that nobody can judge.
    """

    outer: "Scope | None"
    sources: list[Source] = field(default_factory=list)
    values: set[str] = field(default_factory=set)
    merged: set[str] = field(default_factory=set)
    aliases: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    unlisted: bool = False
    natural: bool = False
    open: bool = False

    def named(self, name: str) -> list[Source]:
        """The sources that ``name`` can qualify."""
        return [one for one in self.sources if one.name == name]

    @property
    def closed(self) -> bool:
        """Whether a column that no source has is in none."""
        return bool(self.sources) and not self.open and all(one.closed for one in self.sources)

    def chain(self) -> "list[Scope]":
        """This scope and those around it."""
        found: list[Scope] = []
        scope: Scope | None = self
        while scope is not None:
            found.append(scope)
            scope = scope.outer
        return found

    def star(self, only: str = "", *, takes: bool = False) -> Columns:
        """What ``*`` (or ``only.*``) stands for. ``takes``: a column of USING belongs to none of the tables anymore."""
        wanted = [one for one in (self.named(only) if only else self.sources) if one.joined]
        if self.open or not wanted or (only and len(wanted) > 1) or (self.natural and not only):
            return None
        found: list[str] = []
        for source in wanted:
            if source.columns is None:
                return None
            if only and takes and not self.merged.isdisjoint(source.columns):
                # Of three tables, which ones a USING is about is not kept.
                return None if len(self.sources) > 2 else tuple(one for one in source.columns if one not in self.merged)
            found += [one for one in source.columns if only or one not in self.merged or one not in found]
        return tuple(found)


def nearest(name: str, names: Sequence[str]) -> str:
    """The existing name that ``name`` most likely means, or ""."""
    close = get_close_matches(name, sorted({one for one in names if one}), n=1, cutoff=0.75)
    return close[0] if close else ""


def dotted(table: exp.Table) -> str:
    """A table's name as it is written, in lower case and without quotes."""
    return ".".join(part.name for part in table.parts).lower()


def normal_relations(relations: Mapping[str, Sequence[str] | None]) -> dict[str, Columns]:
    """Relations by lower name without quotes."""
    return {
        name.lower().translate(_NO_QUOTES): None if columns is None else tuple(one.lower() for one in columns)
        for name, columns in relations.items()
    }


_NO_QUOTES = str.maketrans("", "", '`"[]')


def own_name(node: exp.Expr) -> str | None:
    """The name of a column of a SELECT in lower case; "" for one that is made up, None where it may be many."""
    if isinstance(node, exp.Alias):
        return str(node.alias).lower()
    if isinstance(node, exp.Column):
        return None if isinstance(node.this, exp.Star) else str(node.name).lower()
    if isinstance(node, exp.Dot):
        last = node.expression
        return (
            str(last.name).lower() if isinstance(last, exp.Identifier) else None if isinstance(last, exp.Star) else ""
        )
    if isinstance(node, (exp.Star, exp.Aliases, exp.Columns)) or node.find(exp.Columns, exp.Explode, exp.Posexplode):
        return None
    if isinstance(node, (exp.Anonymous, exp.Dot, exp.Inline, exp.ExplodingGenerateSeries)):
        return None if _may_be_many(node) else ""
    return ""


def _may_be_many(node: exp.Expr) -> bool:
    """Whether a function could give several columns (json_tuple, stack, inline)."""
    return str(node.name).lower() in (
        "json_tuple",
        "stack",
        "inline",
        "inline_outer",
        "explode_outer",
        "unpack",
        "unnest",
    )


def one_row(query: exp.Expr) -> bool:
    """Whether a SELECT gives one row at most: no FROM, LIMIT 1, or aggregates without GROUP BY."""
    if not isinstance(query, exp.Select):
        return False
    limit = query.args.get("limit")
    if (
        not query.args.get("from_")
        or (limit is not None and limit.name == "1")
        or (isinstance(limit, exp.Limit) and limit.expression is not None and limit.expression.name == "1")
    ):
        return True
    if query.args.get("group"):
        return False
    return all(
        any(not one.find_ancestor(exp.Window) for one in column.find_all(exp.AggFunc)) for column in query.expressions
    )
