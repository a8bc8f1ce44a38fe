"""Check a work tree."""

from dataclasses import dataclass

from interlock.engine.project import Project
from interlock.model.findings import Finding, NotChecked
from interlock.rules.files import Layout
from interlock.rules.run import find, inspection_of


@dataclass(frozen=True)
class Checked:
    """What a check found. ``passed`` is false when a finding blocks: an error that is new and not waived.

    ``base``: the commit that new is told by, "" where everything counts as new. ``static``: no runtime was used.
    ``outgrown``: how many findings the baseline file lists that are there no more.
    """

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    timings: dict[str, float]
    resources: int
    base: str = ""
    static: bool = False
    outgrown: int = 0

    @property
    def passed(self) -> bool:
        return not any(finding.blocks for finding in self.findings)


def check_project(project: Project) -> Checked:
    """Read the project and ask every rule."""
    reading = project.read()
    findings = find(inspection_of(Layout(), (), lambda path: b"", {}, config=project.config, reading=reading), {})
    return Checked(findings, reading.not_checked, reading.timings, len(reading.catalog.resources))
