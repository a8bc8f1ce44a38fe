"""What Spark jobs import, against what the example platform's own Spark runtime holds."""

import os
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.catalog import spark_packages
from interlock.catalog.read import read_project
from interlock.catalog.sources import Sources
from interlock.config import ProjectConfig
from interlock.engine.checking import check_project
from interlock.engine.project import Project
from interlock.model.canonical import digest_bytes
from interlock.model.findings import Finding
from interlock.rules.examine import Examiner
from interlock.rules.files import Layout
from interlock.rules.registry import FAMILIES
from interlock.rules.run import find, inspection_of
from interlock.runtimes.environments import Runtime
from interlock.runtimes.importable import Importable, importable
from tests.support.git import git
from tests.support.java import java_environment

pytestmark = pytest.mark.engine

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "payments"
RULE = "ILK-SP004"
CONFIG = ProjectConfig.model_validate(
    {
        "version": 1, "project": "p",
        "spark": {"jobs": ["spark/jobs/*.py"], "streams": ["spark/streams/*.py"], "include": ["spark/lib"]},
        "runtimes": {"spark": {"python": "3.11", "lock": "runtimes/spark.lock", "requirements": "runtimes/spark.in"}},
    }
)  # fmt: skip
SPARK = "from pyspark.sql import SparkSession\n"
ASKS = {"spark/jobs/settle.py": f"{SPARK}import requests\n"}

SILENT = {
    "all_that_is_there": {
        "spark/jobs/settle.py": f"{SPARK}import json, math, zoneinfo\nimport py4j, setuptools, pkg_resources, distutils\n"
        "from shared.money import cents\nimport beside, fast, space.inner\n",
        "spark/jobs/beside.py": "", "spark/lib/fast.so": "", "spark/lib/space/inner.py": "",
        "spark/lib/shared/__init__.py": "", "spark/lib/shared/money.py": "from . import odd\nfrom .odd import x\ncents = 1\n",
        "spark/lib/shared/odd.py": "x = 1\n",
    },
    "guarded": {
        "spark/jobs/settle.py": "from typing import TYPE_CHECKING\n"
        "try:\n    import requests\nexcept ImportError:\n    requests = None\n"
        "if TYPE_CHECKING:\n    import pandas\n"
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import numpy\n"
        "def run():\n    import scipy\n"
        "class Lazy:\n    def get(self):\n        import yaml\n"
        "if __name__ == '__main__':\n    import boto3\n",
    },
    "reached_through_a_guard_alone": {
        "spark/jobs/settle.py": "try:\n    from shared import quick\nexcept ImportError:\n    quick = None\n"
        "def run():\n    import shared.late\n",
        "spark/lib/shared/__init__.py": "", "spark/lib/shared/quick.py": "import numpy\n",
        "spark/lib/shared/late.py": "import numpy\n",
    },
    "not_of_a_job": {"spark/jobs/settle.py": SPARK, "dags/load.py": "import requests\n", "spark/lib/idle.py": "import yaml\n"},
    "path_is_changed": {"spark/jobs/settle.py": "import sys\nsys.path.insert(0, '/opt/libs')\nimport requests\n"},
    "path_is_changed_by_a_helper": {
        "spark/jobs/settle.py": "import helper\nimport requests\n", "spark/jobs/helper.py": "from sys import path\npath += ['x']\n",
    },
    "file_is_added": {"spark/jobs/settle.py": "sc.addPyFile('requests.zip')\nimport requests\n"},
    "installed_when_it_runs": {
        "spark/jobs/settle.py": "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'requests'])\n"
        "import requests\n",
    },
    "dag_hands_files_over": {**ASKS, "dags/d.py": "SparkSubmitOperator(task_id='a', py_files='s3://b/deps.zip')\n"},
    "script_hands_an_archive_over": {**ASKS, "bin/run.sh": "spark-submit --archives env.tar.gz#environment job.py\n"},
    "settings_name_an_archive": {**ASKS, "conf/spark-defaults.conf": "spark.archives hdfs:///env.tar.gz\n"},
    "image_installs_it": {**ASKS, "Dockerfile": "FROM apache/spark:3.5.0\nRUN pip install \\\n  requests==2.32\n"},
    "java_package_holds_it": {
        "spark/jobs/settle.py": "import graphframes\n", "bin/run.sh": "spark-submit --packages graphframes:graphframes:0.8.4 x\n",
    },
    "platform_brings_it": {"spark/jobs/settle.py": "from awsglue.context import GlueContext\n"},
    "elsewhere_in_the_project": {"spark/jobs/settle.py": "import common.dates\n", "libs/common/dates.py": ""},
    "ignored_by_git": {"spark/jobs/settle.py": "import settings_here\n", ".gitignore": "settings_here.py\n"},
    "no_python": {"spark/jobs/settle.py": "import requests\nthis is no Python\n"},
}  # fmt: skip


