"""DAG rules on input that no case shows: nothing to find, and nothing that anyone would write."""

import json

import pytest

from interlock.catalog.reading import ProjectReading
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Catalog, Resource
from interlock.rules import (
    rule_dag_arguments,
    rule_dag_branches,
    rule_dag_cycles,
    rule_dag_identity,
    rule_dag_template_fields,
    rule_dag_templates,
    rule_dag_work,
)
from interlock.rules.dag_facts import dag_definitions, dag_mentions
from interlock.rules.dag_model import read_dag_model
from interlock.rules.files import Layout, SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule_dag_references import FAMILY as REFERENCES
from interlock.rules.rule_dag_references import is_misspelt

CHECKS = [
    one.check
    for module in (rule_dag_arguments, rule_dag_branches, rule_dag_cycles, rule_dag_identity, rule_dag_work)
    for one in module.FAMILY.file_checks
]
CHECKS.append(lambda file: [one.finding for one in rule_dag_templates.check_templates(file)])
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
    "deep branches": HEAD.encode()
    + b"from airflow.operators.python import BranchPythonOperator\ndef f():\n    return 't'\nwith DAG('d'):\n"
    + b"    a = BranchPythonOperator(task_id='a', python_callable=f)\n    t = BashOperator(task_id='t')\n    a >> "
    + b"t >> " * 900
    + b"a\n",
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


DAG = HEAD + "with DAG('orders'):\n    BashOperator(task_id='load', bash_command='load')\n"
WAIT = (
    "from airflow import DAG\nfrom airflow.sensors.external_task import ExternalTaskSensor\n"
    "with DAG('report'):\n    ExternalTaskSensor(task_id='wait', external_dag_id='order', external_task_id='load')\n"
)


def across(files: dict[str, str], reading: ProjectReading | None = None) -> list[tuple[str, str, str]]:
    """What the checks across files find: rule, severity, path."""
    families = (rule_dag_identity.FAMILY, REFERENCES, rule_dag_template_fields.FAMILY)
    facts: dict[str, dict[str, object]] = {}
    for path, text in files.items():
        for kind in (one for family in families for one in family.facts):
            if path.endswith(kind.patterns[0].lstrip("*")):
                told = kind.extract(file_of(text.encode(), path))
                if told is not None:
                    facts.setdefault(kind.name, {})[path] = json.loads(json.dumps(told))
    layout = Layout(("dags", "more"), ("dags", "."))
    inspection = Inspection(layout, tuple(files), facts, lambda path: files[path].encode(), reading=reading)
    found = [one for family in families for check in family.project_checks for one in check(inspection)]
    return [(one.rule, one.severity.value, one.place.path) for one in found]


def test_one_id_in_two_files_is_an_error_in_the_second() -> None:
    assert across({"dags/a.py": DAG, "dags/b.py": DAG}) == [("ILK-DG005", "error", "dags/b.py")]


def test_one_id_in_two_dag_folders_is_none() -> None:
    assert across({"dags/a.py": DAG, "more/b.py": DAG}) == []


@pytest.mark.parametrize("other", ["dags/prod/a.py", "dags/2.8.1/a.py", "dags/team/dags/b.py"])
def test_one_id_in_trees_side_by_side_is_a_warning(other: str) -> None:
    assert [one[:2] for one in across({"dags/dev/a.py": DAG, other: DAG})] == [("ILK-DG005", "warning")]


@pytest.mark.parametrize("line", ["b", "old/.*", "*.py", "[", "dags/old/b.py"])
def test_file_that_airflow_may_ignore_shares_its_id_freely(line: str) -> None:
    found = across({"dags/.airflowignore": f"# not these\n{line}\n", "dags/a.py": DAG, "dags/old/b.py": DAG})
    assert (found == []) is (line != "[")


def test_what_airflow_itself_says_is_not_said_twice() -> None:
    both = {"dags/a.py": DAG, "dags/b.py": DAG}
    said = Finding("ILK-AF002", Severity.ERROR, Place("dags/a.py", 3), "is defined 2 times", "rename one")
    assert across(both, ProjectReading(Catalog("p", ()), (said,), (), {})) == []
    waiting = {"dags/a.py": DAG, "dags/b.py": WAIT}
    assert across(waiting) == [("ILK-DG018", "error", "dags/b.py")]
    parsed = Catalog("p", (Resource("airflow.dag:report", "dags/b.py"),))
    assert across(waiting, ProjectReading(parsed, (), (), {})) == []


