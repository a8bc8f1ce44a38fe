"""Templates of parsed DAGs, in the environment of the real Airflow: what it defines is known, what nothing defines is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.catalog.read import read_project
from interlock.catalog.sources import Sources
from interlock.config import ProjectConfig
from interlock.model.canonical import digest_bytes
from interlock.model.findings import Finding
from interlock.rules.examine import Examiner
from interlock.rules.files import Layout
from interlock.rules.registry import FAMILIES
from interlock.rules.run import find, inspection_of
from interlock.runtimes.environments import Runtime
from tests.regressions.case import check_files

pytestmark = pytest.mark.engine

CONFIG = ProjectConfig.model_validate(
    {"version": 1, "project": "shop", "airflow": {"dags": "dags", "include": ["plugins"]},
     "runtimes": {"airflow": {"python": "3.11", "lock": "airflow.lock"}}}
)  # fmt: skip
HEAD = """\
import datetime
from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.empty import EmptyOperator
from airflow.utils.task_group import TaskGroup
from lib.shop import *
dag = DAG("{name}", schedule="{schedule}", start_date=datetime.datetime(2026, 1, 1), catchup=False{more})
"""
FIRST = HEAD.count("\n") + 1
HELPERS = {
    "dags/lib/__init__.py": "",
    "dags/lib/shop.py": """\
import pathlib
import jinja2
from airflow.models.baseoperator import BaseOperator

MARK = pathlib.Path(__file__).parent / "ran"


def shop_day(day):
    MARK.touch()
    return day


MACROS = {"shop_day": shop_day}


def equip(dag):
    dag.user_defined_macros = MACROS
    dag.user_defined_filters = {"cents": shop_day}


class Query(BaseOperator):
    template_fields = ("query", "options")

    def __init__(self, query, options=None, **more):
        super().__init__(**more)
        self.query, self.options = query, options


class OwnNames(Query):
    def render_template_fields(self, context, jinja_env=None):
        super().render_template_fields({**context, "shop": 1}, jinja_env)


