"""DAG rules on input that no case shows: nothing to find, and nothing that anyone would write."""

import pytest

from interlock.rules import (
    rule_dag_arguments,
    rule_dag_cycles,
    rule_dag_identity,
    rule_dag_template_fields,
    rule_dag_templates,
    rule_dag_work,
)
from interlock.rules.dag_facts import dag_definitions, dag_mentions
from interlock.rules.dag_model import read_dag_model
from interlock.rules.files import Layout, SourceFile
from interlock.rules.rule_dag_references import is_misspelt

CHECKS = [
    one.check
    for module in (rule_dag_arguments, rule_dag_cycles, rule_dag_identity, rule_dag_templates, rule_dag_work)
    for one in module.FAMILY.file_checks
]
HEAD = "from airflow import DAG\nfrom airflow.operators.bash import BashOperator\n"
HOSTILE = {
    "empty": b"",
    "binary": b"airflow dag \x00\xff\xfe\x80" * 50,
    "no python": b"from airflow import DAG\nwith DAG(:\n",
    "one long line": HEAD.encode()
    + b"x = '"
    + b"{ ds }" * 180_000
    + b"'\nDAG('a'); BashOperator(task_id='t', bash_command=x)\n",
    "deep brackets": HEAD.encode() + b"x = " + b"[" * 150 + b"]" * 150,
    "deep sum": HEAD.encode() + b"x = " + b"'a' + " * 900 + b"'a'\nBashOperator(task_id='t', bash_command=x)\n",
    "deep chain": HEAD.encode()
    + b"a = BashOperator(task_id='a', bash_command='a')\nb = DAG('b')\n"
    + b"a >> " * 900
    + b"b\n",
    "deep calls": HEAD.encode() + b"x = DAG" + b"('a')" * 300,
    "names in a circle": HEAD.encode() + b"a = b\nb = a\nDAG(a, start_date=b, default_args=a, schedule=b)\n",
    "class of itself": b"import airflow\nclass A(A):\n    template_fields = A.template_fields + ('a', 'b')\n",
    "odd Jinja": HEAD.encode()
    + b"DAG('a'); BashOperator(task_id='t', bash_command='{{ x | nofilter | d }}{% for %}{#')\n",
    "deep Jinja": HEAD.encode()
    + b"DAG('a'); BashOperator(task_id='t', bash_command='{{ "
    + b"(" * 900
    + b")" * 900
    + b" }}')\n",
    "odd arguments": HEAD.encode() + b"DAG(*a, **b); DAG(); BashOperator(**{}); BashOperator(1, 2); DAG(dag_id=None)\n",
    "odd keys": HEAD.encode() + b"DAG('a', default_args={1: 2, None: 3, **x, 'retries': 4, f'{y}': 5})\n",
    "deep names": b"import airflow\nx = airflow" + b".a" * 500 + b"()\n",
}


def file_of(source: bytes, path: str = "dags/orders.py") -> SourceFile:
    return SourceFile(path, source, Layout(("dags",), ("dags", ".")))


def found(source: str, path: str = "dags/orders.py") -> list[str]:
    file = file_of(source.encode(), path)
    return [one.rule for check in CHECKS for one in check(file) if one.rule != "ILK-DG007"]


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_raises(name: str) -> None:
    file = file_of(HOSTILE[name])
    for check in CHECKS:
        assert isinstance(list(check(file)), list)
    for extract in (dag_definitions, dag_mentions, rule_dag_template_fields.operator_classes):
        extract(file)


def test_file_without_airflow_is_left_alone() -> None:
    assert read_dag_model(file_of(b"import requests\nrequests.get('x')  # airflow dag\n")) is None


