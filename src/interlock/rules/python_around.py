"""Files beside the Python that decide what it can import: .gitignore, .airflowignore, requirements."""

import re
import tomllib
from fnmatch import fnmatch
from typing import Any

from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection

REQUIREMENTS = "requirements"
_REQUIREMENT = re.compile(r"\s*([A-Za-z][\w.\-]*)\s*(?:\[[^\]]*\])?\s*(?:[=<>~!;@#].*)?$")


def requirements_of(file: SourceFile) -> list[str] | None:
    """The packages that a requirements file, pyproject.toml or Pipfile names, as they are likely imported."""
    lines = _declared(file.text) if file.path.endswith((".toml", "Pipfile")) else file.lines
    found: set[str] = set()
    for line in lines:
        match = _REQUIREMENT.match(line[:500])
        if match:
            name = re.sub(r"[.\-]", "_", match[1].lower())
            found.update((name, name.removeprefix("python_"), name.removeprefix("py"), name.removesuffix("_python")))
    return sorted(found) or None


def _declared(text: str) -> list[str]:
    """The dependencies of a TOML file, however they are grouped: lists of requirements, or tables by name."""
    try:
        data: Any = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return []
    found: list[str] = []
    stack: list[tuple[str, Any]] = [("", data)]
    while stack:
        key, value = stack.pop()
        if re.fullmatch(r"(?:.*-)?(?:dependencies|packages|requires)(?:-groups)?", key):
            named = [*value, *value.values()] if isinstance(value, dict) else value
            for one in named if isinstance(named, list) else ():
                found += [one] if isinstance(one, str) else [line for line in one if isinstance(line, str)]
        if isinstance(value, dict):
            stack += value.items()
    return found


def required(inspection: Inspection) -> frozenset[str]:
    """What the project's requirements files name."""
    return frozenset(name for told in inspection.of(REQUIREMENTS).values() for name in told)


def ignored_by_git(inspection: Inspection) -> list[str]:
    """The last parts of what .gitignore files name."""
    text = b"\n".join(inspection.read(one) for one in inspection.paths if one.rpartition("/")[2] == ".gitignore")
    lines = (one.strip() for one in text.decode("utf-8", "replace").splitlines())
    names = (one.rstrip("/").rpartition("/")[2] for one in lines if one and one[0] not in "#!")
    return [one for one in names if re.search(r"\w", one) and one != "*.py"]


def ignored_by_airflow(inspection: Inspection, path: str) -> bool:
    """Whether an .airflowignore above a file names it, read as either of the two syntaxes."""
    folder = path.rpartition("/")[0]
    while True:
        ignore = f"{folder}/.airflowignore".lstrip("/")
        if inspection.exists(ignore):
            text = inspection.read(ignore).decode("utf-8", "replace")
            lines = (one.partition("#")[0].strip() for one in text.splitlines())
            if any(_matches(line, path[len(folder) :].lstrip("/")) for line in lines if line):
                return True
        if not folder:
            return False
        folder = folder.rpartition("/")[0]


def _matches(line: str, inner: str) -> bool:
    """As a regular expression and as a glob: either may be set, and both mean that the file is left out."""
    try:
        if re.search(line, inner):
            return True
    except re.error:
        pass
    return fnmatch(inner, f"*{line.strip('/')}*")
