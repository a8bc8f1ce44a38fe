"""The YAML between two lines of ``---`` at the top of a task's file; in Python it stands in comments."""

import re
from dataclasses import dataclass

_KEY = re.compile(r"^[A-Za-z_][\w\-]*\s*:(?:\s|$)")
_MOST_LINES = 200


@dataclass(frozen=True)
class FrontMatter:
    """``line``: where its first line stands in the file, counted from 1."""

    line: int
    text: str


def front_matter(text: str) -> FrontMatter | None:
    """None for texts without, and where the lines between the marks are comments or code."""
    if not text.startswith(("---", "# ---", "#---")):
        return None
    lines = text.split("\n", _MOST_LINES)[:_MOST_LINES]
    commented = lines[0].startswith("#")
    plain = [re.sub(r"^# ?", "", line) if commented else line for line in lines]
    if plain[0].rstrip() != "---":
        return None
    end = next((n for n, line in enumerate(plain[1:], 1) if line.rstrip() in ("---", "...")), 0)
    body = plain[1:end]
    if not body or any(line.startswith("--") for line in body):
        return None
    if commented and not all(line.startswith("#") for line in lines[:end]):
        return None
    first = next((line for line in body if line.strip() and not line.startswith("#")), "")
    if not _KEY.match(first) or "jupytext" in first:
        return None
    return FrontMatter(2, "\n".join(body) + "\n")
