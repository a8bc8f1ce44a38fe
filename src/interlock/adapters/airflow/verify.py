"""Does the staged tree parse, in the release's own Airflow, and does it define the DAGs that the release names?"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from interlock.adapters.airflow.layout import STAMP_DAG
from interlock.config.models import AirflowSection
from interlock.model.plan import GateResult, Outcome
from interlock.model.progress import OnProgress, Progress
from interlock.model.resources import Kind, Resource, key_of
from interlock.runtimes.environments import Runtime
from interlock.runtimes.sandbox import Confinement
from interlock.runtimes.worker import Worker

GATE = "airflow.parse"
_FILE_SECONDS = 30.0  # Airflow's own dagbag_import_timeout


def parsed(
    view: Path, root: Path, section: AirflowSection, runtime: Runtime, on_progress: OnProgress
) -> list[dict[str, Any]]:
    """What the worker says of every file in the staged tree; paths count from the tree.

    ``root`` holds what the tree's links lead to.
    """

    def said(event: dict[str, Any]) -> None:
        on_progress(Progress("airflow.verify", str(event.get("path", "")), event.get("done", 0), event.get("total", 0)))

    include = [view / root for root in section.include]
    with Worker(runtime, "airflow_worker.py", confinement=Confinement((root,))) as worker:
        answer = worker.request(
            "parse",
            on_event=said,
            project_root=str(view),
            dags_folder=str(view / section.dags),
            include=[str(root) for root in include if root.is_dir()],
            timeout_s=_FILE_SECONDS,
        )
    return list(answer["files"])


def results(files: Iterable[dict[str, Any]], expected: Iterable[Resource]) -> list[GateResult]:
    """One answer for each broken file and each missing DAG; one that passes when there are none.

    ``expected`` are the DAGs that the tree has to define (those that are disabled are not among them).
    """
    wanted = list(expected)
    by_path: dict[str, list[str]] = {}
    for dag in wanted:
        by_path.setdefault(dag.path, []).append(dag.key)
    found: set[str] = set()
    answers: list[GateResult] = []
    count, broken = 0, set()
    for file in files:
        count += 1
        found.update(dag["dag_id"] for dag in file["dags"])
        if file["outcome"] != "ok":
            broken.add(file["path"])
            keys = by_path.get(file["path"]) or [file["path"]]
            answers += [_broken(key, file) for key in keys]
    for dag in wanted:
        if dag.name not in found and dag.path not in broken:
            answers.append(
                GateResult(
                    GATE,
                    dag.key,
                    Outcome.FAIL,
                    f"{dag.path} no longer defines {dag.name} when it is parsed where it will be served",
                    remedy="See whether the file reads something that is not part of the release (a variable, a path).",
                )
            )
    if not answers:
        summary = f"{count} files parse, {len(wanted)} DAGs are there"
        answers.append(GateResult(GATE, key_of(Kind.DAG, STAMP_DAG), Outcome.PASS, summary, {"files": count}))
    return answers


def _broken(key: str, file: dict[str, Any]) -> GateResult:
    error = (file.get("errors") or [{}])[0]
    place = error.get("file") or file["path"]
    where = f"{place}:{error['line']}" if error.get("line") else place
    cause = {"timeout": f"did not finish in {_FILE_SECONDS:.0f} s", "memory": "used too much memory"}
    said = f"{error.get('type', 'Error')}: {error.get('message', 'no message')}"
    what = cause.get(file["outcome"], said.splitlines()[0][:300])
    return GateResult(
        GATE,
        key,
        Outcome.FAIL,
        f"{where}: {what}",
        {"outcome": file["outcome"], "file": file["path"]},
        remedy=f"Correct {where}; nothing was switched.",
    )
