"""dbt's unit tests, by the project's own dbt in a throw-away DuckDB file; each again when what it rests on changed.

All columns upstream count, for a fixture takes the columns that it leaves out from the relation it stands for.
"""

from functools import partial
from typing import Any

from interlock.catalog.dbt_reader import parsed_project, shape_of_warehouse
from interlock.catalog.reading import UnitTest
from interlock.config import DbtSection
from interlock.model.canonical import digest_of
from interlock.model.errors import Place, WorkerError
from interlock.model.findings import NotChecked
from interlock.model.progress import Progress
from interlock.runtimes.environments import Runtime
from interlock.runtimes.workers import _interlock_looks as looks
from interlock.suites.context import SuiteContext, code_digest
from interlock.suites.kept import Kept
from interlock.suites.results import FAILED, PASSED, UNCLEAR, SuiteFile, SuiteResults, Verdict
from interlock.suites.traces import Trace

VERSION = 1
TIMEOUT_SECONDS = 900.0
_CODE = ("dbt_worker.py", "_interlock_dbtnodes.py", "_interlock_dbtunits.py")
# By what dbt said, which it will say again; by a worker that did not get so far.
_LEFT_OUT, _LOST = "left out", "lost"
_OUTCOMES = {"pass": PASSED, "fail": FAILED}


def run_unit_tests(context: SuiteContext, section: DbtSection, tests: tuple[UnitTest, ...]) -> SuiteResults:
    """Every unit test, run or known; those that cannot be run are in ``not_checked``."""
    runtime = context.runtime_for(section.runtime)
    impossible = {one.unique_id: reason for one in tests if (reason := _impossible(context, one))}
    wanted = {one.unique_id: one for one in tests if one.unique_id not in impossible}
    digests = {uid: _digest(context, one, runtime) for uid, one in wanted.items()}
    results = {
        uid: (kept, True)
        for uid, digest in digests.items()
        if (kept := context.kept.holding(uid, partial(_is_of, digest))) is not None and _stands(kept, context.rerun)
    }
    missing = [uid for uid in wanted if uid not in results]
    for uid, told in _run(context, section, runtime, missing).items() if missing else ():
        # Of files that were changed meanwhile nobody knows which of them dbt read.
        digest = digests[uid] if _is_as_read(context, wanted[uid]) else ""
        results[uid] = (context.kept.add(uid, Kept(digest, digest, Trace(), told), context.moment), False)
    why = impossible | {uid: kept.told["message"] for uid, (kept, _) in results.items() if kept.told["problem"]}
    files = [
        _file(context, section.runtime, wanted[uid], *result)
        for uid, result in sorted(results.items())
        if uid not in why
    ]
    return SuiteResults(
        tuple(files), tuple(NotChecked(uid, why[uid]) for uid in sorted(why)), len(missing), len(tests) - len(files)
    )


def _is_of(digest: str, kept: Kept) -> bool:
    return kept.digest == digest


def _is_as_read(context: SuiteContext, test: UnitTest) -> bool:
    return all(looks.content(str(context.root / one)) == context.sources.digest(one) for one in test.files)


def _stands(kept: Kept, rerun: bool) -> bool:
    failed = any(test["outcome"] == FAILED for test in kept.told["tests"])
    return not (rerun or failed or kept.told["problem"] == _LOST)


def _digest(context: SuiteContext, test: UnitTest, runtime: Runtime) -> str:
    shape = shape_of_warehouse(context.config)
    return digest_of([VERSION, code_digest(*_CODE), runtime.lock_digest, shape, test.fingerprint])


def _impossible(context: SuiteContext, test: UnitTest) -> str:
    """Why a unit test cannot be run here; "" where it can, as far as the project tells."""
    if context.config.dialect not in ("", "duckdb"):
        return f"unit tests are run on DuckDB only, and this project is built on {context.config.dialect}"
    if test.untyped:
        return f"it rests on the source {', '.join(test.untyped)}, whose columns have no 'data_type': declare them"
    return ""


def _run(context: SuiteContext, section: DbtSection, runtime: Runtime, tests: list[str]) -> dict[str, dict[str, Any]]:
    """What came of each, in the shape of pytest's answers."""
    count = len(tests)
    context.on_progress(Progress("dbt unit tests", f"{count} of them in an empty database"))
    try:
        with parsed_project(context.root, section, context.config, runtime, context.folder) as (worker, parsed):
            if parsed["errors"]:
                return {uid: _left_out("dbt cannot read the project") for uid in tests}
            answer = worker.request("unit_test", timeout=TIMEOUT_SECONDS, tests=tests)
    except WorkerError as error:
        return {uid: _left_out(f"{error.summary}. {error.remedy}", _LOST) for uid in tests}
    finally:
        context.on_progress(Progress("dbt unit tests", "done", count, count))
    told = {uid: _left_out(why) for uid, why in answer["missing"].items()}
    return told | {one["unique_id"]: _told(one) for one in answer["results"]}


def _left_out(why: str, problem: str = _LEFT_OUT) -> dict[str, Any]:
    return {"tests": [], "seconds": 0.0, "problem": problem, "message": why}


def _told(result: dict[str, Any]) -> dict[str, Any]:
    outcome = _OUTCOMES.get(result["status"], UNCLEAR)
    lines = [line.rstrip() for line in result["message"].splitlines() if line.strip()]
    test = {
        "test": result["unique_id"], "outcome": outcome, "seconds": result["seconds"], "retried": False,
        "message": lines[0].strip() if lines and outcome != PASSED else "",
        "detail": "\n".join(lines) if outcome != PASSED else "",
    }  # fmt: skip
    return {"tests": [test], "seconds": result["seconds"], "problem": "", "message": ""}


def _file(context: SuiteContext, runtime: str, test: UnitTest, kept: Kept, reused: bool) -> SuiteFile:
    told = kept.told["tests"][0]
    mixed = context.kept.history(test.unique_id, kept, test.unique_id) if test.unique_id in kept.mixed else ()
    place = Place(test.path, _line(context, test))
    verdict = Verdict(
        test.unique_id, told["outcome"], told["seconds"], told["message"], place, told["detail"], mixed
    )  # fmt: skip
    reads = Trace((*test.files, *context.settings_of(runtime)))
    return SuiteFile(test.unique_id, (verdict,), reused, place=place, reads=reads, about=test.key)


def _line(context: SuiteContext, test: UnitTest) -> int:
    """The line on which the file names the test."""
    for number, line in enumerate(context.sources.read(test.path).decode("utf-8", "replace").splitlines(), 1):
        key, _, value = line.strip().removeprefix("- ").partition(":")
        if key.strip() == "name" and value.strip().strip("'\"") == test.name:
            return number
    return 0
