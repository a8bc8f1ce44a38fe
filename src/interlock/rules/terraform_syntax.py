"""Terraform's language as far as rules need it: tokens, blocks and arguments with their lines, and plain values.

A file is read by this small parser and not by python-hcl2, which needs seconds for a large file, keeps no lines of
what it read, and refuses some valid ones. It knows comments, heredocs, quoted templates and their interpolations.
Expressions stay tokens; `value_of` tells what one is worth when nothing but literals decides it.
Source: the HCL native syntax specification, github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

DEEPEST = 60


class Token(NamedTuple):
    """``kind``: id, num, text (quoted or heredoc), op or end (of a line). ``inner``: tokens of each interpolation."""

    kind: str
    text: str
    line: int
    end_line: int
    inner: tuple[tuple["Token", ...], ...] = ()


class Unknown:
    """A value that a plan knows and the text does not."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


class Broken(Exception):
    """Internal to this module: no Terraform reads this text. ``surely`` is False where this parser gives up."""

    def __init__(self, line: int, why: str, *, surely: bool = True) -> None:
        super().__init__(why)
        self.line, self.why, self.surely = line, why, surely


@dataclass(frozen=True)
class Argument:
    """``name = expression``, as tokens without their line ends at the outer level."""

    name: str
    tokens: tuple[Token, ...]
    line: int
    end_line: int


@dataclass
class Block:
    """A block with labels; the file itself is one without a type. ``twice``: arguments that a body sets again."""

    type: str
    labels: tuple[str, ...]
    line: int
    end_line: int = 0
    arguments: dict[str, Argument] = field(default_factory=dict)
    blocks: list["Block"] = field(default_factory=list)
    twice: list[Argument] = field(default_factory=list)

    def value(self, name: str) -> Any:
        """What an argument is worth; None where it is not set, ``UNKNOWN`` where only a plan knows."""
        argument = self.arguments.get(name)
        return value_of(argument.tokens) if argument else None

    def of(self, kind: str) -> list["Block"]:
        """The blocks of a type directly below."""
        return [one for one in self.blocks if one.type == kind]

    def walk(self) -> Iterator["Block"]:
        """Itself and every block below."""
        yield self
        for one in self.blocks:
            yield from one.walk()


@dataclass(frozen=True)
class Parsed:
    """``broken``: line and reason where no Terraform reads the text; ``complete``: whether all of it was understood."""

    body: Block
    complete: bool
    broken: tuple[int, str] | None = None
    chained: tuple[Argument, ...] = ()


