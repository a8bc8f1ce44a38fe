"""Sources that cannot be read as they should: scripts with errors, links in circles, links that lead out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.cli_project import (
    DONE,
    NO,
    USAGE,
    Said,
    build,
    interlock,
    live_job,
    live_spark,
    start,
    unharmed,
    write,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return live_spark(tmp_path_factory.mktemp("sources") / "project")


@pytest.fixture
def project(shared: Path) -> Iterator[Path]:
    """The project; afterwards its files are as they were. The last test sees to it that nothing was lost by all this."""
    before = {path: path.read_bytes() for folder in ("jobs", "lib") for path in (shared / folder).rglob("*.py")}
    yield shared
    for path in [*(shared / "jobs").rglob("*"), *shared.glob("schemas/*")]:
        if path.is_symlink() or (path.is_file() and path not in before):
            path.unlink()
    for path, content in before.items():
        path.write_bytes(content)


def refused(project: Path, code: int, *named: str) -> Said:
    """``check`` and ``build`` both say no, and name the thing."""
    both = [start(project, "check"), start(project, "build")]
    for running in both:
        said = running.said()
        assert said.code == code, said
        said.about(*named)
    return said


def test_spark_script_with_a_syntax_error_is_refused_with_its_line(project: Path) -> None:
    write(project, {"jobs/settle.py": "x = 1\ndef broken(:\n    pass\n"})
    refused(project, NO, "jobs/settle.py:2", "not valid Python")


def test_spark_helper_with_a_syntax_error_is_named_and_not_the_script(project: Path) -> None:
    write(project, {"lib/shared/__init__.py": "\n\nRATE = = 2\n"})
    refused(project, NO, "lib/shared/__init__.py:3", "not valid Python")


def test_spark_script_that_is_not_utf_8_is_refused_with_its_line(project: Path) -> None:
    write(project, {"jobs/settle.py": b"print('fine')\nname = 'caf\xe9'\n"})
    refused(project, NO, "jobs/settle.py:2", "not valid Python")


@pytest.mark.parametrize("how", [[], ["--static"]])
def test_file_whose_name_is_no_utf_8_is_said_and_left_out(project: Path, how: list[str]) -> None:
    write(project, {os.fsdecode(b"jobs/caf\xe9.py"): "print(undefined)\n"})
    for _ in range(2):
        said = interlock(project, "check", *how)
        assert said.code == DONE, said
        assert {"what": "jobs/caf\\udce9.py", "why": "its name is no UTF-8"} in said.body["not_checked"]


def test_script_with_nul_bytes_or_endless_brackets_is_refused(project: Path) -> None:
    write(project, {"jobs/settle.py": b"x = 1\0\n", "jobs/report.py": "x = " + "(" * 5000 + "\n"})
    said = refused(project, NO, "jobs/settle.py", "not valid Python")
    said.about("jobs/report.py", "not valid Python")


def test_link_to_itself_is_named(project: Path) -> None:
    (project / "jobs" / "round.py").symlink_to("round.py")
    said = interlock(project, "build")
    assert said.code == USAGE, said
    said.about("jobs/round.py", "loop")
    assert "jobs/round.py" in interlock(project, "check").not_checked


def test_folder_link_to_its_own_parent_is_named_and_does_not_run_for_ever(project: Path) -> None:
    (project / "jobs" / "deep").symlink_to("../jobs")
    said = interlock(project, "check")
    assert said.code in (DONE, NO), said
    assert "jobs/deep" in said.not_checked


def test_folder_links_in_a_circle_of_a_deployed_folder_are_refused(project: Path) -> None:
    (project / "schemas" / "a").mkdir(parents=True, exist_ok=True)
    (project / "schemas" / "round").symlink_to("../schemas")
    said = interlock(project, "build")
    assert said.code == USAGE, said
    said.about("schemas/round", "leads back")


def test_link_that_leaves_the_repository_is_refused_and_not_read(project: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_text("SECRET = 'outside-the-project'\n")
    (project / "jobs" / "outside.py").symlink_to(tmp_path / "outside.py")
    said = interlock(project, "build")
    assert said.code == USAGE, said
    said.about("jobs/outside.py", "out of the project")
    checked = interlock(project, "check")
    assert "jobs/outside.py" in checked.not_checked
    # Neither its content nor its name went into the store or the cache.
    stored = [path for path in (project / ".interlock").rglob("*") if path.is_file()]
    assert stored and not any(b"outside-the-project" in path.read_bytes() for path in stored)


def test_dangling_link_is_named(project: Path) -> None:
    (project / "jobs" / "gone.py").symlink_to("nowhere.py")
    said = interlock(project, "build")
    assert said.code == USAGE, said
    said.about("jobs/gone.py", "points to nothing")


def test_after_all_that_nothing_is_lost_and_the_same_sources_are_the_same_release(project: Path) -> None:
    live = interlock(project, "status").body["environments"][0]["release"]
    (project / "jobs" / "gone.py").symlink_to("nowhere.py")
    assert interlock(project, "build").code == USAGE
    (project / "jobs" / "gone.py").unlink()
    assert build(project) == live
    assert interlock(project, "deploy", "prod", "--yes").body["outcome"] == "nothing"
    unharmed(project, live)
    assert "settle 1" in live_job(project)
