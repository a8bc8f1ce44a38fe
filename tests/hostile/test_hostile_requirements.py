"""Requirements that a stranger wrote: uv reads them in a check, and runs nothing, tells nothing and goes nowhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.engine import index as questions
from interlock.engine.checking import check_project
from interlock.engine.project import Project
from tests.support.package_index import PackageIndex

CONFIG = """\
version: 1
project: shop
runtimes:
  spark: {python: "3.11", lock: spark.lock, requirements: spark.in}
"""
SETUP = "open({mark!r}, 'w').close()\nfrom setuptools import setup\nsetup(name='legacy', version='1.0')\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    with PackageIndex() as served:
        served.wheel("shop", "1.0")
        served.source("legacy", "1.0", SETUP.format(mark=str(tmp_path / "ran")))
        for name, value in {**served.environment(tmp_path / "uv"), "INTERLOCK_CACHE": str(tmp_path / "cache")}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv(questions.OFFLINE, raising=False)
        monkeypatch.delenv("UV_NO_CONFIG")
        monkeypatch.setenv("CLOUD_TOKEN", "t0p-secret")
        yield served


def conflicts(tmp_path: Path, requirements: str, lock: str = "shop==1.0\n", **files: str) -> str:
    """Why a project with these requirements was not checked; "" where it was."""
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    for name, text in {"interlock.yaml": CONFIG, "spark.in": requirements, "spark.lock": lock, **files}.items():
        (root / name).write_text(text)
    checked = check_project(Project(root))
    assert "t0p-secret" not in repr(checked) and not (tmp_path / "ran").exists()
    return next((one.why for one in checked.not_checked if one.what == "conflicts in spark.in"), "")


@pytest.mark.parametrize(
    "line",
    ["--index-url http://127.0.0.1:9/${CLOUD_TOKEN}/simple", "-c https://127.0.0.1:9/$(id)", "other=={{ version }}"],
)
def test_no_variable_of_the_environment_leaves_the_machine(index: PackageIndex, tmp_path: Path, line: str) -> None:
    assert "takes values from elsewhere in line 2" in conflicts(tmp_path, f"shop\n{line}\n")
    assert not any("t0p" in path for path in index.asked)


@pytest.mark.parametrize(
    "line",
    ["-e .", "--editable=.", ".", "./package", "legacy @ file:///etc", "git+https://127.0.0.1:9/x.git", "x.tar.gz",
     "legacy @ https://127.0.0.1:9/legacy.tar.gz ; python_version > '3'"],
)  # fmt: skip
def test_what_a_path_or_url_names_is_neither_built_nor_fetched(index: PackageIndex, tmp_path: Path, line: str) -> None:
    setup = SETUP.format(mark=str(tmp_path / "ran"))
    assert "names a package by a path or URL" in conflicts(tmp_path, f"shop\n{line}\n", **{"setup.py": setup})


def test_a_package_of_the_index_is_not_built(index: PackageIndex, tmp_path: Path) -> None:
    lock = "legacy==1.0\nshop==1.0\n"
    assert "legacy would have to be built" in conflicts(tmp_path, "shop\nlegacy\n", lock)


@pytest.mark.parametrize(
    "line", ["-c ../outside.txt", "-r /etc/hostname", "-c http://127.0.0.1:9/c.txt", "-c link.txt"]
)
def test_nothing_outside_the_project_is_included(index: PackageIndex, tmp_path: Path, line: str) -> None:
    (tmp_path / "outside.txt").write_text("shop==9\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "link.txt").symlink_to(tmp_path / "outside.txt")
    why = conflicts(tmp_path, f"shop\n{line}\n")
    assert "the project has no" in why or "does not come over https" in why


def test_no_interpreter_of_the_project_is_started(index: PackageIndex, tmp_path: Path) -> None:
    for python in (tmp_path / "project" / "python", tmp_path / "project" / ".venv" / "bin" / "python"):
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
        python.chmod(0o755)
    settings = f'[pip]\npython = "{tmp_path}/project/python"\nno-build = false\n'
    assert conflicts(tmp_path, "shop\n", **{"uv.toml": settings}) == ""


def test_files_that_include_each_other_come_to_an_end(index: PackageIndex, tmp_path: Path) -> None:
    assert conflicts(tmp_path, "-r a.in\nshop\n", **{"a.in": "-r spark.in\n-r a.in\n"}) == ""