@pytest.mark.parametrize(
    "other",
    [
        "from airflow import DAG\nfor n in range(3):\n    DAG(f'order{n}')\n",
        "import airflow\nfrom tools import make_dags\nmake_dags(globals())\n",
        "from cosmos import DbtDag\nimport airflow\ndag = DbtDag(dag_id='order')\n",
        "from airflow import DAG  # dag\nwith DAG(:\n",
    ],
)
def test_names_are_not_judged_where_some_are_computed(other: str) -> None:
    assert across({"dags/a.py": DAG, "dags/b.py": WAIT, "dags/c.py": other}) == []


@pytest.mark.parametrize(
    ("tags", "severity"),
    [
        ("['sales', 'tier-1']", "warning"), ("['P0']", "warning"), ("['business-critical']", "warning"),
        ("['sales', 'tier-2']", "info"), ("['uncritically', 'p10']", "info"), ("list_of_tags()", "info"), ("[]", "info"),
    ],
)  # fmt: skip
def test_defaults_weigh_more_for_a_dag_that_must_not_fail(tags: str, severity: str) -> None:
    file = file_of(
        f"{HEAD}with DAG('orders', tags={tags}):\n    BashOperator(task_id='a', bash_command='a')\n".encode()
    )
    [one] = [one for check in CHECKS for one in check(file) if one.rule == "ILK-DG007"]
    assert one.severity == severity and "owner, retries and execution_timeout" in one.summary


BRANCH = """
from airflow import DAG
from airflow.operators.empty import EmptyOperator
from airflow.operators.python import BranchPythonOperator
def choose(ds):
    {body}
with DAG("d"):
    branch = BranchPythonOperator(task_id="branch", python_callable=choose)
    a = EmptyOperator(task_id="a")
    b = EmptyOperator(task_id="b")
    {edges}
"""


def branched(body: str, edges: str = "branch >> [a, b]") -> list[str]:
    return found(BRANCH.format(body=body, edges=edges))


def test_branches_that_are_written_out_are_followed() -> None:
    assert branched("return 'a' if ds else ['a', 'b']") == []
    assert branched("return 'a' if ds else None") == ["ILK-DG027"]
    assert branched("return ['a', 'c']") == ["ILK-DG028"]


@pytest.mark.parametrize("body", ["return ds", "return ['a', ds]", "return f'a{ds}'", "yield 'a'", "return None",
                                  "return {'x': 'a'}[ds]", "return *ds, 'a'"])  # fmt: skip
def test_branch_that_computes_what_it_picks_is_left_alone(body: str) -> None:
    assert branched(body) == branched(body, edges="branch >> a") == []


@pytest.mark.parametrize(
    "edges",
    ["branch >> a >> b", "branch >> [a, b]; a >> b", "branch >> [a, b]; other >> b", "[branch, other] >> b; branch >> a",
     "branch >> a; [b << one for one in (a, branch)]", "branch >> [a, b]; link(b)", "branch >> b",
     "branch >> a\n    if b: branch >> b", "branch >> [a, b]; later = a >> b"],
)  # fmt: skip
def test_task_that_may_be_reached_in_another_way_is_left_alone(edges: str) -> None:
    assert branched("return 'a'", edges) == []


@pytest.mark.parametrize(
    "more",
    ["from x import add; add()", "EmptyOperator(task_id=ds)", "[EmptyOperator(task_id=f't_{n}') for n in (1, 2)]",
     "EmptyOperator.partial(task_id='m').expand(x=[1])", "EmptyOperator(task_id='c', task_group=group)",
     "EmptyOperator(**given)", "DAG('e')", "make_c()"],
)  # fmt: skip
def test_branch_of_a_dag_with_tasks_that_are_not_written_out_is_left_alone(more: str) -> None:
    assert branched("return ['b', 'c']", f"branch >> [a, b]; {more}") == []
