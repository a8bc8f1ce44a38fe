"""What gates answer about a candidate beside its live version, measured by a real DuckDB."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from interlock.adapters.base import StepContext
from interlock.adapters.dbt.relations import Relation
from interlock.adapters.dbt.warehouse_duckdb import DuckDbSession
from interlock.config.models import Environment, GatePolicy, ProjectConfig
from interlock.gates import evaluate
from interlock.model.errors import StaleError
from interlock.model.plan import GateResult, Outcome, Phase, Receipt, Step
from interlock.model.state import EnvironmentState

KEY = "dbt.model:shop.orders"
LIVE, CANDIDATE = Relation("main", "orders"), Relation("main", "orders__ilk_0123abcd")
ROWS = "SELECT i AS id, i * 1.5::double AS amount, 'c' || i AS customer, TIMESTAMP '2026-01-01' AS loaded_at FROM range(100) r(i)"
STEP = Step("dbt.verify", Phase.VERIFY, "gates", "verify", (KEY,), "")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[DuckDbSession]:
    path = tmp_path / "w.duckdb"
    duckdb.connect(str(path)).close()
    with DuckDbSession(path) as opened:
        yield opened


def answers(
    session: DuckDbSession,
    candidate: str,
    live: str | None = ROWS,
    policy: GatePolicy | None = None,
    unique_key: tuple[str, ...] = ("id",),
    **staged: Any,
) -> dict[str, GateResult]:
    """Every answer by its gate's name."""
    if live is not None:
        session.query(f"CREATE TABLE {LIVE.sql} AS {live}")
    session.query(f"CREATE TABLE {CANDIDATE.sql} AS {candidate}")
    return {r.gate: r for r in evaluate(STEP, context(policy, unique_key, **staged), session)}


def context(policy: GatePolicy | None, unique_key: tuple[str, ...] = ("id",), **staged: Any) -> StepContext:
    relation = {
        "key": KEY, "candidate": CANDIDATE.to_json(), "live": LIVE.to_json(), "unique_key": list(unique_key), "lost": [],
    }  # fmt: skip
    data = {"relations": [relation], "tests": [], "warnings": [], **staged}
    return StepContext(
        deployment="d",
        config=ProjectConfig(version=1, project="shop", gates={KEY: policy} if policy else {}),
        environment_name="dev",
        environment=Environment(),
        root=Path(),
        cache=Path(),
        fence=lambda: None,
        state=EnvironmentState("dev", "", {}),
        receipts={"dbt.stage": Receipt("dbt.stage", True, data)},
    )


def test_the_same_rows_pass_every_gate(session: DuckDbSession) -> None:
    found = answers(session, ROWS)
    assert {name: r.outcome for name, r in found.items()} == dict.fromkeys(
        ("row_count", "null_rate", "unique", "compare"), Outcome.PASS
    )


def test_eight_per_cent_fewer_rows_are_refused_with_the_numbers(session: DuckDbSession) -> None:
    found = answers(session, f"SELECT * FROM ({ROWS}) WHERE id % 12 <> 0")
    assert found["row_count"].outcome is Outcome.FAIL
    assert "100 -> 91 rows (-9.00%)" in found["row_count"].summary
    assert found["compare"].outcome is Outcome.FAIL
    assert found["compare"].measured["removed"] == 9


def test_changed_values_are_counted_by_column_and_no_value_is_shown(session: DuckDbSession) -> None:
    found = answers(
        session, f"SELECT * REPLACE (CASE WHEN id < 20 THEN 'SECRET' ELSE customer END AS customer) FROM ({ROWS})"
    )
    assert found["compare"].outcome is Outcome.FAIL
    assert found["compare"].measured["by_column"] == {"customer": 20}
    assert "SECRET" not in repr(found)


def test_a_first_version_says_that_there_is_nothing_to_compare_with(session: DuckDbSession) -> None:
    found = answers(session, ROWS, live=None)
    assert {r.outcome for r in found.values()} == {Outcome.PASS}
    assert "nothing is live" in found["compare"].summary


def test_no_key_leaves_the_comparison_unknown(session: DuckDbSession) -> None:
    found = answers(session, ROWS, unique_key=())
    assert found["compare"].outcome is Outcome.UNKNOWN
    assert "no key" in found["compare"].summary
    assert "unique" not in found


def test_an_expression_as_key_is_said_to_be_no_column(session: DuckDbSession) -> None:
    found = answers(session, ROWS, unique_key=("id || customer",))
    assert found["unique"].outcome is Outcome.UNKNOWN
    assert found["compare"].outcome is Outcome.UNKNOWN


def test_repeated_keys_fail_and_are_not_joined(session: DuckDbSession) -> None:
    found = answers(session, f"{ROWS} UNION ALL SELECT * FROM ({ROWS}) WHERE id < 3")
    assert found["unique"].outcome is Outcome.FAIL
    assert found["unique"].measured == {"duplicates": 3, "nulls": 0}
    assert found["compare"].outcome is Outcome.UNKNOWN


def test_nulls_in_the_key_fail(session: DuckDbSession) -> None:
    found = answers(session, f"SELECT * REPLACE (nullif(id, 7) AS id) FROM ({ROWS})")
    assert found["unique"].outcome is Outcome.FAIL
    assert found["unique"].measured["nulls"] == 1


def test_more_nulls_in_a_column_fail_and_name_it(session: DuckDbSession) -> None:
    found = answers(session, f"SELECT * REPLACE (CASE WHEN id > 4 THEN amount END AS amount) FROM ({ROWS})")
    assert found["null_rate"].outcome is Outcome.FAIL
    assert "amount +5.00%" in found["null_rate"].summary


