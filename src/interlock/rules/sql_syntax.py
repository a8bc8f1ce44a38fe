"""Whether a statement parses: by sqlglot, by what sqlglot takes too lightly, and by the warehouse's own parser.

The own parser decides where there is one (Postgres by pglast, DuckDB by duckdb). Elsewhere sqlglot alone proves little,
since it does not know all that a warehouse does: only what no dialect allows is an error, all else a warning.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sqlglot import Dialect, TokenType, exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError

from interlock.model.findings import Severity
from interlock.rules.sql_findings import SqlKind, SqlProblem
from interlock.rules.sql_words import RESERVED, RESERVED_ALIASES, words_of

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

# Where a SELECT's list may end in a comma.
_TRAILING_COMMA = frozenset(("bigquery", "duckdb", "snowflake", "clickhouse"))
# Where it may not, but newer versions could have learnt it.
_MAYBE_TRAILING_COMMA = frozenset(("redshift", "databricks", "athena"))
# Dialects that sqlglot knows so well that what neither it nor any other dialect parses is broken.
_WELL_KNOWN = frozenset(("bigquery", "snowflake", "redshift"))
# Constructs of which sqlglot's dialects know a part.
_RARE = re.compile(
    r"\b(?:pivot|unpivot|match_recognize|lateral\s+view|model|json_\w+|xml\w*|with\s+offset|values|connect\s+by|semantic_view"
    r"|for\s+system_time|tablesample|sample|table|window|remove|format|ml|ai|graph_table|changes|at|before|input|resample)\b",
    re.IGNORECASE,
)
# What descends from Postgres and is called so says more than Postgres does.
_GREENPLUM = re.compile(r"\bdistributed\s+(?:by|randomly|replicated)\b|\bappend(?:only|optimized)\b", re.IGNORECASE)
# What is wrong whatever the dialect is, and whatever stands for something unknown.
CERTAIN = ("a comma stands before", "two commas", "the '(' is never closed", "')' closes nothing")
# What a program replaces by any piece of SQL.
_TEMPLATE = re.compile(r"\{\w*\}|\$\{|%\(\w+\)s|<%|\b_+[A-Z][A-Z0-9_]*_+(?!\w)")
# Variables that a client puts in, and commands of psql.
_PLACEHOLDER = re.compile(
    r"%\(\w+\)s|%s\b|\$\{|\{\w*\}|(?<![:\w\])}]):[A-Za-z_'\"]|\?|^\s*\\|\\g|&&?\w+|@\w+@|#\w+#|<%|\{\{|\{%"
    r"|COMMAND -----|-- MAGIC",
    re.MULTILINE,
)
# Dialects whose grammar is known well enough to call a stray comma an error.
_KNOWN = words_of("bigquery snowflake postgres redshift spark databricks trino presto athena mysql tsql hive sqlite")
_CLOSE = ("", "postgres", "snowflake", "bigquery", "databricks", "duckdb", "trino", "tsql", "clickhouse", "oracle")
LONGEST_NAMES = {"postgres": 63, "redshift": 127}
_ENDS_CLAUSE = frozenset(("where", "group by", "order by", "having", "qualify", "limit", "union", "union all"))
_JUDGED = frozenset(("select", "with", "insert", "merge", "from", "("))
# Statements around others: where one of them is, semicolons do not end what they seem to end.
_BLOCKS = words_of("begin declare if for while loop do end elseif else case repeat call execute")
_TEXTS = frozenset(
    (TokenType.STRING, TokenType.NATIONAL_STRING, TokenType.RAW_STRING, TokenType.BYTE_STRING, TokenType.IDENTIFIER)
)
# Beyond that the warehouses' parsers, which are written in C and recurse, are not asked.
_MANY_TOKENS = 20_000
_OPENING = {TokenType.L_PAREN: ")", TokenType.L_BRACKET: "]", TokenType.L_BRACE: "}"}
_CLOSING = {TokenType.R_PAREN: "(", TokenType.R_BRACKET: "[", TokenType.R_BRACE: "{"}

# What sqlglot says of statements that it does not know goes to the log, which is not ours to fill.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


class Statement:
    """One statement: its tokens, and its tree where sqlglot makes one. ``text`` is all that it was cut from."""

    def __init__(self, text: str, tokens: Sequence["Token"], dialect: str) -> None:
        self.text = text
        self.tokens = tokens
        self.dialect = dialect
        self.tree: exp.Expr | None = None
        self.error: ParseError | None = None
        try:
            parser = Dialect.get_or_raise(dialect or None).parser(error_level=ErrorLevel.IMMEDIATE)
            parsed = parser.parse(list(tokens), text)
            self.tree = parsed[0] if len(parsed) == 1 else None
            self._shorten(LONGEST_NAMES.get(dialect, 0))
        except ParseError as error:
            self.error = error
        except (SqlglotError, ValueError, TypeError, AttributeError, IndexError, KeyError):
            pass  # a fault of the parser's own tells nothing of the statement

    def _shorten(self, longest: int) -> None:
        """Names are what the warehouse makes of them, which forgets what goes beyond so many bytes."""
        if not longest or self.tree is None or all(len(token.text) * 4 <= longest for token in self.tokens):
            return
        for one in self.tree.find_all(exp.Identifier):
            name = str(one.name).encode()
            if len(name) > longest:
                one.set("this", name[:longest].decode(errors="ignore"))

    @property
    def first(self) -> str:
        """Its first word, in lower case."""
        return str(self.tokens[0].text).lower() if self.tokens else ""

    @property
    def judged(self) -> bool:
        """Whether it is a query, or fills something from one: only of these sqlglot's word counts."""
        if self.first not in ("create", "export"):
            return self.first in _JUDGED
        words = [str(one.text).lower() for one in self.tokens[:400]]
        kinds = words[1:6] if self.first == "create" else ["table"]
        if not {"table", "view"} & set(kinds) or "function" in kinds:
            return False
        return any(a == "as" and b in ("select", "with", "(") for a, b in pairwise(words))

    @property
    def slice(self) -> str:
        """Its own text."""
        return self.text[self.tokens[0].start : self.tokens[-1].end + 1]


