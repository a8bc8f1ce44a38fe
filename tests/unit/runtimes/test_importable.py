"""Which modules an interpreter has, told by its folders alone."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from interlock.runtimes.importable import importable


@pytest.fixture
def python(tmp_path: Path) -> Path:
    venv.create(tmp_path / "env", with_pip=False)
    return tmp_path / "env" / "bin" / "python"


@pytest.fixture
def site(python: Path) -> Path:
    [found] = (python.parent.parent / "lib").glob("python*/site-packages")
    return found


def test_all_that_the_interpreter_itself_finds_is_known(python: Path, site: Path) -> None:
    (site / "shop").mkdir()
    (site / "shop" / "__init__.py").write_text("")
    (site / "single.py").write_text("")
    (site / "fast.cpython-311-x86_64-linux-gnu.so").write_bytes(b"")
    (site / "stable.abi3.so").write_bytes(b"")
    (site / "space" / "inner").mkdir(parents=True)
    (site / "shop-1.0.dist-info").mkdir()
    told = importable(python)
    asked = "import pkgutil, sys; print(*{m.name for m in pkgutil.iter_modules()}, *sys.builtin_module_names)"
    real = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True, cwd=site).stdout.split()
    assert set(real) - told.names == set()
    assert {"shop", "single", "fast", "stable", "space", "math", "json", "sys"} <= told.names
    assert not told.unknown and told.names.isdisjoint({"shop-1", "requests", "shop-1.0"})


def test_folders_of_pth_files_are_looked_into(python: Path, site: Path, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "linked.py").write_text("")
    (site / "linked.pth").write_text(f"# a comment\n\n{tmp_path / 'source'}\n/nowhere/at/all\n")
    told = importable(python)
    assert "linked" in told.names and not told.unknown


def test_code_in_pth_files_is_not_run_and_makes_the_rest_unknown(python: Path, site: Path, tmp_path: Path) -> None:
    (site / "hook.pth").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})\n")
    assert "hook.pth" in importable(python).unknown
    assert not (tmp_path / "ran").exists()


def test_linked_package_is_known_by_its_own_list(python: Path, site: Path) -> None:
    (site / "__editable__.shop-1.0.pth").write_text("import __editable___shop_1_0_finder; x.install()\n")
    assert importable(python).unknown
    (site / "shop-1.0.dist-info").mkdir()
    (site / "shop-1.0.dist-info" / "top_level.txt").write_text("shop\n_shop_fast\n")
    told = importable(python)
    assert {"shop", "_shop_fast"} <= told.names and not told.unknown


def test_standard_library_is_that_of_the_interpreter(python: Path, site: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    (base / "bin").mkdir(parents=True)
    standard = base / "lib" / site.parent.name
    standard.mkdir(parents=True)
    for name in ("os.py", "asynchat.py"):
        (standard / name).write_text("")
    (python.parent.parent / "pyvenv.cfg").write_text(f"home = {base / 'bin'}\n")
    names = importable(python).names
    assert {"os", "asynchat", "math", "sys"} <= names and "tomllib" not in names


def test_archived_standard_library_counts_as_whole(python: Path, site: Path, tmp_path: Path) -> None:
    (tmp_path / "base" / "lib" / site.parent.name).mkdir(parents=True)
    (python.parent.parent / "pyvenv.cfg").write_text(f"home = {tmp_path / 'base' / 'bin'}\n")
    assert importable(python).names >= sys.stdlib_module_names


@pytest.mark.parametrize("what", ["nothing", "shim", "no site-packages", "no home"])
def test_what_is_no_python_of_a_known_layout_is_unknown(what: str, python: Path, site: Path, tmp_path: Path) -> None:
    if what == "nothing":
        python = tmp_path / "none" / "bin" / "python"
    elif what == "shim":
        python = tmp_path / "shims" / "python"
        python.parent.mkdir()
        python.write_text("#!/bin/sh\n")
    elif what == "no site-packages":
        site.rename(site.with_name("gone"))
    else:
        (python.parent.parent / "pyvenv.cfg").write_bytes(b"\xff\xfe\0garbage")
    assert importable(python).unknown and not importable(python).names


def test_broken_packages_do_no_harm(python: Path, site: Path) -> None:
    (site / "a-1.dist-info").write_bytes(b"\xff not a folder")
    (site / "b-1.dist-info").mkdir()
    (site / "b-1.dist-info" / "top_level.txt").write_bytes(os.urandom(2000))
    (site / "b-1.dist-info" / "RECORD").mkdir()
    (site / "dangling").symlink_to("/nowhere")
    (site / "odd.pth").write_bytes(b"\xff\xfe\0\n" + b"x" * 300 + b"\n../../../../../..\n")
    (site / os.fsdecode(b"\xff\xfe")).mkdir()
    assert not importable(python).unknown
    (site / "__editable__.b-1.pth").write_text("import x\n")
    (site / "b-1.dist-info" / "top_level.txt").write_bytes(b"\xff\xfe\0\n(not a name)\n")
    assert "__editable__.b-1.pth" in importable(python).unknown


@pytest.mark.parametrize("name", ["sitecustomize.py", "archive.pth"])
def test_what_may_hold_more_is_unknown(name: str, python: Path, site: Path) -> None:
    (site / "packages.egg").write_bytes(b"PK")
    (site / name).write_text("packages.egg\n")
    assert importable(python).unknown


def test_packages_that_are_a_file_are_unknown(python: Path, site: Path) -> None:
    site.rename(site.with_name("gone"))
    site.write_text("")
    assert "cannot be read" in importable(python).unknown
