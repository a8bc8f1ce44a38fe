"""What earlier checks of this very state said: where nothing changed there is nothing to ask the rules."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, field
from datetime import UTC, datetime
from typing import Any

from interlock.catalog.git import Base
from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache
from interlock.catalog.terraform_state import Around
from interlock.config import ProjectConfig
from interlock.config.load import FILE_NAME
from interlock.engine.live_release import LiveRelease
from interlock.engine.project import Project
from interlock.engine.testing import Testing
from interlock.model.canonical import digest_of
from interlock.model.errors import RuntimeBuildError
from interlock.model.findings import Finding, NotChecked
from interlock.rules.gitleaks_tool import gitleaks, identity
from interlock.rules.version import version
from interlock.suites.results import SuiteCounts

# Where this is set, nothing that lies elsewhere is asked for.
OFFLINE = "INTERLOCK_OFFLINE"
# Raised whenever what is stored changes its shape: older entries are then not found.
_SPACE = "outcomes-4"


@dataclass(frozen=True)
class Outcome:
    """Findings before the baseline is laid over them, what was not checked, and how many resources there are.

    ``carried``: see ``Checked``. ``lasts``: seconds after which others than the project's files may have changed their
    mind. ``around``: what was around Terraform's root modules, where there are any. ``tests``: what became of the
    project's own tests.
    """

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    resources: int
    carried: tuple[str, ...]
    lasts: float
    around: Around | None = None
    tests: SuiteCounts = field(default_factory=SuiteCounts)


class Outcomes:
    """Outcomes of one project in its cache: the newest of each kind of check.

    An outcome counts again while the rules, the day (waivers end), the runtimes, the tools, the base, what is live
    where that was asked for, what is around root modules of Terraform's, what is known of the project's tests, and all
    that was seen of the files (``Sources.trace``) are the same, and it is not older than it lasts.
    """

    def __init__(
        self,
        project: Project,
        config: ProjectConfig,
        base: Base | None,
        against: Sequence[LiveRelease],
        sources: Sources,
        paths: Sequence[str],
        testing: Testing,
        *,
        static: bool,
    ) -> None:
        self._project, self._config, self._base, self._against = project, config, base, against
        self._sources, self._paths, self._static = sources, paths, static
        self._cache = ReadingCache(project.cache)
        names = (one.compared.environment for one in against)
        self._kind = " ".join(("static" if static else "whole", "changes" if base else "all", *names)) + testing.kind
        self._testing = testing

    def recall(self) -> Outcome | None:
        """The outcome of the state that the files are in; None where it is not known."""
        stored = self._cache.get(_SPACE, self._kind)
        if stored is None or not 0 <= time.time() - stored["at"] < stored["lasts"]:
            return None
        try:
            if stored["given"] != self._given() or not self._sources.holds(stored["trace"]):
                return None
            around = Around(*stored["around"]) if stored["around"] else None
            if around is not None and not around.holds(self._project.root):
                return None
        except RuntimeBuildError:
            return None  # whoever reads now will say so
        return Outcome(
            tuple(map(Finding.unpacked, stored["findings"])),
            tuple(NotChecked(*one) for one in stored["not_checked"]),
            stored["resources"],
            tuple(stored["carried"]),
            stored["lasts"],
            around,
            SuiteCounts(**stored["tests"]),
        )

    def keep(self, outcome: Outcome) -> None:
        """Remember what this state's outcome is."""
        stored: dict[str, Any] = {
            "at": time.time(),
            "lasts": outcome.lasts,
            "given": self._given(),
            "trace": self._sources.trace(),
            "findings": [one.packed() for one in outcome.findings],
            "not_checked": [[one.what, one.why] for one in outcome.not_checked],
            "resources": outcome.resources,
            "carried": outcome.carried,
            "around": [*astuple(outcome.around)] if outcome.around else None,
            "tests": asdict(outcome.tests),
        }
        self._cache.save(_SPACE, {self._kind: stored})

    def _given(self) -> str:
        """Everything but the contents of files."""
        config = self._config
        sections = (config.airflow, config.dbt, config.spark)
        runtimes = {section.runtime for section in sections if section is not None} if not self._static else ()
        program = gitleaks()
        return digest_of(
            [
                version(),
                [identity(program) if program else "", os.environ.get(OFFLINE, "")],
                datetime.now(UTC).date().isoformat(),
                {name: self._project.runtime(name).lock_digest for name in runtimes},
                [self._base.commit, self._base.head] if self._base else [],
                [one.state for one in self._against],
                self._sources.digest(FILE_NAME),
                list(self._paths),
                "" if self._static else self._testing.standing,
            ]
        )
