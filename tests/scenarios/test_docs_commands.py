"""The commands that the documentation shows can be copied: each page's ``console`` blocks run, in their order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "examples" / "payments" / "runtimes"
JOB = """\
from pyspark.sql import SparkSession

if __name__ == "__main__":
    print(SparkSession.builder.getOrCreate().range(10).count())
"""


def shown(page: str) -> list[str]:
    """Every line after ``$`` in the page's ``console`` blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What the page says it has: a repository with one Spark job, and a lock for its runtime."""
    for path, text in {"jobs/settle.py": JOB, "runtimes/spark.lock": (LOCKS / "spark.lock").read_text()}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A path on which ``interlock`` and ``python`` are the ones under test."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "interlock").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m interlock "$@"\n')
    (folder / "interlock").chmod(0o755)
    (folder / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (folder / "python").chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("page", ["cli.md", "configuration.md"])
def test_every_command_of_a_page_works_when_it_is_typed_in_its_order(page, repository, environment):
    commands = shown(page)
    assert commands
    for command in commands:
        done = subprocess.run(
            [shutil.which("bash") or "sh", "-c", command],
            cwd=repository,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