def known_dialect(name: str) -> str:
    """A dialect as sqlglot names it; "" for one that it does not know."""
    return name.lower() if name and Dialect.get(name.lower()) is not None else ""


@lru_cache(maxsize=4)
def statements(sql: str, dialect: str) -> list[Statement] | None:
    """The statements of a text; None where it cannot even be cut into words. They are shared: nobody changes them."""
    try:
        tokens = Dialect.get_or_raise(dialect or None).tokenize(sql)
    except SqlglotError:
        return None
    chunks: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            chunks.append([])
        else:
            chunks[-1].append(token)
    return [Statement(sql, chunk, dialect) for chunk in chunks if chunk]


def is_script(found: Sequence[Statement]) -> bool:
    """Whether a text holds procedures or control flow, which cannot be cut at semicolons."""
    functions = blocks = False
    for one in found:
        words = {str(token.text).lower() for token in one.tokens[:6]}
        made = words if one.first in ("create", "alter") else set()
        if one.first in _BLOCKS or "procedure" in made:
            return True
        functions = functions or bool(made & {"function", "macro"})
        blocks = blocks or any(str(token.text).lower() in ("begin", "return") for token in one.tokens)
    return functions and blocks


def is_templated(statement: Statement) -> bool:
    """Whether a program puts pieces of SQL into a statement."""
    return bool(_TEMPLATE.search(_without_texts(statement)))


def syntax_of(statement: Statement) -> list[SqlProblem]:
    """What is wrong with a statement's syntax; at most one problem, besides reserved words."""
    if not statement.judged or "|>" in statement.slice:
        return []
    if statement.dialect in ("postgres", "duckdb") and _PLACEHOLDER.search(_without_texts(statement)):
        return []
    if statement.dialect in ("postgres", "duckdb") and len(statement.tokens) < _MANY_TOKENS:
        return _by_own_parser(statement)
    strayed = _unbalanced(statement) or _stray_comma(statement)
    if strayed is not None:
        return [strayed]
    if statement.error is not None:
        if statement.first == "merge":  # every warehouse has clauses of its own
            return []
        words = _without_texts(statement)
        rare = _RARE.search(words) or _TEMPLATE.search(words) or _PLACEHOLDER.search(words)
        return [] if rare else [_parse_error(statement)]
    return [] if statement.tree is None or isinstance(statement.tree, exp.Command) else list(_reserved(statement))


