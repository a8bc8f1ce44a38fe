"""The Airflow part of a scale project: a shared package, a module for each area, one file a DAG."""

from collections.abc import Iterator, Sequence
from textwrap import dedent

from scale_outline import Dag, Project

_COMMON = {
    "__init__.py": '"""What all DAGs of this project share."""\n',
    "settings.py": '''\
"""Where things lie; read from the environment when a DAG is parsed, with defaults for a laptop."""

import os
from datetime import datetime, timedelta

DBT_DIR = os.environ.get("SCALE_DBT_DIR", "/opt/scale/dbt")
LANDING = os.environ.get("SCALE_LANDING", "/var/tmp/scale/landing")
WAREHOUSE_CONNECTION = "scale_warehouse"
START = datetime(2026, 1, 1)
DEFAULT_ARGS = {"retries": 2, "retry_delay": timedelta(minutes=5)}
''',
    "naming.py": '''\
"""One way to name tables and datasets."""

from airflow.datasets import Dataset


def raw_table(name: str) -> str:
    return f"raw.{name}"


def dataset(table: str) -> Dataset:
    return Dataset(f"duckdb://warehouse/{table.replace('.', '/')}")
''',
    "schedules.py": '''\
"""Spreads DAGs over the night, so that not all of them start at once."""


def nightly(number: int, first_hour: int = 1, hours: int = 5) -> str:
    minute = number * 7 % 60
    hour = first_hour + number % hours
    return f"{minute} {hour} * * *"
''',
    "notify.py": '''\
"""Tells an area's team what happened."""

import logging

log = logging.getLogger(__name__)


def on_failure(team: str):
    def tell(context) -> None:
        log.error("%s: %s failed", team, context["task_instance"].task_id)

    return tell
''',
    "quality.py": '''\
"""Small checks that run inside tasks."""


def require_rows(table: str, found: int, expected: int) -> None:
    if found < expected:
        raise ValueError(f"{table}: {found} rows, at least {expected} expected")


def reconcile(left: float, right: float, tolerance: float = 0.005) -> bool:
    return abs(left - right) <= tolerance * max(abs(left), abs(right), 1.0)
''',
    "extract.py": '''\
"""Fetches one table's increment and lands it as a file."""

from pathlib import Path

from scale_common.naming import raw_table
from scale_common.quality import require_rows
from scale_common.settings import LANDING


def land(table: str, ds: str) -> str:
    target = Path(LANDING) / table / f"{ds}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("id,amount\\n1,100\\n", encoding="utf-8")
    require_rows(raw_table(table), 1, 1)
    return str(target)
''',
    "operators.py": '''\
"""Operators for the engines that this project drives."""

from collections.abc import Sequence

from airflow.operators.bash import BashOperator
from scale_common.settings import DBT_DIR


class DbtOperator(BashOperator):
    """Runs one dbt command with a selection."""

    def __init__(self, *, command: str, select: str, **kwargs):
        self.command = command
        self.select = select
        line = f"dbt {command} --project-dir {DBT_DIR} --profiles-dir {DBT_DIR} --select {select}"
        super().__init__(bash_command=line, **kwargs)


class SparkJobOperator(BashOperator):
    """Submits the version of a Spark job that is live in this environment."""

    template_fields: Sequence[str] = ("bash_command", "env", "job")

    def __init__(self, *, job: str, args: Sequence[str] = (), **kwargs):
        self.job = job
        self.args = list(args)
        super().__init__(bash_command=" ".join(["interlock-spark-submit", job, *args]), **kwargs)
''',
}


def dag_files(project: Project) -> Iterator[tuple[str, str]]:
    """Each file below `dags/`: its path and its text."""
    yield "dags/.airflowignore", "scale_common\n"
    for name, text in _COMMON.items():
        yield f"dags/scale_common/{name}", text
    yield "dags/scale_common/areas/__init__.py", '"""One module a business area."""\n'
    for number, area in enumerate(project.areas):
        yield f"dags/scale_common/areas/{area}.py", _area_module(area, number)
    write = {"ingest": _ingest_dag, "transform": _transform_dag, "spark": _spark_dag, "report": _report_dag}
    for dag in project.dags:
        yield f"dags/{dag.area}/{dag.dag_id}.py", write[dag.kind](dag)


def _area_module(area: str, number: int) -> str:
    return f'''\
"""What the DAGs of the area {area} have in common."""

from scale_common.notify import on_failure
from scale_common.settings import DEFAULT_ARGS

TEAM = "team-{area.replace("_", "-")}"
TAGS = ["{area}", "tier-{number % 3 + 1}"]
ARGS = {{**DEFAULT_ARGS, "owner": TEAM, "on_failure_callback": on_failure(TEAM)}}
'''


def _head(dag: Dag, does: str, airflow: list[str], common: list[str]) -> str:
    lines = sorted(["from airflow import DAG", *airflow])
    shared = sorted([f"from scale_common.areas.{dag.area} import ARGS, TAGS", *common])
    return "\n".join([f'"""{does}"""\n', *lines, *shared]) + "\n"


def _with_timedelta(head: str) -> str:
    return head.replace("\nfrom airflow import", "\nfrom datetime import timedelta\n\nfrom airflow import", 1)


def _constant(name: str, values: Sequence[str]) -> str:
    return f"{name} = [\n" + "".join(f'    "{value}",\n' for value in values) + "]\n"


