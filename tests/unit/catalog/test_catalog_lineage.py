"""Commands, selections and SQL: what a task runs, reads and writes."""

from typing import Any

import pytest

from interlock.catalog.commands import DbtCommand, SparkCommand, commands_in
from interlock.catalog.dbt_select import Selection, UnknownSelection
from interlock.catalog.lineage import Lineage
from interlock.catalog.sql_tables import tables_of
from interlock.model.resources import Edge, Resource


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dbt build --select a b --exclude c --target prod", [DbtCommand("build", ("a", "b"), ("c",))]),
        ("cd /x && dbt --no-use-colors run -s +tag:x", [DbtCommand("run", ("+tag:x",))]),
        ("dbt run --select=a,b --vars '{x: 1}'", [DbtCommand("run", ("a,b",))]),
        ("dbt seed; dbt test -m a", [DbtCommand("seed"), DbtCommand("test", ("a",))]),
        ("dbt run --selector nightly", [DbtCommand("run", selector="nightly")]),
        ("dbt deps && dbt compile -s a", []),
        ("dbt run \\\n  --select a", [DbtCommand("run", ("a",))]),
        ("dbt run --select 'tag:x tag:y'", [DbtCommand("run", ("tag:x tag:y",))]),
        ('DIR="${X:-$HOME}/p" interlock-spark-submit settle "--day" "{{ ds }}"', [SparkCommand("settle")]),
        ("/opt/spark/bin/spark-submit --master local[2] --verbose jobs/a.py --input x", [SparkCommand("jobs/a.py")]),
        ("spark-submit --conf=a=b job.py", [SparkCommand("job.py")]),
        ("set -e\ndbt run -s a\necho done | tee log", [DbtCommand("run", ("a",))]),
        ("echo hello", []),
    ],
)
def test_commands_are_understood(text: str, expected: list[Any]) -> None:
    assert commands_in(text) == expected


def node(name: str, kind: str = "model", parents: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    folder = more.pop("folder", "models")
    facts = {
        "name": name,
        "type": kind,
        "package": "shop",
        "path": f"{folder}/{name}.sql",
        "tags": [],
        "parents": list(parents),
    }
    return {**facts, "fqn": ["shop", *folder.split("/")[1:], name], "materialized": "table", **more}


FACTS = {
    "source:raw.pay": node("pay", "source", source="raw"),
    "dbt.seed:shop.s": node("s", "seed", folder="seeds"),
    "dbt.model:shop.a": node("a", parents=("source:raw.pay", "dbt.seed:shop.s"), tags=["daily"]),
    "dbt.model:shop.b": node("b", parents=("dbt.model:shop.a",), folder="models/marts"),
    "dbt.model:shop.c": node(
        "c", parents=("dbt.model:shop.b",), folder="models/marts", tags=["daily"], materialized="view"
    ),
    "exposure:dash": node("dash", "exposure", parents=("dbt.model:shop.c",)),
}


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("a", "a"), ("a b", "a b"), ("+b", "pay s a b"), ("1+b", "a b"), ("b+", "b c dash"), ("b+1", "b c"),
        ("tag:daily", "a c"), ("tag:daily,path:models/marts", "c"), ("path:models/marts", "b c"),
        ("models/marts", "b c"),
        ("path:models/marts/b.sql", "b"), ("source:raw+1", "pay a"), ("source:raw.pay", "pay"), ("marts", "b c"),
        ("shop.marts.b", "b"), ("fqn:marts.*", "b c"), ("*", "s a b c"), ("config.materialized:view", "c"),
        ("+exposure:dash", "pay s a b c dash"), ("resource_type:seed", "s"), ("nothing", ""),
        ("@a", "pay s a b c dash"),
    ],
)  # fmt: skip
def test_selection_answers_as_dbt_does(select: str, expected: str) -> None:
    found = Selection(FACTS).nodes([select])
    assert {FACTS[key]["name"] for key in found} == set(expected.split())


@pytest.mark.parametrize("select", ["state:modified+", "result:error", "tag:$TAG", "ilk_unknown", "test_type:unit"])
def test_selection_that_only_dbt_can_answer_is_unknown(select: str) -> None:
    with pytest.raises(UnknownSelection):
        Selection(FACTS).nodes([select])


