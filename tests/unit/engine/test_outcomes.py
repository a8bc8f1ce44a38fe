"""A check of a state that was checked before asks no rule; whatever changes, it says what a check that knows nothing says."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from interlock.catalog.reading import ProjectReading
from interlock.catalog.sources import Sources
from interlock.engine import outcomes
from interlock.engine.checking import Checked, check_project
from interlock.engine.live_release import LiveRelease
from interlock.engine.project import Project
from interlock.engine.rule_check import RuleCheck
from interlock.model.canonical import digest_bytes
from interlock.model.findings import Compared
from interlock.model.progress import Progress
from tests.support.git import git

CONFIG = f"""\
version: 1
project: shop
spark: {{runtime: spark, jobs: [jobs/*.py], include: [lib]}}
runtimes:
  spark: {{interpreter: {sys.executable}}}
environments:
  dev: {{spark: {{root: .interlock/dev}}}}
"""
JOB = "from helpers import days\n\nspark.read.parquet('a').write.parquet('b')\nprint(days)\n"
SCHEMA = '{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "%s"}]}\n'
BROKEN = "from helpers import days\n\nprint(dayss)\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "shop"
    for path, text in {
        "interlock.yaml": CONFIG, "jobs/load.py": JOB, "lib/helpers.py": "days = 7\n", ".gitignore": "generated*\n",
        "models/schema.yml": "version: 2\nmodels:\n  - name: a\n", "notes.txt": "nothing",
    }.items():  # fmt: skip
        write(root, path, text)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def told(checked: Checked) -> tuple[object, ...]:
    return checked.findings, checked.not_checked, checked.resources, checked.base, checked.outgrown, checked.passed


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each time that rules are asked."""
    times: list[str] = []
    ask = RuleCheck.ask

    def counted(*arguments: object) -> object:
        times.append("asked")
        return ask(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(RuleCheck, "ask", counted)
    return times


@pytest.mark.parametrize("static", [True, False])
def test_the_same_state_is_not_asked_about_again(root: Path, asked: list[str], static: bool) -> None:
    write(root, "jobs/load.py", BROKEN)
    before = check_project(Project(root), since="", static=static)
    asked.clear()
    again = check_project(Project(root), since="", static=static)
    assert not asked
    assert told(again) == told(before)
    assert not again.passed and "dayss" in again.findings[0].summary


def test_what_was_said_without_a_base_is_not_said_with_one(root: Path) -> None:
    write(root, "jobs/load.py", BROKEN)
    git(root, "commit", "-qam", "broken")
    write(root, "notes.txt", "other")
    assert not any(one.new for one in check_project(Project(root), since="").findings)
    assert any(one.new for one in check_project(Project(root)).findings)
    assert not any(one.new for one in check_project(Project(root), since="").findings)


def test_a_build_gets_its_reading_although_the_outcome_is_known(root: Path, asked: list[str]) -> None:
    check_project(Project(root))
    asked.clear()
    built = check_project(Project(root), must_read=True)
    assert not asked and built.reading is not None and len(built.reading.catalog.resources) == 1


def test_a_build_carries_the_same_files_although_the_outcome_is_known(root: Path) -> None:
    write(root, "topics/orders.avsc", SCHEMA % "string")
    write(root, "tests/orders.avsc", SCHEMA % "string")
    write(root, ".interlock/dev/versions/1/topics/orders.avsc", SCHEMA % "string")
    assert check_project(Project(root), must_read=True).carried == ("topics/orders.avsc",)
    check_project(Project(root))
    assert check_project(Project(root), must_read=True).carried == ("topics/orders.avsc",)


def live(name: str, kind: str) -> LiveRelease:
    """A schema with a field of this kind is live there."""
    text = (SCHEMA % kind).encode()
    return LiveRelease(
        Compared(name, "ab" * 32, "", f"since {kind}"), kind, {"topics/orders.avsc": digest_bytes(text)},
        lambda path: text,
    )  # fmt: skip


def test_what_was_said_of_one_live_state_is_not_said_of_another(root: Path, asked: list[str]) -> None:
    write(root, "topics/orders.avsc", SCHEMA % "string")
    check_project(Project(root), since="")

    def compared(*against: LiveRelease) -> set[tuple[str, str]]:
        found = check_project(Project(root), since="", against=against).findings
        return {(one.environment, one.since) for finding in found for one in finding.against}

    assert compared(live("prod", "int")) == {("prod", "since int")}
    asked.clear()
    assert compared(live("prod", "int")) == {("prod", "since int")}
    assert not asked
    assert compared(live("prod", "string")) == set() and asked
    assert compared(live("dev", "long")) == {("dev", "since long")}
    assert compared(live("dev", "long"), live("prod", "int")) == {("dev", "since long"), ("prod", "since int")}
    assert compared() == set()
    asked.clear()
    assert compared(live("prod", "string")) == set() and compared(live("dev", "long"))
    assert not asked


def _broken_job(root: Path) -> None:
    write(root, "jobs/load.py", BROKEN)


def _new_job(root: Path) -> None:
    write(root, "jobs/other.py", BROKEN)


def _ignored_job(root: Path) -> None:
    write(root, "jobs/generated.py", "def (:\n")


def _helper(root: Path) -> None:
    write(root, "lib/helpers.py", "weeks = 1\n")


def _helper_gone(root: Path) -> None:
    (root / "lib/helpers.py").unlink()


def _secret(root: Path) -> None:
    write(root, "settings.py", "token = '" + "_".join(("ghp", "R7qLx2VbN8mZt4WcYp6KdJf3Hs9GaE1TuQ5o")) + "'\n")


def _committed_and_taken_out(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "feature")
    _secret(root)
    git(root, "add", "-A")
    git(root, "commit", "-qm", "settings")
    git(root, "rm", "-q", "settings.py")
    git(root, "commit", "-qm", "no settings")


def _link(root: Path) -> None:
    (root / "jobs/outside.py").symlink_to("/etc/hostname")


def _declared(root: Path) -> None:
    write(root, "interlock.yaml", CONFIG.replace("jobs/*.py", "job/*.py"))


def _baseline(root: Path) -> None:
    write(root, "interlock-baseline.json", '{"version": 1, "findings": [{"key": "0123456789abcdef"}]}')


@pytest.mark.parametrize(
    "change",
    [_broken_job, _new_job, _ignored_job, _helper, _helper_gone, _secret, _committed_and_taken_out, _link, _declared,
     _baseline],
)  # fmt: skip
def test_after_a_change_it_is_what_one_says_that_knows_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    before = check_project(Project(root), since="")
    change(root)
    after = check_project(Project(root), since="")
    assert told(after) != told(before)
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "empty"))
    assert told(after) == told(check_project(Project(root), since=""))


def test_a_waiver_ends_although_no_file_changed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = datetime.now(UTC).date()
    waiver = f'  # interlock: ignore[ILK-PY001] reason="legacy" until={ends}'
    write(root, "jobs/load.py", BROKEN.replace("(dayss)", f"(dayss){waiver}"))
    rules = {one.rule for one in check_project(Project(root), since="", static=True).findings}

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Later":
            return super().now(UTC) + timedelta(days=2)

    monkeypatch.setattr(outcomes, "datetime", Later)
    monkeypatch.setattr("interlock.rules.run.datetime", Later)
    assert {one.rule for one in check_project(Project(root), since="", static=True).findings} != rules


def test_a_file_that_cannot_be_read_is_said_again(root: Path) -> None:
    if os.getuid() == 0:
        (root / "jobs/load.py").unlink()
        (root / "jobs/load.py").symlink_to("/proc/self/mem")
    else:
        (root / "jobs/load.py").chmod(0)
    before = check_project(Project(root), since="")
    assert before.not_checked
    assert check_project(Project(root), since="").not_checked == before.not_checked


def test_a_cache_that_is_broken_costs_time_and_nothing_else(root: Path, asked: list[str]) -> None:
    before = check_project(Project(root), since="")
    Project(root).cache.joinpath("catalog-1.db").write_bytes(b"no database")
    asked.clear()
    assert told(check_project(Project(root), since="")) == told(before)
    assert asked


def test_the_first_errors_are_said_while_the_readers_work(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, "jobs/load.py", BROKEN)
    write(root, "interlock-baseline.json", '{"version": 1, "findings": []}')
    heard = Event()
    said: list[str] = []

    def say(moved: Progress) -> None:
        if moved.task == "finding":
            said.append(moved.message)
            heard.set()

    read = Project.read

    def read_late(project: Project, sources: Sources | None = None) -> ProjectReading:
        assert heard.wait(60), "nothing was said before the readers were done"
        return read(project, sources)

    monkeypatch.setattr(Project, "read", read_late)
    check_project(Project(root, say))
    assert len(said) == 1 and said[0].startswith("jobs/load.py:3: ") and "dayss" in said[0]
