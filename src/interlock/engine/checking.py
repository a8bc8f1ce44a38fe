"""Check a work tree."""

from dataclasses import dataclass

from interlock.engine.project import Project
from interlock.model.findings import Finding, NotChecked, Severity
from interlock.rules.files import Layout
from interlock.rules.run import find, inspection_of


@dataclass(frozen=True)
class Checked:
    """What a check found. ``passed`` is false when a finding is an error."""

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    timings: dict[str, float]
    resources: int

    @property
    def passed(self) -> bool:
        return not any(f.severity is Severity.ERROR for f in self.findings)


def check_project(project: Project) -> Checked:
    """Read the project and ask every rule."""
    reading = project.read()
    findings = find(inspection_of(Layout(), (), lambda path: b"", {}, config=project.config, reading=reading), {})
    return Checked(findings, reading.not_checked, reading.timings, len(reading.catalog.resources))