def check(root: Path, files: dict[str, str], python: Path, config: ProjectConfig = CONFIG) -> list[Finding]:
    texts = {path: text.encode() for path, text in files.items()}
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text)
    reading = read_project(Sources(root), config, lambda name: Runtime(name, python, "0" * 64), root.parent / "cache")
    layout = Layout(("dags",), ("dags", "."))
    examined = Examiner(FAMILIES, layout, None).examine(texts, {p: digest_bytes(s) for p, s in texts.items()})
    inspection = inspection_of(layout, list(texts), lambda p: texts[p], examined, config=config, reading=reading)
    said = [one for one in reading.not_checked if "runtime 'spark'" in one.what]
    found = [one for one in find(inspection, examined) if one.rule == RULE]
    assert not (said and found)
    return found


@pytest.fixture
def python(runtime_python: Callable[[str], Path]) -> Path:
    return runtime_python("spark")


def test_what_is_found_is_what_spark_itself_fails_on(python: Path, tmp_path: Path) -> None:
    files = {
        "spark/jobs/settle.py": f"{SPARK}import json, requests.auth\nfrom shared.money import cents\n",
        "spark/jobs/score.py": "from shared import money\n",
        "spark/streams/enrich.py": "print('no package')\n",
        "spark/lib/shared/__init__.py": "",
        "spark/lib/shared/money.py": "import decimal\n\nimport yaml as y\n\ncents = 1\n",
    }
    found = check(tmp_path / "project", files, python)
    assert [(str(one.place), one.severity, one.resource, one.affected) for one in found] == [
        ("spark/jobs/settle.py:2", "error", "spark.batch:settle", ("spark.batch:settle",)),
        ("spark/lib/shared/money.py:3", "error", "spark.batch:score", ("spark.batch:score", "spark.batch:settle")),
    ]
    assert [one.remedy for one in found] == [
        "Add 'requests' to runtimes/spark.in, then run 'interlock lock spark'.",
        "Add 'PyYAML' to runtimes/spark.in, then run 'interlock lock spark'.",
    ]
    assert "'yaml'" in found[1].summary and "'spark'" in found[1].summary
    ran = {
        name: submitted(python, tmp_path / "project", f"spark/{name}.py") for name in ("jobs/score", "streams/enrich")
    }
    assert "No module named 'yaml'" in ran["jobs/score"].stdout and ran["jobs/score"].returncode
    assert not ran["streams/enrich"].returncode, ran["streams/enrich"].stderr


def submitted(python: Path, root: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(root / "spark" / "lib"),
        "PYSPARK_PYTHON": str(python), **java_environment(),
    }  # fmt: skip
    command = [python.parent / "spark-submit", "--master", "local[1]", root / script]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", SILENT)
def test_nothing_is_said_of(name: str, python: Path, tmp_path: Path) -> None:
    assert check(tmp_path / "project", SILENT[name], python) == []


# Each silent case, but for the one thing that makes it silent.
LOUD = {
    "path_is_changed_by_another_job": {**ASKS, "spark/jobs/other.py": "import sys\nsys.path.insert(0, 'x')\nimport yaml\n"},
    "image_installs_something_else": {**ASKS, "Dockerfile": "FROM apache/spark:3.5.0\nRUN pip install pandas\n"},
    "image_installs_something_else_and_nobody_knows_the_module": {
        "spark/jobs/settle.py": f"{SPARK}import shop_rates\n", "Dockerfile": "FROM apache/spark:3.5.0\nRUN pip install pandas\n",
    },
    "image_of_something_else": {**ASKS, "Dockerfile": "FROM python:3.11\nRUN pip install requests\n"},
    "tests_are_installed": {**ASKS, ".github/workflows/ci.yml": "- run: pip install -r dev.txt  # pyspark\n"},
    "java_package_of_another_name": {**ASKS, "bin/run.sh": "spark-submit --packages org.apache.iceberg:iceberg-aws:1.5.0\n"},
    "documentation": {**ASKS, "docs/run.sh": "spark-submit --py-files deps.zip\n"},
}  # fmt: skip


