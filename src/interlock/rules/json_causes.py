"""Why a text is no JSON, and the relatives of JSON that are innocent: with comments, a value a line, templates."""

import json
import re
from dataclasses import dataclass

_COMMENTED = re.compile(
    r"(?:^|/)(?:[tj]sconfig[^/]*\.json|devcontainer\.json|\.eslintrc\.json|\.babelrc\.json|\.swcrc|deno\.json|"
    r"biome\.json|pyrightconfig\.json|\.markdownlint\.json|nx\.json|turbo\.json|api-extractor\.json|renovate\.json|"
    r"language-configuration\.json|[^/]*\.code-workspace)$|(?:^|/)\.(?:vscode|devcontainer|zed)/"
)
_TEMPLATE = re.compile(r"\{\{|\{%|<%|\$\{|\$\(|@@|<[A-Z_]{3,}>|%\(\w+\)s|%[A-Z_]+%|__[A-Z_]+__|\$[A-Z_]{3,}")
_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/|(?:^|(?<=\s))#[^\n]*', re.S)


@dataclass(frozen=True)
class Cause:
    """Lines count from 1; ``certain`` is whether the file was plainly meant as JSON."""

    line: int
    end_line: int
    what: str
    remedy: str
    certain: bool = True


def is_json_with_comments(path: str) -> bool:
    """Whether the tool that reads the file allows comments and trailing commas."""
    return bool(_COMMENTED.search(path))


def why_no_json(text: str) -> Cause | None:
    """The cause; None where the text is JSON or one of its innocent relatives."""
    if not text.strip() or "\0" in text or text.startswith("version https://git-lfs"):
        return None
    error = _error(text)
    if error is None or _TEMPLATE.search(text) or _is_many_values(text) or _has_comments(text):
        return None
    line, position = error.lineno, error.pos
    before = text[:position].rstrip()
    follows = text[position : position + 1]
    last = before.count("\n") + 1
    illegal_comma = "trailing comma" in error.msg
    if illegal_comma or (before.endswith(",") and follows in ("}", "]")):
        return Cause(last, line, "a comma stands after the last entry", "Remove the comma.")
    if text.lstrip()[:1] not in ("{", "["):
        return Cause(line, line, "it begins with neither a brace nor a bracket", "Write it as JSON.", certain=False)
    if error.msg.startswith("Expecting ',' delimiter"):
        if not follows:
            return Cause(last, line, "it ends before its last bracket or brace is closed", "Close it.")
        what = "a comma is missing, or a bracket is of the wrong kind" if follows != '"' else "a comma is missing"
        return Cause(last, line, what, "Put a comma between the entries.")
    if not follows and "Unterminated" not in error.msg:
        return Cause(last, line, "it ends before its last bracket or brace is closed", "Close it.")
    if error.msg.startswith("Expecting property name") and follows == "'":
        return Cause(line, line, "it has single quotes", "Use double quotes.", certain=False)
    if error.msg.startswith("Extra data"):
        return Cause(line, line, "text follows after its end", "Remove it, or close the outer brace later.")
    if "control character" in error.msg or "Unterminated" in error.msg:
        return Cause(line, line, "a text is not closed on its line", "Close the quote; write \\n for a new line.")
    known = {"Invalid \\escape": "a backslash begins nothing that JSON knows: write \\\\"}.get(
        error.msg.partition(":")[0]
    )
    return Cause(line, line, known or f"{error.msg[:1].lower()}{error.msg[1:]}", "Write it as JSON.")


def _error(text: str) -> json.JSONDecodeError | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error
    except (ValueError, RecursionError):
        return None
    return None


def _is_many_values(text: str) -> bool:
    """One value after the other, as JSON lines and streams have them; the last one may be cut off."""
    decoder, at, values = json.JSONDecoder(), 0, 0
    length = len(text)
    while at < length:
        while at < length and text[at] in " \t\r\n":
            at += 1
        if at == length:
            break
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return values > 1
        if not isinstance(value, dict | list):
            return False
        values += 1
    return values > 1


def _has_comments(text: str) -> bool:
    found = False

    def blank(match: re.Match[str]) -> str:
        nonlocal found
        if match[0].startswith('"'):
            return match[0]
        found = True
        return " "

    stripped = _TOKEN.sub(blank, text)
    return found and _error(re.sub(r",(\s*[}\]])", r"\1", stripped)) is None
