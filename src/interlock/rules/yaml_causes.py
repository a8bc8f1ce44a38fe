"""Why a text is no YAML: the line where the mistake was made, which is often not the one where reading ends."""

import re
from dataclasses import dataclass

import yaml

from interlock.rules.files import is_too_deep

# Beyond that a text is not read a second time for the sake of a better message.
_LARGEST = 400_000
_TEMPLATE = re.compile(
    r"\{%|\{\{-|-\}\}|\{\{#|\{\{/|\{\{\s*(?:\.|\$|(?:include|if|range|end|template|with|cookiecutter)\b)|<%|\$\[\["
)
_EXPRESSION = re.compile(r"\{\{[^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*\}\}")
_SUBSTITUTED = re.compile(r"^\s*(?:-\s+)?(?:[\w.\-]+:\s+)?(?:@\w+@?|%\w+%?|`|\$\(|<<)")
_BARE_EXPRESSION = re.compile(r"^\s*(?:-\s+)?(?:[\w.\-+]+:\s+)?\{\{")
_BLOCK_HEADER = re.compile(r"^(?P<indent>\s*)(?:-\s+)?(?P<key>[\w.\-\"']+)\s*:\s*[|>][+\-\d]*\s*(?:#.*)?$")


@dataclass(frozen=True)
class Cause:
    """Lines count from 1; ``what`` continues "the file is no YAML: "."""

    line: int
    end_line: int
    column: int
    what: str
    remedy: str


def why_no_yaml(text: str, *, rendered: bool = True) -> Cause | None:
    """The cause; None where the text is YAML after all, or a template that becomes YAML only when it is rendered.

    ``rendered``: whether something may render it before it is read.
    """
    if "\0" in text or text.startswith("version https://git-lfs") or is_too_deep(text):
        return None
    if rendered and _TEMPLATE.search(text):
        return None
    plain = _EXPRESSION.sub(lambda match: "j" * len(match[0]), text)
    error = _error(text)
    if error is None or (rendered and plain != text and _error(plain) is None):
        return None
    if error.problem_mark is None:
        return Cause(1, 1, 0, error.problem or "it cannot be read", "Write it as YAML.")
    lines = text.split("\n")
    at = min(error.problem_mark.line, len(lines) - 1)
    start = min(error.context_mark.line, at) if error.context_mark else at
    if rendered and any(_SUBSTITUTED.match(lines[n]) or "{{" in lines[n] for n in {at, start}):
        return None
    bare = next((n for n in (at, start) if _BARE_EXPRESSION.match(lines[n])), None)
    if bare is not None:
        return Cause(bare + 1, bare + 1, 0, "an expression in braces stands without quotes", 'Quote it: "{{ ... }}".')
    return _cause(error, lines, at, start)


def _error(text: str) -> yaml.MarkedYAMLError | None:
    try:
        if len(text) > _LARGEST:
            for _ in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                pass
        else:
            for _ in yaml.compose_all(text, Loader=yaml.SafeLoader):
                pass
    except yaml.MarkedYAMLError as error:
        return error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position)
        mark = yaml.Mark("", error.position, line, 0, "", 0)
        return yaml.MarkedYAMLError(None, None, "a character that YAML does not allow", mark)
    except (yaml.YAMLError, ValueError, RecursionError, IndexError):
        return None
    return None


