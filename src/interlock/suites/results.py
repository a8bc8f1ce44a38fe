"""What became of the project's own tests. Values: what they weigh is for ``interlock.rules.rule_tests``."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from interlock.model.errors import Place
from interlock.model.findings import NotChecked
from interlock.suites.traces import Trace

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
# It could not be run, and that may be no fault of its own.
UNCLEAR = "unclear"
# By a plugin of the project: it failed first, and passed when it was done again in the same run.
RETRIED = "retried"
# Its process died in it, or was ended.
UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Ran:
    """One run of one test. ``at`` is UTC, ``commit`` ends in ``-dirty`` where files differed from it."""

    outcome: str
    at: str
    commit: str
    seconds: float


@dataclass(frozen=True)
class Verdict:
    """What became of one test. ``test`` is its name: ``tests/test_a.py::test_b[1]``, or a unit test's unique id.

    ``outcome`` is one of the words above but ``RETRIED``.
    ``mixed``: every known run on this very fingerprint, newest first, where they contradict each other.
    """

    test: str
    outcome: str
    seconds: float = 0.0
    message: str = ""
    place: Place = field(default_factory=lambda: Place(""))
    detail: str = ""
    mixed: tuple[Ran, ...] = ()


@dataclass(frozen=True)
class SuiteFile:
    """One file of tests, or one dbt unit test: what is run, and kept, as a whole.

    ``problem``: why not all of it was run; "" where it was. ``stopped_at``: the test it had come to. ``not_run``: those
    after it. ``reads``: what of the project its outcome rests on. ``about``: the resource that it tests, if known.
    """

    path: str
    verdicts: tuple[Verdict, ...] = ()
    reused: bool = False
    problem: str = ""
    message: str = ""
    place: Place = field(default_factory=lambda: Place(""))
    detail: str = ""
    stopped_at: str = ""
    not_run: tuple[str, ...] = ()
    reads: Trace = field(default_factory=Trace)
    about: str = ""


@dataclass(frozen=True)
class SuiteCounts:
    """Tests by what became of them; each counts once. ``reused``: of all of them, those whose result was known."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    flaky: int = 0
    quarantined: int = 0
    not_run: int = 0
    reused: int = 0


@dataclass(frozen=True)
class SuiteResults:
    """All files, by path. ``ran``: how many of them were not known already.

    ``left_out``: how many tests, or files whose tests nobody counted, were not run at all; ``not_checked`` says why.
    """

    files: tuple[SuiteFile, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()
    ran: int = 0
    left_out: int = 0

    @property
    def reads(self) -> Mapping[str, Trace]:
        """What each test rests on, by its name; that of a whole file by its path."""
        found = {file.path: file.reads for file in self.files}
        return found | {one.test: file.reads for file in self.files for one in file.verdicts}
