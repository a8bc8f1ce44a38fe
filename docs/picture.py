"""Draw the terminal picture of the README from a real run: `python docs/picture.py` writes docs/terminal.svg."""

import io
import os
import pty
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 112
# The chapters of `interlock demo` that the picture shows, by the beginning of their titles.
SHOWN = ("Somebody breaks a DAG", "Production's data gate", "Back to the release before")
_CHAPTER = re.compile(r"^\x1b\[1m\d+\. |^\d+\. ", re.MULTILINE)
# What a progress display draws and wipes again.
_CURSOR = re.compile(r"\x1b\[\d*[A-HJKST]|\x1b\[\?25[lh]|[^\n]*\r(?!\n)")
_SPINNER = re.compile(r"[\u2800-\u28ff] ")
_PLAN_LINE = re.compile(r"Plan for \w+|^plan [0-9a-f]{16}$")


def told() -> str:
    """Everything that `interlock demo` writes to a terminal of WIDTH columns."""
    os.environ.update(COLUMNS=str(WIDTH), LINES="50", TERM="xterm-256color", INTERLOCK_ACTOR="ada")
    heard = io.BytesIO()

    def read(descriptor: int) -> bytes:
        data = os.read(descriptor, 65536)
        heard.write(data)
        return data

    status = pty.spawn([sys.executable, "-m", "interlock", "demo"], read)
    if status != 0:
        raise SystemExit("the demo failed")
    return heard.getvalue().decode("utf-8", "replace").replace("\r\n", "\n")


def chapters(text: str) -> list[str]:
    """The shown chapters: the command, and the end of what it said; the plan before it is cut."""
    found = []
    for part in _CHAPTER.split(_CURSOR.sub("", text))[1:]:
        title, _, rest = part.partition("\n")
        if not Text.from_ansi(title).plain.startswith(SHOWN):
            continue
        command, _, output = rest.partition("\n")
        lines = output.rstrip().split("\n")
        plain = [Text.from_ansi(line).plain for line in lines]
        after_plan = max((i + 1 for i, line in enumerate(plain) if _PLAN_LINE.search(line)), default=0)
        told = zip(lines[after_plan:], plain[after_plan:], strict=True)
        found.append("\n".join([command, *(line for line, text in told if text.strip() and not _SPINNER.match(text))]))
    return found


def offline(svg: str) -> str:
    """The picture without fonts that a reader's browser would have to fetch."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def main() -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for number, chapter in enumerate(chapters(told())):
        if number:
            console.print()
        console.print(Text.from_ansi(chapter), soft_wrap=False)
    target = Path(__file__).with_name("terminal.svg")
    target.write_text(offline(console.export_svg(title="interlock", unique_id="interlock")), "utf-8")
    print(f"{target}: written")


if __name__ == "__main__":
    main()
