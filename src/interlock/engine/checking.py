"""Check a work tree."""

from dataclasses import dataclass

from interlock.engine.project import Project
from interlock.model.findings import Finding, NotChecked, Severity
from interlock.rules.registry import findings as check_reading


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
    findings = check_reading(reading, project.config)
    return Checked(findings, reading.not_checked, reading.timings, len(reading.catalog.resources))
