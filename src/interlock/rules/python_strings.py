"""Commas that are missing without a syntax error: strings that join, keywords that become a power."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from itertools import pairwise
from posixpath import commonprefix

from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.python_places import byte_lines

# Nobody breaks a string of one line into two where it fits on one: two strings were meant.
_FITS = 72
_WORD = re.compile(r"[\w.\-:@*%$#/+=?&{}]+")
# What begins a string of its own wherever it stands.
_BEGINS = re.compile(r"--?[A-Za-z]|[a-z][a-z0-9+]*://")
_OPTION = re.compile(r"--[a-z][a-z\d]*(?:[-_][a-z\d]+)*")
_ALIKE = 5
_JOINERS = tuple(" \t\n\r,;:.-_/\\|=&?+([{<>'\"")
_STARTERS = tuple(" \t\n\r,;:.-/\\|=&?+)]}<>'\"")
_OPTIONS = re.compile(r"(?:\w*kwargs|kw|\w*_args|args|\w*options|\w*params)")
_LEAVES = frozenset({ast.Name, ast.Constant, ast.Load, ast.Store, ast.alias, ast.arg})
# Most files have neither: a line that ends with a quote before one that begins with one, and a power or `a *b`.
_LIKELY = re.compile(r"""["'][ \t]*(?:\#[^\n]*)?\r?\n\s*[rR]?["']|[\w)\]}"']\s*\*\*\s*[\w{]|[\w)\]}"']\s+\*\w""")


def missing_commas(file: SourceFile) -> Iterator[Finding]:
    """ILK-PY006 and ILK-PY007."""
    if _LIKELY.search(file.text) is None or file.tree is None:
        return
    stack: list[tuple[ast.AST, frozenset[str], frozenset[str]]] = [(file.tree, frozenset(), frozenset())]
    while stack:
        node, many, named = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            own = {one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
            many = (many - own) | ({node.args.vararg.arg} if node.args.vararg else set())
            named = (named - own) | ({node.args.kwarg.arg} if node.args.kwarg else set())
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            yield from _joined(file, node.elts, isinstance(node, ast.Tuple))
        elif isinstance(node, ast.Call):
            yield from _joined(file, node.args, True)
            yield from _powers(file, node, many, named)
        for value in node.__dict__.values():
            for child in value if value.__class__ is list else (value,):
                if isinstance(child, ast.AST) and child.__class__ not in _LEAVES:
                    stack.append((child, many, named))


def _joined(file: SourceFile, elements: Sequence[ast.expr], few_is_normal: bool) -> Iterator[Finding]:
    texts = [one for one in elements if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    tall = [one for one in texts if (one.end_lineno or one.lineno) > one.lineno]
    if not tall or (few_is_normal and len(texts) != len(elements)):
        return
    if len(tall) > 1 and len(tall) * 2 > len(elements):
        return
    for one in tall:
        parts = _parts(file, one)
        begun = len(parts) > 1 and (all(map(_BEGINS.match, parts)) or _are_alike(parts))
        option = len(parts) == 2 and _is_option(parts, texts)
        if len(parts) < 2 or not (begun or option or _by_mistake(one, parts)):
            continue
        if few_is_normal and len(elements) < 2 and not begun:
            continue
        words = all(_WORD.fullmatch(str(text.value)) for text in texts if text not in tall)
        sure = option or (
            words
            and len(texts) == len(elements)
            and (len(elements) > 1 or begun)
            and all(_WORD.fullmatch(part) for part in parts)
        )
        yield file.finding(
            "ILK-PY006", one.lineno,
            f"a comma is missing: the strings {_short(parts[0])} and {_short(parts[1])} become one",
            f"Write a comma after {_short(parts[0])}; where one string is meant, write it as one.",
            severity=Severity.ERROR if sure else Severity.WARNING, end_line=one.end_lineno or one.lineno,
            column=one.col_offset + 1,
        )  # fmt: skip


def _are_alike(parts: Sequence[str]) -> bool:
    """Whether all are words that begin in one way, as the members of a list do and the parts of a word do not."""
    return len(commonprefix(list(parts))) >= _ALIKE and all(map(_WORD.fullmatch, parts))


def _is_option(parts: Sequence[str], texts: Sequence[ast.Constant]) -> bool:
    """Whether an option of a command, of which the list has more, is glued to what stands before it."""
    options = sum(str(one.value).startswith("--") for one in texts)
    return options > 1 and bool(_WORD.fullmatch(parts[0]) and _OPTION.fullmatch(parts[1]))


def _by_mistake(node: ast.Constant, parts: Sequence[str]) -> bool:
    for first, second in pairwise(parts):
        if not first or not second or first.endswith(_JOINERS) or second.startswith(_STARTERS):
            return False
    return node.col_offset + len(str(node.value)) <= _FITS and not any("\n" in one for one in parts)


def _parts(file: SourceFile, node: ast.Constant) -> list[str]:
    """The strings that a constant was written as, each on a line of its own; none where it is one, or in brackets."""
    segment = _segment(file, node)
    parts: list[str] = []
    last = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(f"({segment})").readline):
            if token.type == tokenize.STRING:
                if token.start[0] != token.end[0] or token.start[0] == last or token.string[0] not in "'\"rR":
                    return []
                last = token.start[0]
                parts.append(str(ast.literal_eval(token.string)))
    except (tokenize.TokenError, SyntaxError, ValueError, IndentationError):
        return []
    return [] if _in_brackets(file, node) else parts


def _segment(file: SourceFile, node: ast.expr) -> str:
    lines = byte_lines(file.source)
    end = node.end_lineno or node.lineno
    if end - node.lineno > 40:
        return ""
    chosen = lines[node.lineno - 1 : end]
    if not chosen:
        return ""
    chosen[-1] = chosen[-1][: node.end_col_offset]
    chosen[0] = chosen[0][node.col_offset :]
    return b"\n".join(chosen).decode("utf-8", "replace")


def _in_brackets(file: SourceFile, node: ast.expr) -> bool:
    """Whether brackets of its own hold the string: one behind it closes before a comma or the end of the list."""
    lines = byte_lines(file.source)
    before = b" ".join([*lines[max(0, node.lineno - 6) : node.lineno - 1], lines[node.lineno - 1][: node.col_offset]])
    after = lines[(node.end_lineno or node.lineno) - 1][node.end_col_offset :]
    following = after.split(b"#")[0].strip() or b" ".join(lines[node.end_lineno or 0 : (node.end_lineno or 0) + 1])
    return before.rstrip().endswith(b"(") and following.strip().startswith(b")")


def _short(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:27]}...")