def test_noise_in_the_last_digits_nan_and_infinity_are_compared_soundly(session: DuckDbSession) -> None:
    live = (
        "SELECT * FROM (VALUES (1, 0.3::double), (2, 'nan'::double), (3, 'inf'::double), (4, NULL), (5, 1e308),"
        " (6, 'nan'::double), (7, 'inf'::double), (8, NULL)) t(id, x)"
    )
    candidate = (
        "SELECT * FROM (VALUES (1, 0.1::double + 0.2::double), (2, 'nan'::double), (3, 'inf'::double), (4, NULL),"
        " (5, -1e308), (6, 1.0), (7, 1.0), (8, 1.0)) t(id, x)"
    )
    found = answers(session, candidate, live)
    assert found["compare"].measured["by_column"] == {"x": 4}


def test_another_column_type_is_said_and_still_compared(session: DuckDbSession) -> None:
    found = answers(
        session, f"SELECT * REPLACE (id::bigint AS id, loaded_at::varchar AS loaded_at), 1 AS extra FROM ({ROWS})"
    )
    assert found["columns"].outcome is Outcome.PASS
    assert found["columns"].measured["added"] == ["extra"]
    assert set(found["columns"].measured["retyped"]) == {"loaded_at"}
    assert found["compare"].outcome is Outcome.PASS


def test_a_view_of_others_that_loses_a_column_fails(session: DuckDbSession) -> None:
    session.query(f"CREATE TABLE {LIVE.sql} AS {ROWS}")
    session.query(f"CREATE TABLE {CANDIDATE.sql} AS {ROWS}")
    staged = context(None)
    staged.receipts["dbt.stage"].data["relations"][0]["lost"] = ["main.report: customer"]
    found = {r.gate: r for r in evaluate(STEP, staged, session)}
    assert found["columns"].outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("newest", "outcome"),
    [("- INTERVAL 25 HOUR", Outcome.PASS), ("- INTERVAL 27 HOUR", Outcome.FAIL), ("+ INTERVAL 2 DAY", Outcome.UNKNOWN)],
)
def test_freshness_looks_at_the_newest_value(session: DuckDbSession, newest: str, outcome: Outcome) -> None:
    policy = GatePolicy.model_validate({"freshness": {"column": "loaded_at", "max_age": timedelta(hours=26)}})
    rows = f"SELECT * REPLACE ((now() AT TIME ZONE 'UTC' {newest})::timestamp AS loaded_at) FROM ({ROWS})"
    assert answers(session, rows, policy=policy)["freshness"].outcome is outcome


def test_freshness_without_any_value_or_column_fails(session: DuckDbSession) -> None:
    policy = GatePolicy.model_validate({"freshness": {"column": "loaded_at", "max_age": timedelta(hours=1)}})
    assert answers(session, f"SELECT * REPLACE (NULL::timestamp AS loaded_at) FROM ({ROWS})", policy=policy)[
        "freshness"
    ].outcome is (Outcome.FAIL)
    for column in ("nope", "customer"):
        other = GatePolicy.model_validate({"freshness": {"column": column, "max_age": timedelta(hours=1)}})
        found = {r.gate: r for r in evaluate(STEP, context(other), session)}
        assert found["freshness"].outcome is Outcome.FAIL


def test_a_gate_that_is_switched_off_says_nothing(session: DuckDbSession) -> None:
    policy = GatePolicy(row_count=None, null_rate=None, unique=False, compare=None)
    assert answers(session, f"SELECT * FROM ({ROWS}) LIMIT 1", policy=policy) == {}


def test_an_empty_live_table_does_not_divide_by_zero(session: DuckDbSession) -> None:
    found = answers(session, ROWS, live=f"SELECT * FROM ({ROWS}) LIMIT 0")
    assert {r.outcome for r in found.values()} == {Outcome.PASS}


def test_a_candidate_that_was_not_built_fails(session: DuckDbSession) -> None:
    session.query(f"CREATE TABLE {LIVE.sql} AS {ROWS}")
    [result] = evaluate(STEP, context(None), session)
    assert (result.gate, result.outcome) == ("built", Outcome.FAIL)


def test_dbt_tests_answer_by_their_status(session: DuckDbSession) -> None:
    statuses = {"pass": Outcome.PASS, "warn": Outcome.PASS, "fail": Outcome.FAIL, "error": Outcome.FAIL,
                "skipped": Outcome.UNKNOWN, "missing": Outcome.UNKNOWN}  # fmt: skip
    tests = [{"name": s, "resource": KEY, "status": s, "failures": 3, "message": ""} for s in statuses]
    session.query(f"CREATE TABLE {CANDIDATE.sql} AS {ROWS}")
    found = [r for r in evaluate(STEP, context(None, tests=tests), session) if r.gate == "dbt_test"]
    assert {r.measured["status"]: r.outcome for r in found} == statuses


def test_hooks_that_were_not_watched_are_unknown(session: DuckDbSession) -> None:
    session.query(f"CREATE TABLE {CANDIDATE.sql} AS {ROWS}")
    warning = {"node": "model.shop.orders", "hook": "post-hook", "why": "it names audit.runs", "resource": KEY}
    found = {r.gate: r for r in evaluate(STEP, context(None, warnings=[warning]), session)}
    assert found["dbt_hooks"].outcome is Outcome.UNKNOWN


def test_without_a_staged_candidate_nothing_is_answered(session: DuckDbSession) -> None:
    empty = context(None)
    empty.receipts.clear()
    with pytest.raises(StaleError):
        evaluate(STEP, empty, session)
