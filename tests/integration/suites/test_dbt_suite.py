"""dbt's unit tests through ``check``, by the real dbt in a throw-away DuckDB file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.engine.checking import Checked
from interlock.model.progress import Progress
from interlock.suites import dbt_suite
from tests.support.suites import check, write

pytestmark = pytest.mark.engine

PROFILE = """\
shop:
  target: dev
  outputs:
    dev:
      type: "{{ env_var('ILK_WAREHOUSE_TYPE') }}"
      path: "{{ env_var('ILK_WAREHOUSE_PATH') }}"
      schema: analytics
      host: "{{ env_var('ILK_WAREHOUSE_HOST') }}"
      port: "{{ env_var('ILK_WAREHOUSE_PORT') | as_number }}"
      user: "{{ env_var('ILK_WAREHOUSE_USER') }}"
      password: ""
      database: "{{ 'interlock' }}"
      threads: 2
"""
SOURCES = """\
sources:
  - name: raw
    tables:
      - name: orders
        columns:
          - {name: id, data_type: integer}
          - {name: day, data_type: date}
          - {name: cents, data_type: bigint}
      - name: untyped
        columns: [{name: id}]
"""
UNIT_TESTS = """\
unit_tests:
  - name: cents_become_euros
    model: totals
    given:
      - input: ref('stg_orders')
        rows: [{id: 1, cents: 250}, {id: 2, cents: 50}]
      - input: ref('rates')
        rows: [{currency: EUR, rate: 1}]
    expect:
      rows: [{euros: 3.0}]
  - name: only_new_days
    model: history
    overrides: {macros: {is_incremental: true}}
    given:
      - input: ref('stg_orders')
        rows: [{id: 1, day: "2026-01-01"}, {id: 2, day: "2026-01-02"}]
      - input: this
        rows: [{id: 1, day: "2026-01-01"}]
    expect:
      rows: [{id: 2}]
