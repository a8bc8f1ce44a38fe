"""Who writes and who reads a dataset, and when."""

import pytest

from interlock.catalog.reading import ProjectReading
from interlock.config import ProjectConfig
from interlock.model.findings import Finding
from interlock.model.resources import Catalog, Edge, Resource, Unknown
from interlock.rules.files import Layout
from interlock.rules.run import find, inspection_of

TABLE = "warehouse:marts.fct"


def found(
    *resources: Resource, edges: tuple[tuple[str, str, str], ...], unknowns: tuple[Unknown, ...] = ()
) -> list[Finding]:
    catalog = Catalog("p", resources, tuple(Edge(*one) for one in edges), unknowns)
    config = ProjectConfig.model_validate({"version": 1, "project": "p"})
    reading = ProjectReading(catalog, (), (), {})
    return list(find(inspection_of(Layout(), (), lambda path: b"", {}, config=config, reading=reading), {}))


def writers(*keys: str, dataset: str = TABLE) -> list[Finding]:
    made = [Resource(key, f"{key.partition(':')[2]}.py") for key in keys]
    reader = ("dbt.model:p.reads", "exposure:board", "reads")
    return found(
        *made, edges=(*((key, dataset, "writes") for key in keys), (dataset, "dbt.model:p.reads", "reads"), reader)
    )


@pytest.mark.parametrize("other", ["spark.batch:job", "spark.stream:stream", "airflow.dag:sql"])
def test_whatever_writes_the_table_of_a_model_is_named(other: str) -> None:
    [one] = writers("dbt.model:p.fct", other)
    assert (one.rule, one.resource, one.severity) == ("ILK-LN001", other, "warning")
    assert TABLE in one.summary and "dbt.model:p.fct" in one.summary
    assert one.affected[0] == "p.fct.py"


def test_two_jobs_that_write_one_place_are_named_once() -> None:
    assert [one.rule for one in writers("spark.batch:a", "spark.batch:b")] == ["ILK-LN001"]
    assert [one.rule for one in writers("spark.batch:a", "spark.stream:b")] == ["ILK-LN001"]


def test_only_those_are_named_that_share_without_meaning_to() -> None:
    three = writers("airflow.dag:a", "spark.batch:b", "spark.batch:c")
    assert [(one.resource, "spark.batch:b" in one.summary) for one in three] == [("spark.batch:c", True)]
    models = writers("dbt.model:p.fct", "dbt.model:q.fct", "airflow.dag:a")
    assert [one.resource for one in models] == ["airflow.dag:a"]


@pytest.mark.parametrize(
    "keys",
    [
        ("dbt.model:p.fct",), ("airflow.dag:a", "airflow.dag:b"), ("airflow.dag:a", "spark.batch:b"),
        ("dbt.model:p.fct", "dbt.model:q.fct"),
    ],
)  # fmt: skip
def test_sharing_that_is_meant_is_left_alone(keys: tuple[str, ...]) -> None:
    assert writers(*keys) == []


def test_place_that_is_made_when_the_job_runs_is_left_alone() -> None:
    assert writers("spark.batch:a", "spark.batch:b", dataset="s3://lake/{day}") == []


def dag(name: str, schedule: str, timezone: str = "UTC") -> Resource:
    settings = {"schedule": schedule, "timezone": timezone, "waits": [], "triggers": [], "task_ids": []}
    return Resource(f"airflow.dag:{name}", f"dags/{name}.py", settings=settings, line=3)


