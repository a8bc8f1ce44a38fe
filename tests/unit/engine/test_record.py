"""A deployment as the ledger tells it: the same whether it was lived through or read again."""

import pytest

from interlock.engine.holding import Holding, scope_of
from interlock.engine.record import LISTED, fold, measured_seconds, one, planned, stack_of
from interlock.engine.walk import walk
from interlock.model.errors import UsageError
from interlock.model.events import EventType
from interlock.model.plan import Change, Plan, Step
from tests.unit.engine.toy import Platform, beginning, directly, release

A, B, DAG = "dbt.model:shop.a", "dbt.model:shop.b", "airflow.dag:nightly"


@pytest.fixture
def platform(tmp_path):
    made = Platform(tmp_path)
    with made.ledger:
        yield made


def lived(platform, plan, name="x"):
    with Holding(platform.ledger, scope_of("shop", plan.environment), name) as holding:
        platform.ledger.append(beginning(plan, name))
        executor = platform.executor(name, holding)
        walk(executor, directly)
        return executor.record


@pytest.mark.parametrize(
    "gates", [{}, {f"verify {A}": "fail"}, {f"observe {A}": "fail"}], ids=["done", "early", "late"]
)
def test_record_read_from_the_ledger_is_the_one_that_was_lived_through(platform, gates):
    platform.ship({A: "1", B: "1"})
    platform.adapters["dbt"].gates.update(gates)
    record = lived(platform, platform.plan(release({A: "2", DAG: "1"})))
    read = platform.records()["x"]
    for name in ("plan", "actor", "started", "undone", "gates", "turned", "refused", "outcome"):
        assert getattr(read, name) == getattr(record, name), name
    assert read.before == {step: live for step, live in record.before.items() if live}
    assert {i: (r.changed, r.seconds) for i, r in read.receipts.items()} == {
        i: (r.changed, r.seconds) for i, r in record.receipts.items()
    }


def test_receipt_of_a_switch_read_again_says_what_became_live(platform):
    platform.ship({A: "1", B: "1"})
    receipt = platform.records()["d1"].receipts["dbt.switch"]
    assert receipt.data["live"] == {A: {"version": "1"}, B: {"version": "1"}}
    assert receipt.data["before"] == {A: None, B: None}


def test_before_holds_what_was_live_and_none_where_nothing_was(platform):
    first = release({A: "1"})
    platform.deploy(platform.plan(first))
    platform.ship({A: "2", B: "1"})
    before = platform.records()["d2"].before["dbt.switch"]
    assert before[B] is None
    assert (before[A]["release"], before[A]["fingerprint"]) == (first.id, "1")


def test_plan_larger_than_an_event_may_be_is_read_back_whole(platform):
    changes = tuple(Change(f"dbt.model:shop.m{i}", "add", "", "1" * 200, ("ä" * 50,)) for i in range(4000))
    plan = Plan("shop", "prod", "r", "", "b", changes, (Step("s", "stage", "dbt", "stage", (), ""),))
    assert len(planned(plan, "big", "ada")) > 3
    platform.ledger.append(beginning(plan, "big"))
    read = platform.records()["big"]
    assert read.plan.digest == plan.digest
    assert read.plan.changes == plan.changes


def test_deployments_that_begin_at_the_same_time_keep_their_own_plans(platform):
    one_plan, other = platform.plan(release({A: "1"})), platform.plan(release({B: "1"}), "dev")
    first, second = beginning(one_plan, "one"), beginning(other, "two")
    platform.ledger.append([first[0], second[0], first[1], second[1]])
    assert {i: r.plan for i, r in platform.records().items()} == {"one": one_plan, "two": other}


def test_list_of_deployments_needs_no_resource_events(platform):
    platform.ship({A: "1", DAG: "1"})
    platform.ship({A: "2"})
    assert EventType.RESOURCE_LIVE not in LISTED
    whole, listed = platform.records(), fold(platform.ledger.events(types=LISTED))
    assert list(whole) == list(listed) == ["d1", "d2"]
    for name, record in whole.items():
        assert (listed[name].outcome, listed[name].started) == (record.outcome, record.started)
        assert listed[name].started_at == record.started_at < listed[name].finished_at
    assert [f.deployment for f in stack_of(listed.values(), "prod")] == ["d2", "d1"]


def test_unknown_deployment_is_refused_with_a_way_to_find_the_right_one():
    with pytest.raises(UsageError, match="'nope'") as refused:
        one({}, "nope")
    assert "interlock history" in refused.value.remedy


class TestStack:
    def stack(self, platform, environment="prod"):
        return {f.deployment: set(f.undone) for f in stack_of(platform.records().values(), environment)}

    def test_deployments_stand_newest_first_in_their_own_environment(self, platform):
        platform.ship({A: "1"})
        platform.deploy(platform.plan(release({A: "1"}), "dev"))
        platform.ship({A: "2"})
        assert list(self.stack(platform)) == ["d3", "d1"]
        assert list(self.stack(platform, "dev")) == ["d2"]

    def test_turned_deployment_does_not_stand(self, platform):
        platform.adapters["dbt"].gates[f"verify {A}"] = "fail"
        platform.ship({A: "1"})
        assert self.stack(platform) == {}

    def test_rolled_back_deployment_does_not_stand_and_neither_does_the_rollback(self, platform):
        platform.ship({A: "1"})
        platform.ship({A: "2"})
        platform.deploy(platform.rollback())
        assert self.stack(platform) == {"d1": set()}

    def test_deployment_stands_until_its_last_resource_was_taken_back(self, platform):
        platform.ship({A: "1", B: "1", DAG: "1"})
        platform.deploy(platform.rollback(only=A))
        assert self.stack(platform) == {"d1": {A}}
        platform.deploy(platform.rollback(only=DAG))
        assert self.stack(platform) == {"d1": {A, DAG}}
        platform.deploy(platform.rollback(only=B))
        assert self.stack(platform) == {}


def test_times_are_those_of_the_last_time_that_a_step_did_something(platform):
    platform.ship({A: "1"})
    platform.ship({A: "2"})
    platform.deploy(platform.rollback())
    records = platform.records()
    seconds = measured_seconds(records.values(), "prod")
    assert set(seconds) == {"dbt.stage", "dbt.switch", "undo.dbt.switch"}, "gates change nothing, so they have no time"
    assert seconds["dbt.switch"] == records["d2"].receipts["dbt.switch"].seconds
    assert seconds["undo.dbt.switch"] == records["d3"].receipts["undo.dbt.switch"].seconds
    assert measured_seconds(records.values(), "dev") == {}
