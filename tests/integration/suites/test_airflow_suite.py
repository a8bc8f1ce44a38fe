"""Tests of DAGs, in the project's own Airflow: each file finds it as if it were the first one there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.suites import check, write

pytestmark = pytest.mark.engine

DAG = """\
import datetime
from airflow import DAG
from airflow.operators.empty import EmptyOperator
from shared.owners import OWNER

with DAG("{0}", start_date=datetime.datetime(2026, 1, 1), schedule=None, default_args={{"owner": OWNER}}):
    EmptyOperator(task_id="nothing")
"""
BAG = """\
from airflow.models import DagBag

def test_dag_has_an_owner():
    bag = DagBag("dags/{0}.py", include_examples=False)
    assert not bag.import_errors and [task.owner for task in bag.dags["{0}"].tasks] == ["platform"]
"""
# Two files that would notice each other in one database; both import Airflow, so that they share one that is warm.
VARIABLE = """\
from airflow.models import Variable

def test_nobody_was_here():
    assert Variable.get("was_here", default_var=None) is None
    Variable.set("was_here", "{0}")
    assert Variable.get("was_here") == "{0}"
"""
FILES = {
    "dags/shared/__init__.py": "", "dags/shared/owners.py": "OWNER = 'platform'\n",
    "dags/one.py": DAG.format("one"), "dags/two.py": DAG.format("two"),
    "tests/test_one.py": BAG.format("one"), "tests/test_two.py": BAG.format("two"),
    "tests/test_a.py": VARIABLE.format("a"), "tests/test_b.py": VARIABLE.format("b"),
    "tests/test_folder.py": (
        "from airflow.configuration import conf\n\ndef test_folder():\n    assert conf.get('core', 'dags_folder').endswith('dags')\n"
    ),
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, runtime_python: Callable[[str], Path]) -> Path:
    config = (
        "version: 1\nproject: dags\nairflow: {dags: dags, runtime: airflow}\n"
        f"runtimes: {{airflow: {{interpreter: {runtime_python('airflow')}}}}}\n"
        "tests: {pytest: [{runtime: airflow, paths: [tests]}]}\n"
    )
    return write(tmp_path / "project", {"interlock.yaml": config, **FILES})


def told(checked) -> list[tuple[str, str]]:
    return [(str(one.place), one.summary) for one in checked.findings if one.rule.startswith("ILK-TE")]


def test_changed_dag_runs_the_test_that_reads_it_and_no_other(root: Path, tmp_path: Path) -> None:
    first = check(root, tmp_path / "cache")
    assert told(first) == [] and (first.tests.passed, first.tests.reused) == (5, 0)
    write(root, {"dags/two.py": DAG.format("two").replace('"nothing"', '"something"')})
    assert check(root, tmp_path / "cache").tests.reused == 4
    write(root, {"dags/shared/owners.py": "OWNER = 'nobody'\n"})
    changed = check(root, tmp_path / "cache")
    assert [place for place, _ in told(changed)] == ["tests/test_one.py:5", "tests/test_two.py:5"]
    assert changed.tests.reused == 3


def test_file_that_sets_airflow_up_finds_one_that_nobody_imported(root: Path, tmp_path: Path) -> None:
    conftest = "import os, sys\nassert 'airflow' not in sys.modules\nos.environ['AIRFLOW__CORE__PARALLELISM'] = '7'\n"
    test = (
        "from airflow.configuration import conf\nfrom airflow.models import Variable\n"
        "def test_set_up():\n    assert conf.getint('core', 'parallelism') == 7\n"
        "    assert Variable.get('was_here', default_var='') == ''\n"
    )
    checked = check(
        write(root, {"tests/set_up/conftest.py": conftest, "tests/set_up/test_set_up.py": test}), tmp_path / "cache"
    )
    assert told(checked) == [] and checked.tests.passed == 6
