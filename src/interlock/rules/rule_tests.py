"""Rules about the project's own tests: what failed, what cannot make up its mind, and the quarantine.

A test in quarantine is listed with its reason whatever became of it, and never blocks. Nothing is run here: what the
tests did is in ``Inspection.suites``.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.inspection import Inspection
from interlock.rules.quarantine import (
    ENTRIES,
    FILE,
    NAMES,
    TEST_FILES,
    UNIT_TEST,
    Entry,
    entries,
    entries_in,
    holding,
    names_in,
)
from interlock.rules.rule import Family, FileFacts, Needs, Rule
from interlock.suites.results import (
    FAILED,
    PASSED,
    RETRIED,
    SKIPPED,
    UNCLEAR,
    UNFINISHED,
    Ran,
    SuiteCounts,
    SuiteFile,
    Verdict,
)

_MISSING_MODULE = re.compile(r"No module named '([^']+)'")
_LONGEST, _MOST_RUNS = 200, 10
_REMEDIES = {
    "uncollected": "Correct what its import says.",
    "timeout": "Look for what it waits for at this line; a longer limit is 'timeout' in interlock.yaml.",
    "processes": "Start fewer processes in a test, and wait for each.",
    "crashed": "Look for native code that the test calls, and for what it sends signals to.",
    "exited": "Remove os._exit from what the test runs.",
    "stopped": "Remove pytest.exit, sys.exit and KeyboardInterrupt from what pytest imports and runs.",
}
_KINDS = {PASSED: "passed", FAILED: "failed", SKIPPED: "skipped", UNCLEAR: "not_run", UNFINISHED: "not_run"}
_TOLD = {RETRIED: "failed, then passed in the same run", UNFINISHED: "did not end"}
_QUARANTINE = "or put it into quarantine in interlock.yaml, with an owner, a reason and a last day"


def counts_of(inspection: Inspection) -> SuiteCounts:
    """How many tests of the project did what."""
    found = dict.fromkeys(SuiteCounts.__dataclass_fields__, 0)
    if inspection.suites is None:
        return SuiteCounts()
    known = entries(inspection)
    for file in inspection.suites.files:
        for verdict in file.verdicts:
            found[_kind(verdict, known, inspection)] += 1
            found["reused"] += file.reused
        found["not_run"] += len(file.not_run) or (bool(file.problem) and not file.verdicts)
    found["not_run"] += inspection.suites.left_out
    return SuiteCounts(**found)


def _kind(verdict: Verdict, known: Iterable[Entry], inspection: Inspection) -> str:
    if holding(known, verdict.test, inspection.today):
        return "quarantined"
    return "flaky" if verdict.mixed else _KINDS[verdict.outcome]


def of_runs(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TE001, ILK-TE002, ILK-TE003 and ILK-TE007: what the tests did."""
    known = entries(inspection)
    for file in inspection.suites.files if inspection.suites else ():
        found = [*_file(file), *(one for verdict in file.verdicts for one in _verdict(file, verdict, inspection))]
        for test, finding in found:
            entry = holding(known, test, inspection.today)
            if entry is not None:
                yield Finding(**{**finding.__dict__, "waived": entry.told})
            elif finding.rule != "ILK-TE007":
                yield finding


def _file(file: SuiteFile) -> Iterator[tuple[str, Finding]]:
    """The test, or the file, that a problem is about, and the finding."""
    if not file.problem:
        return
    message = _short(file.message)
    about = file.stopped_at or file.path
    missing = _MISSING_MODULE.search(file.message)
    if file.problem == "uncollected":
        summary = f"pytest cannot import {file.path}: {message}"
    else:
        at = f"the test {_name(file.stopped_at)}" if file.stopped_at else file.path
        summary = f"{at} does not run to its end: {message or file.problem}"
    yield (
        about,
        Finding(
            "ILK-TE003", Severity.ERROR, file.place, summary, _REMEDIES[file.problem], f"test:{about}", file.detail,
            cause=f"module:{missing[1]}" if missing else "",
        ),
    )  # fmt: skip


def _verdict(file: SuiteFile, verdict: Verdict, inspection: Inspection) -> Iterator[tuple[str, Finding]]:
    name = _name(verdict.test)
    below = inspection.reading.catalog.downstream(file.about) if inspection.reading and file.about else ()
    affected = (file.about, *below) if file.about else ()

    def finding(rule: str, summary: str, remedy: str, severity: Severity = Severity.ERROR, detail: str = "") -> Finding:
        return Finding(
            rule, severity, verdict.place, summary, remedy, f"test:{verdict.test}", detail or verdict.detail, affected
        )  # fmt: skip

    if verdict.mixed:
        yield (
            verdict.test,
            finding(
                "ILK-TE002", f"the test {name} passes and fails, though nothing that it reads has changed",
                f"Find what it depends on besides (time, order, chance, a service), {_QUARANTINE}.",
                detail=_history(verdict),
            ),
        )  # fmt: skip
    elif verdict.outcome == FAILED:
        summary = f"the test {name} fails: {_short(verdict.message) or 'without a message'}"
        yield verdict.test, finding("ILK-TE001", summary, f"Correct the code or the test, {_QUARANTINE}.")
    elif verdict.outcome == UNCLEAR:
        yield (
            verdict.test,
            finding(
                "ILK-TE003", f"the unit test {name} cannot be run: {_short(verdict.message)}",
                "Run `dbt test --select test_type:unit` in the dbt project, where its relations are.", Severity.WARNING,
            ),
        )  # fmt: skip
    elif verdict.outcome != UNFINISHED:
        yield (
            verdict.test,
            finding(
                "ILK-TE007", f"the test {name} is in quarantine, and {verdict.outcome}",
                "Take it out once what made it fail is mended.", Severity.INFO,
            ),
        )  # fmt: skip


