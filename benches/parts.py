"""Does one part of a cold check alone, in this process: `python benches/parts.py PROJECT PART`; prints JSON.

`seconds` is the time that it takes with the machine to itself, `cpu` what the processors did for it in this process and
all below it. PART is dbt, airflow, spark (a reading of that engine's part, runtime and all), rules (everything that
source text alone tells), or index (what uv says of the runtimes' requirements and locks).
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from measured import cpu_seconds

from interlock.catalog.read import read_project
from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache
from interlock.engine.checking import check_project
from interlock.engine.index import PackageIndex
from interlock.engine.project import Project

ENGINES = ("dbt", "airflow", "spark")


def _read(root: Path, engine: str) -> None:
    project = Project(root)
    others = dict.fromkeys(one for one in ENGINES if one != engine)
    with TemporaryDirectory() as cache:
        read_project(Sources(root), project.config.model_copy(update=others), project.runtime, Path(cache))


def _rules(root: Path) -> None:
    check_project(Project(root), static=True)


def _index(root: Path) -> None:
    project = Project(root)
    with TemporaryDirectory() as cache:
        PackageIndex(project, project.config, Sources(root), ReadingCache(Path(cache))).answers()


PARTS: dict[str, Callable[[Path], None]] = {
    **{engine: partial(_read, engine=engine) for engine in ENGINES}, "rules": _rules, "index": _index,
}  # fmt: skip


def main() -> None:
    root, part = Path(sys.argv[1]).resolve(), sys.argv[2]
    begun, before = time.perf_counter(), cpu_seconds()
    PARTS[part](root)
    print(json.dumps({"seconds": time.perf_counter() - begun, "cpu": cpu_seconds() - before}))


if __name__ == "__main__":
    main()
