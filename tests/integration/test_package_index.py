"""What uv and a package index say of a project's runtimes: told once, at its line, and never in the way of a check."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache
from interlock.engine import index as questions
from interlock.engine.checking import Checked, check_project
from interlock.engine.project import Project
from interlock.model.findings import Finding
from interlock.runtimes import resolving
from tests.support.package_index import PackageIndex

CONFIG = """\
version: 1
project: shop
runtimes:
  spark: {python: "3.11", lock: runtimes/spark.lock, requirements: runtimes/spark.in}
"""
HOUR = 3600.0


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    with PackageIndex() as served:
        served.wheel("shop", "1.0", ["ledger>=2"])
        served.wheel("ledger", "1.0")
        served.wheel("ledger", "2.0", yanked="wrong sums")
        served.wheel("ledger", "2.1")
        for name, value in {**served.environment(tmp_path / "uv"), "INTERLOCK_CACHE": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv(questions.OFFLINE, raising=False)
        yield served


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    write(root, "interlock.yaml", CONFIG)
    write(root, "runtimes/spark.in", "# what jobs use\nshop\n")
    write(root, "runtimes/spark.lock", "ledger==2.1\nshop==1.0\n")
    return root


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def check(root: Path) -> Checked:
    return check_project(Project(root))


def told(checked: Checked, rule: str) -> list[Finding]:
    return [one for one in checked.findings if one.rule == rule]


def why(checked: Checked) -> dict[str, str]:
    return {one.what: one.why for one in checked.not_checked}


def test_requirements_that_exclude_each_other_are_told_in_uvs_words_at_their_line(
    index: PackageIndex, root: Path
) -> None:
    write(root, "runtimes/spark.in", "# what jobs use\nshop\nledger<2\n")
    [found] = told(check(root), "ILK-DP013")
    assert str(found.place) == "runtimes/spark.in:3" and found.severity == "error"
    assert "'ledger<2' cannot be met together with 'shop'" in found.summary
    assert "all versions of shop depend on ledger>=2" in found.detail and "error:" not in found.detail


def test_the_line_that_was_changed_is_the_one_to_look_at(index: PackageIndex, root: Path) -> None:
    index.wheel("shop", "0.9", ["ledger<2"])
    write(root, "runtimes/spark.in", "ledger<2\nshop<1\n")
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "before"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *command], cwd=root, check=True)
    write(root, "runtimes/spark.in", "shop>=1\nledger<2\n")
    checked = check_project(Project(root), since="HEAD")
    [found] = told(checked, "ILK-DP013")
    assert str(found.place) == "runtimes/spark.in:1" and found.new


def test_nobody_is_asked_twice_and_not_for_a_changed_dag(index: PackageIndex, root: Path) -> None:
    assert check(root).findings == () and index.asked
    index.asked.clear()
    write(root, "dags/orders.py", "x = 1\n")
    assert check(root).findings == () and index.asked == []
    write(root, "runtimes/spark.in", "# what jobs use\nshop>=1\n")
    check(root)
    assert "/simple/shop/" in index.asked


def test_a_locked_version_that_was_yanked_is_told_with_its_reason(index: PackageIndex, root: Path) -> None:
    write(root, "runtimes/spark.lock", "ledger==2.0 \\\n    --hash=sha256:aa\nshop==1.0\n")
    checked = check(root)
    [found] = told(checked, "ILK-DP014")
    assert str(found.place) == "runtimes/spark.lock:1" and found.severity == "warning" and found.detail == "wrong sums"
    assert checked.passed


def test_yanked_versions_of_a_lock_for_several_systems_are_all_found(index: PackageIndex, root: Path) -> None:
    lock = "ledger==2.0 ; sys_platform == 'linux'\nledger==2.1 ; sys_platform != 'linux'\nshop==1.0\n"
    write(root, "runtimes/spark.lock", lock)
    [found] = told(check(root), "ILK-DP014")
    assert found.place.line == 1


def test_a_version_that_is_yanked_later_is_noticed_a_day_later(
    index: PackageIndex, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time()]

    def ask() -> tuple[resolving.Yanked, ...]:
        project = Project(root)
        asking = questions.PackageIndex(
            project, project.config, Sources(root), ReadingCache(project.cache), clock=lambda: now[0]
        )
        return asking.answers()["spark"].yanked

    assert ask() == ()
    index.wheel("ledger", "2.1", yanked="lost rows")
    index.asked.clear()
    now[0] += 23 * HOUR
    assert ask() == () and index.asked == []
    now[0] += 2 * HOUR
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-a-day-later"))
    assert [(one.name, one.version, one.reason) for one in ask()] == [("ledger", "2.1", "lost rows")]


def test_an_index_that_does_not_answer_is_said_and_refuses_nothing(
    index: PackageIndex, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{nobody.getsockname()[1]}/simple")
        checked = check(root)
    assert checked.passed and checked.findings == ()
    assert "could not be reached" in why(checked)["conflicts in runtimes/spark.in"]
    assert "could not be reached" in why(checked)["yanked versions in runtimes/spark.lock"]


def test_an_index_that_never_answers_costs_its_limit_and_no_more(
    index: PackageIndex, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{deaf.getsockname()[1]}/simple")
        monkeypatch.setattr(resolving, "LIMIT_SECONDS", 1.0)
        begun = time.monotonic()
        checked = check(root)
        assert time.monotonic() - begun < 20
        assert checked.passed and "no answer within 1 s" in why(checked)["conflicts in runtimes/spark.in"]
        begun = time.monotonic()
        assert check(root).passed and time.monotonic() - begun < 1, "it is not waited for again at once"


def test_offline_nothing_is_asked_and_the_report_says_so(
    index: PackageIndex, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(questions.OFFLINE, "1")
    checked = check(root)
    assert checked.passed and index.asked == []
    assert why(checked)["conflicts in runtimes/spark.in"] == "INTERLOCK_OFFLINE is set"


def test_a_static_check_asks_nobody(index: PackageIndex, root: Path) -> None:
    write(root, "runtimes/spark.in", "shop\nledger<2\n")
    checked = check_project(Project(root), static=True)
    assert index.asked == [] and told(checked, "ILK-DP013") == []
    assert [one.rule for one in checked.findings] == ["ILK-DP011"], "text alone tells that the lock does not fit"


def test_a_package_that_comes_as_source_is_known_from_the_built_runtime(index: PackageIndex, tmp_path: Path) -> None:
    index.source("legacy", "1.0", "raise SystemExit('built')")
    (tmp_path / "r.in").write_text("legacy\nledger<2\n")
    built = tmp_path / "runtime"
    info = built / "lib" / "python3.11" / "site-packages" / "legacy-1.0.dist-info"
    info.mkdir(parents=True)
    info.joinpath("METADATA").write_text(
        "Metadata-Version: 2.1\nName: legacy\nVersion: 1.0\nRequires-Dist: ledger>=2\n\nOld.\n"
    )
    (built / "bin").mkdir()
    (built / "bin" / "python").symlink_to(sys.executable)
    given = {"root": tmp_path, "python": "3.11", "lock": "legacy==1.0\n"}
    assert "legacy would have to be built" in resolving.resolve("r.in", **given, interpreter=None).unknown
    known = resolving.resolve("r.in", **given, interpreter=built / "bin" / "python")
    assert "legacy" in known.conflict and "ledger>=2" in known.conflict


def test_a_name_that_the_index_does_not_know_is_not_called_a_mistake(index: PackageIndex, root: Path) -> None:
    write(root, "runtimes/spark.in", "shop\nof-our-own-index\n")
    checked = check(root)
    assert told(checked, "ILK-DP013") == []
    assert "has no package 'of-our-own-index'" in why(checked)["conflicts in runtimes/spark.in"]
