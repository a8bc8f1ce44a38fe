"""Wait until a running Airflow proves that it parsed the tree that is current."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock.adapters.airflow import layout
from interlock.adapters.airflow.api import AirflowApi, ServedDag
from interlock.adapters.airflow.layout import STAMP_DAG
from interlock.adapters.trees import TreeRoot
from interlock.config.models import AirflowSection
from interlock.model.errors import UnreachableError
from interlock.model.plan import Action, GateResult, Outcome
from interlock.model.progress import OnProgress, Progress
from interlock.model.resources import Kind, key_of

GATE = "airflow.live"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0
_AWAY_SECONDS = 30.0  # for so long a web server may be away, as when it restarts
_SAME_CLOCK = 2.0  # the API tells its time in whole seconds, so a smaller difference means nothing
_LEAST_SETTLE = 0.5


@dataclass(frozen=True)
class Expected:
    """What Airflow has to show.

    ``present`` maps DAG ids to their file in the tree, ``absent`` are DAG ids that must be inactive. ``sources`` maps
    files that changed to the SHA-256 of their text. ``folder`` are the tree's own Python files: none of them may
    have an import error. ``settle`` maps a file to the seconds that its parsing may take.
    """

    stamp: str
    switched_at: float
    present: Mapping[str, str]
    absent: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict)
    folder: frozenset[str] = frozenset()
    settle: Mapping[str, float] = field(default_factory=dict)


def expected_of(
    tree: TreeRoot,
    section: AirflowSection,
    switched: dict[str, Any],
    actions: Mapping[str, Action],
    seconds: Mapping[str, float],
) -> Expected:
    """What Airflow has to show of the current view after the switch that ``switched`` (its receipt's data) describes.

    ``seconds`` is how long each file took to parse when it was verified.
    """
    current = tree.current()
    files = tree.files(current) if current else {}
    hold = layout.withheld(files)
    old = tree.files(switched["before"]) if switched.get("before") else {}
    live: dict[str, dict[str, Any]] = switched.get("live", {})
    gone = {key for key in actions if actions[key] is Action.REMOVE or live.get(key, {}).get("path") in hold}
    present = {key.partition(":")[2]: live[key]["path"] for key in actions if key in live and key not in gone}
    texts = {path for path in present.values() if files.get(path) != old.get(path)}
    return Expected(
        stamp=layout.content_id(files, section),
        switched_at=tree.switched_at(),
        present=present,
        absent=frozenset(key.partition(":")[2] for key in gone),
        sources={path: _text_digest(tree, current or "", path) for path in texts},
        folder=frozenset(p for p in files if p.endswith(".py") and layout.inside(p, section.dags)),
        settle=seconds,
    )


def _text_digest(tree: TreeRoot, view: str, path: str) -> str:
    # Airflow reads a source as text and so turns line ends into \n before it serves them.
    text = tree.read(view, path).decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return hashlib.sha256(text.encode()).hexdigest()


class Watch:
    """One wait. ``results`` after it are one answer a DAG."""

    def __init__(self, api: AirflowApi, expected: Expected, timeout: float, on_progress: OnProgress) -> None:
        self._api = api
        self._expected = expected
        self._timeout = timeout
        self._on_progress = on_progress
        self._served: dict[str, str] = {}  # file -> digest of the text that the API serves, once it was the right one

    def run(self, fence: Callable[[], None] = lambda: None) -> list[GateResult]:
        """Answers once nothing is missing, or what is missing when the time is up.

        ``UnreachableError`` when the API stays away. ``fence`` is called in every round, so that a wait ends once it is
        nobody's any more.
        """
        started = last_answer = time.monotonic()
        pause = _FIRST_PAUSE
        total = len(self._expected.present) + len(self._expected.absent)
        while True:
            fence()
            now = time.monotonic()
            try:
                missing = self._missing()
                last_answer = time.monotonic()
            except UnreachableError:
                if now - last_answer > min(_AWAY_SECONDS, self._timeout):
                    raise
                missing = None
            if missing is not None:
                if not missing or now - started > self._timeout:
                    return self._results(missing, time.monotonic() - started)
                self._say(missing, total)
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _missing(self) -> dict[str, str]:
        """What is still missing, by DAG id; the stamp's own entry stands for the folder."""
        dags = self._api.dags()
        missing: dict[str, str] = {}
        errors = self._import_errors()
        stamp = dags.get(STAMP_DAG)
        if errors:
            missing[STAMP_DAG] = "; ".join(f"{path} does not import: {text}" for path, text in errors.items())
        elif stamp is None or f"view:{self._expected.stamp}" not in stamp.tags or not stamp.active:
            missing[STAMP_DAG] = "Airflow has not parsed this version of the folder"
        for dag_id, path in self._expected.present.items():
            why = self._why_not(dags.get(dag_id), path)
            if why:
                missing[dag_id] = why
        for dag_id in self._expected.absent:
            if dag_id in dags and dags[dag_id].active:
                missing[dag_id] = "Airflow still has it as active"
        return missing

    def _why_not(self, dag: ServedDag | None, path: str) -> str:
        if dag is None:
            return "Airflow does not know it yet"
        if not dag.active:
            return "it is not active"
        # A parse that began before the switch may end after it: only one that must have begun later is proof.
        since = self._expected.switched_at + max(_LEAST_SETTLE, 2 * self._expected.settle.get(path, 0.0))
        if abs(self._api.clock_ahead) > _SAME_CLOCK:
            since += self._api.clock_ahead + 1.0
        if dag.last_parsed is None or dag.last_parsed.timestamp() <= since:
            return "it was not parsed since the switch"
        wanted = self._expected.sources.get(path)
        if wanted is not None and self._served.get(path) != wanted:
            text = self._api.source(dag.file_token)
            self._served[path] = hashlib.sha256(text.encode()).hexdigest()
            if self._served[path] != wanted:
                return "Airflow still serves another source of its file"
        return ""

    def _import_errors(self) -> dict[str, str]:
        # Airflow names files as its own machine sees them, which may be another mount: the end of the path decides.
        found: dict[str, str] = {}
        for filename, text in self._api.import_errors().items():
            for path in self._expected.folder:
                if filename.endswith("/" + path):
                    found[path] = text
        return found

    def _say(self, missing: Mapping[str, str], total: int) -> None:
        waiting = [dag_id for dag_id in missing if dag_id != STAMP_DAG]
        message = f"waiting for Airflow: {next(iter(missing.items()))[0]}"
        self._on_progress(Progress("airflow.observe", message, total - len(waiting), total))

    def _results(self, missing: Mapping[str, str], seconds: float) -> list[GateResult]:
        measured = {"seconds": round(seconds, 1)}
        remedy = (
            "Read the scheduler's log; see that its dags_folder is this environment's; raise 'timeout' if it is slow."
        )
        answers = []
        for dag_id in (STAMP_DAG, *self._expected.present, *sorted(self._expected.absent)):
            key = key_of(Kind.DAG, dag_id)
            if dag_id in missing:
                answers.append(GateResult(GATE, key, Outcome.FAIL, missing[dag_id], measured, remedy=remedy))
            elif dag_id == STAMP_DAG:
                answers.append(GateResult(GATE, key, Outcome.PASS, "Airflow parsed this version", measured))
            else:
                said = "gone" if dag_id in self._expected.absent else "active, parsed from the new version"
                answers.append(GateResult(GATE, key, Outcome.PASS, said, measured))
        return answers
