"""What uv and its package index say of requirements and of locks. Nothing is built, and nobody's code runs.

A package that comes as source alone (Airflow 2 needs one, PySpark is one) would have to be built before uv knows what
it requires. Where it is installed in the runtime, its metadata is handed to uv as a wheel without content instead.
"""

import re
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from interlock.runtimes.uvtool import Said, ask_uv, is_unreachable

LIMIT_SECONDS = 60.0
# A request that fails once more will not be answered in time; and a Python is not fetched to answer a question.
_ENV = {"UV_HTTP_RETRIES": "1", "UV_PYTHON_DOWNLOADS": "never"}
_PLAIN_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?$")
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_YANKED = re.compile(r"^warning: `([^`=]+)==([^`]+)` is yanked(?: \(reason: \"(.*)\"\))?", re.MULTILINE)
_SOURCE_ONLY = re.compile(r"Wheels are required for `([^`]+)`")
_ABSENT = re.compile(r"(?:Because |and )([\w.-]+) was not found in the (?:package registry|cache|provided)")


@dataclass(frozen=True)
class Yanked:
    """A version that its index advises against, with its authors' reason where they gave one."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True)
class Answer:
    """``conflict``: uv's own explanation of why there is no solution. ``unknown``: why there is no answer.

    Without either, ``pins`` are a solution as (name, version), and ``yanked`` are those of them that were yanked.
    """

    conflict: str = ""
    unknown: str = ""
    pins: frozenset[tuple[str, str]] = frozenset()
    yanked: tuple[Yanked, ...] = ()


def resolve(requirements: str, *, root: Path, python: str | None, lock: str, interpreter: Path | None) -> Answer:
    """Whether a requirements file (relative to ``root``) has a solution; versions that stand in ``lock`` are preferred.

    ``interpreter`` is that of the built runtime, where there is one. The indexes are those of uv's configuration.
    """
    version = python if python is not None and _PLAIN_VERSION.match(python) else None
    if version is None and interpreter is None:
        return Answer(unknown="the runtime names no Python version and is not built")
    with tempfile.TemporaryDirectory(prefix="interlock-resolve-") as folder:
        target = Path(folder) / "solution.txt"
        # Nothing but the versions: a lock can include files and name indexes, too.
        target.write_text("".join(f"{name}=={pin}\n" for name, pin in sorted(pinned(lock))), "utf-8")
        # An interpreter that is named is not looked for: uv would start whatever lies in a .venv of the project.
        command = [
            *_compile("--no-build", "--python", str(interpreter or sys.executable)),
            "--output-file",
            str(target),
        ]
        if version is not None:
            command += ["--python-version", version]
        if interpreter is not None:
            wheels = Path(folder) / "wheels"
            _hand_out(interpreter, wheels)
            command += ["--find-links", str(wheels)]
        said = ask_uv([*command, f"./{requirements}"], cwd=root, seconds=LIMIT_SECONDS, env=_ENV)
        return _answer(said, target.read_text("utf-8"))


def look_up(pins: Sequence[tuple[str, str]], *, root: Path) -> Answer:
    """Which of these locked versions were yanked; each name may stand there once."""
    command = _compile("--no-deps", "--python", sys.executable)
    given = "".join(f"{name}=={version}\n" for name, version in pins)
    said = ask_uv([*command, "-"], cwd=root, seconds=LIMIT_SECONDS, given=given, env=_ENV)
    return _answer(said, said.output)


def pinned(text: str) -> frozenset[tuple[str, str]]:
    """The versions that a lock, or what uv printed, pins."""
    return frozenset((str(canonicalize_name(name)), pin) for name, pin in _PIN.findall(text))


def _compile(*options: str) -> list[str]:
    return ["pip", "compile", "--no-header", "--no-annotate", "--no-emit-index-url", *options]


def _answer(said: Said, solution: str) -> Answer:
    if said.code == 0:
        return Answer(pins=pinned(solution), yanked=tuple(Yanked(*found) for found in _YANKED.findall(said.words)))
    unknown = _unknown(said)
    return Answer(unknown=unknown) if unknown else Answer(conflict=_explanation(said.words))


def _unknown(said: Said) -> str:
    """Why the words of a uv that failed prove nothing; "" where they do."""
    if said.code is None:
        return f"uv came to no answer within {LIMIT_SECONDS:g} s"
    if is_unreachable(said.words):
        return "the package index could not be reached: check the network and uv's index settings"
    built = sorted(set(_SOURCE_ONLY.findall(said.words)))
    if built or "no usable wheels" in said.words:
        names = ", ".join(built) or "a package"
        return f"{names} would have to be built from source first, which a check does not do: lock the runtime"
    absent = _ABSENT.search(said.words)
    if absent:
        return f"the index that uv is configured with has no package '{absent[1]}'"
    if "No solution found" not in said.words:
        return "uv gives no answer: run 'uv pip compile' on the file to see why"
    return ""


def _explanation(words: str) -> str:
    """uv's sentences without its marks of an error."""
    told = words[words.index("No solution found") :].partition("\n")[2].strip()
    lines = (re.sub(r"^cause: |^[×╰─▶│├\s]+", "", line.strip()) for line in told.splitlines())
    return "\n".join(line for line in lines if line)


def _hand_out(interpreter: Path, folder: Path) -> None:
    """A wheel that holds nothing but its metadata for each distribution that is installed beside the interpreter."""
    folder.mkdir()
    for info in _installed(interpreter):
        try:
            metadata = (info / "METADATA").read_text("utf-8", "replace").partition("\n\n")[0]
        except OSError:
            continue
        with zipfile.ZipFile(folder / f"{info.name.removesuffix('.dist-info')}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{info.name}/METADATA", metadata + "\n")
            wheel.writestr(f"{info.name}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info.name}/RECORD", "")


def _installed(interpreter: Path) -> Iterator[Path]:
    found: Iterable[Path] = (interpreter.parent.parent / "lib").glob("python*/site-packages/*.dist-info")
    yield from sorted(found)
