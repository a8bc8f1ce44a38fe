"""What only a package index can tell of a project's runtimes, asked while the project is read.

An answer is kept by the texts that it is about. That requirements can be met stays true; a conflict, and which versions
were yanked, is asked anew a day later, and what had no answer after some minutes.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache
from interlock.config import ProjectConfig
from interlock.engine.outcomes import OFFLINE
from interlock.engine.project import Project
from interlock.model.canonical import digest_of
from interlock.model.errors import InterlockError
from interlock.model.findings import NotChecked
from interlock.model.progress import Progress
from interlock.rules.runtime_requirements import RuntimeFiles, closure, runtimes_of
from interlock.runtimes.resolving import Answer, Yanked, look_up, pinned, resolve

_SPACE = "package-index-1"
_DAY, _SOON = 86_400.0, 600.0
_KEPT_AT_MOST = 64


@dataclass(frozen=True)
class _Question:
    """Of one runtime: whether its requirements can be met (``solve``), and what of its lock was yanked (``yanked``).

    The keys find earlier answers; ``solve`` is "" where there is nothing to resolve, and ``refused`` says why uv is not
    asked to.
    """

    files: RuntimeFiles
    solve: str
    yanked: str
    refused: str


class PackageIndex:
    """The questions about one project's runtimes."""

    def __init__(
        self, project: Project, config: ProjectConfig, sources: Sources, cache: ReadingCache,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._project, self._config, self._sources, self._cache, self._clock = project, config, sources, cache, clock
        self._unknown: dict[tuple[str, str], list[str]] = {}
        self.seconds = 0.0

    def answers(self) -> dict[str, Answer]:
        """What is known of each runtime, by its name; the rest is in ``not_checked``."""
        begun = time.perf_counter()
        questions = [self._question(files) for files in runtimes_of(self._config)]
        stored = self._cache.load(_SPACE) if questions else {}
        fresh = {key: value for key, value in stored.items() if self._is_fresh(value)}
        missing = [one for one in questions if not {one.solve, one.yanked} - {""} <= fresh.keys()]
        if missing and not os.environ.get(OFFLINE):
            self._project.on_progress(Progress("packages", "asking the package index", 0, len(missing)))
            with ThreadPoolExecutor(len(missing), thread_name_prefix="index") as pool:
                new = {
                    key: value for told in pool.map(lambda one: self._ask(one, fresh), missing) for key, value in told
                }
            self._project.on_progress(Progress("packages", "the package index was asked", len(missing), len(missing)))
            fresh |= new
            keys = [key for one in questions for key in (one.solve, one.yanked)]
            self._cache.save(_SPACE, new, keep=keys if len(stored) > _KEPT_AT_MOST else None)
        found = {one.files.name: self._answer(one, fresh) for one in questions}
        self.seconds = time.perf_counter() - begun
        return found

    @property
    def not_checked(self) -> tuple[NotChecked, ...]:
        """What the index was not asked, or did not tell."""
        return tuple(NotChecked(f"{what} {', '.join(paths)}", why) for (what, why), paths in self._unknown.items())

    def _question(self, files: RuntimeFiles) -> _Question:
        lock = self._sources.digest(files.lock)
        if not files.requirements:
            return _Question(files, "", f"yanked {lock}", "")
        given = closure(files.requirements, self._read)
        texts = {path: self._sources.digest(path) for path in given.texts}
        solve = "" if given.why else f"solve {digest_of([files.python, texts])}"
        return _Question(files, solve, f"yanked {lock}", given.why)

    def _read(self, path: str) -> bytes | None:
        # uv follows links, and shows lines of what it reads.
        inside = (self._project.root / path).resolve().is_relative_to(self._project.root.resolve())
        return self._sources.read(path) if inside and self._sources.exists(path) else None

    def _is_fresh(self, value: dict[str, Any]) -> bool:
        answered = not value["unknown"]
        if answered and not value["conflict"] and value["lasting"]:
            return True
        return 0 <= self._clock() - float(value["at"]) < (_DAY if answered else _SOON)

    def _ask(self, question: _Question, fresh: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """New answers by key; only for what is not known yet."""
        files, told = question.files, []
        lock = self._sources.read(files.lock).decode("utf-8", "replace")
        solution = None
        if question.solve and question.solve not in fresh:
            solution = resolve(
                files.requirements, root=self._project.root, python=files.python, lock=lock,
                interpreter=self._interpreter(files.name),
            )  # fmt: skip
            told.append((question.solve, self._stored(solution, lasting=True)))
        if question.yanked not in fresh:
            wanted = pinned(lock)
            # The lock is mostly the very solution, of which uv has said it already.
            known = solution if solution is not None and solution.pins == wanted else self._look_up(wanted)
            told.append((question.yanked, self._stored(known, lasting=False)))
        return told

    def _look_up(self, pins: frozenset[tuple[str, str]]) -> Answer:
        """A lock for several systems can hold several versions of one name: each is asked in a round of its own."""
        left = sorted(pins)
        yanked: list[Yanked] = []
        while left:
            names = dict(reversed(left))
            answer = look_up(list(names.items()), root=self._project.root)
            if answer.conflict or answer.unknown:
                return Answer(unknown=answer.unknown or "the index has not all of its versions: lock the runtime again")
            yanked += answer.yanked
            left = [pin for pin in left if names[pin[0]] != pin[1]]
        return Answer(yanked=tuple(yanked))

    def _interpreter(self, name: str) -> Path | None:
        """The runtime's own, where a part of the project needs it anyway: nothing is built for a question."""
        sections = (self._config.airflow, self._config.dbt, self._config.spark)
        if all(section is None or section.runtime != name for section in sections):
            return None
        try:
            return self._project.runtime(name).python
        except InterlockError:
            return None

    def _stored(self, answer: Answer, *, lasting: bool) -> dict[str, Any]:
        yanked = [[one.name, one.version, one.reason] for one in answer.yanked]
        about = {"conflict": answer.conflict, "unknown": answer.unknown, "yanked": [] if lasting else yanked}
        return {"at": self._clock(), "lasting": lasting, **about}

    def _answer(self, question: _Question, fresh: dict[str, Any]) -> Answer:
        unasked = {"unknown": f"{OFFLINE} is set", "conflict": "", "yanked": []}
        solved = fresh.get(question.solve, unasked if question.solve else {**unasked, "unknown": question.refused})
        yanked = fresh.get(question.yanked, unasked)
        for what, path, why in (
            ("conflicts in", question.files.requirements, solved["unknown"]),
            ("yanked versions in", question.files.lock, yanked["unknown"]),
        ):
            if why:
                self._unknown.setdefault((what, why), []).append(path)
        return Answer(conflict=solved["conflict"], yanked=tuple(Yanked(*one) for one in yanked["yanked"]))
