"""A DAG file's failure as findings that name the cause, where it lies, and the nearest thing that exists."""

import ast
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from interlock.catalog.python_imports import ModuleIndex
from interlock.catalog.sources import Sources
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity

# Seconds an import may take before it is worth a warning: Airflow repeats it every 30 s, for every file.
SLOW_IMPORT_SECONDS = 5.0

_NO_NAME = re.compile(r"cannot import name '([^']+)' from (?:partially initialized module )?'([^']+)'")

# A frame of the project's is told by a path relative to it.
_FRAME = re.compile(r'  File "([^"]+)"')

_LIMITS = {
    "timeout": ("ILK-AF004", "importing it does not end in time",
                "Move work out of the module's top level, into a task; look for a loop that never ends."),
    "memory": ("ILK-AF005", "importing it needs more memory than a DAG file may have",
               "Do not load data while the file is imported; load it inside a task."),
    "exited": ("ILK-AF006", "importing it ends the process",
               "Remove sys.exit, exit and os._exit from the module's top level; raise AirflowSkipException in a task."),
    "crashed": ("ILK-AF007", "importing it kills the process",
                "Look for native code at the module's top level; import it inside a task."),
}  # fmt: skip


_SECOND = {
    "timeout": "does not end in time",
    "exited": "ends the process",
    "crashed": "kills the process",
}


def findings_of(results: Sequence[dict[str, Any]], index: ModuleIndex, sources: Sources) -> list[Finding]:
    """One finding for each cause; files that fail for the same cause are its ``affected``."""
    causes: dict[tuple[str, str, int, str], Finding] = {}
    for result in results:
        path, outcome = result["path"], result["outcome"]
        if outcome in _LIMITS:
            found = [_limit(path, outcome, result["errors"])]
        else:
            found = [_error(path, error, index, sources) for error in result["errors"]]
        if outcome == "ok" and result["import_seconds"] > SLOW_IMPORT_SECONDS:
            found.append(_slow(path, result["import_seconds"]))
        if result["second"]:
            importers = [one["path"] for one in results if one["outcome"] == "ok" and path in one["imports"]]
            found += _second(path, result["second"], [one for one in importers if one != path])
        for finding in found:
            key = (finding.rule, finding.place.path, finding.place.line, finding.summary)
            before = causes.get(key, finding)
            affected = tuple(dict.fromkeys((*before.affected, path)))
            causes[key] = Finding(**{**before.__dict__, "affected": affected})
    return [causes[key] for key in sorted(causes)]


def _limit(path: str, outcome: str, errors: list[dict[str, Any]]) -> Finding:
    rule, summary, remedy = _LIMITS[outcome]
    first = errors[0] if errors else {}
    place = Place(first.get("file") or path, first.get("line") or 0)
    return Finding(rule, Severity.ERROR, place, f"{path}: {summary}", remedy, detail=_detail(first))


def _second(path: str, error: dict[str, Any], importers: list[str]) -> Iterator[Finding]:
    """Nothing where no DAG file imports the one that fails: then nobody runs it twice."""
    if not importers:
        return
    what = _SECOND.get(error["outcome"], f"fails: {error['type']}: {_first_line(error['message'])}")
    yield Finding(
        "ILK-AF012", Severity.ERROR, Place(error["file"] or path, error["line"] or 0),
        f"{path}: importing it a second time in one process {what}",
        f"Let its top level bear to run twice, or name it in .airflowignore: {importers[0]} imports it, and Airflow "
        "runs it as a DAG file besides, under another name.",
        detail=_detail(error), affected=tuple(importers),
    )  # fmt: skip


def _slow(path: str, seconds: float) -> Finding:
    return Finding(
        "ILK-AF008", Severity.WARNING, Place(path),
        f"importing it takes {seconds:.1f} s, and Airflow imports it again and again",
        "Move slow imports and look-ups into the tasks that need them.",
    )  # fmt: skip


def _error(path: str, error: dict[str, Any], index: ModuleIndex, sources: Sources) -> Finding:
    kind, message = error.get("type", "Error"), (error.get("message") or "").strip()
    place = Place(error.get("file") or path, error.get("line") or 0)
    missing = error.get("missing_module")
    unnamed = _NO_NAME.search(message)
    cause = ""
    if missing:
        # As the rules about source text call it: what one change would mend is shown once.
        cause = f"module:{missing}"
        summary = f"imports '{missing}', which neither the project nor the runtime has"
        remedy = _near_module(missing, index)
    elif unnamed:
        cause = f"name:{index.by_name.get(unnamed[2], unnamed[2])}:{unnamed[1]}"
        summary = f"imports '{unnamed[1]}' from '{unnamed[2]}', which has no such name"
        remedy = _near_name(unnamed[1], unnamed[2], index, sources)
    elif kind in ("SyntaxError", "IndentationError", "TabError"):
        summary, remedy = f"is not valid Python: {message}", "Correct the syntax at this line."
    elif kind == "AirflowDagCycleException" or "Cycle detected" in message:
        summary, remedy = f"a DAG runs in a circle: {message}", "Remove one dependency of the circle."
    else:
        first = _first_line(message)
        summary = f"cannot be imported: {kind}: {first}" if first else f"cannot be imported: {kind}"
        remedy = "Correct the line, or move what it does into a task: imports get no network and no secrets."
    return Finding("ILK-AF001", Severity.ERROR, place, summary, remedy, detail=_detail(error), cause=cause)


def _first_line(message: str) -> str:
    """The rest of some messages holds addresses and other things that change."""
    return message.splitlines()[0] if message else ""


def _detail(error: dict[str, Any]) -> str:
    traceback = str(error.get("traceback_tail") or "")
    return own_frames(traceback) if traceback else str(error.get("message") or "")


def own_frames(traceback: str) -> str:
    """A traceback without the frames of Python and of libraries; all of it where no frame is the project's."""
    kept: list[str] = []
    own, theirs = False, False
    for line in traceback.splitlines():
        frame = _FRAME.match(line)
        if frame:
            theirs = frame[1].startswith(("/", "<"))
            own = own or not theirs
        elif not line.startswith("    "):
            theirs = False  # the exception itself
        if not theirs and (kept or frame or not line.startswith("    ")):
            kept.append(line)
    return "\n".join(kept) if own else traceback


def _near_module(missing: str, index: ModuleIndex) -> str:
    near = get_close_matches(missing, index.names, n=1, cutoff=0.6)
    if not near:
        tail = missing.rpartition(".")[2]
        near = [name for name in index.names if name.rpartition(".")[2] == tail][:1]
    if near:
        return f"Import '{near[0]}' ({index.by_name[near[0]]}), which exists, or add '{missing}'."
    top = missing.split(".")[0]
    return f"Add '{top}' to the runtime's requirements and lock it again, or add the module to the project."


def _near_name(name: str, module: str, index: ModuleIndex, sources: Sources) -> str:
    path = index.by_name.get(module)
    defined = top_level_names(sources.read(path)) if path else ()
    near = get_close_matches(name, defined, n=1, cutoff=0.5)
    if near:
        return f"Import '{near[0]}', which {path} defines, or define '{name}' there."
    return f"Define '{name}' in {path}." if path else f"Lock a version of '{module}' that has '{name}'."


def top_level_names(source: bytes) -> tuple[str, ...]:
    """What a module defines or imports at its top level."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError):
        return ()
    names: list[str] = []
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names += [alias.asname or alias.name.split(".")[0] for alias in node.names]
    return tuple(names)
