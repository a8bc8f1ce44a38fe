"""Hashes of what a file *does*: a comment or a reformatting changes none of them, a real change changes them.

What counts as the same, per language:

- Python: the same syntax tree. Docstrings stay in (Airflow renders those of modules and task functions as ``doc_md``),
  compared without their indentation and trailing blanks, which formatters move. The result is the same under every
  Python that can parse the file; one that cannot hashes the bytes instead, so the Python that reads a project should
  be at least as new as its syntax.
- SQL: the same stream of tokens, whatever the case of keywords and function names; ``AS`` before an alias, ``ASC``,
  ``OUTER`` after a side of a join and a closing semicolon are noise. Tokens and not sqlglot's rewritten SQL, because a
  generator may drop a clause that it does not know, and then a change would go unseen; it is also ten times as quick.
- SQL with Jinja in it: the same text after runs of blanks and comments without Jinja are gone. Case counts.
- YAML: the same events with the same resolved types; style, comments and indentation do not count, the
  order of keys does.
- Anything else: the bytes.

Where a rule here is unsure it says "changed": that costs a rebuild, the other error would hide a change.
"""

import ast
import hashlib
import inspect
import re
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from interlock.model.canonical import digest_bytes, digest_of

VERSION = 1  # raise it when any part's meaning changes: cached parts of other versions are not used

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# ``ctx`` follows from the position, ``kind`` tells u"" from "", the other two hold comments.
_SILENT_FIELDS = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_FOLDS_NAMES = frozenset({"postgres", "redshift", "snowflake", "oracle"})
_CASE_COUNTS = frozenset({"bigquery", "mysql"})
_OPERATOR_LETTERS = frozenset("~!@#%^&|`?")


def combine(parts: dict[str, str]) -> str:
    """One fingerprint of named parts."""
    return digest_of(parts)


def data_part(source: bytes) -> str:
    """The hash of the bytes as they are."""
    return digest_bytes(source)


def python_part(source: bytes) -> str:
    """The hash of a Python file's syntax tree; of its bytes where this Python cannot parse it."""
    try:
        tree = ast.parse(source)
        hashed = hashlib.sha256(b"python\0")
        for token in _tree_tokens(tree):
            hashed.update(token.encode("utf-8", "surrogatepass"))
            hashed.update(b"\0")
        return hashed.hexdigest()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return data_part(source)


def _tree_tokens(tree: ast.AST) -> Iterator[str]:
    # Without recursion: generated code nests deeper than Python's stack. Empty fields are left out, so that fields
    # which later Pythons added (type parameters) change nothing where they are not used.
    stack: list[Any] = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, ast.AST):
            yield type(item).__name__
            stack.append(")")
            doc = _docstring(item)
            for name in reversed(item._fields):
                value = getattr(item, name, None)
                if name in _SILENT_FIELDS or (value is None and not isinstance(item, ast.Constant)) or value == []:
                    continue
                if name == "body" and doc is not None:
                    value = [_Doc(doc), *item.body[1:]]  # type: ignore[attr-defined]
                stack.append(value if isinstance(value, (ast.AST, list)) else _literal(value))
                stack.append("." + name)
        elif isinstance(item, list):
            yield "["
            stack.append("]")
            stack.extend(reversed(item))
        elif isinstance(item, _Doc):
            yield "doc" + item.text
        else:  # an entry of a list of plain values, such as the names of ``global``; None among dict keys
            yield _literal(item)


class _Doc:
    def __init__(self, text: str) -> None:
        self.text = text


def _docstring(node: ast.AST) -> str | None:
    if isinstance(node, _DOCUMENTED) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            return "\n".join(line.rstrip() for line in inspect.cleandoc(first.value.value).splitlines())
    return None


def _literal(value: object) -> str:
    # hex(): str() refuses integers of many digits. ascii() tells 1 from 1.0, True and "1", and 0.0 from -0.0; unlike
    # repr() it does not depend on which letters a Python holds to be printable.
    text = hex(value) if type(value) is int else ascii(value)
    return f"={type(value).__name__}:{text}"


def sql_part(sql: str, dialect: str) -> str:
    """The hash of a statement's tokens in ``dialect`` (a name that sqlglot knows); Jinja in it is respected."""
    if "{{" in sql or "{%" in sql or "{#" in sql:
        return jinja_sql_part(sql)
    tokens = _sql_tokens(sql, dialect)
    return digest_bytes(
        ("sql\0" + (sql.strip() if tokens is None else "\0".join(tokens))).encode("utf-8", "surrogatepass")
    )


