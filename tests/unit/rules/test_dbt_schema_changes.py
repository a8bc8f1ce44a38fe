"""What ILK-DS027 weighs, and what it leaves alone; that dbt does what it says is in tests/integration."""

import pytest

from interlock.model.findings import Finding, Severity
from tests.regressions.case import check_files

PROJECT = {"dbt_project.yml": b"name: shop\nversion: '1.0'\nprofile: shop\n"}


def found(config: str, before: str, after: str, dialect: str = "duckdb") -> list[Finding]:
    def files(columns: str) -> dict[str, bytes]:
        return PROJECT | {"models/facts.sql": f"{{{{ config({config}) }}}}\nselect {columns}\n".encode()}

    told = check_files(files(after), files(before), dialect=dialect)
    return [one for one in told if one.rule == "ILK-DS027"]


@pytest.mark.parametrize(
    ("config", "dialect", "severity"),
    [
        ("", "duckdb", Severity.ERROR),
        ("", "snowflake", Severity.ERROR),
        ("", "databricks", Severity.WARNING),
        (", incremental_strategy='merge'", "postgres", Severity.ERROR),
        (", incremental_strategy='merge'", "duckdb", Severity.WARNING),
        (", incremental_strategy='our_own'", "postgres", Severity.WARNING),
        (", on_schema_change='fail'", "databricks", Severity.ERROR),
    ],
)
def test_lost_column_is_an_error_where_the_run_surely_fails(config: str, dialect: str, severity: Severity) -> None:
    (one,) = found("materialized='incremental'" + config, "1 as id, 2 as amount", "1 as id", dialect)
    assert (one.severity, "'amount'" in one.summary) == (severity, True)
    assert "--full-refresh -s facts" in one.remedy


def test_no_full_refresh_is_advised_where_the_model_forbids_it() -> None:
    (one,) = found("materialized='incremental', full_refresh=false", "1 as id", "1 as id, 2 as tax")
    assert one.severity is Severity.WARNING
    assert "refresh" not in one.remedy


@pytest.mark.parametrize(
    "config",
    [
        "materialized='table'",
        "materialized='incremental', full_refresh=true",
        "materialized='incremental', full_refresh=var('anew')",
        "materialized='incremental', on_schema_change=var('change')",
        "materialized='incremental', alias='facts_' ~ target.name",
        "materialized='incremental', **extra()",
        "materialized='incremental', enabled=false",
    ],
)
def test_computed_configs_and_rebuilt_tables_are_left_alone(config: str) -> None:
    assert found(config, "1 as id, 2 as amount", "1 as id, 3 as tax") == []


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "bigquery"])
def test_other_order_case_or_type_is_no_other_column(dialect: str) -> None:
    assert found("materialized='incremental'", "1 as id, 2 as amount", "'2' as Amount, 1 as ID", dialect) == []


@pytest.mark.parametrize("after", ["*, 3 as tax from raw.orders", "id, {{ run_query('x') }} from raw.orders"])
def test_columns_that_are_not_all_known_are_not_compared(after: str) -> None:
    assert found("materialized='incremental'", "1 as id, 2 as amount", after) == []


def test_model_whose_later_runs_select_otherwise_is_left_alone() -> None:
    after = "1 as id {% if not is_incremental() %}, 2 as amount {% endif %}"
    assert found("materialized='incremental'", "1 as id", after) == []
