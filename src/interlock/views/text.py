"""Text that others wrote (names, paths, error messages), made harmless for a terminal."""

import os
import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# What a terminal would obey instead of show: control characters as their pictures (ESC as ␛), the rest as �.
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: "\u2421"}
_UNSHOWABLE = [
    *range(0x80, 0xA0),  # C1: one of them is an escape sequence in a single character
    *(0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)),  # line ends, direction of writing
    *range(0xD800, 0xE000),  # halves of characters, as in file names that are no UTF-8
]
_HARMLESS = _PICTURES | dict.fromkeys(_UNSHOWABLE, "\ufffd")
# What markup reads as its own has a stand-in until markup was read. rich's own escape leaves gaps: a backslash at the
# end, or before a bracket that opens no tag.
_STAND_INS = {ord("["): "\uf85b", ord("\\"): "\uf85c"}
_SHOWN = _HARMLESS | {ord(stand_in): chr(code) for code, stand_in in _STAND_INS.items()}
_LITERAL = _HARMLESS | {0x09: "\u2409", 0x0A: "\u240a"} | _STAND_INS


def literal(text: object) -> str:
    """``text`` for use inside markup: a ``Terminal`` shows it as it stands, on one line, and reads no markup in it."""
    return str(text).translate(_LITERAL)


def harmless(text: object) -> str:
    """``text`` with control characters as their pictures; line ends and tabs stay."""
    return str(text).translate(_HARMLESS)


def clipped(text: str, most: int) -> str:
    """At most ``most`` characters of ``text``, the last of them … where there was more."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


class ReaderGoneError(Exception):
    """Whoever read our results has closed the pipe, as ``| head`` does."""


class Terminal(Console):
    """A console that shows control characters instead of sending them; only what it adds itself is obeyed."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        # Without emoji, or 'dags/a.py:100: ...' would lose its line number to a picture.
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, highlight=False, emoji=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of ``renderable``, with harmless text."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control else Segment(text.translate(_SHOWN), style)

    def on_broken_pipe(self) -> None:
        """Results that nobody reads any more end the command; progress that nobody reads must not end a deployment."""
        if not self.stderr:
            raise ReaderGoneError
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
