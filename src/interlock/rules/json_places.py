"""Where in a JSON text each value stands, and why a text is no JSON."""

import json
import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_COMMENT = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TEMPLATE = re.compile(r"\{\{|\{%|\$\{|<%|<<[A-Za-z]|@[A-Z_.]{3,}@|%\(\w+\)s")
_DEEPEST = 60

Path = tuple[Any, ...]


@dataclass(frozen=True)
class JsonMistake:
    """Why a text is no JSON. Lines and columns count from 1."""

    line: int
    column: int
    what: str
    remedy: str
    trailing_comma: bool = False


def without_comments(text: str) -> str:
    """The text with ``//`` and ``/* */`` comments blanked, which Avro's own parser ignores; lines stay the same."""
    return _COMMENT.sub(lambda m: m[1] or re.sub(r"[^\n]", " ", m[0]), text) if "/" in text else text


def is_template(text: str) -> bool:
    """Whether some tool fills this text in before it is JSON."""
    return _TEMPLATE.search(text) is not None


def loaded(text: str) -> Any:
    """What a JSON text with or without comments holds; None where it is no JSON, or nested deeper than people write."""
    try:
        data = json.loads(without_comments(text))
    except (ValueError, RecursionError):
        return None
    return data if _depth(text) <= _DEEPEST else None


def mistake_in(text: str) -> JsonMistake | None:
    """The first reason why a text is no JSON; None where it is."""
    plain = without_comments(text)
    try:
        json.loads(plain)
    except json.JSONDecodeError as wrong:
        return _mistake(plain, wrong)
    except (ValueError, RecursionError):
        return None
    return None


def _mistake(text: str, wrong: json.JSONDecodeError) -> JsonMistake:
    before = text[: wrong.pos].rstrip()
    after = text[wrong.pos :].lstrip()
    comma = -1
    if before.endswith(",") and after[:1] in ("}", "]"):
        comma = len(before) - 1
    elif after.startswith(",") and after[1:].lstrip()[:1] in ("}", "]"):
        comma = text.index(",", wrong.pos)
    if comma >= 0:
        line = text.count("\n", 0, comma) + 1
        column = comma - text.rfind("\n", 0, comma)
        return JsonMistake(line, column, "a trailing comma", "Remove the comma after the last entry.", True)
    if wrong.msg.startswith("Expecting ',' delimiter") and before:
        line = text.count("\n", 0, len(before) - 1) + 1
        if not after:
            return JsonMistake(
                line, 0, "the text ends too early", "Close what is open: a bracket or a brace is missing."
            )
        if after[0] in "}]":
            return JsonMistake(line, 0, "a closing brace or bracket is missing", "Close what is open before it.")
        if after[0] in '"{[':
            return JsonMistake(line, 0, "a comma is missing between two entries", "Write a comma between the entries.")
    if not after and wrong.msg.startswith("Expecting"):
        return JsonMistake(wrong.lineno, wrong.colno, "the text ends too early", "Close what is open.")
    if wrong.msg == "Extra data":
        return JsonMistake(
            wrong.lineno, wrong.colno, "more text follows after the end", "Remove what follows the last closing brace."
        )
    said = wrong.msg[0].lower() + wrong.msg[1:]
    return JsonMistake(wrong.lineno, wrong.colno, said, "Write JSON there.")


def line_finder(text: str) -> Callable[[int], int]:
    """Gives the line, from 1, of a position in the text."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    return lambda position: bisect_right(starts, position)


def places(text: str) -> dict[Path, tuple[int, int]]:
    """First and last line of every value of a JSON text, by its path of keys and indices. Keys begin their value."""
    plain = without_comments(text)
    line_of = line_finder(plain)
    found: dict[Path, tuple[int, int]] = {}
    stack: list[tuple[Path, bool, int]] = []  # path, whether it is an object, first line
    path: Path = ()
    key: str | None = None
    expects_key = False
    index = 0
    counts: list[int] = []
    start = 0
    for match in _TOKEN.finditer(plain):
        token, line = match[0], line_of(match.start())
        if token in "{[":
            if len(stack) > _DEEPEST:
                return found
            here = _below(path, stack, key, index)
            stack.append((here, token == "{", start or line))
            counts.append(index)
            path, index, key, expects_key, start = here, 0, None, token == "{", 0
        elif token in "}]":
            if not stack:
                return found
            here, _, first = stack.pop()
            found[here] = (first, line)
            index = counts.pop()
            path = stack[-1][0] if stack else ()
            key, start = None, 0
        elif token == ",":
            index += 1
            key, start = None, 0
            expects_key = bool(stack) and stack[-1][1]
        elif token == ":":
            expects_key = False
        elif expects_key:
            key, start = _text(token), line
        else:
            found[_below(path, stack, key, index)] = (start or line, line)
            start = 0
    return found


def _below(path: Path, stack: list[tuple[Path, bool, int]], key: str | None, index: int) -> Path:
    if not stack:
        return ()
    return (*path, key if stack[-1][1] else index)


def _text(token: str) -> str:
    if "\\" not in token:
        return token.strip('"')
    try:
        return str(json.loads(token))
    except ValueError:
        return token


def _depth(text: str) -> int:
    deepest = depth = 0
    for match in _TOKEN.finditer(text):
        if match[0] in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif match[0] in "}]":
            depth -= 1
    return deepest
