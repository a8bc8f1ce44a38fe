"""Peak memory of Interlock's own process at the large size; workers, which run the project's code, listed beside it."""

import shutil

from bench import ENVIRONMENT, Bench, Run
from deployed import Deployed, deployed
from figures import Figure

TITLE = "peak memory"
GOAL = 500.0


def measure(bench: Bench) -> list[Figure]:
    """check (cold and warm), build, deploy, plan and rollback, each command in a process of its own."""
    source = deployed(bench, bench.large)
    project = source.project.copy("memory")
    bench.say("memory: warm check, build, plan, rollback")
    runs: dict[str, Run] = {
        "check, without a change": project.interlock("check"),
        "build, without a change": project.interlock("build"),
        "plan, everything to add": project.interlock("plan", "staging"),
        "plan, nothing changed": project.interlock("plan", ENVIRONMENT),
        "rollback": project.interlock("rollback", ENVIRONMENT, "--yes"),
    }
    shutil.rmtree(project.root)
    size = f"{bench.large} pipelines"
    own = _first(source) | {name: run.own_mb for name, run in runs.items()}
    workers = _first(source, workers=True) | {name: run.worker_mb for name, run in runs.items()}
    return [
        *(Figure(f"{name}, {size}, own process", (value,), "MB", GOAL) for name, value in own.items()),
        *(
            Figure(f"{name}, {size}, largest worker", (value,), "MB", note="runs the project's code")
            for name, value in workers.items()
            if value
        ),
    ]


def _first(source: Deployed, *, workers: bool = False) -> dict[str, float]:
    names = {"check": "check, cold", "build": "build, first", "deploy": "deploy"}
    found = source.worker_mb if workers else source.own_mb
    return {names[name]: value for name, value in found.items()}
