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


def test_only_the_hooks_of_chosen_nodes_are_looked_at() -> None:
    config = {"post-hook": [{"sql": "vacuum {{ this }}"}], "pre-hook": [{"sql": "delete from audit.runs"}]}
    nodes = {name: {"resource_type": "model", "config": config} for name in ("model.shop.a", "model.shop.b")}
    found = check_hooks({"nodes": nodes}, ["model.shop.a"])
    assert [(f["node"], f["hook"]) for f in found] == [("model.shop.a", "pre-hook")]
