"""Which files pytest would look into for tests, without starting it."""

import configparser
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from interlock.catalog.sources import Sources

_USUAL = ("test_*.py", "*_test.py")
_SECTIONS = {"pytest.ini": "pytest", ".pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}
_TABLES = {"pytest.toml": ("pytest",), ".pytest.toml": ("pytest",), "pyproject.toml": ("tool", "pytest")}


def files_of_tests(sources: Sources, paths: Iterable[str]) -> dict[str, str]:
    """The test files below ``paths`` (files or folders), each with the path that holds it.

    More than pytest finds does no harm: each of them is collected by pytest itself, and may turn out to hold no test.
    """
    found: dict[str, str] = {}
    for path in paths:
        plain = path.removeprefix("./").rstrip("/") or "."
        if plain.endswith(".py"):
            if sources.exists(plain):
                found[plain] = plain
            continue
        patterns = _patterns(sources, plain)
        for one in sources.under(plain):
            if any(fnmatchcase(one.rpartition("/")[2], pattern) for pattern in patterns):
                found.setdefault(one, plain)
    return found


def _patterns(sources: Sources, folder: str) -> tuple[str, ...]:
    """pytest's ``python_files`` for a folder: those of the nearest configuration, from it upwards."""
    for above in _upwards(folder):
        for name in (*_SECTIONS, *_TABLES):
            path = f"{above}/{name}" if above else name
            if sources.exists(path):
                said = _said(sources.read(path).decode("utf-8", "replace"), name)
                if said is not None:
                    patterns = said.get("python_files")
                    listed = patterns.split() if isinstance(patterns, str) else patterns
                    return tuple(map(str, listed)) if isinstance(listed, list) and listed else _USUAL
    return _USUAL


def _upwards(folder: str) -> Iterator[str]:
    parts = [] if folder == "." else folder.split("/")
    for count in range(len(parts), -1, -1):
        yield "/".join(parts[:count])


def _said(text: str, name: str) -> dict[str, Any] | None:
    """The settings of pytest in a file that may hold them; None where it holds none."""
    if name in _SECTIONS:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(text)
        except configparser.Error:
            return None
        return dict(parser[_SECTIONS[name]]) if parser.has_section(_SECTIONS[name]) else None
    try:
        table: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
    for key in _TABLES[name]:
        table = table.get(key) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return None
    inner = table.get("ini_options", table)
    return inner if isinstance(inner, dict) else None
