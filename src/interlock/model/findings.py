"""Findings: what a rule has to say. Values, never printed or raised by a rule."""

from dataclasses import dataclass
from enum import StrEnum

from interlock.model.errors import Place


class Severity(StrEnum):
    """How much a finding weighs: only ``error`` refuses."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, who is affected downstream, and what to do."""

    rule: str
    severity: Severity
    place: Place
    summary: str
    remedy: str
    resource: str = ""
    detail: str = ""
    affected: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotChecked:
    """Something that was not looked at, and why."""

    what: str
    why: str