_SPACE = re.compile(r"[ \t\r\f\ufeff]+")
_COMMENT = re.compile(r"(?:#|//)[^\n]*")
_ID = re.compile(r"[^\W\d][\w-]*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_HEREDOC = re.compile(r"<<(-?)([^\W\d][\w-]*)[ \t\r]*\n")
_OPERATOR = re.compile(r"\.\.\.|==|!=|<=|>=|=>|&&|\|\||::|[-+*/%<>!?:=.,(){}\[\]&|~^;@$'`\\]")
_PLAIN = re.compile(r'[^"\\$%\n]+')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_VALUES = ("text", "num")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_TEMPLATED = re.compile(r"\{%|<%|\{\{-?\s*(?:cookiecutter|values|\.Values|[a-z_.]+\s*\}\})", re.I)


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text, self.at, self.line = text, 0, 1

    def tokens(self, *, within: bool = False, depth: int = 0) -> tuple[Token, ...]:
        """To the end of the text; ``within``: to the brace that ends an interpolation."""
        if depth > DEEPEST:
            raise Broken(self.line, "", surely=False)
        found: list[Token] = []
        text, open_braces, began = self.text, 0, self.line
        while self.at < len(text):
            char = text[self.at]
            if match := _SPACE.match(text, self.at) or (_COMMENT.match(text, self.at) if char in "#/" else None):
                self.at = match.end()
            elif char == "\n":
                found.append(Token("end", "\n", self.line, self.line))
                self.at += 1
                self.line += 1
            elif text.startswith("/*", self.at):
                end = text.find("*/", self.at + 2)
                if end < 0:
                    raise Broken(self.line, "a comment (/*) is never closed")
                self.line += text.count("\n", self.at, end)
                self.at = end + 2
            elif char == '"':
                found.append(self._quoted(depth))
            elif char == "<" and (match := _HEREDOC.match(text, self.at)):
                found.append(self._heredoc(match, depth))
            elif match := _ID.match(text, self.at):
                found.append(self._token("id", match))
            elif match := _NUMBER.match(text, self.at):
                found.append(self._token("num", match))
            elif char == "'":
                raise Broken(self.line, "a text stands in single quotes, which are none in Terraform")
            elif match := _OPERATOR.match(text, self.at):
                open_braces += (char == "{") - (char == "}")
                if within and open_braces < 0:
                    self.at += 1
                    return tuple(found)
                found.append(self._token("op", match))
            else:
                raise Broken(self.line, "", surely=False)
        if within:
            raise Broken(began, "an interpolation (${) is never closed")
        return tuple(found)

    def _token(self, kind: str, match: re.Match[str]) -> Token:
        self.at = match.end()
        return Token(kind, match[0], self.line, self.line)

    def _interpolation(self, depth: int) -> tuple[Token, ...]:
        self.at += 2
        if self.text.startswith("~", self.at):
            self.at += 1
        return self.tokens(within=True, depth=depth + 1)

    def _quoted(self, depth: int) -> Token:
        text, began = self.text, self.line
        self.at += 1
        parts: list[str] = []
        inner: list[tuple[Token, ...]] = []
        while self.at < len(text):
            char = text[self.at]
            if match := _PLAIN.match(text, self.at):
                parts.append(match[0])
                self.at = match.end()
            elif char == '"':
                self.at += 1
                return Token("text", "".join(parts), began, self.line, tuple(inner))
            elif char == "\n":
                break
            elif char == "\\":
                parts.append(_ESCAPES.get(text[self.at + 1 : self.at + 2], "?"))
                self.at += 2
            elif text[self.at : self.at + 3] in ("$${", "%%{"):
                parts.append(text[self.at + 1 : self.at + 3])
                self.at += 3
            elif text[self.at : self.at + 2] in ("${", "%{"):
                inner.append(self._interpolation(depth))
                parts.append("\0")
            else:
                parts.append(char)
                self.at += 1
        raise Broken(began, "a quoted text is not closed on its line")

    def _heredoc(self, match: re.Match[str], depth: int) -> Token:
        began = self.line
        end = re.compile(rf"^[ \t]*{re.escape(match[2])}[ \t\r]*$", re.M).search(self.text, match.end())
        if end is None:
            raise Broken(began, f"a heredoc (<<{match[2]}) is never ended by a line that holds nothing but {match[2]}")
        body = self.text[match.end() : end.start()]
        inner: list[tuple[Token, ...]] = []
        parts: list[str] = []
        below = _Lexer(body)
        below.line = began + 1
        last = 0
        while (at := _next_interpolation(body, last)) >= 0:
            parts.append(body[last:at])
            below.line = began + 1 + body.count("\n", 0, at)
            below.at = at
            inner.append(below._interpolation(depth))
            parts.append("\0")
            last = below.at
        parts.append(body[last:])
        self.at = end.end()
        self.line = began + 1 + body.count("\n")
        return Token("text", "".join(parts), began, self.line, tuple(inner))


_INTERPOLATION = re.compile(r"(?:\$\$\{|%%\{)|(\$\{|%\{)")


def _next_interpolation(text: str, start: int) -> int:
    for match in _INTERPOLATION.finditer(text, start):
        if match[1]:
            return match.start()
    return -1


class _Parser:
    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens, self.at = tokens, 0
        self.chained: list[Argument] = []

    def body(self, block: Block, depth: int) -> None:
        if depth > DEEPEST:
            raise Broken(block.line, "", surely=False)
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.kind == "end":
                continue
            if token.text == "}" and token.kind == "op":
                if depth == 0:
                    raise Broken(token.line, "a brace closes what nothing opened")
                block.end_line = token.line
                return
            if token.kind not in ("id", "text"):
                raise Broken(token.line, f"'{token.text}' begins neither an argument nor a block")
            self._item(block, token, depth)
        if depth:
            raise Broken(block.line, f"the block '{' '.join((block.type, *block.labels))}' is never closed")

    def _item(self, block: Block, first: Token, depth: int) -> None:
        labels: list[str] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            self.at += 1
            if token.kind == "op" and token.text == "=" and not labels:
                argument = self._argument(first)
                if argument.name in block.arguments:
                    block.twice.append(argument)
                block.arguments.setdefault(argument.name, argument)
                return
            if token.kind == "op" and token.text == "{" and first.kind == "id":
                below = Block(first.text, tuple(labels), first.line)
                self.body(below, depth + 1)
                block.blocks.append(below)
                return
            if token.kind not in ("id", "text"):
                break
            labels.append(token.text)
        raise Broken(first.line, f"'{first.text}' is followed neither by '=' nor by a block")

    def _argument(self, name: Token) -> Argument:
        taken: list[Token] = []
        stack: list[Token] = []
        chained = False
        last: Token | None = None
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "op":
                if token.text in _CLOSING:
                    stack.append(token)
                elif token.text in ")]}":
                    if not stack:
                        break
                    opened = stack.pop()
                    if _CLOSING[opened.text] != token.text:
                        why = f"'{opened.text}' is closed by '{token.text}' in the value of '{name.text}'"
                        raise Broken(token.line, why)
                elif token.text == "=" and not stack:
                    chained = True
            elif token.kind == "end" and not stack:
                break
            elif stack and stack[-1].text in "[(" and last and last.kind in _VALUES and token.kind in _VALUES:
                raise Broken(token.line, f"a comma is missing between two values of '{name.text}'")
            last = token if token.kind != "end" else last
            taken.append(token)
            self.at += 1
        if stack:
            raise Broken(stack[-1].line, f"'{stack[-1].text}' in the value of '{name.text}' is never closed")
        if not taken:
            raise Broken(name.line, f"'{name.text}' is given no value")
        argument = Argument(name.text, tuple(taken), name.line, max(one.end_line for one in taken))
        if chained:
            self.chained.append(argument)
        return argument


@lru_cache(maxsize=16)
def parse(text: str) -> Parsed:
    """A whole ``.tf`` or ``.tfvars`` file. Templates of other tools that make such files are not ``broken``."""
    body = Block("", (), 1)
    try:
        parser = _Parser(_Lexer(text).tokens())
        parser.body(body, 0)
        return Parsed(body, True, chained=tuple(parser.chained))
    except Broken as error:
        foreign = _TEMPLATED.search(text) or ("\n" not in text.strip() and "{" not in text and "=" not in text)
        surely = error.surely and not foreign
        return Parsed(body, False, (error.line, error.why) if surely else None)
    except RecursionError:
        return Parsed(body, False)


def value_of(tokens: tuple[Token, ...]) -> Any:
    """A plain value, lists and objects with ``UNKNOWN`` where an expression stands; ``jsonencode`` is looked through.

    In a quoted or heredoc text each interpolation is one NUL character.
    """
    try:
        return _value(list(tokens), 0)
    except RecursionError:
        return UNKNOWN


_WORDS = {"true": True, "false": False, "null": None}


def _value(tokens: list[Token], depth: int) -> Any:
    while tokens and tokens[0].kind == "end":
        tokens = tokens[1:]
    while tokens and tokens[-1].kind == "end":
        tokens = tokens[:-1]
    if not tokens or depth > DEEPEST:
        return UNKNOWN
    first = tokens[0]
    if len(tokens) == 1:
        if first.kind == "text":
            return UNKNOWN if first.text == "\0" else first.text
        if first.kind == "num":
            return float(first.text) if not first.text.isdigit() else int(first.text[:18])
        return _WORDS.get(first.text, UNKNOWN) if first.kind == "id" else UNKNOWN
    if first.text == "jsonencode" and tokens[1].text == "(" and _ends(tokens, 1):
        return _value(tokens[2:-1], depth + 1)
    if first.kind == "op" and first.text in "[{" and _ends(tokens, 0):
        inside = tokens[1:-1]
        if any(one.kind == "id" and one.text == "for" for one in inside[:2]):
            return UNKNOWN
        return _list(inside, depth) if first.text == "[" else _object(inside, depth)
    return UNKNOWN


def _ends(tokens: list[Token], start: int) -> bool:
    """Whether the bracket at ``start`` is closed by the very last token."""
    depth = 0
    for at in range(start, len(tokens)):
        if tokens[at].kind == "op":
            depth += (tokens[at].text in "([{") - (tokens[at].text in ")]}")
            if depth == 0:
                return at == len(tokens) - 1
    return False


def _split(tokens: list[Token], *, at_line_ends: bool) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for one in tokens:
        if one.kind == "op":
            depth += (one.text in "([{") - (one.text in ")]}")
        if depth == 0 and ((one.text == "," and one.kind == "op") or (at_line_ends and one.kind == "end")):
            parts.append([])
        else:
            parts[-1].append(one)
    return [part for part in parts if any(one.kind != "end" for one in part)]


def _list(tokens: list[Token], depth: int) -> list[Any]:
    return [_value(part, depth + 1) for part in _split(tokens, at_line_ends=False)]


def _object(tokens: list[Token], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in _split(tokens, at_line_ends=True):
        at = next((i for i, one in enumerate(part) if one.kind == "op" and one.text in ("=", ":")), 0)
        if at == 1 and part[0].kind in ("id", "text", "num") and not part[0].inner:
            found[part[0].text] = _value(part[2:], depth + 1)
        else:
            found[f"\0{len(found)}"] = _value(part[at + 1 :], depth + 1)
    return found


def all_tokens(tokens: tuple[Token, ...]) -> Iterator[tuple[Token, ...]]:
    """The tokens themselves, and those of every interpolation within, each run apart."""
    yield tokens
    for one in tokens:
        for inner in one.inner:
            yield from all_tokens(inner)
