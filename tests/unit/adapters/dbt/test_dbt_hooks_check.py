"""Hooks that could touch production are told from those that stay with the candidate."""

import pytest

from interlock.adapters.dbt.hooks_check import check_hooks, why_unsafe


@pytest.mark.parametrize(
    "sql",
    [
        "create index on {{ this }} (id)",
        "analyze {{ this }}",
        "insert into {{ ref('audit') }} select count(*) from {{ this }}",
        "select 'from elsewhere'",
        "",
    ],
)
def test_a_hook_that_names_only_this_or_refs_is_quiet(sql: str) -> None:
    assert why_unsafe(sql) == ""


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("insert into audit.runs select 1", "audit.runs"),
        ("grant select on marts.orders to reader", "marts.orders"),
        ("truncate table staging.orders", "staging.orders"),
        ('delete from "Audit"."Runs" where model = \'{{ this }}\'', '"Audit"."Runs"'),
        ("{{ rebuild_everything() }}", "rebuild_everything"),
    ],
)
def test_a_hook_that_names_a_fixed_relation_or_calls_a_macro_is_reported(sql: str, name: str) -> None:
    assert name in why_unsafe(sql)


def test_on_run_hooks_are_reported_for_the_project() -> None:
    operation = {
        "resource_type": "operation", "tags": ["on-run-end"], "package_name": "shop", "raw_code": "insert into log.runs select 1",
    }  # fmt: skip
    model = {"resource_type": "model", "config": {"post-hook": [{"sql": "vacuum {{ this }}"}]}}
    found = check_hooks({"nodes": {"operation.shop.x": operation, "model.shop.a": model}}, ["model.shop.a"])
    assert [(f["node"], f["hook"]) for f in found] == [("shop", "on-run-end")]