@pytest.mark.parametrize("name", LOUD)
def test_what_brings_nothing_here_hides_nothing(name: str, python: Path, tmp_path: Path) -> None:
    assert [str(one.place) for one in check(tmp_path / "project", LOUD[name], python)] == ["spark/jobs/settle.py:2"]


def test_module_that_only_another_python_has_is_no_package(python: Path, tmp_path: Path) -> None:
    [found] = check(tmp_path / "project", {"spark/jobs/settle.py": "import asynchat\nimport _winapi_of_old\n"}, python)
    assert found.place.line == 2 and "the distribution that has it" in found.remedy


def test_interpreter_is_looked_into_and_its_hooks_are_believed(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    told = {"version": 1, "project": "p", "spark": {"jobs": ["spark/jobs/*.py"]}}
    config = ProjectConfig.model_validate({**told, "runtimes": {"spark": {"interpreter": str(python)}}})
    [found] = check(tmp_path / "project", ASKS, python, config)
    assert found.remedy == "Install 'requests' beside the interpreter of runtime 'spark'."
    [site] = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "requests").mkdir()
    assert check(tmp_path / "project", ASKS, python, config) == []
    (site / "requests").rmdir()
    (site / "hook.pth").write_text("import os\n")
    assert check(tmp_path / "project", ASKS, python, config) == []
    reading = read_project(Sources(tmp_path / "project"), config, lambda n: Runtime(n, python, ""), tmp_path / "cache")
    [said] = reading.not_checked
    assert said.what == "whether runtime 'spark' has what Spark jobs import" and "hook.pth" in said.why


@pytest.fixture
def cache(tmp_path: Path, runtime_python: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, but for the runtimes that are built already."""
    runtimes = runtime_python("spark").parents[2]
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "runtimes").symlink_to(runtimes)
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "cache"))


def told(root: Path, since: str | None = None) -> list[tuple[str, bool]]:
    found = check_project(Project(root), since=since).findings
    return [(str(one.place), one.new) for one in found if one.rule == RULE]


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


SECTIONS = "version: 1\nproject: p\nspark: {jobs: ['spark/jobs/*.py']}\nruntimes:\n  spark: "


@pytest.mark.usefixtures("cache")
def test_finding_is_new_where_the_job_or_the_lock_was_changed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    lock = (EXAMPLE / "runtimes" / "spark.lock").read_text()
    write(root, ASKS | {"interlock.yaml": f"{SECTIONS}{{python: '3.11', lock: spark.lock}}\n", "spark.lock": lock})
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "a job that fails")
    assert told(root, "HEAD") == [("spark/jobs/settle.py:2", False)]
    write(root, {"spark.lock": f"# without requests from now on\n{lock}"})
    assert told(root, "HEAD") == [("spark/jobs/settle.py:2", True)]
    write(root, {"spark.lock": lock, "spark/jobs/settle.py": f"\n{ASKS['spark/jobs/settle.py']}"})
    assert told(root, "HEAD") == [("spark/jobs/settle.py:3", True)]


@pytest.mark.usefixtures("cache")
def test_second_check_looks_at_no_package_and_an_installed_one_counts_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    [site] = (tmp_path / "env" / "lib").glob("python*/site-packages")
    root = tmp_path / "project"
    write(root, ASKS | {"interlock.yaml": f"{SECTIONS}{{interpreter: {tmp_path / 'env' / 'bin' / 'python'}}}\n"})
    looked: list[Path] = []

    def look(python: Path) -> Importable:
        looked.append(python)
        return importable(python)

    monkeypatch.setattr(spark_packages, "importable", look)
    assert told(root) == told(root) == [("spark/jobs/settle.py:2", True)]
    assert len(looked) == 1
    write(site, {"requests/__init__.py": "", "requests-2.32.dist-info/METADATA": "Name: requests\nVersion: 2.32\n"})
    assert told(root) == [] and len(looked) == 2