def unfinished(sql: str) -> list[SqlProblem]:
    """What is wrong with a text that cannot be cut into words: a query with a text or a name that does not end."""
    lines = sql.count("\n") + 1
    start = re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.DOTALL).split(maxsplit=1)
    if not start or start[0].lower() not in ("select", "with"):
        return []
    detail = "a text, a name or a comment does not end"
    return [SqlProblem(SqlKind.SYNTAX, 1, lines, 0, start[0], detail, severity=Severity.WARNING)]


def _problem(statement: Statement, token: "Token", detail: str, severity: Severity = Severity.ERROR) -> SqlProblem:
    column = token.start - statement.text.rfind("\n", 0, token.start)
    line = statement.text.count("\n", 0, token.start) + 1
    return SqlProblem(SqlKind.SYNTAX, line, line, column, _shown(token), detail, severity=severity)


def _shown(token: "Token") -> str:
    """A token as it is told; never the text of a literal, which may be data."""
    return (
        "a text"
        if token.token_type in _TEXTS and token.token_type is not TokenType.IDENTIFIER
        else str(token.text)[:40]
    )


def _unbalanced(statement: Statement) -> SqlProblem | None:
    stack: list[Token] = []
    certain = Severity.ERROR if statement.dialect else Severity.WARNING
    for token in statement.tokens:
        if token.token_type in _OPENING:
            stack.append(token)
        elif token.token_type in _CLOSING:
            if not stack or _OPENING[stack[-1].token_type] != token.text:
                if statement.error is None:
                    return None
                detail = f"'{token.text}' closes nothing" if not stack else f"'{stack[-1].text}' is closed by it"
                return _problem(statement, token, detail, certain)
            stack.pop()
    if not stack or statement.error is None:
        return None
    opened = stack[-1]
    before = statement.tokens[max(0, statement.tokens.index(opened) - 1)]
    told = f"{_shown(before)}{opened.text}" if before is not opened else opened.text
    found = _problem(statement, opened, f"the '{opened.text}' is never closed", certain)
    last = statement.tokens[-1]
    end = statement.text.count("\n", 0, last.start) + 1
    return SqlProblem(found.kind, found.line, end, found.column, told, found.detail, severity=certain)


def _stray_comma(statement: Statement) -> SqlProblem | None:
    """A comma that nothing follows. ``opened`` tells of each parenthesis around it whether a SELECT is in it."""
    opened: list[dict[str, Any]] = [{"select": False, "from": False, "ddl": statement.first == "create", "with": False}]
    error = Severity.ERROR if statement.dialect in _KNOWN else Severity.WARNING
    for number, token in enumerate(statement.tokens):
        kind, level = token.token_type, opened[-1]
        if kind in _OPENING:
            opened.append({"select": False, "from": False, "ddl": level["ddl"] and not level["select"], "with": False})
        elif kind in _CLOSING and len(opened) > 1:
            opened.pop()
        elif kind is TokenType.SELECT:
            level.update(select=True, **{"from": False})
        elif kind is TokenType.FROM:
            level["from"] = True
        elif kind is TokenType.WITH and not level["select"]:
            level["with"] = True
        if kind is not TokenType.COMMA:
            continue
        following = statement.tokens[number + 1] if number + 1 < len(statement.tokens) else None
        after = str(following.text).lower() if following else ""
        in_list = level["select"] and not level["from"]
        if following is not None and following.token_type is TokenType.COMMA:
            return _problem(statement, token, "two commas follow each other", error)
        last_cte = level["with"] and not level["select"] and after == "select"
        ends = following is None or _ends(following) or last_cte
        if not ends or (in_list and statement.dialect in _TRAILING_COMMA):
            continue
        if in_list and statement.dialect in _MAYBE_TRAILING_COMMA:
            error = Severity.WARNING
        if not last_cte and ((level["ddl"] and not level["select"]) or statement.dialect in ("clickhouse", "")):
            continue
        if following is not None and after in ("limit", "union", "order by") and statement.error is None:
            continue
        what = "the end" if following is None else f"'{_shown(following)}'"
        named = _problem(statement, token, f"a comma stands before {what}, and nothing between them", error)
        previous = statement.tokens[max(0, number - 1)]
        return SqlProblem(
            named.kind, named.line, named.line, named.column, f"{_shown(previous)},", named.detail,
            severity=error,
        )  # fmt: skip
    return None