def _open(dag: Dag, schedule: str) -> str:
    return dedent(f"""
        with DAG(
            dag_id="{dag.dag_id}",
            schedule={schedule},
            start_date=START,
            catchup=False,
            default_args=ARGS,
            tags=[*TAGS, "{dag.kind}"],
        ):
        """)


def _sensor(dag: Dag, minutes: int) -> str:
    return f"""\
    upstream = ExternalTaskSensor(
        task_id="wait_for_{dag.waits_for}",
        external_dag_id="{dag.waits_for}",
        external_task_id="done",
        execution_delta=timedelta(minutes={minutes}),
        mode="reschedule",
        timeout=7200,
    )
"""


_SENSOR = "from airflow.sensors.external_task import ExternalTaskSensor"
_PYTHON = "from airflow.operators.python import PythonOperator"
_EMPTY = "from airflow.operators.empty import EmptyOperator"
_SETTINGS = "from scale_common.settings import START"
_SCHEDULE = "from scale_common.schedules import nightly"


def _ingest_dag(dag: Dag) -> str:
    head = _head(
        dag,
        f"Lands {', '.join(dag.reads)} in the warehouse.",
        [_EMPTY, _PYTHON, "from airflow.utils.task_group import TaskGroup"],
        [_SETTINGS, _SCHEDULE, "from scale_common.extract import land",
         "from scale_common.naming import dataset, raw_table"],
    )  # fmt: skip
    return (
        head
        + f"\n{_constant('TABLES', dag.reads)}"
        + _open(dag, f"nightly({dag.number})")
        + """\
    done = EmptyOperator(task_id="done")
    with TaskGroup("tables") as tables:
        for table in TABLES:
            PythonOperator(
                task_id=f"land_{table}",
                python_callable=land,
                op_kwargs={"table": table, "ds": "{{ ds }}"},
                outlets=[dataset(raw_table(table))],
            )
    tables >> done
"""
    )


def _transform_dag(dag: Dag) -> str:
    names = [model.name for model in dag.models]
    select = " ".join(
        (model.name, f"+{model.name}", f"tag:{model.area},{model.name}")[dag.number % 3] for model in dag.models
    )
    by_dataset = dag.number % 10 < 3
    common = [_SETTINGS, "from scale_common.naming import dataset", "from scale_common.operators import DbtOperator"]
    does = f"Builds {' and '.join(names)}."
    if by_dataset:
        head = _head(dag, does, [_EMPTY], common)
        schedule = '[dataset(f"raw.{table}") for table in READS]'
    else:
        head = _with_timedelta(_head(dag, does, [_EMPTY, _SENSOR], [*common, _SCHEDULE]))
        # All at once: each reads what others build on the way.
        schedule = "nightly(0, first_hour=3)"
    constants = _constant("MODELS", names) + (_constant("READS", dag.reads) if by_dataset else "")
    return (
        head
        + f"\n{constants}"
        + _open(dag, schedule)
        + f"""\
{"" if by_dataset else _sensor(dag, 30)}\
    build = DbtOperator(
        task_id="build",
        command="build",
        select="{select}",
        outlets=[dataset(f"analytics.{{model}}") for model in MODELS],
    )
    check = DbtOperator(task_id="check", command="test", select=" ".join(MODELS))
    done = EmptyOperator(task_id="done")
    {"" if by_dataset else "upstream >> "}build >> check >> done
"""
    )


def _spark_dag(dag: Dag) -> str:
    head = _head(
        dag,
        f"Runs the Spark job {dag.job} once {dag.waits_for} is through.",
        [_EMPTY, _SENSOR],
        [_SETTINGS, _SCHEDULE, "from scale_common.naming import dataset",
         "from scale_common.operators import SparkJobOperator"],
    )  # fmt: skip
    source = dag.reads[0]
    return (
        _with_timedelta(head)
        + _open(dag, f"nightly({dag.number}, first_hour=2)")
        + _sensor(dag, 45)
        + f"""\
    job = SparkJobOperator(
        task_id="job",
        job="{dag.job}",
        args=["--input", "landing/{source}", "--output", "curated/{source}", "--day", "{{{{ ds }}}}"],
        inlets=[dataset("raw.{source}")],
        outlets=[dataset("curated.{source}")],
    )
    done = EmptyOperator(task_id="done")
    upstream >> job >> done
"""
    )


def _report_dag(dag: Dag) -> str:
    report = dag.models[0]
    head = _head(
        dag,
        f"Builds {report.name} and publishes its totals.",
        [_EMPTY, _SENSOR, _PYTHON,
         "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator"],
        ["from scale_common.settings import START, WAREHOUSE_CONNECTION", _SCHEDULE,
         "from scale_common.operators import DbtOperator", "from scale_common.quality import reconcile"],
    )  # fmt: skip
    return (
        _with_timedelta(head)
        + _open(dag, f"nightly({dag.number}, first_hour=6)")
        + _sensor(dag, 60)
        + f"""\
    build = DbtOperator(task_id="build", command="run", select="{report.name}")
    publish = SQLExecuteQueryOperator(
        task_id="publish",
        conn_id=WAREHOUSE_CONNECTION,
        sql=\"\"\"
            insert into published.{report.name}
            select row_id, total_amount, current_date
            from analytics.{report.name}
            where total_amount > 0
        \"\"\",
    )
    compare = PythonOperator(task_id="compare", python_callable=reconcile, op_args=[1.0, 1.0])
    done = EmptyOperator(task_id="done")
    upstream >> build >> publish >> compare >> done
"""
    )
