"""Findings: what a rule has to say. Values, never printed or raised by a rule."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Any

from interlock.model.canonical import digest_of
from interlock.model.errors import Place


class Severity(StrEnum):
    """How much a finding weighs: only ``error`` refuses."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Compared:
    """What a work tree was compared with: a release that is or was live in an environment, or a commit.

    ``since``: when it went live there, or was committed; ``until``: when something else took its place, "" where it is
    live. Both are UTC in ISO 8601. Of a commit alone ``environment`` and ``release`` are "".
    """

    environment: str = ""
    release: str = ""
    commit: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, who is affected downstream, and what to do.

    ``summary`` names no line and nothing else that moves when other lines change: it tells a finding from its
    neighbours. ``cause`` is the same text in all findings that one change would mend (``module:helpers.dates``); of
    these the most severe one is the root, and ``caused_by`` of the others is its ``key``. ``new``: whether it was not
    there at the base. ``waived``: why it does not count; "" where it does. ``against``: the
    live releases and earlier versions that tell it; nothing where only the work tree or the base does.
    """

    rule: str
    severity: Severity
    place: Place
    summary: str
    remedy: str
    resource: str = ""
    detail: str = ""
    affected: tuple[str, ...] = ()
    cause: str = ""
    caused_by: str = ""
    new: bool = True
    waived: str = ""
    against: tuple[Compared, ...] = ()

    @property
    def key(self) -> str:
        """What tells it from others and stays the same while its file's other lines change."""
        told = (self.rule, self.place.path, self.resource, self.summary)
        # Halves of characters, as in file names that are no UTF-8, have no canonical form.
        return digest_of([one.encode("utf-8", "backslashreplace").decode() for one in told])[:16]

    @property
    def blocks(self) -> bool:
        """Whether it makes the answer no."""
        return self.severity is Severity.ERROR and self.new and not self.waived

    def packed(self) -> list[Any]:
        """All of it as JSON, for a cache; ``unpacked`` makes a finding of it again."""
        place = self.place
        return [
            self.rule, self.severity.value, [place.path, place.line, place.end_line, place.column], self.summary,
            self.remedy, self.resource, self.detail, list(self.affected), self.cause, self.caused_by, self.new,
            self.waived, [list(astuple(one)) for one in self.against],
        ]  # fmt: skip

    @classmethod
    def unpacked(cls, packed: Sequence[Any]) -> "Finding":
        """The finding that was ``packed``."""
        rule, severity, place, summary, remedy, resource, detail, affected, *others, against = packed
        cause, caused_by, new, waived = others
        return cls(
            rule, Severity(severity), Place(*place), summary, remedy, resource, detail, tuple(affected), cause,
            caused_by, new, waived, tuple(Compared(*one) for one in against),
        )  # fmt: skip


@dataclass(frozen=True)
class NotChecked:
    """Something that was not looked at, and why."""

    what: str
    why: str