def _parse_error(statement: Statement) -> SqlProblem:
    told: dict[str, Any] = statement.error.errors[0] if statement.error and statement.error.errors else {}
    line = int(told.get("line") or 1)
    found = [one for one in statement.tokens if one.line == line and one.col == told.get("col")]
    token = found[0] if found else statement.tokens[-1]
    detail = _in_words(str(told.get("description") or "it cannot be parsed"))
    index = statement.tokens.index(token)
    certain = (
        token.token_type not in _TEXTS and statement.tokens[max(0, index - 1)].token_type not in _TEXTS
        and statement.dialect in _WELL_KNOWN and statement.first in ("select", "with")
        and not parses_elsewhere(statement)
    )  # fmt: skip
    return _problem(statement, token, detail, Severity.ERROR if certain else Severity.WARNING)


def _without_texts(statement: Statement) -> str:
    """A statement's words without literals, quoted names and (but for Databricks' marks) comments."""
    kept = [
        str(token.text) if token.token_type not in _TEXTS else "''"
        for token in statement.tokens
    ]  # fmt: skip
    marks = [
        comment
        for token in statement.tokens
        for comment in token.comments
        if "COMMAND" in comment or "MAGIC" in comment
    ]
    glued = "".join(
        (" " if index and token.start > statement.tokens[index - 1].end + 1 else "") + kept[index]
        for index, token in enumerate(statement.tokens)
    )
    return glued + " ".join(f"-- {one.strip()}" for one in marks)


def _in_words(description: str) -> str:
    """What sqlglot says, without the names of its classes."""
    if description.startswith("Expected table name"):
        return "a table's name is missing before it"
    if description.startswith("Required keyword") or description.startswith("Required argument"):
        return "something is missing before the end of the clause"
    if description.startswith("Invalid expression"):
        return "it does not belong here (a comma or a keyword may be missing before it)"
    known = {"Expecting )": "a ')' is missing before it", "Expected END after CASE": "the CASE has no END"}
    return known.get(description, description[:1].lower() + description[1:].partition("<")[0].strip())


def parses_elsewhere(statement: Statement) -> bool:
    """Whether another dialect takes a statement that this one refuses."""
    for other in _CLOSE:
        if other == statement.dialect:
            continue
        try:
            dialect = Dialect.get_or_raise(other or None)
            dialect.parser(error_level=ErrorLevel.IMMEDIATE).parse(dialect.tokenize(statement.slice), statement.slice)
            return True
        except Exception:
            continue
    return False


# --- the warehouse's own parser


def _by_own_parser(statement: Statement) -> list[SqlProblem]:
    told = _postgres(statement) if statement.dialect == "postgres" else _duckdb(statement)
    if told is None:
        return []
    message, offset = told
    start = statement.tokens[0].start
    token = next((one for one in statement.tokens if one.end - start >= offset), statement.tokens[-1])
    exact = _unbalanced(statement)
    if exact is not None:
        return [exact]
    index = statement.tokens.index(token)
    previous = statement.tokens[index - 1] if index else token
    for one in (token, previous):
        if _is_name(statement, one):
            named = f"is a reserved word of {_spoken(statement.dialect)} and stands without quotes as a column"
            return [replace(_problem(statement, one, named), kind=SqlKind.RESERVED)]
    ended = offset >= len(statement.slice) or _ends(token)
    if previous.token_type is TokenType.COMMA and ended:
        where = "the end" if offset >= len(statement.slice) else f"'{_shown(token)}'"
        return [_problem(statement, previous, f"a comma stands before {where}, and nothing between them")]
    return [_problem(statement, token, message)]


