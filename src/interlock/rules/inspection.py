"""What rules that look across files are given: facts of every file, the reading where there is one, and the base."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

from interlock.catalog.reading import ProjectReading
from interlock.config import ProjectConfig
from interlock.model.canonical import digest_bytes
from interlock.model.findings import Compared, Finding, NotChecked
from interlock.rules.files import Layout, SourceFile
from interlock.rules.terraform_plan_file import JudgedPlan
from interlock.runtimes.resolving import Answer
from interlock.suites.results import SuiteResults

T = TypeVar("T")
Compute = Callable[[Sequence[str]], Mapping[str, Any]]
# Puts paths into groups, each of which needs values of earlier ones alone; the mapping holds what there is by then.
Waves = Callable[[Sequence[str], Mapping[str, Any]], Iterable[Sequence[str]]]
Keep = Callable[[str, Mapping[str, str], Compute, Waves | None], dict[str, Any]]


def computed(space: str, keys: Mapping[str, str], compute: Compute, waves: Waves | None = None) -> dict[str, Any]:
    """What ``Inspection.kept`` does where nothing is kept."""
    found: dict[str, Any] = {}
    for wave in waves(list(keys), found) if waves else (list(keys),):
        found |= compute(wave)
    return found


@dataclass(frozen=True)
class Version:
    """An earlier content of one file: where it stood, a digest of it, and its facts by name."""

    compared: Compared
    digest: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Live:
    """What is live somewhere, to compare a project with. ``changed``: paths of it that are other now, or gone.

    ``parts``: by path, what a file is live from where that is not ``compared``.
    """

    inspection: "Inspection"
    changed: frozenset[str]
    compared: Compared
    parts: Mapping[str, Compared] = field(default_factory=dict)

    def told(self, finding: Finding) -> Finding:
        """The finding with what it was told by."""
        return replace(finding, against=finding.against or (self.parts.get(finding.place.path, self.compared),))


@dataclass(frozen=True)
class Inspection:
    """One state of a project.

    ``paths``: every file, sorted. ``facts``: by name (see ``FileFacts``), then by path; files without are left out.
    ``config`` is None without an interlock.yaml, ``reading`` in a static check. ``base`` is the same for the commit
    that this one is compared with: its ``reading`` is always None, and unchanged files share their facts. ``changed``:
    paths that differ from the base, those that are gone included. ``known_rules`` are all ids, ``today`` is in UTC.
    ``passing``: what files held in commits after the base and hold no more, by path. ``index``: what the package index
    says of the requirements and locks of runtimes, by their names. ``digests``: who knows the files' digests already.
    ``plans``: Terraform plans that were handed in. ``told``: findings of tools that were run beside the rules.
    ``live``: what else it is compared with. ``earlier``: of something that others are compared with, what its schemas
    held before, by path.
    ``suites``: what the project's own tests did; None where they were not run.
    """

    layout: Layout
    paths: Sequence[str]
    facts: Mapping[str, Mapping[str, Any]]
    read: Callable[[str], bytes]
    config: ProjectConfig | None = None
    reading: ProjectReading | None = None
    base: "Inspection | None" = None
    changed: frozenset[str] = frozenset()
    known_rules: frozenset[str] = frozenset()
    today: date = date.min
    keep: Keep = computed
    passing: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    index: Mapping[str, Answer] = field(default_factory=dict)
    digests: Callable[[str], str] | None = None
    plans: Sequence[JudgedPlan] = ()
    told: Sequence[Finding] = ()
    live: Sequence[Live] = ()
    earlier: Mapping[str, Sequence[Version]] = field(default_factory=dict)
    suites: SuiteResults | None = None
    _made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    _missed: dict[NotChecked, None] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.paths)

    def against(self, live: Live) -> "Inspection":
        """The same state with what is live as its base. What was made ``once`` is shared: project checks asked for it
        first, and comparisons for nothing in it that the base decides."""
        return replace(self, base=live.inspection, changed=live.changed)

    def of(self, name: str) -> Mapping[str, Any]:
        """The facts of one kind by path."""
        return self.facts.get(name, {})

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What ``make`` returns, made for the first check that asks and shared with all others."""
        if name not in self._made:
            self._made[name] = make()
        found: T = self._made[name]
        return found

    def kept(self, space: str, keys: Mapping[str, str], compute: Compute, waves: Waves | None = None) -> dict[str, Any]:
        """JSON by path for what one file's content does not decide alone, computed once for each key.

        ``keys``: by path, a digest of all that the value depends on besides this very code; ``compute`` gets the paths
        whose values are not there yet, and returns one for each. ``waves``: where a value is made from others.
        """
        return self.keep(space, keys, compute, waves)

    def digest(self, path: str) -> str:
        """SHA-256 of a file's bytes."""
        return self.digests(path) if self.digests is not None else digest_bytes(self.read(path))

    def miss(self, what: str, why: str) -> None:
        """Something could not be looked at: the check goes on, and its report says so."""
        self._missed[NotChecked(what, why)] = None

    @property
    def not_checked(self) -> tuple[NotChecked, ...]:
        """What the checks could not look at."""
        return tuple(self._missed)

    def file(self, path: str) -> SourceFile:
        """One file with its text: for the few that a finding is about, never for all of them."""
        return SourceFile(path, self.read(path), self.layout)

    def exists(self, path: str) -> bool:
        """Whether the project has this file."""
        return path in self._known
