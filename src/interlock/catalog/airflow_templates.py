"""Where in the project's files a template stands of which Airflow says that something is wrong."""

import re
from collections.abc import Iterator
from typing import Any

from interlock.catalog.sources import Sources

_SHORTEST = 4


def placed(told: dict[str, Any] | None, result: dict[str, Any], sources: Sources) -> dict[str, Any] | None:
    """What the worker says of one DAG's templates, each problem with ``path`` and ``line`` instead of any text.

    A text can stand in a helper or in a file of its own: the files that the DAG file imported and opened are looked
    through. Where it is made up at run time, the place is that of its task, and else the whole file.
    """
    if told is None or not told["problems"]:
        return told
    texts = list(_texts(result, sources))
    problems = []
    for one in told["problems"]:
        path, line = _place(one, texts) or (result["path"], 0)
        kept = {name: value for name, value in one.items() if name not in ("where", "line")}
        problems.append({**kept, "path": path, "line": line})
    return {**told, "problems": problems}


def _texts(result: dict[str, Any], sources: Sources) -> Iterator[tuple[str, list[str]]]:
    for path in dict.fromkeys((result["path"], *result["imports"], *result.get("reads", ()))):
        if sources.exists(path):
            yield path, sources.read(path).decode("utf-8", "replace").splitlines()


def _place(problem: dict[str, Any], texts: list[tuple[str, list[str]]]) -> tuple[str, int] | None:
    wanted = problem["where"]
    task = re.compile(rf"""["']{re.escape(problem["task"].rpartition(".")[2])}["']""")
    by_task: tuple[str, int] | None = None
    for path, lines in texts:
        begun = next((number for number, line in enumerate(lines) if task.search(line)), None)
        if begun is not None and by_task is None:
            by_task = (path, begun + 1)
        if len(wanted) >= _SHORTEST:
            # The task's own text comes after its id, or shortly before it.
            near = [*range(begun, len(lines)), *range(begun)] if begun is not None else range(len(lines))
            found = next((number for number in near if wanted in lines[number]), None)
            if found is not None:
                return path, found + 1
    return by_task