"""
FILES = {
    "dbt/dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\non-run-start: ['insert into ledger values (1)']\n",
    "dbt/profiles.yml": PROFILE,
    "dbt/models/sources.yml": SOURCES,
    "dbt/models/unit_tests.yml": UNIT_TESTS,
    "dbt/models/stg_orders.sql": (
        "{{ config(post_hook='insert into ledger values (2)') }} select id, day, cents from {{ source('raw', 'orders') }}\n"
    ),
    "dbt/models/totals.sql": (
        "select sum(cents * rate) / 100.0 as euros from {{ ref('stg_orders') }}, {{ ref('rates') }}\n"
    ),
    "dbt/models/history.sql": (
        "{{ config(materialized='incremental') }}\nselect id, day from {{ ref('stg_orders') }}\n"
        "{% if is_incremental() %} where day > (select max(day) from {{ this }}) {% endif %}\n"
    ),
    "dbt/models/aside.sql": "select 1 as x\n",
    "dbt/seeds/rates.csv": "currency,rate\nEUR,1\n",
}
TOTALS = "unit_test.shop.totals.cents_become_euros"


@pytest.fixture
def root(tmp_path: Path, runtime_python: Callable[[str], Path]) -> Path:
    config = (
        "version: 1\nproject: shop\ndbt: {project: dbt, runtime: dbt}\ntests: {dbt: true}\n"
        f"runtimes: {{dbt: {{interpreter: {runtime_python('dbt')}}}}}\n"
        "environments: {dev: {warehouse: {type: duckdb, path: w.duckdb}}}\n"
    )
    return write(tmp_path / "project", {"interlock.yaml": config, **FILES})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def about_tests(checked: Checked) -> list[tuple[str, str, str]]:
    return [(one.rule, str(one.place), one.summary) for one in checked.findings if one.rule.startswith("ILK-TE")]


def test_unit_tests_run_on_empty_parents_and_are_known_from_then_on(root: Path, cache: Path) -> None:
    first = check(root, cache)
    assert about_tests(first) == [] and first.not_checked == ()
    assert (first.tests.passed, first.tests.reused) == (2, 0)
    assert (check(root, cache).tests.reused, check(root, cache, rerun=True).tests.reused) == (2, 0)
    assert not list(root.rglob("*.duckdb")) and not (root / "dbt" / "target").exists()


CHANGES = {
    "the model": ("dbt/models/totals.sql", FILES["dbt/models/totals.sql"] + "having count(*) > 0\n", 1),
    "a column of a source upstream": ("dbt/models/sources.yml", SOURCES.replace("bigint", "integer"), 0),
    "the other unit test": ("dbt/models/unit_tests.yml", UNIT_TESTS.replace("{id: 2, day", "{id: 3, day"), None),
    "a model beside": ("dbt/models/aside.sql", "select 2 as x\n", 2),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_change_runs_the_unit_tests_that_rest_on_it(root: Path, cache: Path, change: str) -> None:
    check(root, cache)
    path, text, reused = CHANGES[change]
    write(root, {path: text})
    checked = check(root, cache)
    if reused is None:
        assert [one[0] for one in about_tests(checked)] == ["ILK-TE001"] and checked.tests.reused == 1
    else:
        assert checked.tests.reused == reused and about_tests(checked) == []


def test_failing_unit_test_names_its_line_what_differs_and_who_is_affected(root: Path, cache: Path) -> None:
    write(root, {"dbt/models/unit_tests.yml": UNIT_TESTS.replace("euros: 3.0", "euros: 4.0"),
                 "dbt/models/below.sql": "select * from {{ ref('totals') }}\n"})  # fmt: skip
    for _ in range(2):
        checked = check(root, cache)
        assert about_tests(checked) == [
            ("ILK-TE001", "dbt/models/unit_tests.yml:2", "the test shop.totals.cents_become_euros fails: actual differs from expected:"),
        ]  # fmt: skip
        [one] = [one for one in checked.findings if one.rule == "ILK-TE001"]
        assert "4.0" in one.detail and "3.0" in one.detail and one.resource == f"test:{TOTALS}"
        assert {"dbt.model:shop.totals", "dbt.model:shop.below"} <= set(one.affected)


def test_flaky_unit_test_is_found(root: Path, cache: Path) -> None:
    write(root, {
        "dbt/models/totals.sql": "select cast(random() < 0.5 as integer) as euros from {{ ref('stg_orders') }}\n",
        "dbt/models/unit_tests.yml": UNIT_TESTS.replace("3.0", "1").replace(
            "      - input: ref('rates')\n        rows: [{currency: EUR, rate: 1}]\n", "").replace(
            ", {id: 2, cents: 50}", ""),
    })  # fmt: skip
    # Every second run comes out in another way: forty in a row do not.
    for _ in range(40):
        rules = [one[0] for one in about_tests(check(root, cache, rerun=True))]
        if rules == ["ILK-TE002"]:
            break
    assert rules == ["ILK-TE002"]


def test_run_that_was_cut_short_is_done_again(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(dbt_suite, "TIMEOUT_SECONDS", 0.01)
        assert check(root, cache).tests.not_run == 2
    assert check(root, cache).tests.passed == 2


def test_result_is_not_kept_of_files_that_were_changed_meanwhile(root: Path, cache: Path) -> None:
    def change(progress: Progress) -> None:
        if progress.task == "dbt unit tests":
            write(root, {"dbt/models/totals.sql": FILES["dbt/models/totals.sql"].replace("100.0", "50.0")})

    check(root, cache, on_progress=change)
    write(root, {"dbt/models/totals.sql": FILES["dbt/models/totals.sql"]})
    assert about_tests(check(root, cache)) == []


def test_source_without_types_is_not_checked_by_name(root: Path, cache: Path) -> None:
    text = FILES["dbt/models/stg_orders.sql"].replace("'orders'", "'untyped'").replace("id, day, cents", "id")
    checked = check(write(root, {"dbt/models/stg_orders.sql": text}), cache)
    told = {one.what: one.why for one in checked.not_checked}
    assert "raw.untyped" in told[TOTALS] and "data_type" in told[TOTALS]
    assert checked.tests.not_run == 2 and about_tests(checked) == []


def test_parent_that_cannot_stand_empty_is_not_checked_with_the_reason(root: Path, cache: Path) -> None:
    text = FILES["dbt/models/stg_orders.sql"].replace("cents from", "cents, undeclared from")
    checked = check(write(root, {"dbt/models/stg_orders.sql": text}), cache)
    [why] = [one.why for one in checked.not_checked if one.what == TOTALS]
    assert "stg_orders could not be built empty" in why and "undeclared" in why


def test_fixture_with_a_column_that_is_not_there_is_a_warning(root: Path, cache: Path) -> None:
    write(root, {"dbt/models/unit_tests.yml": UNIT_TESTS.replace("{id: 1, cents: 250}", "{id: 1, cent: 250}")})
    checked = check(root, cache)
    [one] = [one for one in checked.findings if one.rule.startswith("ILK-TE")]
    assert (one.rule, one.severity, one.blocks) == ("ILK-TE003", "warning", False) and "cent" in one.detail


FIXED = PROFILE.replace("{{ env_var('ILK_WAREHOUSE_PATH') }}", "/var/lib/shop/live.duckdb").replace(
    "'interlock'", "'live'"
)
ATTACHED = PROFILE + "      attach: [{path: other.duckdb}]\n"


@pytest.mark.parametrize("profile", [FIXED, ATTACHED], ids=["fixed", "attached"])
def test_database_that_is_not_thrown_away_is_not_touched(root: Path, cache: Path, profile: str) -> None:
    checked = check(write(root, {"dbt/profiles.yml": profile}), cache)
    assert checked.tests.not_run == 2
    assert all("a database of its own" in one.why for one in checked.not_checked), checked.not_checked


def test_on_another_warehouse_they_are_not_checked(root: Path, cache: Path) -> None:
    text = (root / "interlock.yaml").read_text()
    postgres = "{type: postgres, database: shop, user: ada}"
    write(root, {"interlock.yaml": text.replace("{type: duckdb, path: w.duckdb}", postgres)})
    checked = check(root, cache)
    assert checked.tests.not_run == 2
    assert all("DuckDB only" in one.why and "postgres" in one.why for one in checked.not_checked)
