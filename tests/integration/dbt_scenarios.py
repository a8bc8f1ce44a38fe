"""What happens to a shop's data team, whichever warehouse it has."""

from typing import Any

import pytest

from interlock.adapters.dbt import staging, switching
from interlock.model.errors import FencedError, RefusedError, StaleError
from interlock.model.plan import Phase
from tests.integration.dbt_world import PROJECT, Deployed, KilledError, World, load_raw

ORDERS = "dbt.model:shop.orders"
TOTALS = "dbt.model:shop.totals"
WITHOUT_SOME = PROJECT["models/orders.sql"] + " where id % 12 <> 0"
WITH_CURRENCY = PROJECT["models/orders.sql"].replace("amount from", "amount, 'EUR' as currency from")


def beside(world: World) -> list[str]:
    """Names of schemas and relations that candidates leave behind."""
    rows = world.ask("SELECT table_schema || '.' || table_name FROM information_schema.tables")
    names = [name for (name,) in rows]
    return sorted(n for n in names if "__ilk_" in n and "_prev_" not in n and "_undone_" not in n)


class DbtScenarios:
    """Needs the fixtures ``first``, a world and its first deployment, and ``world``: a copy of it for one test."""

    def test_a_first_release_goes_live_whole_and_is_undone_to_nothing(
        self, first: tuple[World, Deployed], world: World
    ) -> None:
        _, deployed = first
        assert not deployed.turned, deployed.failed()
        assert world.ask("SELECT sum(orders) FROM analytics.totals") == [(100,)]
        assert world.ask("SELECT count(*) FROM history.customers") == [(10,)]
        assert world.ask("SELECT count(*) FROM analytics.regions") == [(2,)]
        assert beside(world) == []
        assert {g["gate"] for g in deployed.gates} >= {"dbt_test", "row_count", "unique"}
        assert all(entry["present"] for entry in world.adapter.observe(world.context("d1", None)).values())
        assert (world.root / "env/dbt/current/dbt_project.yml").exists()
        assert world.plan(world.release())[0] == []
        world.rollback()
        relations = "SELECT table_name FROM information_schema.tables WHERE table_schema IN ('analytics', 'history')"
        assert [name for (name,) in world.ask(relations) if "__ilk_" not in name] == []

    def test_a_change_that_drops_rows_is_turned_round_and_nobody_saw_it(self, world: World) -> None:
        world.edit({"models/orders.sql": WITHOUT_SOME})
        deployed = world.deploy("d2")
        assert deployed.turned
        assert {("row_count", ORDERS), ("compare", ORDERS)} <= deployed.failed()
        assert world.ask("SELECT sum(orders) FROM analytics.totals") == [(100,)]
        assert beside(world) == []

    def test_a_good_change_goes_live_with_all_below_it_and_comes_back(self, world: World) -> None:
        world.edit({
            "models/orders.sql": WITH_CURRENCY,
            "models/totals.sql": PROJECT["models/totals.sql"].replace("customer, sum", "currency, customer, sum")
            .replace("by customer", "by customer, currency"),
        })  # fmt: skip
        deployed = world.deploy("d2")
        assert not deployed.turned, deployed.failed()
        assert world.ask("SELECT DISTINCT currency FROM analytics.totals") == [("EUR",)]
        current = world.root / "env/dbt/current/models/orders.sql"
        assert "EUR" in current.read_text()
        world.rollback()
        assert "EUR" not in current.read_text()
        assert world.ask("SELECT sum(orders) FROM analytics.totals") == [(100,)]
        with world.session() as session:
            assert "currency" not in {c for (c,) in session.query(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'totals'"
                " AND table_schema = 'analytics'")}  # fmt: skip
        assert not world.rollback().changed
        assert not world.deploy("d3").turned

    def test_one_model_goes_back_alone_and_its_readers_follow(self, world: World) -> None:
        world.edit(
            {"models/orders.sql": WITH_CURRENCY, "models/regions.sql": PROJECT["models/regions.sql"] + " where true"}
        )
        assert not world.deploy("d2").turned
        world.rollback(frozenset({ORDERS}))
        with world.session() as session:
            names = [c for (c,) in session.query(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'orders'"
                " AND table_schema = 'analytics'")]  # fmt: skip
            assert "currency" not in names
            assert session.query("SELECT sum(orders) FROM analytics.totals") == [(100,)]
        tree = world.root / "env/dbt/current/models"
        assert "EUR" not in (tree / "orders.sql").read_text()
        assert "where true" in (tree / "regions.sql").read_text()

    def test_an_incremental_model_keeps_rows_that_its_source_has_lost(self, world: World) -> None:
        with world.session() as session:
            session.query("DELETE FROM raw.orders WHERE id < 10")
            load_raw(session, 100, 5)
        world.edit({"models/seen.sql": PROJECT["models/seen.sql"] + "\n-- and\n" + "{{ '' }}"})
        world.edit({"models/seen.sql": PROJECT["models/seen.sql"].replace("select id,", "select id + 0 as id,")})
        deployed = world.deploy("d2")
        assert not deployed.turned, deployed.failed()
        assert world.ask("SELECT count(*), min(id), max(id) FROM analytics.seen") == [(105, 0, 104)]

    def test_rows_that_production_wrote_meanwhile_are_not_lost(self, world: World) -> None:
        world.edit({"models/seen.sql": PROJECT["models/seen.sql"].replace("select id,", "select id + 0 as id,")})
        release = world.release()
        steps, _ = world.plan(release)
        staged = world.adapter.execute(steps[0], world.context("d2", release))
        world.ask("INSERT INTO analytics.seen VALUES (999, 1, TIMESTAMP '2026-02-01')")
        switch = next(s for s in steps if s.phase is Phase.SWITCH)
        with pytest.raises(StaleError):
            world.adapter.execute(switch, world.context("d2", release, receipts={"dbt.stage": staged}))
        world.turn("d2", steps, {"dbt.stage": staged})
        assert world.ask("SELECT count(*) FROM analytics.seen") == [(101,)]
        assert beside(world) == []

    def test_a_model_that_does_not_build_is_refused_by_name(self, world: World) -> None:
        world.edit({"models/orders.sql": PROJECT["models/orders.sql"].replace("amount from", "amount / nothing from")})
        release = world.release()
        steps, _ = world.plan(release)
        with pytest.raises(RefusedError, match=ORDERS):
            world.adapter.execute(steps[0], world.context("d2", release))
        world.turn("d2", steps, {})
        assert beside(world) == []

    def test_a_failing_dbt_test_turns_the_deployment_round(self, world: World) -> None:
        world.edit({"models/orders.sql": PROJECT["models/orders.sql"].replace("select id,", "select id % 50 as id,")})
        deployed = world.deploy("d2")
        assert deployed.turned
        assert ("dbt_test", ORDERS) in deployed.failed()
        assert ("built", TOTALS) in deployed.failed()
        assert world.ask("SELECT sum(orders) FROM analytics.totals") == [(100,)]

    def test_a_removed_model_is_put_aside_and_comes_back(self, world: World) -> None:
        world.edit({"models/regions.sql": None})
        assert not world.deploy("d2").turned
        with pytest.raises(Exception, match="regions"):
            world.ask("SELECT * FROM analytics.regions")
        world.rollback()
        assert world.ask("SELECT count(*) FROM analytics.regions") == [(2,)]

    def test_a_model_that_moves_to_another_name_leaves_nothing_behind(self, world: World) -> None:
        world.edit({"models/regions.sql": "{{ config(alias='areas') }}\n" + PROJECT["models/regions.sql"]})
        assert not world.deploy("d2").turned
        assert world.ask("SELECT count(*) FROM analytics.areas") == [(2,)]
        with pytest.raises(Exception, match="regions"):
            world.ask("SELECT * FROM analytics.regions")
        world.rollback()
        assert world.ask("SELECT count(*) FROM analytics.regions") == [(2,)]

    def test_killed_at_any_step_and_run_again_the_end_is_the_same(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.edit({"models/orders.sql": WITH_CURRENCY})
        release = world.release()
        steps, _ = world.plan(release)
        stage, _, switch, *_ = steps

        def die(*_: Any, **__: Any) -> None:
            raise KilledError

        def dying(module: Any, name: str, step: Any, **receipts: Any) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(module, name, die)
                with pytest.raises(KilledError):
                    world.adapter.execute(step, world.context("d2", release, **receipts))

        dying(staging, "_build", stage)
        dying(staging, "_check_built", stage)
        assert world.ask("SELECT sum(orders) FROM analytics.totals") == [(100,)]
        staged = world.adapter.execute(stage, world.context("d2", release))
        assert staged.changed
        assert world.adapter.execute(stage, world.context("d2", release)).data == staged.data
        receipts = {"dbt.stage": staged}

        def lost() -> None:
            raise FencedError("the lease is gone")

        world.fence = lost
        with pytest.raises(FencedError):
            world.adapter.execute(switch, world.context("d2", release, receipts=receipts))
        world.fence = lambda: None
        assert "currency" not in _columns(world)
        # After the transaction, before the project's folder and the receipt.
        with monkeypatch.context() as patch:
            patch.setattr(switching.project_tree.TreeRoot, "switch", die)
            with pytest.raises(KilledError):
                world.adapter.execute(switch, world.context("d2", release, receipts=receipts))
        again = world.adapter.execute(switch, world.context("d2", release, receipts=receipts))
        assert "currency" in _columns(world)
        assert "EUR" in (world.root / "env/dbt/current/models/orders.sql").read_text()
        assert not world.adapter.execute(switch, world.context("d2", release, receipts=receipts)).changed
        assert again.data["live_before"][ORDERS] == world.state.resources[ORDERS].data
        assert beside(world) == []

    def test_killed_in_the_switch_it_is_undone_without_a_receipt(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.edit({"models/orders.sql": WITH_CURRENCY})
        release = world.release()
        steps, _ = world.plan(release)
        staged = world.adapter.execute(steps[0], world.context("d2", release))

        def die(*_: Any, **__: Any) -> None:
            raise KilledError

        with monkeypatch.context() as patch:
            patch.setattr(switching.project_tree.TreeRoot, "switch", die)
            with pytest.raises(KilledError):
                world.adapter.execute(steps[2], world.context("d2", release, receipts={"dbt.stage": staged}))
        assert "currency" in _columns(world)
        world.turn("d2", steps, {})
        assert "currency" not in _columns(world)
        assert world.ask("SELECT sum(orders) FROM analytics.totals") == [(100,)]
        assert beside(world) == []


def _columns(world: World) -> set[str]:
    rows = world.ask(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'analytics' AND table_name = 'orders'"
    )
    return {name for (name,) in rows}
