"""pytest in the project's runtimes: each file in a process of its own, and again only when what it read has changed.

What failed is run again by every check, once: on the same fingerprint it may pass, and is flaky then.
"""

import os
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from interlock.catalog.airflow_errors import own_frames
from interlock.catalog.python_imports import PythonFiles
from interlock.catalog.spark_reader import script_matches
from interlock.config import ProjectConfig, PytestSuite, SparkSection
from interlock.model.canonical import digest_of
from interlock.model.errors import Place, WorkerError
from interlock.model.findings import NotChecked
from interlock.model.progress import Progress
from interlock.runtimes.environments import Runtime
from interlock.runtimes.sandbox import Confinement
from interlock.runtimes.worker import Worker
from interlock.suites.context import SuiteContext, code_digest
from interlock.suites.kept import Kept
from interlock.suites.pytest_files import files_of_tests
from interlock.suites.results import FAILED, UNFINISHED, Ran, SuiteFile, SuiteResults, Verdict
from interlock.suites.traces import Trace

VERSION = 1
MEMORY_MB = 2048
_OLDEST_PYTEST = 7
_START_SECONDS, _END_SECONDS = 120.0, 30.0
_SCRIPT = "pytest_worker.py"
_CODE = (
    _SCRIPT, "_interlock_airflow.py", "_interlock_imports.py", "_interlock_looks.py", "_interlock_testrun.py",
    "_interlock_trace.py",
)  # fmt: skip


