"""What parsing one SQL text tells: one statement a line, with what should be found, in one file a dialect."""

from pathlib import Path

import pytest

from interlock.model.findings import Severity
from interlock.rules.sql_text import output_columns, problems

FOLDER = Path(__file__).parent / "sql"
RELATIONS = {
    "orders": ["id", "customer_id", "amount", "status", "created_at"],
    "customers": ["id", "name", "country"],
    "events": ["event_id", "user_id", "payload", "tags", "ts"],
}


def _lines() -> list[tuple[str, str, str]]:
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        for line in path.read_text("utf-8").splitlines():
            expected, _, sql = line.partition(" || ")
            if sql and not line.startswith("#"):
                found.append((path.stem, expected, sql))
    return found


LINES = _lines()


@pytest.mark.parametrize(("dialect", "sql"), [(d, s) for d, expected, s in LINES if expected == "ok"])
def test_innocent_statement_is_left_alone(dialect: str, sql: str) -> None:
    found = [one for one in problems(sql, dialect, RELATIONS) if one.severity is not Severity.INFO]
    assert found == []


@pytest.mark.parametrize(("dialect", "expected", "sql"), [line for line in LINES if line[1] != "ok"])
def test_broken_statement_is_found(dialect: str, expected: str, sql: str) -> None:
    kind, _, name = expected.partition("=")
    found = problems(sql, dialect, RELATIONS)
    assert any(one.kind.value == kind and (not name or one.name == name) for one in found), found
    assert {one.kind.value for one in found if one.severity is Severity.ERROR} <= {kind}, found


@pytest.mark.parametrize("path", sorted((FOLDER / "models").glob("*.sql")), ids=lambda path: path.stem)
def test_long_model_is_left_alone(path: Path) -> None:
    found = [
        one
        for one in problems(path.read_text("utf-8"), path.stem.partition("_")[0], {})
        if one.severity is not Severity.INFO
    ]
    assert found == []


def test_innocents_are_the_most() -> None:
    innocent = sum(expected == "ok" for _, expected, _ in LINES)
    assert innocent >= 2 * (len(LINES) - innocent)


@pytest.mark.parametrize("dialect", ["bigquery", "postgres", "snowflake", "duckdb", "redshift", "spark", "", "no_such"])
@pytest.mark.parametrize(
    "sql",
    [
        "", " \n\t", ";;;", "\x00\x01\xff", "-- only a comment", "/* never closed", "select 'never closed", "$$",
        "select " + "(" * 3000 + "1" + ")" * 3000, "select " + "a," * 5_000 + "a from t", "x" * 1_000_000,
        "select 1 " + "union all select 1 " * 2000, "select " + "+".join("1" * 5000), "select case " * 400,
        "with " + ",".join(f"c{n} as (select 1 as a)" for n in range(500)) + " select a from c499",
        "with a as (select * from a) select a.b from a", "with a as (select * from b), b as (select * from a) select x from b",
        "select * from (select * from (select * from))", "select a.b.c.d.e.f.g.h from x.y.z.w.v", "select from where",
        "select . from ,", "insert into", "merge into t using", "create table as select", ")", "(", "[}", "select @@@ # ? ! ~",
    ],
    ids=range(28),
)  # fmt: skip
def test_hostile_text_raises_nothing(sql: str, dialect: str) -> None:
    problems(sql, dialect, RELATIONS)
    output_columns(sql, dialect, RELATIONS)


@pytest.mark.parametrize(
    ("dialect", "sql", "expected"),
    [
        ("snowflake", "select *, amount * 2 as twice from orders", ["id", "customer_id", "amount", "status", "created_at", "twice"]),
        ("snowflake", "with a as (select * exclude amount rename id as order_id from orders) select * from a", ["order_id", "customer_id", "status", "created_at"]),
        ("bigquery", "select o.* except (id, status), upper(c.name) as name, c.country from orders o join customers c on true", ["customer_id", "amount", "created_at", "name", "country"]),
        ("postgres", "select * from customers join (select id, amount from orders) o using (id)", ["id", "name", "country", "amount"]),
        ("duckdb", "from customers", ["id", "name", "country"]),
        ("duckdb", "select columns(*) from customers", None),
        ("spark", "select id, explode(name) from customers", None),
        ("redshift", "select id, name from customers union all select 1, 'x'", ["id", "name"]),
        ("postgres", "select * from shop.unknown", None),
        ("postgres", "select id, count(*) from orders group by id", None),
        ("postgres", "create table x as select id, name from customers", ["id", "name"]),
        ("bigquery", "select e.payload.os, tags[0] as tag from events e", ["os", "tag"]),
        ("snowflake", "select * from customers pivot (sum(id) for name in ('a'))", None),
    ],
)  # fmt: skip
def test_columns_of_a_select(dialect: str, sql: str, expected: list[str] | None) -> None:
    assert output_columns(sql, dialect, RELATIONS) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "select mystery(id) as a, amout_of from mystery",
        "with a as (select id, mystery from orders) select whatever from a",
        "select o.id, mystery.column from orders o join customers c on mystery",
        "select o.id from orders o mystery where o.id = x.y",
        "select * except (mystery) from orders",
        "select mystery.*, id from orders",
        "select id from orders join customers using (mystery)",
        "select id from orders mystery and status = 1 mystery",
        "mystery select id from orders",
    ],
)
def test_what_touches_the_unknown_is_not_judged(sql: str) -> None:
    assert problems(sql, "snowflake", {"orders": RELATIONS["orders"], "customers": None}, opaque=["mystery"]) == []


def test_place_is_that_of_the_name() -> None:
    (found,) = problems("select\n  id,\n    amout\nfrom orders", "bigquery", RELATIONS)
    assert (found.line, found.column, found.name, found.near) == (3, 5, "amout", "amount")


def test_relations_are_found_however_they_are_written() -> None:
    relations = {"shop-prod.Marts.Orders": ["ID", "Amount"], '"db"."public"."t"': ["a"]}
    assert not problems("select id, amount from `shop-prod.marts.orders`", "bigquery", relations)
    assert problems("select idx from `shop-prod`.marts.orders", "bigquery", relations)
    assert problems('select b from "DB"."PUBLIC"."T"', "snowflake", relations)


def test_a_table_that_the_text_makes_has_the_columns_it_makes() -> None:
    sql = "create temp table orders as select 1 as other; select other from orders"
    assert problems(sql, "postgres", RELATIONS) == []