def _sql_tokens(sql: str, dialect: str) -> list[str] | None:
    from sqlglot import TokenType as T
    from sqlglot import tokenize
    from sqlglot.errors import SqlglotError

    try:
        tokens = tokenize(sql, read=dialect or None)
    except (SqlglotError, ValueError):
        return None
    while tokens and tokens[-1].token_type is T.SEMICOLON:
        tokens.pop()
    sides = (T.LEFT, T.RIGHT, T.FULL)
    exact = {T.STRING, T.IDENTIFIER, T.NUMBER, T.VAR, T.NATIONAL_STRING, T.RAW_STRING, T.HEREDOC_STRING, T.BYTE_STRING}
    exact |= {T.BIT_STRING, T.HEX_STRING, T.UNICODE_STRING}
    found: list[str] = []
    for i, token in enumerate(tokens):
        kind, text = token.token_type, token.text
        before = tokens[i - 1] if i else None
        after = tokens[i + 1] if i + 1 < len(tokens) else None
        if kind is T.ALIAS and after is not None and after.token_type in (T.VAR, T.IDENTIFIER):
            continue
        if kind is T.ASC and before is not None and (after is None or after.token_type in (T.COMMA, T.R_PAREN)):
            continue
        if kind is T.OUTER and before is not None and before.token_type in sides:
            continue
        if before is not None and token.start == before.end + 1 and _one_operator(before.text, text):
            found.append("+")  # PostgreSQL reads signs that touch as one operator
        called = kind is T.VAR and after is not None and after.token_type is T.L_PAREN
        if (kind is T.VAR and dialect in _FOLDS_NAMES) or (called and dialect not in _CASE_COUNTS):
            text = text.lower()
        elif kind not in exact:
            text = "<>" if kind is T.NEQ else " ".join(text.upper().split())
        found.append(f"{kind.name}:{text}")
    return found


def _one_operator(left: str, right: str) -> bool:
    signs = not any(c.isalnum() or c in "_()[],;.'\"" for c in left + right)
    return signs and not _OPERATOR_LETTERS.isdisjoint(left + right)


_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_JINJA_WORDS = re.compile(r"('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|\s+", re.DOTALL)
_SQL_PIECES = re.compile(r"--[^\n]*|/\*|'|\"|\s+|[^\s'\"/{-]+|.", re.DOTALL)


def jinja_sql_part(source: str) -> str:
    """The hash of SQL that Jinja has not rendered yet (a model, a macro), without idle blanks and comments.

    A SQL comment that holds Jinja is code to dbt, so it stays.
    """
    # Backslashes and dollar quotes mean different things to different engines: such a text counts as it stands.
    exact = "\\" in source or re.search(r"\$\w*\$", source) or "{% raw" in source or "{%- raw" in source
    text = source.strip() if exact else "".join(_jinja_pieces(source)).strip()
    return digest_bytes(b"jinja\0" + text.encode("utf-8", "surrogatepass"))


def _jinja_pieces(source: str) -> Iterator[str]:
    position, blank = 0, True  # ``blank``: what was said last ends in a blank already
    while position < len(source):
        block = _JINJA.match(source, position)
        if block:
            position = block.end()
            said = _jinja_block(block[0])
            if said:
                yield said
                blank = False
            continue
        piece = _SQL_PIECES.match(source, position)
        assert piece is not None  # the pattern's last branch matches anything
        text = piece[0]
        if text == "/*":
            end = source.find("*/", position + 2)
            text = source[position:] if end < 0 else source[position : end + 2]
        elif text in ("'", '"'):
            text = _quoted(source, position)
        position += len(text)
        if text.startswith(("--", "/*")) and not _JINJA.search(text) and not text.startswith("/*+"):
            text = " "
        elif text.startswith("--"):
            text += "\n"
        if text.isspace():
            if not blank:
                yield " "
            blank = True
        else:
            yield text
            blank = text.endswith("\n")


def _jinja_block(block: str) -> str:
    if block.startswith("{#") and block[2] not in "-+" and block[-3] not in "-+":
        return ""
    words = _JINJA_WORDS.sub(lambda m: m[1] or " ", block[2:-2])
    return block[:2] + words + block[-2:]


def _quoted(source: str, start: int) -> str:
    # A quoted SQL text may hold Jinja with the same quotes inside: '{{ var('x') }}'.
    quote, position = source[start], start + 1
    while position < len(source):
        block = _JINJA.match(source, position)
        if block:
            position = block.end()
        elif source[position] == quote:
            return source[start : position + 1]
        else:
            position += 1
    return source[start:]


