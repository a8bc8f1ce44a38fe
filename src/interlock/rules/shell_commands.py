"""What a command line runs: dbt selections and scripts. Lines that something else fills in first tell nothing."""

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

UNKNOWN = "?"
_SEPARATOR = re.compile(r"[;&|()<>]+")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_DBT_COMMANDS = frozenset({"run", "build", "test", "seed", "snapshot", "compile", "ls", "list", "clone", "retry"})
_SELECT = frozenset({"--select", "-s", "--models", "--model", "-m"})
_SPARK_SWITCHES = frozenset({"--verbose", "-v", "--supervise", "--help", "--version"})
_FILLED_IN = re.compile(r"[${}`%<>]")


@dataclass(frozen=True)
class Selection:
    """``project``: the folder that the command names, or where it is run; "" where it says nothing."""

    command: str
    selected: tuple[str, ...]
    excluded: tuple[str, ...]
    project: str


@dataclass(frozen=True)
class Script:
    """A script as the command names it, and the folder that ``cd`` led to: "" for none, ``UNKNOWN``."""

    path: str
    folder: str


def commands(text: str) -> Iterator[tuple[list[str], str]]:
    """The words of each simple command, and the folder that it runs in."""
    if "{{" in text or "{%" in text or len(text) > 20_000:
        return
    folder = ""
    for line in text.replace("\\\n", " ").split("\n"):
        for words in _simple(line):
            if words[0] == "cd" and len(words) > 1:
                target = words[1]
                known = folder != UNKNOWN and not _FILLED_IN.search(target)
                folder = posixpath.normpath(posixpath.join(folder, target)) if known else UNKNOWN
            else:
                yield words, folder


def _simple(line: str) -> Iterator[list[str]]:
    if not line.strip() or line.lstrip().startswith("#"):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()<>")
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for word in lexer:
            if not _SEPARATOR.fullmatch(word):
                words.append(word)
            elif words:
                yield _without_assignments(words) or ["true"]
                words = []
    except ValueError:
        return
    if words:
        yield _without_assignments(words) or ["true"]


def _without_assignments(words: list[str]) -> list[str]:
    at = 0
    while at < len(words) and (_ASSIGNMENT.match(words[at]) or words[at] in ("env", "export", "exec", "time", "nohup")):
        at += 1
    return words[at:]


def selection_of(words: Sequence[str], folder: str = "") -> Selection | None:
    """What a dbt command selects; None where it is no such command, or selects nothing by name."""
    start = next((n for n, word in enumerate(words[:5]) if word == "dbt" or word.endswith("/dbt")), None)
    if start is None:
        return None
    command = next((word for word in words[start + 1 :] if word in _DBT_COMMANDS or word == "source"), "")
    if not command or command == "source":
        return None
    chosen: dict[str, list[str]] = {"select": [], "exclude": []}
    project, kind = folder, ""
    rest = list(words[start + 1 :])
    for number, word in enumerate(rest):
        if word.startswith("-"):
            flag, _, value = word.partition("=")
            kind = "select" if flag in _SELECT else "exclude" if flag == "--exclude" else ""
            if flag == "--project-dir":
                project = value or (rest[number + 1] if number + 1 < len(rest) else "")
            if kind and value:
                chosen[kind] += value.split()
        elif kind:
            chosen[kind] += word.split()
    if _FILLED_IN.search(project):
        project = UNKNOWN
    selected, excluded = (tuple(one for one in chosen[k] if not _FILLED_IN.search(one)) for k in ("select", "exclude"))
    return Selection(command, selected, excluded, project) if selected or excluded else None


def script_of(words: Sequence[str], folder: str = "") -> Script | None:
    """The Python or shell script that a command runs by its path."""
    name = posixpath.basename(words[0])
    path = ""
    if name in ("spark-submit", "spark3-submit"):
        path = _application(words[1:])
    elif re.fullmatch(r"python[\d.]*|bash|sh|zsh", name):
        path = _first(words[1:])
    elif words[0].endswith((".sh", ".py")) and "/" in words[0]:
        path = words[0]
    if not path.endswith((".py", ".sh")) or _FILLED_IN.search(path) or "*" in path:
        return None
    return Script(path, folder)


def _application(words: Sequence[str]) -> str:
    takes_value = False
    for word in words:
        if takes_value:
            takes_value = False
        elif word.startswith("-"):
            takes_value = "=" not in word and word not in _SPARK_SWITCHES
        else:
            return word
    return ""


def _first(words: Sequence[str]) -> str:
    for word in words:
        if word in ("-c", "-m"):
            return ""
        if not word.startswith("-"):
            return word
    return ""