@pytest.mark.parametrize(
    "source",
    [
        # A class of their own with a name of Airflow's, and a DAG that is no DAG.
        "from tools import DAG\nimport airflow\nDAG('orders', retries=1)\n",
        HEAD + "class BashOperator:\n    pass\nBashOperator(bash_comand='{ds}')  # dag\n",
        # One name, two classes: after try and except it is not certain which.
        "try:\n    from airflow import DAG\nexcept ImportError:\n    from tools import DAG\nDAG('orders', retries=1)\n",
        # Not while the file is parsed.
        HEAD + "import requests\ndef load():\n    requests.get('x')\nDAG('a')\n",
        HEAD + "import requests\nload = lambda: requests.get('x')\nDAG('a')\n",
        HEAD + "import requests\ndef load():\n    yield requests.get('x')\nDAG('a', params=load())\n",
        HEAD + "import requests\nclass Load:\n    def run(self):\n        return requests.get('x')\nDAG('a')\n",
        HEAD
        + "from airflow.decorators import task\nimport requests\n@task.python\ndef load():\n    requests.get('x')\nload()\n",
        HEAD + "import boto3\ns3 = boto3.client('s3')\nDAG('a')\n",
        HEAD + "import sqlalchemy\nengine = sqlalchemy.create_engine('x')\nDAG('a')\n",
        # A shadowed module, and a method of the same name.
        HEAD + "import requests\nrequests = {}\nrequests.get('x')\nDAG('a')\n",
        HEAD + "Variable = dict\nVariable.get({}, 'x')\nDAG('a')\n",
        # Fixed dates around a clock that has nothing to do with them.
        HEAD + "from datetime import datetime\nnow = datetime.now()\nDAG('a', start_date=datetime(2024, 1, 1))\n",
        # Templates that are no mistakes.
        HEAD + "DAG('a'); BashOperator(task_id='t', bash_command='echo ${ds} {a,ds} { ts; } \\\\{ds} %{ds}')\n",
        HEAD + "DAG('a'); BashOperator(task_id='t', bash_command='scripts/{ds}.sh')\n",
        HEAD + "DAG('a'); BashOperator(task_id='t', bash_command='{day}'.format(day='{{ ds }}'))\n",
        HEAD + "DAG('a'); BashOperator(task_id='t', bash_command='x %s' % '{ds}')\n",
        HEAD + "DAG('a', jinja_environment_kwargs=x); BashOperator(task_id='t', bash_command='<< ds >> {ds} {{')\n",
        HEAD + "DAG('a', **x); BashOperator(task_id='t', bash_command='{{ dss }}')\n",
        HEAD + "BashOperator(task_id='t', bash_command='{{ dss }}')\n",
        HEAD + "DAG('a'); BashOperator(task_id='t', bash_command='{{ dss if dss is defined else ds }}')\n",
        HEAD + "DAG('a'); BashOperator.partial(task_id='t').expand(bash_command=['{{ ds }}'])\n",
        # A helper of Airflow's that takes a task_id and is no task.
        HEAD + "from airflow.providers.google.cloud.hooks.dataproc import DataProcJobBuilder\n"
        "with DAG('a'):\n    DataProcJobBuilder(task_id='t')\n    BashOperator(task_id='t', bash_command='t')\n",
        # Dependencies that are no circles.
        HEAD + "DAG('a')\na = BashOperator(task_id='a', bash_command='a')\nb = a\na >> b\n",
        HEAD + "DAG('a')\na = 1\nb = 2\na >> b >> a\n",
    ],
)
def test_innocent_code_gives_nothing(source: str) -> None:
    assert found(source) == []


def test_tests_of_dags_are_left_alone() -> None:
    source = HEAD + "import requests\nrequests.get('x')\nDAG('a', retries=1)\n"
    assert found(source, "dags/tests/test_orders.py") == []
    assert found(source) != []


def test_work_outside_of_the_dag_folder_is_left_alone() -> None:
    assert found(HEAD + "import requests\nrequests.get('x')\n", "tools/orders.py") == []


@pytest.mark.parametrize(
    ("name", "real", "slip"),
    [
        ("orders-daily", "orders_daily", True),
        ("order_daily", "orders_daily", True),
        ("oredrs_daily", "orders_daily", True),
        ("orders_eu", "orders_us", False),
        ("orders_v1", "orders_v2", False),
        ("load_2024", "load_2025", False),
        ("orders_hourly", "orders_daily", False),
        ("orders", "orders_daily", False),
    ],
)
def test_names_of_two_things_are_no_slip(name: str, real: str, slip: bool) -> None:
    assert is_misspelt(name, real) is slip
