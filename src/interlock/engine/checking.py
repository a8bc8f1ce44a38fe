"""Check a work tree: what the readers and the rules say of it, less what the base and the baseline had already."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from interlock.catalog.git import Base, base_of, listed
from interlock.catalog.reading import ProjectReading
from interlock.catalog.shared_cache import shared_cache
from interlock.catalog.sources import SKIPPED_FOLDERS, Sources
from interlock.catalog.store import ReadingCache
from interlock.config import TerraformSection
from interlock.engine.live_release import LiveRelease
from interlock.engine.outcomes import Outcome, Outcomes
from interlock.engine.project import Project
from interlock.engine.testing import Testing
from interlock.model.errors import RuntimeBuildError
from interlock.model.findings import Compared, Finding, NotChecked
from interlock.model.progress import Progress
from interlock.rules.baseline import read_baseline
from interlock.rules.spread import ahead
from interlock.rules.terraform_plan_file import Plan, read_plan
from interlock.suites.results import SuiteCounts

if TYPE_CHECKING:
    from interlock.engine.infrastructure import Infrastructure
    from interlock.engine.rule_check import RuleCheck, Seen
    from interlock.runtimes.resolving import Answer


# So many errors are said while the readers still work.
_FIRST = 3
# What a tool or the package index did not tell is asked for again soon.
_DAY, _SOON = 86_400.0, 600.0


@dataclass(frozen=True)
class Checked:
    """What a check found. ``passed`` is false when a finding blocks: an error that is new and not waived.

    ``base``: the commit that new is told by, "" where everything counts as new. ``static``: no runtime was used.
    ``outgrown``: how many findings the baseline file lists that are there no more. ``reading`` is None in a static one.
    ``plans``: Terraform plans that were looked at.
    ``carried``: files that a release holds wherever they lie, so that later versions can be compared with them.
    ``compared_with``: the base, and what is live where that was asked for.
    ``tests``: what became of the project's own tests. ``seen``: digests of the files that all of it is about.
    """

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    timings: dict[str, float]
    resources: int
    base: str = ""
    static: bool = False
    outgrown: int = 0
    reading: ProjectReading | None = None
    plans: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    compared_with: tuple[Compared, ...] = ()
    tests: SuiteCounts = field(default_factory=SuiteCounts)
    seen: Mapping[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not any(finding.blocks for finding in self.findings)


def check_project(
    project: Project,
    *,
    since: str | None = None,
    static: bool = False,
    must_read: bool = False,
    plans: Sequence[Path] = (),
    against: Sequence[LiveRelease] = (),
    tests: bool = True,
    rerun: bool = False,
) -> Checked:
    """Read the project and ask every rule; where nothing changed since an earlier check, say what that one said.

    ``since``: a commit, "" for the one where this branch left the trunk: only what was not there yet is new. None: all
    is new. ``static``: no runtime is built and none of the project's code is run; the same happens by itself where a
    runtime cannot be built, unless the project ``must_read`` be by its own engines: then ``reading`` is never None.
    ``plans``: files with the JSON of Terraform plans. ``against``: what is live where, to be compared with as the base
    is. ``tests``: whether the project's own tests are run, where interlock.yaml names some; ``rerun``: also those whose
    result is known. Raises ``UsageError`` for a commit that is not there, and for a file that is no plan.
    """
    begun = perf_counter()
    given = [read_plan(path, project.root) for path in dict.fromkeys(plans)]
    base = base_of(project.root, since) if since is not None else None
    config = None if project.unconfigured else project.config
    static = static or config is None
    shared = shared_cache(project.cache, project.cache.name)

    def say(text: str) -> None:
        project.on_progress(Progress("note", text))

    if shared is not None:
        shared.fetch(say)
    sources = Sources(project.root)
    paths = _files(project.root, sources)
    testing = Testing(project, sources, paths, wanted=tests, rerun=rerun)
    look = _Look(project, base, against, sources, paths, given, testing, static=static, must_read=must_read)
    outcomes = None
    if config is not None and not given:  # what is said of a plan is not kept: the next one is another
        outcomes = Outcomes(project, config, base, against, sources, paths, testing, static=static)
    known = outcomes.recall() if outcomes is not None else None
    if known is None or (must_read and not look.knows_all()):
        known = look.outcome()
        if outcomes is not None and look.settled:
            outcomes.keep(known)
    if shared is not None and look.learned:
        shared.publish(say)
    findings, outgrown = read_baseline(project.root).over(known.findings)
    return Checked(
        tuple(findings),
        known.not_checked,
        {**look.timings, "total": perf_counter() - begun},
        known.resources,
        base.commit if base else "",
        static or look.fell_back,
        outgrown,
        look.reading,
        tuple(plan.path for plan in given),
        known.carried,
        (*([Compared(commit=base.commit)] if base else []), *(one.compared for one in against)),
        known.tests,
        sources.seen(),
    )


@dataclass(frozen=True)
class _AtFiles:
    """What the rules about source text found out, and what was seen for it; ``fresh``: the cache did not know it."""

    seen: "Seen"
    findings: tuple[Finding, ...]
    sources: Sources
    fresh: bool
    timings: dict[str, float]


class _Look:
    """One look at a project, by its readers and by the rules side by side.

    ``settled``: the next look at the same state sees the same. ``learned``:
    the cache knows more now. ``fell_back``: a runtime could not be built, and the check became a static one.
    """

    def __init__(
        self,
        project: Project,
        base: Base | None,
        against: Sequence[LiveRelease],
        sources: Sources,
        paths: list[str],
        plans: Sequence[Plan],
        testing: Testing,
        *,
        static: bool,
        must_read: bool,
    ) -> None:
        self._project, self._base, self._against = project, base, against
        self._sources, self._plans, self._testing = sources, plans, testing
        self._static, self._must_read = static, must_read
        self._paths = paths
        self.reading: ProjectReading | None = None
        self.settled = self.fell_back = self.learned = False
        self.timings: dict[str, float] = {}

    def knows_all(self) -> bool:
        """Read the project; whether the cache knew all of it."""
        self.reading = self._project.read(self._sources)
        self.timings |= self.reading.timings
        return not any(self.reading.parsed.values())

    def outcome(self) -> Outcome:
        """What the readers and the rules say."""
        not_checked: list[NotChecked] = []
        missed: list[NotChecked] = []
        answers: dict[str, Answer] = {}
        if self._static:
            from interlock.engine.rule_check import unread_rules

            not_checked.append(unread_rules())
            look = self._at_files()
            infrastructure = self._infrastructure(look.seen)
        else:
            from interlock.engine.index import PackageIndex

            project = self._project
            index = PackageIndex(project, project.config, self._sources, ReadingCache(project.cache))
            # Most of the readers' time is waiting for a worker; the process is forked before they have threads.
            with ThreadPoolExecutor(3, thread_name_prefix="rules") as pool, ahead(self._at_files) as at_files:
                announced = pool.submit(self._announce, at_files)
                asked = pool.submit(index.answers)
                judged = pool.submit(lambda: self._infrastructure(announced.result().seen))
                if self.reading is None:
                    not_checked += self._read()
                look, infrastructure, answers = announced.result(), judged.result(), asked.result()
            missed += index.not_checked
            self.timings["package index"] = index.seconds
            self._sources.also(look.sources)
        suites = self._testing.results(self.reading)
        rules = self._rules()
        findings = rules.ask(look.seen, self.reading, answers, infrastructure, suites)
        self.timings |= look.timings | rules.timings | {"tests": self._testing.seconds}
        missed += [*rules.missed, *look.seen.unknown]
        parsed = self.reading is not None and any(self.reading.parsed.values())
        fleeting = self.reading is not None and self.reading.fleeting
        tested = suites is not None and suites.ran > 0
        self.learned = look.fresh or parsed or infrastructure.fresh or tested
        self.settled = not fleeting and not self.fell_back and not infrastructure.fresh and not tested
        if self.reading is not None:
            not_checked += self.reading.not_checked
        if suites is not None:
            not_checked += suites.not_checked
        not_checked += [*infrastructure.not_checked, *look.seen.not_checked, *self._sources.said()]
        not_checked += [*rules.not_checked, *missed]
        return Outcome(
            findings,
            tuple(dict.fromkeys(not_checked)),
            len(self.reading.catalog.resources) if self.reading else 0,
            look.seen.carried,
            lasts=_SOON if missed else _DAY,
            around=infrastructure.around,
            tests=rules.counts,
        )

    def _rules(self) -> "RuleCheck":
        from interlock.engine.rule_check import RuleCheck

        config = None if self._project.unconfigured else self._project.config
        return RuleCheck(self._project, config, self._base, self._against, self._sources, self._paths)

    def _at_files(self) -> "_AtFiles":
        rules = self._rules()
        seen = rules.at_files()
        # What rules across files make of the texts is in the cache when they are asked again, with the readings.
        findings = rules.ask(seen, None, {}) if not self._static else ()
        return _AtFiles(seen, findings, self._sources.account(), rules.fresh, rules.timings)

    def _infrastructure(self, seen: "Seen") -> "Infrastructure":
        """What Terraform and policies say: here, since it is this process that ends what it started."""
        from interlock.engine.infrastructure import Asking, ask_about

        begun = perf_counter()
        section = TerraformSection() if self._project.unconfigured else self._project.config.terraform
        asking = Asking(self._sources, self._paths, seen.examined, section, self._plans)
        cache = ReadingCache(self._project.cache)
        found = ask_about(asking, cache, self._note, static=self._static)
        self.timings["terraform"] = perf_counter() - begun
        return found

    def _note(self, text: str) -> None:
        self._project.on_progress(Progress("terraform", text))

    def _announce(self, at_files: Callable[[], "_AtFiles"]) -> "_AtFiles":
        """Wait for what source text alone tells, and say the first of it: the readers take longer."""
        look = at_files()
        findings, _ = read_baseline(self._project.root).over(look.findings)
        blocking = [one for one in findings if one.blocks]
        for one in blocking[:_FIRST]:
            self._project.on_progress(Progress("finding", f"{one.place}: {one.summary}"))
        if len(blocking) > _FIRST:
            self._project.on_progress(Progress("finding", f"and {len(blocking) - _FIRST} more so far"))
        return look

    def _read(self) -> tuple[NotChecked, ...]:
        try:
            self.knows_all()
        except RuntimeBuildError as error:
            if self._must_read:
                raise
            self.fell_back = True
            what = "DAGs, dbt models and jobs as their own runtimes see them"
            return (NotChecked(what, f"{error.summary}. {error.remedy}"),)
        return ()


def _files(root: Path, sources: Sources) -> list[str]:
    """The project's files: what git has and does not ignore, else all but what tools make."""
    paths = listed(root)
    if paths is None:
        return sources.under(".")
    meant = (path for path in paths if SKIPPED_FOLDERS.isdisjoint(path.split("/")) and not (root / path).is_symlink())
    return [path for path in meant if sources.is_named(path)]