def _powers(file: SourceFile, call: ast.Call, many: frozenset[str], named: frozenset[str]) -> Iterator[Finding]:
    places: list[ast.expr] = [*call.args, *(one.value for one in call.keywords)]
    for place in places:
        one = place
        while isinstance(one, ast.BinOp) and isinstance(one.op, ast.Add | ast.Mod) and isinstance(one.right, ast.BinOp):
            one = one.right  # `**` binds tighter than what stands before it
        if not isinstance(one, ast.BinOp) or not isinstance(one.op, ast.Pow | ast.Mult):
            continue
        power = isinstance(one.op, ast.Pow)
        stars = "**" if power else "*"
        certain = _is_bunch(one.right, named if power else many) or (power and _is_text(one.left))
        if not certain and not (power and isinstance(one.right, ast.Name) and _OPTIONS.fullmatch(one.right.id)):
            continue
        spaced = _spaced(file, one, stars)
        if not spaced and not (power and certain):
            continue
        if not power and isinstance(one.left, ast.Constant) and not _is_text(one.left):
            continue
        sure = certain and (power or _is_text(one.left) or one.right.lineno > (one.left.end_lineno or 0))
        right = one.right.id if isinstance(one.right, ast.Name) else "..."
        yield file.finding(
            "ILK-PY007", one.lineno,
            f"a comma is missing before '{stars}{right}': Python {'raises to a power' if power else 'multiplies'} here "
            "instead of passing arguments",
            f"Write a comma before '{stars}{right}'.", severity=Severity.ERROR if sure else Severity.WARNING,
            end_line=one.end_lineno or one.lineno, column=one.col_offset + 1,
        )  # fmt: skip


def _is_bunch(node: ast.expr, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Dict) or (isinstance(node, ast.Name) and node.id in names)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Dict | ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _spaced(file: SourceFile, node: ast.BinOp, stars: str) -> bool:
    """Whether the operator stands as it does before an argument: space before it, none behind."""
    lines = byte_lines(file.source)
    before = lines[node.right.lineno - 1][: node.right.col_offset]
    if not before.endswith(stars.encode()):
        return False
    rest = before[: -len(stars)]
    return not rest or rest[-1:].isspace()
