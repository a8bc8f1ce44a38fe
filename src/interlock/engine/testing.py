"""The project's own tests in a check: whether they have to run, what they did, and why they were left out."""

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from interlock.catalog.reading import ProjectReading
from interlock.catalog.sources import Sources
from interlock.engine.project import Project
from interlock.model.findings import NotChecked
from interlock.suites.results import SuiteResults

if TYPE_CHECKING:
    from interlock.suites.run import Suites


class Testing:
    """``kind`` tells checks apart that look at tests and those that do not; ``seconds``: how long they took.

    ``wanted``: whether tests are run at all; ``rerun``: also those whose result is known.
    """

    __test__ = False

    def __init__(self, project: Project, sources: Sources, paths: Sequence[str], *, wanted: bool, rerun: bool) -> None:
        self._wanted = wanted
        self.seconds = 0.0
        self.kind = "" if wanted else " untested"
        self._declared = not project.unconfigured and project.config.tests is not None
        self._suites = _suites(project, sources, paths, rerun) if self._declared and wanted else None

    @property
    def standing(self) -> str | None:
        """What is known of the tests, as a digest; None where some have to run."""
        return self._suites.standing if self._suites is not None else ""

    def results(self, reading: ProjectReading | None) -> SuiteResults | None:
        """What the tests did; None where none were run. Without a ``reading`` no runtime was used, nor is one here."""
        begun = perf_counter()
        if self._suites is not None and reading is not None:
            found = self._suites.run(reading)
        elif self._declared:
            by = "a static check" if self._wanted else "--no-tests"
            found = SuiteResults(not_checked=(NotChecked("the project's own tests", f"{by} leaves them out"),))
        else:
            return None
        self.seconds = perf_counter() - begun
        return found


def _suites(project: Project, sources: Sources, paths: Sequence[str], rerun: bool) -> "Suites":
    """What runs tests: a check of a project that declares none does not import it."""
    from interlock.suites.context import SuiteContext
    from interlock.suites.run import Suites

    return Suites(
        SuiteContext(project.config, project.runtime, sources, paths, project.cache, project.on_progress, rerun)
    )
