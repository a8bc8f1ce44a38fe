"""What the rules say about a reading."""

from typing import Any

from interlock.catalog.reading import ProjectReading
from interlock.config import ProjectConfig
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Catalog, Edge, Resource
from interlock.rules.files import Layout
from interlock.rules.run import find, inspection_of


def findings(reading: ProjectReading, config: ProjectConfig) -> tuple[Finding, ...]:
    return find(inspection_of(Layout(), (), lambda path: b"", {}, config=config, reading=reading), {})


def reading(*resources: Resource, found: tuple[Finding, ...] = (), edges: tuple[Edge, ...] = ()) -> ProjectReading:
    return ProjectReading(Catalog("p", resources, edges), found, (), {})


def config(**more: Any) -> ProjectConfig:
    return ProjectConfig.model_validate({"version": 1, "project": "p", **more})


def dag(name: str, tasks: tuple[str, ...] = ("a",), waits: tuple[str, str] | None = None) -> Resource:
    named = [{"task": "w", "dag": waits[0], "tasks": [waits[1]], "group": None, "line": 7}] if waits else []
    return Resource(
        f"airflow.dag:{name}", f"dags/{name}.py", settings={"task_ids": list(tasks), "waits": named, "triggers": []}
    )


def test_sensor_on_a_misspelt_dag_is_an_error_that_names_the_right_one() -> None:
    [found] = findings(reading(dag("orders_daily"), dag("b", waits=("order_daily", "a"))), config())
    assert (found.rule, found.severity, str(found.place)) == ("ILK-AF003", "error", "dags/b.py:7")
    assert "'orders_daily'" in found.remedy


def test_sensor_on_a_dag_of_elsewhere_is_a_warning() -> None:
    [found] = findings(reading(dag("b", waits=("billing", "a"))), config())
    assert found.severity == "warning"


def test_misspelt_dag_is_only_a_warning_while_a_file_is_broken() -> None:
    broken = Finding("ILK-AF001", Severity.ERROR, Place("dags/x.py", 1), "is broken", "mend it")
    found = findings(reading(dag("orders_daily"), dag("b", waits=("order_daily", "a")), found=(broken,)), config())
    assert {one.rule: one.severity for one in found} == {"ILK-AF001": "error", "ILK-AF003": "warning"}


def test_sensor_on_a_task_that_the_dag_lacks_is_an_error() -> None:
    [found] = findings(reading(dag("up", ("ready",)), dag("b", waits=("up", "redy"))), config())
    assert found.severity == "error" and "'ready'" in found.remedy


def test_gates_of_a_resource_that_is_gone_are_an_error() -> None:
    model = Resource("dbt.model:p.fct_payments", "m.sql")
    [found] = findings(reading(model), config(gates={"dbt.model:p.fct_payment": {"key": ["id"]}, "defaults": {}}))
    assert found.rule == "ILK-CF001" and "fct_payments" in found.remedy


def test_secret_declared_as_a_string_is_a_warning() -> None:
    [found] = findings(reading(), config(values={"db_password": {"type": "string"}, "monkey": {"type": "string"}}))
    assert found.rule == "ILK-CF002" and "db_password" in found.summary


def test_merge_without_key_is_a_warning() -> None:
    settings = {"materialized": "incremental", "incremental_strategy": "merge", "unique_key": None}
    [found] = findings(reading(Resource("dbt.model:p.m", "m.sql", settings=settings)), config())
    assert found.rule == "ILK-DB002"


def test_job_that_nothing_runs_is_mentioned_only_where_dags_are_read() -> None:
    job = Resource("spark.batch:j", "j.py")
    section = {"airflow": {"dags": "dags"}, "runtimes": {"airflow": {"interpreter": "python3"}}}
    assert findings(reading(job), config()) == ()
    assert [one.rule for one in findings(reading(job), config(**section))] == ["ILK-SP003"]
    run = Edge("airflow.dag:d", "spark.batch:j", "runs")
    assert findings(reading(job, edges=(run,)), config(**section)) == ()


def test_finding_names_what_lies_downstream() -> None:
    settings = {"materialized": "incremental", "incremental_strategy": "merge", "unique_key": None}
    model = Resource("dbt.model:p.m", "m.sql", settings=settings)
    [found] = findings(reading(model, edges=(Edge("dbt.model:p.m", "exposure:board", "reads"),)), config())
    assert found.affected == ("exposure:board",)