class PytestFiles:
    """The files of one suite."""

    def __init__(self, context: SuiteContext, suite: PytestSuite) -> None:
        self._context = context
        self._suite = suite
        self._roots = import_roots(context.config, suite.runtime, context.files)
        self._files = files_of_tests(context.sources, suite.paths)
        self._not_checked = [
            NotChecked(path, "no file here looks like one of pytest's (test_*.py)")
            for path in suite.paths
            if not files_of_tests(context.sources, [path])
        ]
        self._found: dict[str, SuiteFile] = {}

    def run(self) -> SuiteResults:
        """Every file, run or known. Raises RuntimeBuildError where the runtime cannot be built."""
        missing = self.missing
        for path, kept in self._held.items():
            if kept is not None and path not in missing:
                self._found[path] = self._file(path, kept, kept.trace, reused=True)
        if missing:
            self._run(missing)
        found = tuple(self._found[path] for path in sorted(self._found))
        return SuiteResults(found, tuple(self._not_checked), len(missing), len(self._files) - len(found))

    # What is known already

    @cached_property
    def missing(self) -> list[str]:
        """The files that have to be run."""
        return [path for path, kept in self._held.items() if kept is None or not self._stands(kept)]

    @cached_property
    def _runtime(self) -> Runtime:
        return self._context.runtime_for(self._suite.runtime)

    @cached_property
    def _held(self) -> dict[str, Kept | None]:
        """The result of each file that holds, whatever it says."""
        return {path: self._holding(path) for path in self._files}

    def _key(self, path: str) -> str:
        return f"{self._suite.runtime} {path}"

    def _basis(self, path: str) -> str:
        dags = self._context.config.airflow.dags if self._context.config.airflow else ""
        limits = [self._suite.timeout.total_seconds(), MEMORY_MB]
        worker = [VERSION, code_digest(*_CODE), self._runtime.lock_digest]
        return digest_of([worker, self._roots, dags, self._files[path], limits])

    def _holding(self, path: str) -> Kept | None:
        ground, basis = self._context.ground, self._basis(path)
        return self._context.kept.holding(self._key(path), lambda one: one.digest == ground.digest(one.trace, basis))

    def _stands(self, kept: Kept) -> bool:
        failed = any(test["outcome"] == FAILED for test in kept.told["tests"])
        return not (failed or kept.told["problem"] or self._context.rerun)

    # Running

    def _run(self, missing: list[str]) -> None:
        context, seconds, root = self._context, self._suite.timeout.total_seconds(), self._context.root
        dags = context.config.airflow.dags if context.config.airflow else None
        context.on_progress(Progress("tests", "starting pytest", 0, len(missing)))

        def heard(event: dict[str, Any]) -> None:
            told = event["result"]
            context.on_progress(Progress("tests", told["path"], event["done"], event["total"]))
            self._took(told)

        java = _java()
        confinement = Confinement((root, *map(Path, java.values())))
        try:
            with Worker(self._runtime, _SCRIPT, env=java, confinement=confinement) as worker:
                version = worker.request("hello", timeout=_START_SECONDS)["version"]
                if not _is_new_enough(version):
                    self._say_why(missing, self._lacking(version))
                    return
                worker.request(
                    "run", timeout=_START_SECONDS + len(missing) * (seconds + _END_SECONDS), on_event=heard,
                    project_root=str(root), files={path: self._files[path] for path in missing},
                    roots=[str(root / one) for one in self._roots], dags_folder=str(root / dags) if dags else None,
                    timeout_s=seconds, memory_mb=MEMORY_MB,
                )  # fmt: skip
        except WorkerError as error:
            self._say_why([path for path in missing if path not in self._found], f"{error.summary}. {error.remedy}")

    def _lacking(self, version: str) -> str:
        has = f"has pytest {version}, and 7 or newer is needed" if version else "has no pytest"
        given = self._context.config.runtimes[self._suite.runtime]
        place = given.requirements or "its requirements"
        return f"the runtime '{self._suite.runtime}' {has}: add pytest to {place} and lock it again"

    def _say_why(self, paths: Iterable[str], why: str) -> None:
        folders = {self._files[path] for path in paths}
        self._not_checked += [NotChecked(f"tests in {folder}", why) for folder in sorted(folders)]

    def _took(self, told: dict[str, Any]) -> None:
        """One file has ended: what came of it is written down at once."""
        path, ground, seen = told["path"], self._context.ground, told.pop("trace")
        held = self._held[path]
        trace = self._whole_trace(seen)
        fresh = Kept("", "", trace, told)
        # Of a file that was changed meanwhile nobody knows what its run was about.
        if ground.agrees(seen):
            trace = trace.joined(held.trace) if held is not None else trace
            digest = ground.digest(trace, self._basis(path))
            fresh = Kept(held.fingerprint if held is not None else digest, digest, trace, told)
        kept = self._context.kept.add(self._key(path), fresh, self._context.moment)
        if told["problem"] == "refused":
            self._not_checked.append(NotChecked(path, f"pytest did not start: {told['message']}"))
        else:
            self._found[path] = self._file(path, kept, trace, reused=False)

    def _whole_trace(self, seen: Mapping[str, Any]) -> Trace:
        """What was heard, and the files that the code names: a library may read those unheard."""
        trace = Trace.of(seen)
        named: set[str] = set()
        for path in trace.files:
            if path.endswith(".py") and self._context.sources.exists(path):
                for name in self._python.facts(path).names:
                    named.update(self._by_name.get(name.rpartition("/")[2], ()))
        return trace.with_files(named)

    @cached_property
    def _python(self) -> PythonFiles:
        return PythonFiles(self._context.sources, self._context.cache)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self._context.files:
            found.setdefault(path.rpartition("/")[2], []).append(path)
        return found

    # What comes of it

    def _file(self, path: str, kept: Kept, trace: Trace, *, reused: bool) -> SuiteFile:
        told = kept.told
        place = told["place"] if told["place"][0] else [path, 0]
        verdicts = [self._verdict(path, kept, test) for test in told["tests"]]
        if told["at"]:
            verdicts.append(Verdict(
                told["at"], UNFINISHED, told["seconds"], told["message"], Place(*place),
                mixed=self._mixed(path, kept, told["at"]),
            ))  # fmt: skip
        return SuiteFile(
            path, tuple(verdicts), reused, told["problem"], told["message"], Place(*place), own_frames(told["detail"]),
            told["at"], tuple(one for one in told["not_run"] if one != told["at"]),
            trace.with_files((path, *self._context.settings_of(self._suite.runtime))),
        )  # fmt: skip

    def _verdict(self, path: str, kept: Kept, test: Mapping[str, Any]) -> Verdict:
        return Verdict(
            test["test"], test["outcome"], test["seconds"], test["message"], Place(*test["place"]),
            own_frames(test["detail"]), self._mixed(path, kept, test["test"]),
        )  # fmt: skip

    def _mixed(self, path: str, kept: Kept, test: str) -> tuple[Ran, ...]:
        return self._context.kept.history(self._key(path), kept, test) if test in kept.mixed else ()


def import_roots(config: ProjectConfig, runtime: str, files: Iterable[str]) -> tuple[str, ...]:
    """The folders that the DAGs and the jobs of a runtime are imported from."""
    roots: dict[str, None] = {}
    if config.airflow is not None and config.airflow.runtime == runtime:
        roots |= dict.fromkeys((config.airflow.dags, *config.airflow.include))
    if config.spark is not None and config.spark.runtime == runtime:
        scripts = [path for path in files if any(script_matches(path, one) for one in _patterns(config.spark))]
        roots |= dict.fromkeys((*(str(PurePosixPath(path).parent) for path in scripts), *config.spark.include))
    return tuple(root.removeprefix("./").rstrip("/") or "." for root in roots)


def _patterns(section: SparkSection) -> tuple[str, ...]:
    return (*section.jobs, *section.streams)


def _java() -> dict[str, str]:
    """The variable that says where this machine's Java is, for tests that start Spark."""
    home = os.environ.get("JAVA_HOME", "")
    return {"JAVA_HOME": home} if home and Path(home).is_dir() else {}


def _is_new_enough(version: str) -> bool:
    major = re.match(r"\d+", version)
    return major is not None and int(major[0]) >= _OLDEST_PYTEST
