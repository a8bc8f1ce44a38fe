"""A scale project that has been deployed twice, with every resource changed in between; made once in a scratch folder.

Deploying thousands of models takes longer than all else, so benches share the outcome and work on copies of it.
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from bench import ENVIRONMENT, Bench, ScaleProject
from edits import change_everything, drop_tests


@dataclass(frozen=True)
class Deployed:
    """The project as it stands after the second deployment; `old` and `new` are its releases, `new` is live.

    `seconds` and `own_mb` are costs of the way there by command: check, build, deploy (the first time each).
    """

    project: ScaleProject
    old: str
    new: str
    seconds: dict[str, float]
    own_mb: dict[str, float]
    worker_mb: dict[str, float]


def deployed(bench: Bench, pipelines: int) -> Deployed:
    """The project of this size, deployed twice; taken from the scratch folder when this run made it already.

    Above the usual size the models have no tests: the 6,000 of 2,500 pipelines would take dbt far longer than all else,
    and neither a plan nor a rollback looks at them.
    """
    name = f"deployed-{pipelines}"
    notes = bench.scratch / f"{name}.json"
    if notes.exists():
        return Deployed(ScaleProject(bench.scratch / name), **json.loads(notes.read_text()))
    project = bench.project(name, pipelines)
    if pipelines > bench.pipelines:
        drop_tests(project.root)
    project.forget()
    project.load_raw(bench.runtime("dbt"))
    bench.say(f"{pipelines} pipelines: first check, build and deployment")
    runs = {
        "check": project.interlock("check"),
        "build": project.interlock("build"),
        "deploy": project.interlock("deploy", ENVIRONMENT, "--yes"),
    }
    old = newest_release(project)
    bench.say(f"{pipelines} pipelines: everything changed, second deployment")
    change_everything(project.root, 1)
    project.interlock("build")
    project.interlock("deploy", ENVIRONMENT, "--yes")
    found = Deployed(
        project,
        old,
        newest_release(project),
        {name: run.seconds for name, run in runs.items()},
        {name: run.own_mb for name, run in runs.items()},
        {name: run.worker_mb for name, run in runs.items()},
    )
    notes.write_text(json.dumps({f.name: getattr(found, f.name) for f in fields(found) if f.name != "project"}))
    return found


def newest_release(project: ScaleProject) -> str:
    """The id of the release that was built last."""
    folder: Path = project.root / ".interlock" / "artifacts" / "manifests"
    return max(folder.glob("*.json"), key=lambda path: path.stat().st_mtime).stem
