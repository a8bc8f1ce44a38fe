"""All tests that a project declares: pytest and dbt's unit tests, side by side."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from interlock.catalog.reading import ProjectReading
from interlock.model.errors import RuntimeBuildError
from interlock.model.findings import NotChecked
from interlock.suites.context import SuiteContext
from interlock.suites.dbt_suite import run_unit_tests
from interlock.suites.pytest_suite import PytestFiles
from interlock.suites.results import SuiteResults


class Suites:
    """The tests of one project."""

    def __init__(self, context: SuiteContext) -> None:
        self._context = context
        declared = context.config.tests
        self._pytest = [PytestFiles(context, suite) for suite in declared.pytest] if declared else []

    @cached_property
    def standing(self) -> str | None:
        """A digest of all that is known where pytest need not run anything; None where it has to.

        What dbt's unit tests rest on is all in the files that dbt reads: with these it stays the same.
        """
        try:
            if self._context.rerun or any(suite.missing for suite in self._pytest):
                return None
        except RuntimeBuildError:
            return None
        return self._context.kept.state()

    def run(self, reading: ProjectReading) -> SuiteResults:
        """What became of every test. A runtime that cannot be built leaves all of them unknown."""
        work: list[Callable[[], SuiteResults]] = [self._all_of_pytest]
        declared, section = self._context.config.tests, self._context.config.dbt
        if declared is not None and declared.dbt and section is not None and reading.unit_tests:
            work.append(lambda: run_unit_tests(self._context, section, reading.unit_tests))
        try:
            with ThreadPoolExecutor(len(work), thread_name_prefix="tests") as pool:
                return joined([future.result() for future in [pool.submit(one) for one in work]])
        except RuntimeBuildError as error:
            why = (NotChecked("the project's own tests", f"{error.summary}. {error.remedy}"),)
            return SuiteResults(not_checked=why, ran=1)

    def _all_of_pytest(self) -> SuiteResults:
        # One suite after the other: each uses all cores.
        return joined([suite.run() for suite in self._pytest])


def joined(parts: list[SuiteResults]) -> SuiteResults:
    """The results of several suites as one."""
    return SuiteResults(
        tuple(sorted((file for part in parts for file in part.files), key=lambda file: file.path)),
        tuple(one for part in parts for one in part.not_checked),
        sum(part.ran for part in parts),
        sum(part.left_out for part in parts),
    )
