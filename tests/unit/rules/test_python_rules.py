"""What the rules about Python say of odd, hostile and borderline files."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from interlock.model.errors import InterlockError
from interlock.model.findings import Finding
from interlock.rules import ruff_tool
from interlock.rules.examine import Examiner
from interlock.rules.files import Layout, SourceFile
from interlock.rules.rule_airflow3 import FAMILY as AIRFLOW3
from interlock.rules.rule_python import FAMILY as PYTHON
from interlock.rules.run import find, inspection_of

FAMILIES = (PYTHON, AIRFLOW3)
DAG = "from airflow import DAG\n"
NEW_DAG = "from airflow.sdk import DAG\n"


def check(files: dict[str, str | bytes], base: dict[str, str | bytes] | None = None) -> list[Finding]:
    before = _inspected(base, None)[0] if base is not None else None
    inspection, examined = _inspected(files, before)
    return list(find(inspection, examined, FAMILIES))


def _inspected(files, base):
    data = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    jobs = tuple(sorted(path for path in data if path.startswith("jobs/")))
    layout = Layout(("dags",), ("dags", "."), (), jobs)
    examined = Examiner(FAMILIES, layout, None).examine(data, {path: path for path in data})
    return inspection_of(layout, list(data), lambda path: data[path], examined, base=base), examined


def ids(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.rule, str(one.severity), str(one.place)) for one in found]


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\n" * 200_000,
        b"\xef\xbb\xbfx = 1\n",
        b"# coding: latin-1\nname = '\xe9'\n",
        b"\x00\x01\x02\xff\xfe",
        b"x = '" + b"a" * 1_000_000 + b"'\n",
        b"x = " + b"(" * 50_000 + b")" * 50_000,
        b"x = a" + b".b" * 100_000,
        b"x = " + b"-" * 100_000 + b"1",
        b"x = [" + b'"a"\n"b",' * 2_000 + b"]",
        b"print(" + b'"a", ' * 20_000 + b")",
        b"def f():\n" + b"".join(b" " * n + b"if x:\n" for n in range(1, 99)),
        b"from " + b"." * 500 + b" import x\n",
        b"from ........a import b\nfrom . import c\n",
        b"import " + b"a." * 5_000 + b"b\n",
        b"# coding: no-such-coding\nx = 1\n",
        b"\xff\xfex\x00=\x001\x00",
    ],
    ids=range(17),
)
def test_nothing_raises(source: bytes) -> None:
    check({"dags/orders.py": source, "jobs/load.py": source, "etl/__init__.py": source, "requirements.txt": source})
    check({"pyproject.toml": source, "dags/.airflowignore": source, ".gitignore": source, "x.py": source})


def test_file_that_crashes_ruff_takes_no_other_with_it() -> None:
    deep = "x = " + "-" * 200_000 + "1"
    found = check({"dags/deep.py": deep, "dags/orders.py": "print(order)\n", "dags/items.py": "print(item)\n"})
    assert [str(one.place) for one in found] == ["dags/items.py:1", "dags/orders.py:1"]


def test_ruff_that_cannot_be_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruff_tool, "find_ruff_bin", lambda: "/no/such/ruff")
    with pytest.raises(InterlockError, match="ruff cannot be run"):
        ruff_tool.diagnostics([SourceFile("a.py", b"never_seen_before = 1\n")])


def test_ruff_is_run_once_for_both_families(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    real = ruff_tool.subprocess.run
    fake = SimpleNamespace(run=lambda *a, **k: runs.append(a) or real(*a, **k))
    monkeypatch.setattr(ruff_tool, "subprocess", fake)
    check({"dags/once.py": "import os  # of this test alone\n"})
    assert len(runs) == 1


def test_settings_of_the_project_decide_nothing() -> None:
    settings = '[tool.ruff]\nexclude = ["dags"]\n[tool.ruff.lint]\nignore = ["F821"]\n'
    assert [one.rule for one in check({"pyproject.toml": settings, "dags/a.py": "print(order)\n"})] == ["ILK-PY002"]


def test_undefined_name_weighs_less_where_nothing_runs_it() -> None:
    weights = {str(one.place): str(one.severity) for one in check({
        "dags/a.py": "print(order)\n", "dags/tests/b.py": "print(order)\n", "tools/c.py": "print(order)\n",
        "dags/d.py": "if __name__ == '__main__':\n    print(order)\n", "dags/e.py": "text = unicode('a')\n",
    })}  # fmt: skip
    assert weights == {
        "dags/a.py:1": "error", "dags/tests/b.py:1": "warning", "tools/c.py:1": "warning", "dags/d.py:2": "warning",
        "dags/e.py:1": "warning",
    }  # fmt: skip


def test_undefined_name_in_an_f_string_and_behind_letters_of_two_bytes() -> None:
    found = check({"dags/a.py": "text = f'{order}'\n", "dags/b.py": "print('é', order)\n"})
    assert ids(found) == [("ILK-PY002", "error", "dags/a.py:1"), ("ILK-PY002", "error", "dags/b.py:1")]


def test_undefined_name_is_told_once_with_what_to_write() -> None:
    [found] = check({"dags/a.py": "orders = 1\nprint(order)\nprint(order)\n"})
    assert found.remedy == "Name 'orders'."
    [found] = check({"dags/a.py": "print(os.getcwd())\n"})
    assert found.remedy == "Import it: import os"


@pytest.mark.parametrize(
    "source",
    [
        "{{ cookiecutter.name }}\nprint(order)\n",
        "if 'order' in globals():\n    print(order)\n",
        "exec(open('x').read())\nprint(order)\n",
        "print(order)  # noqa\n",
        "def f(rows: 'Order') -> 'Order': ...\n",
        "def f():\n    rows: Order = []\n    return rows\n",
        "def begin():\n    global order\n    order = 1\n\ndef go():\n    print(order)\n",
        "class Order:\n    def same(self) -> 'Order':\n        return __class__\n",
    ],
)
def test_names_that_may_be_there_are_not_told(source: str) -> None:
    assert check({"dags/a.py": source}) == []


def test_python_2_is_an_error_only_where_it_is_run() -> None:
    old = 'print "orders"\n'
    found = check({"dags/a.py": old, "tools/b.py": old, "jobs/c.py": old, "tools/d.py": "x = (\n"})
    assert [str(one.severity) for one in found] == ["error", "error", "warning", "error"]


def test_all_imports_of_one_missing_module_have_one_root() -> None:
    wrong = "from helpers.date import to_day\n\nprint(to_day)\n"
    found = check({"dags/helpers/dates.py": "def to_day(): ...\n", "dags/a.py": wrong, "dags/b.py": wrong})
    assert [one.rule for one in found] == ["ILK-PY003"] * 2
    assert found[0].caused_by == "" and found[1].caused_by == found[0].key
    assert "'helpers.dates'" in found[0].remedy


@pytest.mark.parametrize(
    "files",
    [
        # A DAG is called as the package that it uses.
        {"dags/exact.py": NEW_DAG + "from exact.client import Client\n\nDAG('a', schedule=None, params=Client())\n"},
        {"dags/exact.py": NEW_DAG + "DAG('a', schedule=None)\n", "dags/b.py": "from exact import Client\n"},
        # A folder is called as a package, and only holds what is no Python.
        {"exact/query.sql": "", "dags/b.py": "import exact.client\n"},
        # The package is required, in one way or another.
        {"dags/exact/__init__.py": "", "requirements.txt": "exact-api\nexact[all]>=1  # the API\n",
         "dags/b.py": "import exact.client\n"},
        {"dags/exact/__init__.py": "", "pyproject.toml": '[project]\ndependencies = ["exact>=1"]\n',
         "dags/b.py": "import exact.client\n"},
        {"dags/exact/__init__.py": "", "Pipfile": '[packages]\nexact = "*"\n', "dags/b.py": "import exact.client\n"},
        # Imported in an environment of its own.
        {"dags/exact/__init__.py": "", "dags/b.py": "from airflow.sdk import task\n\n@task.virtualenv\ndef f():\n"
         "    import exact.client\n"},
        # Compiled, stubbed, in a subfolder of another root, or a folder of data.
        {"etl/__init__.py": "", "etl/fast.pyx": "", "etl/a.py": "from .fast import x\n"},
        {"etl/__init__.py": "", "etl/fast.cpython-311-x86_64-linux-gnu.so": "", "etl/a.py": "from .fast import x\n"},
        {"etl/__init__.py": "", "libs/core/etl/b.py": "x = 1\n", "etl/a.py": "from etl.b import x\n"},
        {"etl/__init__.py": "", "etl/sql/a.sql": "", "etl/a.py": "from . import sql\n"},
    ],
    ids=range(11),
)  # fmt: skip
def test_what_may_come_from_elsewhere_is_left_alone(files: dict[str, str]) -> None:
    assert check(files) == []


def test_uncertain_imports_are_warnings() -> None:
    package = {"etl/__init__.py": "", "etl/a.py": "x = 1\n", "etl/b.py": "from etl.a import x\n"}
    conditional = "import os\n\nif os.environ.get('FAST'):\n    from etl.fast import y\n"
    [found] = check({**package, "jobs/load.py": conditional})
    assert found.severity == "warning"
    [found] = check({**package, "tests/test_load.py": "from etl.fast import y\n"})
    assert found.severity == "warning"


def test_star_imports_are_followed_within_the_project() -> None:
    files = {
        "etl/__init__.py": "from .tables import *\n", "etl/tables.py": "ORDERS = 1\nfrom .more import *\n",
        "etl/more.py": "ITEMS = 2\nfrom etl import *\n",
    }  # fmt: skip
    assert check({**files, "jobs/a.py": "from etl import ITEMS, ORDERS\n"}) == []
    files["etl/more.py"] = "ITEMS = 2\n"
    [found] = check({**files, "jobs/a.py": "from etl import ITEM, ORDERS\n"})
    assert (found.rule, found.severity, found.remedy) == ("ILK-PY004", "error", "Name 'ITEMS'.")


def test_module_deleted_since_the_base_is_an_error_even_by_a_single_name() -> None:
    base = {"dags/loading.py": "def load(): ...\n", "dags/a.py": "from loading import load\n"}
    [found] = check({"dags/a.py": base["dags/a.py"]}, base)
    assert (found.rule, found.severity) == ("ILK-PY003", "error")
    assert check({"dags/a.py": base["dags/a.py"]}) == []


def test_relative_import_in_a_package_that_dags_import_is_right() -> None:
    files = {
        "dags/__init__.py": "", "dags/common.py": "from .settings import X\n", "dags/settings.py": "X = 1\n",
        "tools/run.py": "from dags.common import X\n",
    }  # fmt: skip
    assert check(files) == []
    del files["dags/__init__.py"], files["tools/run.py"]
    assert ids(check(files)) == [("ILK-PY005", "error", "dags/common.py:1")]


@pytest.mark.parametrize(
    "source",
    [
        'x = ["a"]\n',
        'f("a long text that goes on "\n  "and on", "b")\n',
        'f(\n  "orders"\n  "_daily",\n)\n',
        'x = {"a": "orders"\n     "daily", "b": "c"}\n',
        'f(name="orders"\n  "daily")\n',
        'x = [\n  "a" "b",\n  "c",\n]\n',
        'x = [\n  """a\n  b""",\n  "c",\n]\n',
        'x = [\n  "orders"\n  f"{1}",\n  "c",\n]\n',
        'x = [\n  ("orders"\n   "daily"),\n  "c",\n]\n',
        "def f(*args, **kwargs):\n    return g(*args, **kwargs)\n",
        "def f(n, *args):\n    return g(n * args)\n",
        "def f(x, power):\n    return g(x **power, 2 **8, x**2)\n",
    ],
)
def test_joins_and_powers_that_are_meant(source: str) -> None:
    assert check({"jobs/load.py": "from x import *\n" + source}) == []


def test_joined_texts_are_only_a_warning() -> None:
    [found] = check({"jobs/a.py": 'x = [\n  "all orders",\n  "all items"\n  "all returns",\n]\n'})
    assert (found.rule, found.severity) == ("ILK-PY006", "warning")


def test_power_behind_a_sum_is_found() -> None:
    [found] = check({"jobs/a.py": "def f(g, name, **kwargs):\n    return g(name + '_daily' **kwargs)\n"})
    assert (found.rule, found.severity) == ("ILK-PY007", "error")


def test_airflow_3_says_each_thing_once_a_file_and_nothing_without_airflow() -> None:
    twice = DAG + "DAG('a', schedule_interval=None)\nDAG('b', schedule_interval=None)\n"
    found = check({"dags/a.py": twice, "dags/b.py": "def DAG(schedule_interval): ...\n\nDAG(schedule_interval=1)\n"})
    [removed] = [one for one in found if one.rule == "ILK-AR301"]
    assert (removed.severity, str(removed.place)) == ("info", "dags/a.py:2") and "'schedule'" in removed.remedy
    assert all(one.place.path == "dags/a.py" for one in found)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python knows the syntax")
def test_syntax_of_a_newer_python_is_not_told() -> None:
    assert check({"dags/a.py": "type Rows = list[int]\ntry:\n    pass\nexcept ValueError, KeyError:\n    pass\n"}) == []


def test_ruff_leaves_no_files_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruff_tool.tempfile, "tempdir", str(tmp_path))
    check({"dags/a.py": "print(left_behind)\n"})
    assert list(tmp_path.iterdir()) == []