# `late` makes the model at its time, and `early` reads the table: by its own SQL, or by a model that it runs.
MAKES = (("airflow.dag:late", "dbt.model:p.fct", "runs"), ("dbt.model:p.fct", TABLE, "writes"))
READS = (TABLE, "airflow.dag:early", "reads")
BY_MODEL = (("airflow.dag:early", "dbt.model:p.board", "runs"), ("dbt.model:p.fct", "dbt.model:p.board", "ref"))


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ("0 5 * * *", "0 6 * * *"),
        ("@daily", "1 0 * * *"),
        ("10 * * * *", "20 * * * *"),
        ("0 5 * * 1-5", "30 5 * * 1-5"),
    ],
)
@pytest.mark.parametrize("reads", [(READS,), BY_MODEL])
def test_reader_that_runs_before_what_it_reads_is_made(
    early: str, late: str, reads: tuple[tuple[str, str, str], ...]
) -> None:
    [one] = found(dag("early", early), dag("late", late), edges=(*MAKES, *reads))
    assert (one.rule, str(one.place), one.resource) == ("ILK-LN002", "dags/early.py:3", "airflow.dag:early")
    assert early in one.summary and late in one.summary and "airflow.dag:late" in one.summary


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ("0 6 * * *", "0 5 * * *"), ("0 5 * * *", "0 5 * * *"), ("0 5 * * *", "0 6 * * 1"), ("0 5 * * *", "@hourly"),
        ("*/5 * * * *", "0 6 * * *"), ("0 5 * * *", "datasets"), ("", "0 6 * * *"), ("0 5,17 * * *", "0 6 * * *"),
    ],
)  # fmt: skip
def test_other_times_say_nothing(early: str, late: str) -> None:
    assert found(dag("early", early), dag("late", late), edges=(*MAKES, READS)) == []


def test_other_time_zone_says_nothing() -> None:
    assert found(dag("early", "0 5 * * *", "Europe/Rome"), dag("late", "0 6 * * *"), edges=(*MAKES, READS)) == []


@pytest.mark.parametrize(
    "waits",
    [
        (("airflow.dag:late", "airflow.dag:early", "waits"),),
        (("airflow.dag:late", "airflow.dag:mid", "triggers"), ("airflow.dag:mid", "airflow.dag:early", "waits")),
        (("airflow.dag:late", "x://done", "updates"), ("x://done", "airflow.dag:early", "triggers")),
    ],
)
def test_reader_that_waits_is_left_alone(waits: tuple[tuple[str, str, str], ...]) -> None:
    dags = (dag("early", "0 5 * * *"), dag("late", "0 6 * * *"), dag("mid", ""))
    assert found(*dags, edges=(*MAKES, READS, *waits)) == []


def test_one_earlier_producer_is_enough() -> None:
    dags = (dag("early", "0 5 * * *"), dag("late", "0 6 * * *"), dag("first", "0 4 * * *"))
    edges = (*MAKES, READS, ("airflow.dag:first", "dbt.model:p.fct", "runs"))
    assert found(*dags, edges=edges) == []


def test_dag_that_hides_what_it_runs_may_be_an_earlier_producer() -> None:
    unknown = Unknown("airflow.dag:mid", "dags/mid.py", 3, "task 'build': its command is not understood")
    dags = (dag("early", "0 5 * * *"), dag("late", "0 6 * * *"), dag("mid", "0 4 * * *"))
    assert found(*dags, edges=(*MAKES, READS), unknowns=(unknown,)) == []


def test_dag_that_only_tests_a_model_does_not_make_it() -> None:
    tests = ("airflow.dag:late", "dbt.model:p.fct", "tests")
    assert found(dag("early", "0 5 * * *"), dag("late", "0 6 * * *"), edges=(tests, MAKES[1], READS)) == []


def test_reader_that_makes_it_itself_is_left_alone() -> None:
    own = ("airflow.dag:early", "dbt.model:p.fct", "runs")
    assert found(dag("early", "0 5 * * *"), dag("late", "0 6 * * *"), edges=(*MAKES, READS, own)) == []


def test_many_datasets_between_two_dags_are_one_finding() -> None:
    edges = (("airflow.dag:late", "warehouse:a.b", "writes"), ("warehouse:a.b", "airflow.dag:early", "reads"))
    [one] = found(dag("early", "0 5 * * *"), dag("late", "0 6 * * *"), edges=(*MAKES, READS, *edges))
    assert "and 1 more" in one.summary
