"""Ruff over many files in one process, whatever the project's own ruff settings say.

Ruff serves two families: one run is made for all rules that they ask for, and the second family gets what it said.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruff import find_ruff_bin  # type: ignore[import-untyped]

from interlock.model.errors import InterlockError
from interlock.rules.files import SourceFile

# `invalid-syntax` has no code of its own; the F70x are errors that Python's compiler finds and its parser does not.
SYNTAX = frozenset({"invalid-syntax", "F701", "F702", "F704", "F706", "F707"})
_SELECT = ("F821", "F701", "F702", "F704", "F706", "F707", "AIR002", "AIR3")
# The newest Python that ruff knows: what another version refuses is not for us to say.
_OPTIONS = (
    "check", "--isolated", "--no-cache", "--quiet", "--exit-zero", "--no-fix", "--output-format", "json",
    "--target-version", "py314", "--select", ",".join(_SELECT),
)  # fmt: skip
_SECONDS = 300


@dataclass(frozen=True)
class Diagnostic:
    """What ruff says of a range; lines and columns count from 1. ``advice``: what it would write there."""

    path: str
    code: str
    line: int
    end_line: int
    column: int
    message: str
    advice: str


def diagnostics(files: Sequence[SourceFile]) -> tuple[Diagnostic, ...]:
    """Everything that ruff says of these files, in their order; ``# noqa`` counts. Raises if ruff cannot be run.

    A file on which ruff crashes (its parser has no limit for nesting) gives nothing, and the others all they have.
    """
    return _diagnostics(tuple((file.path, file.source) for file in files))


@lru_cache(maxsize=1)
def _diagnostics(sources: tuple[tuple[str, bytes], ...]) -> tuple[Diagnostic, ...]:
    with tempfile.TemporaryDirectory(prefix="interlock-ruff-") as folder:
        paths: dict[str, str] = {}
        for number, (path, source) in enumerate(sources):
            # By number: names of folders would let ruff leave some out.
            name = f"{number}.py"
            (Path(folder) / name).write_bytes(source)
            paths[name] = path
        told = _run(Path(folder), list(paths))
    return tuple(_diagnostic(one, paths) for one in told)


def _run(folder: Path, names: list[str]) -> list[Mapping[str, Any]]:
    try:
        ended = subprocess.run(
            [find_ruff_bin(), *_OPTIONS, *names], cwd=folder, capture_output=True, check=False, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InterlockError("ruff cannot be run", remedy="Install interlock anew.", detail=str(error)) from error
    if ended.returncode == 0:
        return list(json.loads(ended.stdout or b"[]"))
    if ended.returncode > 0 and ended.returncode != 101:  # 101: a panic, as with a signal
        detail = ended.stderr.decode("utf-8", "replace")
        raise InterlockError("ruff refuses its options", remedy="Install interlock anew.", detail=detail)
    if len(names) == 1:
        return []
    half = len(names) // 2
    return _run(folder, names[:half]) + _run(folder, names[half:])


def _diagnostic(told: Mapping[str, Any], paths: Mapping[str, str]) -> Diagnostic:
    start, end, fix = told["location"], told["end_location"], told.get("fix") or {}
    return Diagnostic(
        paths[Path(told["filename"]).name], told["code"] or "invalid-syntax", start["row"], end["row"], start["column"],
        told["message"], fix.get("message") or "",
    )  # fmt: skip