def yaml_part(source: bytes) -> str:
    """The hash of a YAML file's events; of its bytes where it does not parse. Aliases are not expanded."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolver: Any = yaml.resolver.Resolver()
    found: list[object] = []
    try:
        for event in yaml.parse(source, Loader=loader):
            entry: list[object] = [type(event).__name__, getattr(event, "anchor", None)]
            if isinstance(event, yaml.ScalarEvent):
                tag = event.tag or resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
                entry += [tag, event.value]
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                entry.append(event.tag)
            found.append(entry)
        return digest_bytes(f"yaml\0{found!a}".encode())
    except (yaml.YAMLError, ValueError):
        return data_part(source)


class FingerprintCache:
    """Parts by content, kept in one SQLite file: what was read once is not parsed again.

    Threads and processes may share it. A cache that is broken, locked or cannot be written is done without: every part
    can be computed again. ``flush`` (and the end of the ``with`` block) writes new parts, in one transaction.
    """

    limit = 400_000  # parts; beyond that the cache starts again rather than grow for ever

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._new: dict[str, str] = {}
        self._known: dict[str, str] = {}
        self._load()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.flush()

    def python(self, source: bytes, digest: str = "") -> str:
        """``python_part``; ``digest`` spares hashing the bytes where the caller knows their SHA-256."""
        return self._part(f"py{sys.version_info[1]}", digest or digest_bytes(source), lambda: python_part(source))

    def sql(self, sql: str, dialect: str) -> str:
        """``sql_part``."""
        return self._part(f"sql-{dialect}", _text_digest(sql), lambda: sql_part(sql, dialect))

    def jinja_sql(self, source: str) -> str:
        """``jinja_sql_part``."""
        return self._part("jinja", _text_digest(source), lambda: jinja_sql_part(source))

    def yaml(self, source: bytes, digest: str = "") -> str:
        """``yaml_part``."""
        return self._part("yaml", digest or digest_bytes(source), lambda: yaml_part(source))

    def file(self, path: str, source: bytes, digest: str = "") -> str:
        """The part that fits the file's name; SQL files count as Jinja, as they do in dbt."""
        if path.endswith(".py"):
            return self.python(source, digest)
        if path.endswith((".yml", ".yaml")):
            return self.yaml(source, digest)
        if path.endswith(".sql"):
            try:
                return self.jinja_sql(source.decode())
            except UnicodeDecodeError:
                pass
        return digest or data_part(source)

    def flush(self) -> None:
        """What was computed since the last flush is on disk, if the disk lets it."""
        with self._lock:
            new, self._new = self._new, {}
        if not new or self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._write(new)
        except (OSError, sqlite3.Error):
            return

    def _part(self, kind: str, digest: str, compute: Callable[[], str]) -> str:
        key = f"{kind}:{digest}"
        found = self._known.get(key)
        if found is None:
            found = compute()
            with self._lock:
                self._known[key] = self._new[key] = found
        return found

    def _load(self) -> None:
        if self._path is None or not self._path.exists():
            return
        try:
            with sqlite3.connect(self._path, timeout=2) as connection:
                rows = connection.execute("select key, part from parts where version = ?", (_cache_version(),))
                self._known = dict(rows)
            connection.close()
        except (OSError, sqlite3.Error):
            self._known = {}

    def _write(self, new: dict[str, str]) -> None:
        assert self._path is not None
        for attempt in (1, 2):
            connection = sqlite3.connect(self._path, timeout=2)
            try:
                with connection:
                    connection.execute("pragma synchronous = off")
                    connection.execute("create table if not exists parts (version, key primary key, part)")
                    connection.execute("delete from parts where version <> ?", (_cache_version(),))
                    if len(self._known) > self.limit:
                        connection.execute("delete from parts")
                    rows = [(_cache_version(), key, part) for key, part in new.items()]
                    connection.executemany("insert or replace into parts values (?, ?, ?)", rows)
                return
            except sqlite3.OperationalError:
                return  # held by another process for long, or the disk is full
            except sqlite3.DatabaseError:
                if attempt == 2:
                    raise
                connection.close()
                self._path.unlink(missing_ok=True)
            finally:
                connection.close()


def _text_digest(text: str) -> str:
    return digest_bytes(text.encode("utf-8", "surrogatepass"))


@cache
def _cache_version() -> str:
    from importlib.metadata import version

    return f"{VERSION}/sqlglot-{version('sqlglot')}"