def dag(**facts: Any) -> dict[str, Any]:
    empty = {"inlets": [], "outlets": [], "on": [], "waits": [], "triggers": [], "sql": [], "jobs": [], "commands": []}
    return {**empty, **facts}


def lineage(**facts: Any) -> tuple[list[Edge], list[str]]:
    resources = [
        Resource("airflow.dag:d", "dags/d.py"), Resource("airflow.dag:up", "dags/up.py"),
        Resource("spark.batch:settle", "spark/jobs/settle.py"), Resource("spark.batch:score", "spark/jobs/score.py"),
    ]  # fmt: skip
    edges, unknowns = Lineage({"airflow.dag:d": dag(**facts)}, resources, FACTS).edges()
    return edges, [one.why for one in unknowns]


def test_dag_reaches_the_models_that_its_command_builds() -> None:
    edges, unknowns = lineage(commands=[["t", "dbt run --select +b"]])
    assert [(one.target, one.why) for one in edges] == [("dbt.model:shop.a", "runs"), ("dbt.model:shop.b", "runs")]
    assert unknowns == []


def test_command_without_selection_runs_everything_of_its_kind() -> None:
    edges, _ = lineage(commands=[["t", "dbt seed"]])
    assert [one.target for one in edges] == ["dbt.seed:shop.s"]


@pytest.mark.parametrize(
    "command",
    ["dbt run -s {{ params.what }}", "dbt run -s nothing", "dbt run --selector x", "dbt run -s 'a", "spark-submit $JOB",
     "interlock-spark-submit other"],
)  # fmt: skip
def test_what_cannot_be_resolved_is_said(command: str) -> None:
    edges, unknowns = lineage(commands=[["t", command]])
    assert edges == []
    assert len(unknowns) == 1 and "task 't'" in unknowns[0]


@pytest.mark.parametrize("job", ["settle", "spark/jobs/settle.py", "/opt/app/spark/jobs/settle.py", "settle.py"])
def test_dag_reaches_the_job_that_it_submits(job: str) -> None:
    assert lineage(jobs=[["t", job]])[0] == [Edge("airflow.dag:d", "spark.batch:settle", "runs")]


def test_script_of_the_same_name_elsewhere_is_not_taken_for_the_job() -> None:
    assert lineage(jobs=[["t", "other/settle.py"]])[0] == []


def test_waits_and_triggers_point_downstream() -> None:
    named = {"task": "t", "dag": "up", "tasks": [], "line": 3}
    assert lineage(waits=[named])[0] == [Edge("airflow.dag:up", "airflow.dag:d", "waits")]
    assert lineage(triggers=[named])[0] == [Edge("airflow.dag:d", "airflow.dag:up", "triggers")]
    edges, unknowns = lineage(waits=[{**named, "dag": "gone"}])
    assert edges == [] and "gone" in unknowns[0]


def test_dataset_of_the_warehouse_is_the_table_that_dbt_writes() -> None:
    edges, _ = lineage(outlets=["warehouse://payments/marts/fct"], on=["s3://bucket/key"])
    assert edges == [
        Edge("airflow.dag:d", "warehouse:marts.fct", "updates"),
        Edge("s3://bucket/key", "airflow.dag:d", "triggers"),
    ]


@pytest.mark.parametrize(
    ("sql", "reads", "writes"),
    [
        ("select * from raw.a join b on true", ["warehouse:analytics.b", "warehouse:raw.a"], []),
        ("insert into m.x (id) select id from raw.a", ["warehouse:raw.a"], ["warehouse:m.x"]),
        ("with a as (select * from raw.t) select * from a", ["warehouse:raw.t"], []),
        ("create table m.x as select 1", [], ["warehouse:m.x"]),
        ("delete from m.x where id in (select id from m.y)", ["warehouse:m.y"], ["warehouse:m.x"]),
        ("select '{{ ds }}' from db.m.x", ["warehouse:m.x"], []),
        ("update m.x set a = 1; truncate table m.z", [], ["warehouse:m.x", "warehouse:m.z"]),
    ],
)
def test_tables_of_sql(sql: str, reads: list[str], writes: list[str]) -> None:
    assert tables_of(sql, "duckdb", "analytics") == (reads, writes, "")


@pytest.mark.parametrize("sql", ["select * from raw.{{ params.table }}", "selec * frm ("])
def test_tables_that_cannot_be_known_are_said(sql: str) -> None:
    assert tables_of(sql, "duckdb", "analytics")[2]
