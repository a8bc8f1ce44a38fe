"""Which files may hold tests: as pytest would be configured to look for them."""

from pathlib import Path

import pytest

from interlock.catalog.sources import Sources
from interlock.suites.pytest_files import files_of_tests

FILES = ("tests/test_a.py", "tests/deep/b_test.py", "tests/check_c.py", "tests/conftest.py", "tests/data.txt")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    return tmp_path


def found(root: Path, *paths: str) -> dict[str, str]:
    return files_of_tests(Sources(root), paths or ("tests",))


def test_without_configuration_the_usual_names_count(root: Path) -> None:
    assert found(root) == {"tests/test_a.py": "tests", "tests/deep/b_test.py": "tests"}


def test_file_that_is_named_itself_counts_whatever_its_name(root: Path) -> None:
    assert found(root, "./tests/check_c.py", "tests/gone.py") == {"tests/check_c.py": "tests/check_c.py"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\npython_files = check_*.py\n"),
        ("tests/pytest.ini", "[pytest]\npython_files =\n  check_*.py\n"),
        ("tox.ini", "[tox]\n[pytest]\npython_files: check_*.py\n"),
        ("setup.cfg", "[tool:pytest]\npython_files = check_*.py 100%.py\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\npython_files = ["check_*.py"]\n'),
        ("pyproject.toml", '[tool.pytest]\npython_files = ["check_*.py"]\n'),
    ],
)
def test_python_files_of_the_nearest_configuration_count(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text)
    assert set(found(root)) == {"tests/check_c.py"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "no section\n"), ("pyproject.toml", "[tool\n"), ("pyproject.toml", "tool = 1\n"),
        ("setup.cfg", "[metadata]\nname = x\n"), ("pytest.ini", "[pytest]\naddopts = -q\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\npython_files = 1\n"),
    ],
)  # fmt: skip
def test_configuration_that_says_nothing_leaves_the_usual_names(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text)
    assert set(found(root)) == {"tests/test_a.py", "tests/deep/b_test.py"}