def _ends(token: "Token") -> bool:
    """Whether a list cannot go on with this word."""
    if token.token_type in (TokenType.FROM, TokenType.R_PAREN, TokenType.R_BRACKET):
        return True
    return str(token.text).lower() in _ENDS_CLAUSE and token.token_type not in (TokenType.VAR, *_TEXTS)


def _is_name(statement: Statement, token: "Token") -> bool:
    """Whether sqlglot takes a word for a column that is reserved in PostgreSQL, and so in what descends from it."""
    if statement.tree is None or token.token_type in _TEXTS or str(token.text).lower() not in RESERVED["redshift"]:
        return False
    columns = statement.tree.find_all(exp.Column)
    return any(one.this.meta.get("start") == token.start for one in columns if isinstance(one.this, exp.Identifier))


def _spoken(dialect: str) -> str:
    return {"bigquery": "BigQuery", "duckdb": "DuckDB", "postgres": "PostgreSQL"}.get(dialect, dialect.capitalize())


def _postgres(statement: Statement) -> tuple[str, int] | None:
    """(message, offset of the character) where PostgreSQL's own parser refuses a statement."""
    import pglast

    if _GREENPLUM.search(statement.slice):
        return None
    try:
        pglast.parse_sql(statement.slice)
    except pglast.parser.ParseError as error:
        message, offset = (*error.args, 0, 0)[:2]
        offset = int(offset) if isinstance(offset, int) else 0
        return str(message).partition(" at or near")[0] + " for PostgreSQL", max(0, offset)
    except (ValueError, RecursionError, RuntimeError):
        return None
    return None


def _duckdb(statement: Statement) -> tuple[str, int] | None:
    import duckdb

    try:
        duckdb.extract_statements(statement.slice)
    except duckdb.ParserException as error:
        text = str(error)
        near = text.partition('at or near "')[2].partition('"')[0]
        offset = len(statement.slice)
        if near and "LINE " in text:
            head, _, caret = text.partition("LINE ")[2].partition("\n")
            number, _, line = head.partition(": ")
            at = caret.partition("\n")[0].find("^") - len(f"LINE {number}: ")
            shown = line.removeprefix("...").removesuffix("...")
            at -= 3 if line.startswith("...") else 0
            offset = _offset(statement.slice, int(number) if number.isdigit() else 1, shown, max(0, at))
        return "syntax error for DuckDB", offset
    except Exception:
        return None
    return None


def _offset(text: str, line: int, shown: str, at: int) -> int:
    """The offset of a character that a message shows as the ``at``-th of a part of a line."""
    lines = text.split("\n")
    line = min(max(line, 1), len(lines))
    start = sum(len(one) + 1 for one in lines[: line - 1])
    return start + max(0, lines[line - 1].find(shown)) + at


# --- reserved words


def _reserved(statement: Statement) -> list[SqlProblem]:
    words = RESERVED.get(statement.dialect)
    if not words or statement.tree is None:
        return []
    found: list[SqlProblem] = []
    for node in statement.tree.find_all(exp.Column, exp.Alias):
        alias = isinstance(node, exp.Alias)
        identifier = node.args.get("alias") if alias else node.this
        if not isinstance(identifier, exp.Identifier) or identifier.args.get("quoted"):
            continue
        name = str(identifier.name).lower()
        refused = RESERVED_ALIASES.get(statement.dialect, frozenset()) if alias else words
        start = identifier.meta.get("start")
        if name not in refused or (not alias and node.args.get("table")) or start is None or name == "all":
            continue
        if isinstance(node.parent, (exp.Func, exp.Kwarg)):
            continue
        if statement.text[start - 1 : start] in '`"[':
            continue
        column = start - statement.text.rfind("\n", 0, start)
        line = int(identifier.meta["line"])
        told = f"is a reserved word of {_spoken(statement.dialect)} and stands without quotes as "
        told += "an alias" if alias else "a column"
        found.append(
            SqlProblem(SqlKind.RESERVED, line, line, column, str(identifier.name), told, severity=Severity.WARNING)
        )
    return found
