"""Columns across dbt models: whatever the shape of the graph, none is looked at before those that it reads."""

from tests.regressions.case import check_files


def test_columns_are_known_through_a_long_chain_of_models() -> None:
    """Named so that the last of the chain is looked at first."""
    models = {f"models/m{n}.sql": f"select id from {{{{ ref('m{n + 1}') }}}}".encode() for n in range(100, 700)}
    files = {"dbt_project.yml": b"name: shop\n", **models, "models/m700.sql": b"select 1 as order_id"}
    assert [str(one.place) for one in check_files(files, dialect="duckdb") if one.rule == "ILK-SQ004"] == [
        "models/m699.sql:1"
    ]


def test_models_that_read_each_other_say_nothing_of_columns() -> None:
    files = {
        "dbt_project.yml": b"name: shop\n",
        "models/a.sql": b"select id from {{ ref('b') }}",
        "models/b.sql": b"select other from {{ ref('a') }}",
        "models/c.sql": b"select day from {{ ref('a') }}",
        "models/d.sql": b"select day from {{ ref('d') }}",
    }
    assert "ILK-SQ004" not in [one.rule for one in check_files(files, dialect="duckdb")]
