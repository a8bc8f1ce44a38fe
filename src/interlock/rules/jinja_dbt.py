"""dbt's Jinja: the tags and typed signatures that dbt adds, in a sandbox that ends whatever it is given.

``parse`` gives the syntax tree of a file, or the place and the reason why there is none. ``DbtEnvironment`` compiles
and runs it; what it spends is counted in a ``Budget`` that each rendering brings along.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

# One rendering may take that many steps (turns of loops, calls), and texts and lists that long.
_STEPS = 150_000
_SECONDS = 5.0
LARGEST_TEXT = 4_000_000
_LARGEST_LIST = 100_000
_WIDE = re.compile(r"[%:][^\s\w]?\d{6}")
_STRAY = re.compile(
    r"Encountered unknown tag '(end(?:if|for|macro|call|set|filter|raw|test|data_test|materialization|snapshot|docs))'"
)

MACRO = "dbt_macro__"
TEST = "test_"


class TooMuchError(Exception):
    """A rendering that has no end, or none that anybody would wait for."""


@dataclass
class Budget:
    """What a rendering may still spend. A step of a large file weighs more, for it repeats larger texts."""

    steps: int = _STEPS
    weight: int = 1
    until: float = field(default_factory=lambda: time.monotonic() + _SECONDS)

    def step(self) -> None:
        self.steps -= self.weight
        if self.steps < 0 or (not self.steps & 255 and time.monotonic() > self.until):
            raise TooMuchError("the rendering does not end")


@dataclass(frozen=True)
class JinjaError:
    """Why a file is no Jinja. The mistake is between ``line`` and ``end_line``."""

    line: int
    end_line: int
    message: str


class _Materialization(Extension):
    tags = {"materialization"}  # noqa: RUF012 (jinja2's own form)

    def parse(self, parser: Parser) -> nodes.Node:
        node = nodes.Macro(lineno=next(parser.stream).lineno)
        name = parser.parse_assign_target(name_only=True).name
        adapter = "default"
        node.args, node.defaults = [], []
        while parser.stream.skip_if("comma"):
            target = parser.parse_assign_target(name_only=True).name
            if target == "default":
                continue
            if target not in ("adapter", "supported_languages"):
                parser.fail(f"a materialization has no argument '{target}'")
            parser.stream.expect("assign")
            value = parser.parse_expression()
            if target == "adapter":
                adapter = str(getattr(value, "value", ""))
        node.name = f"materialization_{name}_{adapter}"
        node.body = parser.parse_statements(("name:endmaterialization",), drop_needle=True)
        return node


class _Test(Extension):
    tags = {"test", "data_test"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        token = next(parser.stream)
        node = nodes.Macro(lineno=token.lineno)
        node.name = f"{MACRO}{TEST}{parser.parse_assign_target(name_only=True).name}"
        parser.parse_signature(node)
        node.body = parser.parse_statements((f"name:end{token.value}",), drop_needle=True)
        return node


class _Snapshot(Extension):
    """``{% snapshot name %}``: its body is rendered where it stands. The name is kept in a scope node around it."""

    tags = {"snapshot"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        name = parser.parse_assign_target(name_only=True).name
        body = parser.parse_statements(("name:endsnapshot",), drop_needle=True)
        node = nodes.Scope(body, lineno=line)
        node.snapshot = name  # type: ignore[attr-defined]
        return node


class _Docs(Extension):
    tags = {"docs"}  # noqa: RUF012

    def parse(self, parser: Parser) -> nodes.Node:
        node = nodes.Macro(lineno=next(parser.stream).lineno)
        node.name = f"dbt_docs__{parser.parse_assign_target(name_only=True).name}"
        node.args, node.defaults = [], []
        node.body = parser.parse_statements(("name:enddocs",), drop_needle=True)
        return node


class _DbtParser(Parser):
    """Knows where the open blocks began, and types in the signatures of macros."""

    def __init__(self, environment: "DbtEnvironment", text: str, *, macro: str = MACRO) -> None:
        self.opened: list[tuple[str, int]] = []
        self._macro = macro
        super().__init__(environment, text)

    def parse_statement(self) -> Any:
        token = self.stream.current
        self.opened.append((token.value, token.lineno))
        node = super().parse_statement()
        self.opened.pop()
        return node

    def parse_macro(self) -> nodes.Macro:
        node = super().parse_macro()
        node.name = self._macro + node.name
        return node

    def parse_for(self) -> nodes.For:
        node = super().parse_for()
        node.iter = _filtered(node.iter, "__ticked")
        return node

    def parse_concat(self) -> nodes.Expr:
        node = super().parse_concat()
        if isinstance(node, nodes.Concat):
            return _filtered(nodes.List(node.nodes, lineno=node.lineno), "__joined")
        return node

    def parse_signature(self, node: Any) -> None:
        args = node.args = []
        defaults = node.defaults = []
        self.stream.expect("lparen")
        while self.stream.current.type != "rparen":
            if args:
                self.stream.expect("comma")
            arg = self.parse_assign_target(name_only=True)
            arg.set_ctx("param")
            if self.stream.skip_if("colon"):
                self._skip_type()
            if self.stream.skip_if("assign"):
                defaults.append(self.parse_expression())
            elif defaults:
                self.fail("non-default argument follows default argument")
            args.append(arg)
        self.stream.expect("rparen")

    def _skip_type(self) -> None:
        self.stream.expect("name")
        if self.stream.skip_if("lbracket"):
            while self.stream.current.type not in ("rbracket", "eof"):
                self._skip_type()
                self.stream.skip_if("comma")
            self.stream.expect("rbracket")


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class DbtEnvironment(SandboxedEnvironment):
    """``budget`` belongs to the rendering that is under way; there is never more than one."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self) -> None:
        super().__init__(
            extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", _Materialization, _Test, _Snapshot, _Docs],
            optimized=False, cache_size=0, finalize=self._finalize,
        )  # fmt: skip
        self.budget = Budget()
        self.globals.pop("lipsum")
        self.globals["range"] = _range
        for name in ("as_text", "as_bool", "as_native", "as_number"):
            self.filters[name] = _unchanged
        self.filters["is_list"] = lambda value: isinstance(value, list)
        for name in ("center", "indent", "wordwrap", "batch", "slice", "replace", "join", "tojson", "pprint", "format"):
            self.filters[name] = self._guarded(self.filters[name])
        self.filters["__ticked"] = self._ticked
        self.filters["__joined"] = self._joined

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.budget.step()
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str) and _WIDE.search(owner):
            raise TooMuchError("a width that is too large")
        if isinstance(owner, (str, list, dict, set)):
            self._small(owner, *args, *kwargs.values())
        return super().call(context, obj, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        owner = getattr(value, "__self__", None)
        if isinstance(owner, str) and _WIDE.search(owner):
            raise TooMuchError("a width that is too large")
        return super().wrap_str_format(value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        self.budget.step()
        if operator == "**" and isinstance(left, (int, float)) and isinstance(right, (int, float)):
            if abs(left) > 10**6 or abs(right) > 64:
                raise TooMuchError("a power that is too large")
        elif operator == "*" and isinstance(left, int) and isinstance(right, int):
            if abs(left) > 10**40 or abs(right) > 10**40:
                raise TooMuchError("a product that is too large")
        elif operator == "%" and isinstance(left, str) and _WIDE.search(left):
            raise TooMuchError("a width that is too large")
        elif operator in ("*", "%", "+"):
            self._small(left, right)
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return not attr.startswith("__") and super().is_safe_attribute(obj, attr, value)

    def _small(self, *values: Any) -> None:
        """Raises where these could make something very large together."""
        product = 1
        for value in values:
            if isinstance(value, (str, list, tuple, dict, set)):
                product *= max(1, weight(value))
            elif isinstance(value, int):
                product *= max(1, abs(value)) if abs(value) > 1000 else 1
        if product > LARGEST_TEXT * 25:
            raise TooMuchError("a value that is too large")

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            self._small(*args, *kwargs.values())
            return function(*args, **kwargs)

        if hasattr(function, "jinja_pass_arg"):
            guarded.jinja_pass_arg = function.jinja_pass_arg  # type: ignore[attr-defined]
        return guarded

    def _ticked(self, values: Any) -> Iterator[Any]:
        for value in values:
            self.budget.step()
            yield value

    def _joined(self, values: list[Any]) -> str:
        return "".join(self._finalize(one) for one in values)

    def _finalize(self, value: Any) -> str:
        if isinstance(value, (str, list, tuple, dict, set)) and weight(value) > LARGEST_TEXT:
            raise TooMuchError("a text that is too large")
        return str(value)


def weight(value: Any) -> int:
    """About how many characters ``value`` has as a text; large values are not looked through."""
    if isinstance(value, str):
        return len(value)
    total, left = 0, [value]
    while left and total <= LARGEST_TEXT:
        one = left.pop()
        if isinstance(one, str):
            total += len(one)
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
            total += len(one)
        elif isinstance(one, (list, tuple, set)):
            left += one
            total += len(one)
            if len(left) > _LARGEST_LIST * 4:
                return LARGEST_TEXT + 1
        else:
            total += 8
    return total


def _range(*args: int) -> range:
    found = range(*args)
    if len(found) > _LARGEST_LIST:
        raise TooMuchError("a range that is too large")
    return found


def _unchanged(value: Any) -> Any:
    return value


@cache
def _reading_environment() -> DbtEnvironment:
    return DbtEnvironment()


def parse(text: str, *, macro: str = MACRO) -> nodes.Template | JinjaError | None:
    """The syntax tree, why it is no Jinja, or None where this cannot be told (nested beyond all measure).

    ``macro`` is set before the names of macros, as dbt does. Loops count their turns: ``__ticked`` is around what they
    iterate, and ``a ~ b`` has become ``[a, b] | __joined``.
    """
    environment = _reading_environment()
    parser: _DbtParser | None = None
    try:
        parser = _DbtParser(environment, text, macro=macro)
        return parser.parse()
    except TemplateSyntaxError as error:
        return _placed(error, parser.opened if parser else [], text)
    except (RecursionError, MemoryError, SecurityError, ValueError, OverflowError, AttributeError):
        return None


def _placed(error: TemplateSyntaxError, opened: list[tuple[str, int]], text: str) -> JinjaError:
    message = (error.message or "no Jinja").strip()
    line = max(error.lineno, 1)
    if message.startswith("Unexpected end of template") and opened:
        tag, began = opened[-1]
        return JinjaError(began, began, f"'{tag}' is opened and never closed with 'end{tag}'")
    stray = _STRAY.match(message)
    if stray and "needs to be closed" in message and len(opened) > 1:
        tag, began = opened[-2]
        return JinjaError(began, began, f"'{tag}' is opened and not closed before '{stray[1]}'")
    if message.startswith("Encountered unknown tag"):
        return JinjaError(line, line, message.partition(". ")[0].replace("Encountered unknown", "unknown"))
    lines = text.split("\n")
    if "expected" in message:
        first = line - 1
        while 0 < first <= len(lines) and not lines[first - 1].strip():
            first -= 1
        begins_there = line <= len(lines) and ("{{" in lines[line - 1] or "{%" in lines[line - 1])
        return JinjaError(line if begins_there or first < 1 else first, line, message)
    return JinjaError(line, line, message)