def _history(verdict: Verdict) -> str:
    lines = [_run(one) for one in verdict.mixed[:_MOST_RUNS]]
    more = [f"and {len(verdict.mixed) - _MOST_RUNS} more"] if len(verdict.mixed) > _MOST_RUNS else []
    last = [f"the last time: {_short(verdict.message)}"] if verdict.message else []
    return "\n".join([*lines, *more, *last])


def _run(ran: Ran) -> str:
    told = _TOLD.get(ran.outcome, ran.outcome)
    commit = f" at {ran.commit[:12]}{'-dirty' * ran.commit.endswith('-dirty')}" if ran.commit else ""
    return f"{ran.at.replace('T', ' ').replace('+00:00', ' UTC')}: {told}{commit} ({ran.seconds:.2f} s)"


def _name(test: str) -> str:
    return test.partition("::")[2] or test.removeprefix(UNIT_TEST)


def _short(message: str) -> str:
    first = message.strip().splitlines()[0] if message.strip() else ""
    return first if len(first) <= _LONGEST else f"{first[: _LONGEST - 1]}…"


def of_quarantine(inspection: Inspection) -> Iterator[Finding]:
    """ILK-TE004 to ILK-TE006: entries of the quarantine that do nothing."""
    for entry in entries(inspection):
        place, name = Place(FILE, entry.line, entry.line), entry.test or "a test"
        if lacking := entry.lacks():
            yield Finding(
                "ILK-TE004", Severity.ERROR, place, f"the quarantine of {name} lacks {' and '.join(lacking)}",
                "Write: {test: ..., owner: ..., reason: \"...\", until: YYYY-MM-DD}.",
            )  # fmt: skip
        elif entry.is_over(inspection.today):
            yield Finding(
                "ILK-TE005", Severity.ERROR, place, f"the quarantine of {name} ended on {entry.until}",
                f"Mend the test, or let {entry.owner} decide anew and move the day.",
            )  # fmt: skip
        if entry.test and (nearest := _unknown(entry, inspection)) is not None:
            remedy = f"Name '{nearest}', or remove the entry." if nearest else "Remove the entry."
            summary = f"the quarantine names {name}, which is no test"
            yield Finding("ILK-TE006", Severity.WARNING, place, summary, remedy)


def _unknown(entry: Entry, inspection: Inspection) -> str | None:
    """The name nearest to that of an entry which names no test; None where there is one, or may be."""
    path, _, inner = entry.test.partition("::")
    ran = [file for file in inspection.suites.files if file.path == path] if inspection.suites else []
    if entry.test.startswith(UNIT_TEST):
        reading = inspection.reading
        if reading is None or any(one.rule == "ILK-DB001" for one in reading.findings):
            return None
        known = [one.unique_id for one in reading.unit_tests]
    elif not inspection.exists(path):
        known = [one for one in inspection.of(NAMES) if one != entry.test]
    elif ran and not ran[0].problem:
        known = [verdict.test for verdict in ran[0].verdicts]
    elif path in inspection.of(NAMES) and inner:
        known = [f"{path}::{name}" for name in inspection.of(NAMES)[path]]
    else:
        return None
    if any(entry.covers(one) or one == entry.test.partition("[")[0] for one in known):
        return None
    return next(iter(get_close_matches(entry.test, known, n=1, cutoff=0.8)), "")


FAMILY = Family(
    "tests",
    (
        Rule("ILK-TE001", "failing-test", "a test of the project fails", needs=Needs.TESTS),
        Rule("ILK-TE002", "flaky-test", "a test passes and fails on one fingerprint", needs=Needs.TESTS),
        Rule("ILK-TE003", "unfinished-tests", "a file of tests does not run to its end", needs=Needs.TESTS),
        Rule("ILK-TE004", "incomplete-quarantine", "a test in quarantine lacks its owner, reason or last day"),
        Rule("ILK-TE005", "expired-quarantine", "the last day of a quarantine is over"),
        Rule("ILK-TE006", "quarantine-of-nothing", "the quarantine names a test that does not exist", Severity.WARNING),
        Rule("ILK-TE007", "quarantined-test-passes", "a test in quarantine passes", Severity.INFO, Needs.TESTS),
    ),
    facts=(FileFacts(ENTRIES, (FILE,), entries_in), FileFacts(NAMES, TEST_FILES, names_in)),
    project_checks=(of_runs, of_quarantine),
)
