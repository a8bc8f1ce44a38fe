"""What a shell command of a task runs: dbt with a selection, or a Spark job."""

import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

# Stands for a piece of Jinja: a word without blanks or quotes, so that the shell's words stay whole.
HOLE = "ilk_unknown"
_JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_SEPARATORS = frozenset({"&&", "||", ";", "|", "&", "(", ")", "\n"})
_VERBS = frozenset({"build", "run", "test", "seed", "snapshot"})
_SELECT = frozenset({"--select", "-s", "--models", "--model", "-m"})
# Options of spark-submit that stand alone; every other one takes a value.
_SPARK_FLAGS = frozenset({"--verbose", "-v", "--supervise", "--help", "--version", "--usage-error"})


@dataclass(frozen=True)
class DbtCommand:
    """``dbt <verb>``; ``selector`` names a selector of selectors.yml."""

    verb: str
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    selector: str = ""


@dataclass(frozen=True)
class SparkCommand:
    """``interlock-spark-submit <job>`` or ``spark-submit … <application>``; "" where the command hides it."""

    job: str


def commands_in(text: str) -> list[DbtCommand | SparkCommand]:
    """Every dbt and Spark command of a shell text, in order; raises ValueError where its quotes do not match."""
    found: list[DbtCommand | SparkCommand] = []
    if "dbt" not in text and "spark-submit" not in text:
        return found
    for words in _simple_commands(_JINJA.sub(HOLE, text)):
        for position, word in enumerate(words):
            name = PurePosixPath(word).name
            if name == "dbt":
                command = _dbt(words[position + 1 :])
                found += [command] if command else []
                break
            if name == "interlock-spark-submit":
                found.append(SparkCommand(next((one for one in words[position + 1 :] if not one.startswith("-")), "")))
                break
            if name == "spark-submit":
                found.append(SparkCommand(_application(words[position + 1 :])))
                break
    return found


def _simple_commands(text: str) -> list[list[str]]:
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars="();|&\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word in _SEPARATORS or set(word) <= set("();|&\n"):
            commands.append([])
        else:
            commands[-1].append(word)
    return [words for words in commands if words]


def _dbt(words: list[str]) -> DbtCommand | None:
    verb = ""
    options: dict[str, list[str]] = {"select": [], "exclude": [], "selector": []}
    current = ""
    for word in words:
        name, equals, value = word.partition("=")
        if word.startswith("-") and not re.fullmatch(r"-\d+", word):
            current = "select" if name in _SELECT else name.lstrip("-") if name.lstrip("-") in options else ""
            if equals and current:
                options[current].append(value)
        elif current:
            options[current].append(word)
        elif word in _VERBS and not verb:
            verb = word
    if not verb:
        return None
    selector = options["selector"][0] if options["selector"] else ""
    return DbtCommand(verb, tuple(options["select"]), tuple(options["exclude"]), selector)


def _application(words: list[str]) -> str:
    position = 0
    while position < len(words):
        word = words[position]
        if not word.startswith("-"):
            return word
        position += 1 if word in _SPARK_FLAGS or "=" in word else 2
    return ""
