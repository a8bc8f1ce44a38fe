"""Parsing with the real Airflow: what a file imports is known exactly, however the files share processes."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.runtimes.environments import Runtime
from interlock.runtimes.worker import Worker

pytestmark = pytest.mark.engine

EXAMPLE = Path(__file__).parents[3] / "examples" / "payments"
DAG = "import datetime\nfrom airflow import DAG\n{imports}\ndag = DAG('{name}', start_date=datetime.datetime(2024, 1, 1), schedule=None)\n{after}\n"

HELPERS = {
    "lib/__init__.py": "",
    "lib/names.py": "OWNER = 'x'\n",
    "lib/deep.py": "from lib import names\nVALUE = names.OWNER\n",
    "lib/lazy.py": "VALUE = 1\n",
    "lib/loader.py": (
        "import functools\nfrom pathlib import Path\n@functools.lru_cache\n"
        "def load():\n    return (Path(__file__).parent / 'config.yaml').read_text()\n"
    ),
    "lib/config.yaml": "a: 1\n",
    "lib/registry.py": "SEEN = []\n",
    "lib/shadowed.py": "WHICH = 'root'\n",
    "special/shadowed.py": "WHICH = 'special'\n",
    "lib/makes_dags.py": (
        "import datetime\nfrom airflow import DAG\nfrom airflow.operators.empty import EmptyOperator\n"
        "with DAG('from_helper', start_date=datetime.datetime(2024, 1, 1), schedule=None):\n    EmptyOperator(task_id='a')\n"
    ),
    "lib/broken.py": "import lib.names\nraise ValueError('the helper is broken')\n",
    "lib/hangs.py": "while True:\n    pass\n",
}
# name: (imports, what comes after, helpers that its closure must hold)
FILES: dict[str, tuple[str, str, set[str]]] = {
    "plain_1": ("", "", set()),
    "plain_2": ("", "", set()),
    "names_1": ("from lib.names import OWNER", "", {"lib/__init__.py", "lib/names.py"}),
    "names_2": ("from lib import names", "", {"lib/__init__.py", "lib/names.py"}),
    "deep_1": ("from lib.deep import VALUE", "", {"lib/__init__.py", "lib/deep.py", "lib/names.py"}),
    "deep_2": ("import lib.deep", "", {"lib/__init__.py", "lib/deep.py", "lib/names.py"}),
    "lazy": ("", "def f():\n    from lib import lazy\nf()", {"lib/__init__.py", "lib/lazy.py"}),
    "not_called": ("", "def f():\n    from lib import lazy", set()),
    "dynamic": ("", "import importlib\nimportlib.import_module('lib.' + 'lazy')", {"lib/__init__.py", "lib/lazy.py"}),
    "by_path": (
        "",
        "import importlib.util, os\ns = importlib.util.spec_from_file_location('q', os.path.join(os.path.dirname(__file__),"
        " 'lib/lazy.py'))\ns.loader.exec_module(importlib.util.module_from_spec(s))",
        {"lib/lazy.py"},
    ),
    "loads_1": ("from lib.loader import load", "load()", {"lib/__init__.py", "lib/loader.py"}),
    "loads_2": ("from lib.loader import load", "load()", {"lib/__init__.py", "lib/loader.py"}),
    "registers_1": ("from lib.registry import SEEN", "SEEN.append(1)\ndag.doc_md = str(len(SEEN))",
                    {"lib/__init__.py", "lib/registry.py"}),
    "registers_2": ("from lib.registry import SEEN", "SEEN.append(1)\ndag.doc_md = str(len(SEEN))",
                    {"lib/__init__.py", "lib/registry.py"}),
    "root_first": ("from lib import shadowed", "", {"lib/__init__.py", "lib/shadowed.py"}),
    "own_root_1": ("import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'special'))\nimport shadowed",
                   "dag.doc_md = shadowed.WHICH", {"special/shadowed.py"}),
    "makes_1": ("import lib.makes_dags", "", {"lib/__init__.py", "lib/makes_dags.py"}),
    "makes_2": ("import lib.makes_dags", "", {"lib/__init__.py", "lib/makes_dags.py"}),
    "broken_1": ("import lib.broken", "", {"lib/__init__.py", "lib/broken.py", "lib/names.py"}),
    "broken_2": ("import lib.broken", "", {"lib/__init__.py", "lib/broken.py", "lib/names.py"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def worker(runtime_python: Callable[[str], Path]) -> Iterator[Worker]:
    with Worker(Runtime("airflow", runtime_python("airflow"), ""), "airflow_worker.py") as one:
        yield one


@pytest.fixture(scope="module")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dags")
    for path, text in HELPERS.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    for name, (imports, after, _) in FILES.items():
        (root / f"{name}.py").write_text(DAG.format(name=name, imports=imports, after=after))
    return root


def parse(worker: Worker, dags: Path, names: list[str] | None = None, **options: Any) -> dict[str, dict[str, Any]]:
    files = [f"{name}.py" for name in (names or FILES)]
    answer = worker.request("parse", dags_folder=str(dags), files=files, timeout=120, **{"timeout_s": 20, **options})
    return {one["path"][:-3]: one for one in answer["files"]}


@pytest.fixture(scope="module")
def parsed(worker: Worker, dags: Path) -> dict[str, dict[str, Any]]:
    return parse(worker, dags)


@pytest.mark.parametrize("name", sorted(FILES))
def test_closure_is_exactly_what_the_file_loaded(parsed: dict[str, dict[str, Any]], name: str) -> None:
    assert set(parsed[name]["imports"]) == FILES[name][2] | {f"{name}.py"}


def test_data_read_through_a_cache_counts_for_every_file_that_uses_it(parsed: dict[str, dict[str, Any]]) -> None:
    assert parsed["loads_1"]["reads"] == parsed["loads_2"]["reads"] == ["lib/config.yaml"]
    assert parsed["plain_1"]["reads"] == []


def test_entry_in_a_shared_registry_is_not_seen_by_the_next_file(parsed: dict[str, dict[str, Any]]) -> None:
    described = [parsed[f"registers_{n}"]["dags"][0]["serialized"]["dag"]["doc_md"] for n in (1, 2)]
    assert described == ["1", "1"]


def test_file_with_import_roots_of_its_own_gets_its_own_modules(parsed: dict[str, dict[str, Any]]) -> None:
    assert parsed["own_root_1"]["dags"][0]["serialized"]["dag"]["doc_md"] == "special"


AGAIN = {
    "environment": ("import os\nos.environ.pop('HOME')\n", "KeyError"),
    "registers": ("import lib.registry\nassert 'me' not in lib.registry.SEEN, 'twice'\nlib.registry.SEEN.append('me')\n",
                  "AssertionError"),
    "bears_it": ("import lib.registry\nlib.registry.SEEN.append('me')\n", None),
    "was_there": ("from lib.comes_back import FAILS\nassert __name__ != 'was_there' or not FAILS\n", None),
    "beside_a_dag": ("import os\nos.environ.pop('HOME')\n" + DAG.format(name="d", imports="", after=""), None),
    "package/inner": ("import package\nassert package.COUNT < 1, 'twice'\npackage.COUNT += 1\n", "AssertionError"),
    "broken_package/inner": ("WHERE = 1\n", None),
}  # fmt: skip


@pytest.fixture(scope="module")
def again(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    root = tmp_path_factory.mktemp("again")
    helpers = {"lib/registry.py": "SEEN = []\n", "lib/comes_back.py": "FAILS = False\nimport was_there\nFAILS = True\n",
               "package/__init__.py": "COUNT = 0\n", "broken_package/__init__.py": "raise ValueError\n"}  # fmt: skip
    bodies = {f"{name}.py": "# airflow dag\n" + body for name, (body, _) in AGAIN.items()}
    for path, text in (helpers | bodies).items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    return parse(worker, root, list(AGAIN))


@pytest.mark.parametrize("name", sorted(AGAIN))
def test_helper_that_cannot_run_twice_is_told(again: dict[str, dict[str, Any]], name: str) -> None:
    one = again[name]
    assert (one["outcome"], one["errors"]) == ("ok", [])
    assert (one["second"] or {}).get("type") == AGAIN[name][1]
    if one["second"]:
        assert one["second"]["file"] == f"{name}.py" and one["second"]["line"] and one["second"]["traceback_tail"]


def test_package_around_a_helper_counts_for_its_second_import_alone(again: dict[str, dict[str, Any]]) -> None:
    assert again["package/inner"]["imports"] == ["package/__init__.py", "package/inner.py"]
    assert again["bears_it"]["imports"] == ["bears_it.py", "lib/registry.py"]


def test_dags_made_by_a_helper_belong_to_each_file_that_imports_it(parsed: dict[str, dict[str, Any]]) -> None:
    for name in ("makes_1", "makes_2"):
        assert [dag["dag_id"] for dag in parsed[name]["dags"]] == ["from_helper", name]


def test_broken_helper_is_named_with_its_line_for_each_file(parsed: dict[str, dict[str, Any]]) -> None:
    for name in ("broken_1", "broken_2"):
        error = parsed[name]["errors"][0]
        assert (parsed[name]["outcome"], error["file"], error["line"]) == ("error", "lib/broken.py", 2)
        assert error["message"] == "the helper is broken"


@pytest.mark.parametrize(
    "options", [{"warm": False, "group_size": 1, "jobs": 1}, {"group_size": 100, "jobs": 1}, {"jobs": 4}]
)
def test_sharing_processes_changes_no_answer(
    worker: Worker, dags: Path, parsed: dict[str, dict[str, Any]], options: dict[str, Any]
) -> None:
    again = parse(worker, dags, **options)
    for one in [*again.values(), *(dict(value) for value in parsed.values())]:
        one.pop("import_seconds", None)
    expected = {
        name: {key: value for key, value in one.items() if key != "import_seconds"} for name, one in parsed.items()
    }
    for name, one in again.items():
        # How deep the traceback goes depends on who imported the helper; the rest does not.
        assert {**one, "errors": len(one["errors"])} == {**expected[name], "errors": len(expected[name]["errors"])}


def test_helper_that_hangs_costs_its_time_once_and_is_named(worker: Worker, dags: Path) -> None:
    names = [f"hangs_{number}" for number in range(6)]
    for name in names:
        (dags / f"{name}.py").write_text(DAG.format(name=name, imports="import lib.hangs", after=""))
    got = parse(worker, dags, [*names, "plain_1"], timeout_s=2)
    assert got["plain_1"]["outcome"] == "ok"
    for name in names:
        assert (got[name]["outcome"], got[name]["errors"][0]["file"]) == ("timeout", "lib/hangs.py")


def test_cyclic_dag_is_an_error_of_its_file(worker: Worker, dags: Path) -> None:
    after = "from airflow.operators.empty import EmptyOperator\na, b = (EmptyOperator(task_id=t, dag=dag) for t in 'ab')\na >> b >> a"
    (dags / "cyclic.py").write_text(DAG.format(name="cyclic", imports="", after=after))
    got = parse(worker, dags, ["cyclic"])["cyclic"]
    assert (got["outcome"], got["errors"][0]["type"]) == ("error", "AirflowDagCycleException")


def test_variable_with_a_default_needs_no_database(worker: Worker, dags: Path) -> None:
    after = "from airflow.models import Variable\ndag.doc_md = Variable.get('colour', default_var='blue')"
    (dags / "variable.py").write_text(DAG.format(name="variable", imports="", after=after))
    got = parse(worker, dags, ["variable"])["variable"]
    assert got["outcome"] == "ok", got["errors"]


def test_packages_are_looked_through_once_for_all_files(worker: Worker, dags: Path) -> None:
    providers = "from airflow.providers_manager import ProvidersManager\nmanager = ProvidersManager()"
    after = "dag.doc_md = str('dataset_uris' in manager._initialized_cache)"
    (dags / "datasets.py").write_text(DAG.format(name="datasets", imports=providers, after=after))
    document = parse(worker, dags, ["datasets"])["datasets"]["dags"][0]["serialized"]
    assert document["dag"]["doc_md"] == "True"


def test_changed_file_of_the_same_size_and_time_is_seen(worker: Worker, dags: Path) -> None:
    path = dags / "lib" / "names.py"
    (dags / "shows.py").write_text(
        DAG.format(name="shows", imports="from lib.names import OWNER", after="dag.doc_md = OWNER")
    )
    described = []
    for owner in "xy":
        path.write_text(f"OWNER = '{owner}'\n")
        os.utime(path, (1, 1))
        described.append(parse(worker, dags, ["shows"])["shows"]["dags"][0]["serialized"]["dag"]["doc_md"])
    path.write_text(HELPERS["lib/names.py"])
    assert described == ["x", "y"]
    assert list(dags.rglob("__pycache__")) == []


def test_two_checkouts_give_the_same_bytes(worker: Worker, tmp_path: Path) -> None:
    seen = []
    for place in ("one", "elsewhere/two"):
        root = tmp_path / place
        root.mkdir(parents=True)
        after = (
            "from airflow.operators.python import PythonOperator\nfrom airflow.operators.bash import BashOperator\n"
            "def f(): pass\nPythonOperator(task_id='p', python_callable=f, dag=dag)\n"
            "BashOperator(task_id='b', bash_command='cat ' + __file__, dag=dag)\n"
        )
        (root / "a.py").write_text(DAG.format(name="a", imports="", after=after))
        seen.append(parse(worker, root, ["a"])["a"]["dags"])
    assert seen[0] == seen[1]


def test_files_are_found_as_airflow_finds_them(worker: Worker, tmp_path: Path) -> None:
    (tmp_path / ".airflowignore").write_text("ignored\n")
    for name in ("kept", "ignored"):
        (tmp_path / f"{name}.py").write_text(DAG.format(name=name, imports="", after=""))
    answer = worker.request("parse", dags_folder=str(tmp_path))
    assert [one["path"] for one in answer["files"]] == ["kept.py"]


def test_example_platform_parses(worker: Worker) -> None:
    answer = worker.request(
        "parse", dags_folder=str(EXAMPLE / "dags"), project_root=str(EXAMPLE), include=[str(EXAMPLE / "plugins")]
    )
    assert {one["path"]: one["errors"] for one in answer["files"] if one["outcome"] != "ok"} == {}
    assert sum(len(one["dags"]) for one in answer["files"]) >= 12
