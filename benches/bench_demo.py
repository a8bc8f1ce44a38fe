"""Seconds of the whole story, `interlock demo`, with the runtimes built."""

import shutil
from pathlib import Path

from bench import Bench, Run, ScaleProject
from figures import Figure

TITLE = "the story"
GOAL = 90.0


def measure(bench: Bench) -> list[Figure]:
    """The story told from beginning to end, each time in a new folder."""
    for runtime in ("airflow", "dbt", "spark"):
        bench.runtime(runtime)
    values = []
    for number in range(1, bench.repeats + 1):
        bench.say(f"demo, run {number} of {bench.repeats}")
        root = bench.scratch / f"demo-{number}"
        shutil.rmtree(root, ignore_errors=True)
        values.append(tell(root).seconds)
        shutil.rmtree(root)
    return [Figure("interlock demo, warm", tuple(values), "s", GOAL)]


def tell(root: Path) -> Run:
    """The story has been told in ``root``, a folder that is not there yet; the output is one JSON object."""
    root.parent.mkdir(parents=True, exist_ok=True)
    return ScaleProject(root.parent).interlock("demo", "--into", str(root), "--json", keep=60)
