"""pytest's view of a check: ``pytest --interlock`` adds a test for each file that blocks, and one for the verdict.

pytest loads this module in every environment that has Interlock, so it imports the rest only when it is asked to check.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from interlock.engine.checking import Checked
    from interlock.model.findings import Finding


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--interlock`` switches the check on."""
    group = parser.getgroup("interlock", "Interlock: check DAGs, dbt models and Spark jobs")
    group.addoption("--interlock", action="store_true", help="Add a test for each file with findings that block.")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The project is collected beside what the command line names."""
    report = yield
    if isinstance(collector, pytest.Session) and collector.config.getoption("--interlock") and report.passed:
        report.result.append(CheckedProject.of(collector))
    return report


class CheckedProject(pytest.File):
    """The check of one project; its tests are what came of it."""

    @classmethod
    def of(cls, session: pytest.Session) -> "CheckedProject":
        """The nearest project, from pytest's root upwards; the root itself where no folder has an interlock.yaml."""
        root = session.config.rootpath
        project = next((one for one in (root, *root.parents) if (one / "interlock.yaml").is_file()), root)
        made: CheckedProject = cls.from_parent(session, path=project / "interlock.yaml", name="interlock")
        return made

    def collect(self) -> Iterator["CheckTest"]:
        """One test a file that blocks, and the verdict."""
        checked = _check(self.path.parent)
        blocking: dict[str, list[Finding]] = {}
        for finding in checked.findings:
            if finding.blocks:
                blocking.setdefault(finding.place.path, []).append(finding)
        for path, findings in sorted(blocking.items()):
            yield CheckTest.of(self, path, findings)
        yield CheckTest.of(self, "", [one for some in blocking.values() for one in some])

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None
    ) -> "str | TerminalRepr":
        """A project that cannot be checked is told as the command line tells it, without a traceback."""
        from interlock.model.errors import InterlockError
        from interlock.views.text import harmless

        error = excinfo.value
        if isinstance(error, InterlockError):
            problems = getattr(error, "problems", ())
            lines = (error.summary, *(f"  {one}" for one in problems), error.detail, f"→ {error.remedy}")
            return harmless("\n".join(line for line in lines if line))
        return super().repr_failure(excinfo)


class BlockedError(Exception):
    """There are findings that block."""


class CheckTest(pytest.Item):
    """Fails when it has findings: those of one file, or of the whole project."""

    findings: "list[Finding]"
    file: str

    @classmethod
    def of(cls, parent: CheckedProject, path: str, findings: "list[Finding]") -> "CheckTest":
        """The test of one file, or of the whole project where ``path`` is empty."""
        from interlock.views.text import harmless

        name = " ".join(harmless(path).split()) if path else "verdict"
        made: CheckTest = cls.from_parent(parent, name=name)
        made.findings, made.file = findings, path
        made.add_marker("interlock")
        return made

    def runtest(self) -> None:
        """Raises what ``repr_failure`` tells."""
        if self.findings:
            raise BlockedError

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: str | None = None
    ) -> "str | TerminalRepr":
        """The findings; of the whole project only how many, where each file tells its own."""
        if not isinstance(excinfo.value, BlockedError):
            return super().repr_failure(excinfo)
        from interlock.views.causes import count_of
        from interlock.views.text import harmless

        if not self.file:
            files = len({one.place.path for one in self.findings})
            count = len(self.findings)
            return f"{count_of(count, 'finding')} in {count_of(files, 'file')} {'blocks' if count == 1 else 'block'}"
        return harmless("\n".join(_told(one) for one in self.findings))

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where pytest says that the test stands."""
        return self.path, None, f"interlock: {self.name}"


def _told(finding: "Finding") -> str:
    lines = [f"{finding.place}: {finding.summary} ({finding.rule})", *finding.detail.splitlines()[-6:]]
    return "\n  ".join([*lines, f"→ {finding.remedy}"])


def _check(root: Path) -> "Checked":
    """The check that ``interlock check`` makes: only what the trunk does not have blocks."""
    from interlock.engine.checking import check_project
    from interlock.engine.project import Project

    return check_project(Project(root), since="")


def pytest_configure(config: pytest.Config) -> None:
    """``-m interlock`` chooses these tests, ``-m 'not interlock'`` leaves them out."""
    config.addinivalue_line("markers", "interlock: a file or the verdict of 'interlock check'")
