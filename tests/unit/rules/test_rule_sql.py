"""SQL files outside of dbt: which are read, and how much a finding weighs."""

import pytest

from interlock.model.findings import Severity
from interlock.rules.files import Layout, SourceFile
from interlock.rules.rule_sql import check_sql, without_expressions
from interlock.rules.sql_findings import SqlKind, SqlProblem, findings_of

BROKEN = "with a as (select id as k from shop.t) select a.id from a"
LAYOUT = Layout(dags=("dags",), dbt=("dbt",), dialect="snowflake")


def check(text: str, path: str = "dags/sql/x.sql", layout: Layout = LAYOUT) -> list:
    return list(check_sql(SourceFile(path, text.encode("utf-8", "surrogateescape"), layout)))


@pytest.mark.parametrize(
    "text",
    [
        "{% if x %}" + BROKEN + "{% endif %}",
        "{# note #}" + BROKEN,
        BROKEN.replace("shop.t", "{{ params.table }}"),
        BROKEN + " where {{ filters }}",
        "select '{{ never closed",
        "",
        "\0\0",
        "select id from t where day = '{{ ds }}' and x = '{{ params['a'] }}'",
        'select id from t where day = "{{ macros.ds_add(ds, -1) }}"',
        "select id, from shop.t",
        "select a, b, from {{ params.t }}",
        "use role x; put file://a @stage; list @stage; copy into t from @stage;",
        "create procedure p() language sql as begin select a, from t, where; end;",
        "%(x)s",
        "create table t (a int) with (kafka_topic = 'x'); select a from t emit changes, from where;",
        "with a as (select id as k from t) select {column}, a.id from a where {condition}",
        "with a as (select id as k from t) select a.id from a where _CONDITION_",
        "create procedure p() as 'begin",
    ],
)
def test_nothing_is_said_of_what_cannot_be_known(text: str) -> None:
    assert check(text) == []


def test_expressions_within_quotes_are_text() -> None:
    sql = "select a.id from (select 1 as k, 2 as d) a where d = '{{ ds }}' and \"{{ params.x }}\" = 1"
    assert [one.rule for one in check(sql)] == ["ILK-SQ004"]
    assert without_expressions("x '{{ a\n }}' y") == ("x 'xxxx\nxxx' y", {"xxxx\nxxx"})


def test_dbt_reads_its_own_files_and_not_those_of_a_dag_folder_within() -> None:
    assert check(BROKEN, "dbt/models/x.sql") == []
    assert check(BROKEN, "models/x.sql", Layout(dags=("dags",), dbt=(".",), dialect="snowflake")) == []
    assert check(BROKEN, "dags/x.sql", Layout(dags=("dags",), dbt=(".",), dialect="snowflake"))
    assert check(BROKEN, "scripts/x.sql")


def test_without_a_dialect_syntax_is_a_warning() -> None:
    assert [one.severity for one in check("select (a from t", layout=Layout(dags=("dags",)))] == [Severity.WARNING]
    assert [one.severity for one in check("select (a from t")] == [Severity.ERROR]


def test_what_another_warehouse_takes_is_a_warning() -> None:
    sql = "select id::int, arr[1:2] from t distribute by id"
    layout = Layout(dags=("dags",), dialect="postgres")
    assert {one.severity for one in check(sql, layout=layout)} <= {Severity.WARNING}
    (found,) = check("select id, from t", "docker/init.sql", layout)
    assert found.severity is Severity.WARNING
    (found,) = check("select id, from t", layout=layout)
    assert found.severity is Severity.ERROR


def test_a_text_is_never_told() -> None:
    found = check("select 'secret' 'hunter2' from t where (a = 'hunter2'")
    assert found
    assert "hunter2" not in str(found)


def test_one_mistake_is_told_once_and_at_its_first_place() -> None:
    problems = [
        SqlProblem(SqlKind.COLUMN, 9, 9, 1, "a.x", "does not exist"),
        SqlProblem(SqlKind.COLUMN, 4, 4, 1, "a.x", "does not exist", "a.y"),
    ]
    (found,) = findings_of(problems, "models/a.sql", lambda line: line + 10, "model:a")
    assert (found.place.line, found.place.column, found.remedy, found.resource) == (14, 0, "Write 'a.y'.", "model:a")


def test_outside_dag_folders_only_what_no_warehouse_takes_is_an_error() -> None:
    assert [one.severity for one in check("select a b c from t", "db/x.sql")] == [Severity.WARNING]
    assert [one.severity for one in check("select a b c from t")] == [Severity.ERROR]
    assert [one.severity for one in check("select (a from t", "db/x.sql")] == [Severity.ERROR]