def _cause(error: yaml.MarkedYAMLError, lines: list[str], at: int, start: int) -> Cause:
    problem, mark = error.problem or "", error.problem_mark
    column = mark.column + 1 if mark else 0
    if "'\\t'" in problem or lines[at][: len(lines[at]) - len(lines[at].lstrip())].count("\t"):
        return Cause(at + 1, at + 1, column, "a line is indented with a tab", "Indent with spaces.")
    if "unknown escape" in problem:
        return Cause(at + 1, at + 1, column, "a backslash in double quotes begins nothing that YAML knows",
                     "Write two backslashes, or use single quotes.")  # fmt: skip
    if "quoted scalar" in (error.context or ""):
        return Cause(start + 1, at + 1, column if start == at else 0, "a quote is never closed", "Close the quote.")
    header = _unindented(lines, start)
    if header is not None:
        key = header[1]
        return Cause(
            start + 1, at + 1, 0, f"the text block of '{key}' is not indented below its key",
            f"Indent every line of the block more than '{key}'.",
        )  # fmt: skip
    quote = _odd_quote(lines, at)
    if quote is not None and _is_beside_its_key(lines, quote):
        return Cause(quote + 1, at + 1, 0, "a text is not indented below its key", "Indent it more than its key.")
    if quote is not None:
        return Cause(quote + 1, at + 1, 0, "a quote is never closed, or one stands inside a quoted text",
                     "Close the quote; within single quotes write '' for one.")  # fmt: skip
    if "alias" in problem or "alias" in (error.context or ""):
        if "undefined alias" in problem:
            return Cause(at + 1, at + 1, column, problem.replace("found ", "it has an "), "Define the anchor above it.")
        return Cause(at + 1, at + 1, column, "a text begins with '*', which names an alias", "Quote the text.")
    if "mapping values are not allowed" in problem:
        if _colons(lines[at]) > 1:
            return Cause(at + 1, at + 1, column, "a text without quotes holds ': '", "Quote the text.")
        return Cause(max(at, 1), at + 1, 0, "a key is indented more than its neighbours, or continues a text",
                     "Give the keys of one mapping the same indentation.")  # fmt: skip
    if "could not find expected ':'" in problem:
        return Cause(start + 1, at + 1, 0, "a line is neither 'key: value' nor part of the text above it",
                     "Indent it with the text that it belongs to, or write 'key: value'.")  # fmt: skip
    if "flow" in (error.context or ""):
        return Cause(start + 1, at + 1, 0, "a bracket or brace is not closed, or a comma is missing",
                     "Close it, or put the comma.")  # fmt: skip
    if "expected <block end>" in problem:
        return Cause(max(at, 1), at + 1, 0, "a line is not indented as its neighbours are",
                     "Give entries of one list or mapping the same indentation.")  # fmt: skip
    if "cannot start any token" in problem:
        return Cause(at + 1, at + 1, column, "a text without quotes begins with a character that YAML keeps for itself",
                     "Quote the text.")  # fmt: skip
    return Cause(min(start, at) + 1, at + 1, 0, problem or "it cannot be read", "Write it as YAML.")


def _unindented(lines: list[str], start: int) -> tuple[int, str] | None:
    """The key of the block scalar whose text should begin at ``start``."""
    for number in range(start - 1, -1, -1):
        if not lines[number].strip():
            continue
        header = _BLOCK_HEADER.match(lines[number])
        if header and len(lines[start]) - len(lines[start].lstrip()) <= len(header["indent"]):
            return number, header["key"].strip("\"'")
        return None
    return None


def _odd_quote(lines: list[str], at: int) -> int | None:
    """The nearest line, not far above, whose value opens with a quote and has an odd number of them."""
    for number in range(at, max(-1, at - 12), -1):
        value = re.sub(r"^\s*(?:-\s+)?(?:[\w.\-]+:\s+)?", "", lines[number]).split(" #")[0]
        if value[:1] in ("'", '"') and value.replace("\\\\", "").replace('\\"', "").count(value[0]) % 2:
            return number
    return None


def _is_beside_its_key(lines: list[str], number: int) -> bool:
    """Whether a text stands on a line of its own, no further right than the key above it."""
    above = lines[number - 1] if number else ""
    indents = [len(line) - len(line.lstrip()) for line in (above, lines[number])]
    return above.rstrip().endswith(":") and lines[number].lstrip()[:1] in ("'", '"') and indents[1] <= indents[0]


def _colons(line: str) -> int:
    return len(re.findall(r":(?:\s|$)", line))