def made_here(dag):
    return Query(task_id="made_here", dag=dag, query=\"\"\"
        select *
        from {{ nothing_defines_this }}
    \"\"\")
""",
    "plugins/shop_plugin.py": """\
from airflow.plugins_manager import AirflowPlugin


class ShopPlugin(AirflowPlugin):
    name = "shop"
    macros = []
""",
    "dags/sql/report.sql": "select *\nfrom orders\nwhere day = '{{ dss }}'\n",
}
# name: (further arguments of the DAG, what follows, the rules that are found, each with its line or file)
FILES: dict[str, tuple[str, str, list[tuple[str, str, int]]]] = {
    "macros_of_a_helper": (
        ", user_defined_macros=MACROS", "BashOperator(task_id='a', dag=dag, bash_command='load {{ shop_day(ds) }}')", [],
    ),
    "misspelt_macro_of_a_helper": (
        ", user_defined_macros=MACROS", "BashOperator(\n    task_id='a', dag=dag,\n    bash_command='load {{ shop_dai(ds) }}')",
        [("ILK-AF010", "error", 2)],
    ),
    "equipped_by_a_helper": (
        "", "equip(dag)\nBashOperator(task_id='a', dag=dag, bash_command='load {{ shop_day(ds) | cents }}')", [],
    ),
    "not_equipped": (
        "", "BashOperator(task_id='a', dag=dag, bash_command='load {{ shop_day(ds) }}')", [("ILK-DG016", "warning", 0)],
    ),
    "macros_of_a_plugin": ("", "BashOperator(task_id='a', dag=dag, bash_command='{{ macros.shop.week(ds) }}')", []),
    "macros_of_no_plugin": (
        "", "Query(task_id='a', dag=dag, query='{{ macros.shops.week(ds) }} {{ macros.ds_add(ds, 1) }}')",
        [("ILK-AF010", "error", 0)],
    ),
    "operator_of_the_project": (
        "", "Query(task_id='a', dag=dag, query='x', options={'a': ['{{ ds }']})", [("ILK-AF010", "error", 0)],
    ),
    "unknown_filter_and_test": (
        "", "Query(task_id='a', dag=dag, query='{{ ds | upperr }}{% if ds is strange %}{% endif %}')",
        [("ILK-AF010", "error", 0), ("ILK-AF010", "error", 0)],
    ),
    "names_of_its_own": ("", "OwnNames(task_id='a', dag=dag, query='{{ shop }}')", []),
    "task_of_a_helper": ("", "made_here(dag)", [("ILK-AF010", "error", -1)]),
    "params": (
        ", params={'region': 'eu'}",
        "BashOperator(task_id='a', dag=dag, params={'size': 1}, bash_command='{{ params.region }}{{ params.size }}')\n"
        "BashOperator(task_id='b', dag=dag, bash_command='{{ params.get(\"x\") }}{{ params.y | default(1) }}')\n"
        "BashOperator(task_id='c', dag=dag, bash_command='{% if params.z is defined %}{% endif %}{{ params.regoin }}')",
        [("ILK-AF010", "error", 2)],
    ),
    "mapped": (
        "", "BashOperator.partial(task_id='a', dag=dag, append_env=True).expand(\n    bash_command=['{{ ds }}', '{{ dss }}'])\n"
        "BashOperator.partial(task_id='b', dag=dag, bash_command='{{ tss }}').expand(env=[{'A': '{{ dag_runn }}'}])",
        [("ILK-AF010", "error", 1), ("ILK-AF010", "error", 2), ("ILK-DG016", "error", 2)],
    ),
    "pulls": (
        "", "EmptyOperator(task_id='load', dag=dag)\nwith TaskGroup('a_group', dag=dag):\n    EmptyOperator(task_id='in_group', dag=dag)\n"
        "Query(task_id='a', dag=dag, query='{{ ti.xcom_pull(task_ids=\"load\") }}{{ ti.xcom_pull(\"a_group.in_group\") }}')\n"
        "Query(task_id='b', dag=dag, query='{{ ti.xcom_pull(task_ids=[\"load\", \"laod\"]) }}')\n"
        "Query(task_id='c', dag=dag, query='{{ task_instance.xcom_pull(\"in_group\", key=\"k\") }}')\n"
        "Query(task_id='d', dag=dag, query='{{ ti.xcom_pull(\"x\", dag_id=\"other\") }}{{ ti.xcom_pull(params.x) }}')\n"
        "Query(task_id='e', dag=dag, query='{{ ti.xcom_pull(task_ids=\"gone\", include_prior_dates=True) }}')",
        [("ILK-AF011", "error", 4), ("ILK-AF011", "error", 5), ("ILK-AF010", "error", 6)],
    ),
    "template_file": (
        "", "import os\ndag.template_searchpath = [os.path.dirname(__file__) + '/sql']\n"
        "class Sql(Query):\n    template_ext = ('.sql',)\nSql(task_id='a', dag=dag, query='report.sql')",
        [("ILK-AF010", "error", -2)],
    ),
    "lenient": (
        ", template_undefined=jinja2.Undefined", "Query(task_id='a', dag=dag, query='{{ shop_dayy }}{{ params.none }}')",
        [("ILK-AF010", "warning", 0)],
    ),
    "own_names_in_a_template": (
        "", "Query(task_id='a', dag=dag, query='{% set x = 1 %}{% for y in [x] %}{{ y }}{% endfor %}{% macro m(z) %}{{ z }}"
        "{% endmacro %}{{ m(ds) }}{% if w is defined %}{{ w }}{% endif %}')",
        [],
    ),
    "all_that_airflow_gives": (
        "", "Query(task_id='a', dag=dag, query='{{ ds }}{{ var.value.x }}{{ conn.y.host }}{{ dag_run.conf }}{{ logical_date }}"
        "{{ data_interval_start | ds }}{{ macros.datetime.now() }}{{ ti.try_number }}{{ range(3) }}{{ run_id }}')",
        [],
    ),
}  # fmt: skip


def texts() -> dict[str, bytes]:
    found = {path: text.encode() for path, text in HELPERS.items()}
    for name, (more, after, _) in FILES.items():
        head = HEAD.replace("{name}", name).replace("{schedule}", "@daily").replace("{more}", more)
        found[f"dags/{name}.py"] = f"{head}{after}\n".encode()
    return found


def check(files: dict[str, bytes], root: Path, python: Path) -> tuple[Finding, ...]:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text)
    reading = read_project(Sources(root), CONFIG, lambda name: Runtime(name, python, "0" * 64), root.parent / "cache")
    layout = Layout(("dags",), ("dags", "plugins", "."))
    examined = Examiner(FAMILIES, layout, None).examine(files, {p: digest_bytes(s) for p, s in files.items()})
    inspection = inspection_of(layout, list(files), lambda p: files[p], examined, config=CONFIG, reading=reading)
    return find(inspection, examined)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("templates") / "project"


@pytest.fixture(scope="module")
def found(root: Path, runtime_python: Callable[[str], Path]) -> tuple[Finding, ...]:
    return check(texts(), root, runtime_python("airflow"))


ABOUT = ("ILK-AF001", "ILK-AF010", "ILK-AF011", "ILK-DG015", "ILK-DG016")


@pytest.mark.parametrize("name", FILES)
def test_what_is_found_is_what_airflow_would_fail_on(found: tuple[Finding, ...], name: str) -> None:
    told = [
        one for one in found if one.rule in ABOUT and (one.resource == f"airflow.dag:{name}" or name in one.place.path)
    ]
    places = {-1: ("dags/lib/shop.py", 37), -2: ("dags/sql/report.sql", 3)}
    expected = [
        (rule, severity, *places.get(line, (f"dags/{name}.py", FIRST + line)))
        for rule, severity, line in FILES[name][2]
    ]
    assert [(one.rule, one.severity, one.place.path, one.place.line) for one in told] == expected, told


def test_the_nearest_name_is_proposed(found: tuple[Finding, ...]) -> None:
    remedies = {one.place.path: one.remedy for one in found if one.rule in ("ILK-AF010", "ILK-AF011")}
    assert remedies["dags/misspelt_macro_of_a_helper.py"] == "Write 'shop_day'."
    assert remedies["dags/params.py"] == "Write 'region'."
    assert [one.remedy for one in found if one.rule == "ILK-AF011"] == ["Write 'load'.", "Write 'a_group.in_group'."]


def test_text_alone_doubts_what_the_parsed_dag_knows(found: tuple[Finding, ...]) -> None:
    static = {one.place.path for one in check_files(texts()) if one.rule == "ILK-DG016"}
    assert {"dags/equipped_by_a_helper.py", "dags/macros_of_a_helper.py"} & static == {"dags/equipped_by_a_helper.py"}
    assert "dags/equipped_by_a_helper.py" not in {one.place.path for one in found if one.rule == "ILK-DG016"}


def test_nothing_of_the_project_is_called(found: tuple[Finding, ...], root: Path) -> None:
    assert not (root / "dags" / "lib" / "ran").exists()
