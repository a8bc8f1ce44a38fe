"""What carrying out a deployment leaves behind: live files, events, and the way back."""

import pytest

from interlock.engine import executor as executor_module
from interlock.engine.holding import Holding, scope_of
from interlock.engine.walk import walk
from interlock.model.errors import FencedError, HeldError, RefusedError, UnreachableError
from interlock.model.events import Event, EventType
from tests.unit.engine.toy import Platform, ToyAdapter, beginning, directly, release

A, B, DAG = "dbt.model:shop.a", "dbt.model:shop.b", "airflow.dag:nightly"


@pytest.fixture
def platform(tmp_path):
    made = Platform(tmp_path)
    with made.ledger:
        yield made


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The pauses before further attempts, which are not slept through."""
    found: list[float] = []
    monkeypatch.setattr(executor_module.time, "sleep", found.append)
    return found


def kinds(platform: Platform, deployment: str = "") -> list[str]:
    return [r.event.type.value for r in platform.ledger.events() if not deployment or r.event.deployment == deployment]


def steps(platform: Platform, kind: EventType) -> list[str]:
    return [r.event.data["step"] for r in platform.ledger.events() if r.event.type is kind]


def test_deployment_makes_files_and_ledger_agree(platform):
    assert platform.ship({A: "1", DAG: "1"}) == "succeeded"
    assert platform.live() == platform.recorded() == {A: "1", DAG: "1"}
    assert platform.ship({A: "2", B: "1"}) == "succeeded"
    assert platform.live() == platform.recorded() == {A: "2", B: "1"}
    assert platform.ledger.verify() == []


def test_state_names_the_release_that_each_resource_came_from(platform):
    first, second = release({A: "1", B: "1"}), release({A: "2", B: "1"})
    platform.deploy(platform.plan(first))
    platform.deploy(platform.plan(second))
    state = platform.ledger.state("prod")
    assert state.release == second.id
    assert (state.resources[A].release, state.resources[B].release) == (second.id, first.id)
    assert state.resources[A].data == {"version": "2"}


def test_other_environment_is_untouched(platform):
    platform.deploy(platform.plan(release({A: "1"}), "dev"))
    assert platform.live("prod") == platform.recorded("prod") == {}
    assert platform.live("dev") == {A: "1"}


def test_each_step_is_started_and_finished_in_the_order_of_the_plan(platform):
    plan = platform.plan(release({A: "1", DAG: "1"}))
    platform.deploy(plan)
    ids = [s.id for s in plan.steps]
    assert steps(platform, EventType.STEP_STARTED) == steps(platform, EventType.STEP_FINISHED) == ids
    assert kinds(platform)[0] == "plan.made"
    assert kinds(platform)[-1] == "deployment.finished"


@pytest.mark.parametrize("verb", ["verify", "observe"])
def test_failing_gate_turns_the_deployment_and_consumers_end_where_they_were(platform, verb):
    platform.ship({A: "1", DAG: "1"})
    before = platform.ledger.state("prod")
    platform.adapters["dbt"].gates[f"{verb} {A}"] = "fail"
    assert platform.ship({A: "2", B: "1", DAG: "2"}) == "turned"
    assert platform.live() == {A: "1", DAG: "1"}
    assert platform.ledger.state("prod") == before
    assert [name for name in platform.files() if "staged" in name and "/shop.b" in name] == []
    record = platform.records()["d2"]
    assert record.turned == f"row_count of {A}: 8 % fewer"
    assert record.refused == f"dbt.{verb}"


def test_gate_before_the_switch_keeps_consumers_from_ever_seeing_the_candidate(platform):
    platform.ship({A: "1"})
    platform.adapters["dbt"].gates[f"verify {A}"] = "fail"
    platform.ship({A: "2"})
    switched = [
        r for r in platform.ledger.events() if r.event.deployment == "d2" and r.event.type.value == "resource.live"
    ]
    assert switched == []
    assert "dbt.switch" not in platform.records()["d2"].started


@pytest.mark.parametrize("outcome", ["pass", "unknown"])
def test_gate_that_passes_or_cannot_tell_lets_the_deployment_go_on(platform, outcome):
    platform.adapters["dbt"].gates[f"verify {A}"] = outcome
    assert platform.ship({A: "1"}) == "succeeded"
    assert [g["outcome"] for g in platform.records()["d1"].gates] == [outcome]


def test_cause_counts_the_other_gates_that_failed(platform):
    platform.adapters["dbt"].gates.update({f"verify {k}": "fail" for k in (A, B)})
    platform.ship({A: "1", B: "1"})
    assert platform.records()["d1"].turned.endswith("8 % fewer (and 1 more)")


def test_step_that_cannot_be_done_turns_the_deployment_and_keeps_the_remedy(platform):
    platform.ship({A: "1"})
    error = RefusedError("the table has dependents", remedy="drop the view first")
    platform.adapters["dbt"].trouble["dbt.switch"] = [error]
    assert platform.ship({A: "2"}) == "turned"
    assert platform.live() == platform.recorded() == {A: "1"}
    assert platform.adapters["dbt"].attempts.count("dbt.switch") == 2, "one each deployment: it is not tried again"
    turned = next(r.event for r in platform.ledger.events() if r.event.type is EventType.DEPLOYMENT_TURNED)
    assert turned.data == {
        "cause": "dbt.switch: the table has dependents",
        "step": "dbt.switch",
        "remedy": "drop the view first",
    }


def test_switch_that_fails_half_way_is_taken_back_without_a_receipt(platform):
    platform.ship({A: "1", B: "1"})
    adapter = platform.adapters["dbt"]
    changes = 0

    def point():
        nonlocal changes
        changes += 1
        if changes == 6:  # both are staged, the first is switched
            raise RefusedError("the disk is gone")

    adapter.point = point
    assert platform.ship({A: "2", B: "2"}) == "turned"
    assert platform.live() == platform.recorded() == {A: "1", B: "1"}


def test_system_that_comes_back_is_tried_again(platform, waits):
    platform.adapters["dbt"].trouble["dbt.stage"] = [UnreachableError("gone"), UnreachableError("still gone")]
    assert platform.ship({A: "1"}) == "succeeded"
    assert platform.adapters["dbt"].attempts.count("dbt.stage") == 3
    assert waits == sorted(waits) and len(waits) == 2, "each pause is longer than the one before"
    assert [p.data["state"] for p in platform.said if p.data.get("step") == "dbt.stage"] == [
        "started",
        "retrying",
        "retrying",
        "finished",
    ]
    assert steps(platform, EventType.STEP_FAILED) == []


def test_system_that_stays_away_turns_the_deployment(platform, waits):
    platform.adapters["dbt"].trouble["dbt.stage"] = [UnreachableError("gone")] * 9
    assert platform.ship({A: "1"}) == "turned"
    assert platform.adapters["dbt"].attempts.count("dbt.stage") == 3
    assert steps(platform, EventType.STEP_FAILED) == ["dbt.stage"]
    assert platform.files() == {}


def test_what_somebody_else_holds_is_not_waited_for(platform, waits):
    platform.adapters["dbt"].trouble["dbt.stage"] = [HeldError("the warehouse file is held by pid 7")]
    assert platform.ship({A: "1"}) == "turned"
    assert waits == []


def test_lease_lost_in_the_middle_changes_nothing_more(platform):
    platform.ship({A: "1", DAG: "1"})
    plan = platform.plan(release({A: "2", DAG: "2"}))
    dbt = platform.adapters["dbt"]
    with Holding(platform.ledger, scope_of("shop", "prod"), "d2") as holding:
        platform.ledger.append(beginning(plan, "d2"), fence=holding.lease)
        frozen = []

        def stolen():
            if not frozen and "dbt.switch" in dbt.attempts[4:]:
                platform.ledger.leases.release(holding.lease)
                frozen.append(platform.ledger.leases.acquire(scope_of("shop", "prod"), "other", 30))
                frozen.extend((platform.files(), platform.ledger.head()))

        dbt.point = stolen
        with pytest.raises(FencedError):
            walk(platform.executor("d2", holding), directly)
    lease, files, head = frozen
    assert platform.ledger.head() == head, "not even a failure was written"
    assert {k: v for k, v in platform.files().items() if files[k] != v} == {"prod/dbt/" + A: "2"}, "the write in flight"
    assert platform.records()["d2"].outcome == ""
    platform.ledger.leases.release(lease)
    assert platform.resume("d2") == "succeeded"
    assert platform.live() == platform.recorded() == {A: "2", DAG: "2"}


def test_lost_lease_stops_the_way_back_too(platform):
    platform.adapters["dbt"].trouble["dbt.switch"] = [RefusedError("no")]
    platform.adapters["dbt"].trouble["revert dbt.stage"] = [FencedError("the lease is lost")]
    with pytest.raises(FencedError):
        platform.ship({A: "1"})
    assert platform.records()["d1"].turned
    assert platform.resume("d1") == "turned"
    assert platform.files() == {}


def test_system_that_is_away_on_the_way_back_leaves_a_deployment_that_can_be_resumed(platform):
    platform.adapters["dbt"].gates[f"observe {A}"] = "fail"
    platform.adapters["dbt"].trouble["revert dbt.switch"] = [UnreachableError("the warehouse is away")]
    with pytest.raises(UnreachableError):
        platform.ship({A: "1"})
    assert platform.records()["d1"].outcome == ""
    assert platform.resume("d1") == "turned"
    assert platform.live() == platform.recorded() == {}


def test_deployment_that_has_ended_is_not_ended_again(platform):
    platform.ship({A: "1"})
    before = platform.ledger.head()
    assert platform.resume("d1") == "succeeded"
    assert platform.ledger.head() == before


def test_rollback_ends_where_the_deployment_began(platform):
    platform.ship({A: "1", B: "1", DAG: "1"})
    before = platform.ledger.state("prod")
    platform.ship({A: "2", DAG: "2"})
    platform.releases.clear()  # neither a store nor a repository
    assert platform.deploy(platform.rollback()) == "succeeded"
    assert platform.live() == {A: "1", B: "1", DAG: "1"}
    assert platform.ledger.state("prod") == before


def test_rollback_of_the_first_deployment_leaves_nothing_live(platform):
    platform.ship({A: "1", DAG: "1"})
    assert platform.deploy(platform.rollback()) == "succeeded"
    assert platform.live() == platform.recorded() == {}
    assert platform.ledger.state("prod").release == ""


def test_one_resource_goes_back_and_the_others_stay(platform):
    platform.ship({A: "1", B: "1"})
    platform.ship({A: "2", B: "2"})
    assert platform.deploy(platform.rollback(only=A)) == "succeeded"
    assert platform.live() == platform.recorded() == {A: "1", B: "2"}
    assert platform.deploy(platform.rollback()) == "succeeded", "the rest of it"
    assert platform.live() == platform.recorded() == {A: "1", B: "1"}


def test_rollback_twice_goes_back_twice(platform):
    for version in ("1", "2", "3"):
        platform.ship({A: version})
    platform.deploy(platform.rollback())
    platform.deploy(platform.rollback())
    assert platform.live() == platform.recorded() == {A: "1"}


def test_rollback_to_a_release_skips_those_in_between(platform):
    first = release({A: "1", DAG: "1"})
    platform.deploy(platform.plan(first))
    platform.ship({A: "2", DAG: "1", B: "1"})
    platform.ship({A: "3", DAG: "3"})
    assert platform.deploy(platform.rollback(to=first.id[:8])) == "succeeded"
    assert platform.live() == platform.recorded() == {A: "1", DAG: "1"}
    assert platform.ledger.state("prod").release == first.id


def test_rollback_after_a_turned_deployment_undoes_the_one_before_it(platform):
    platform.ship({A: "1"})
    platform.ship({A: "2"})
    platform.adapters["dbt"].gates[f"observe {A}"] = "fail"
    assert platform.ship({A: "3"}) == "turned"
    assert platform.deploy(platform.rollback()) == "succeeded"
    assert platform.live() == platform.recorded() == {A: "1"}


def test_release_that_was_rolled_back_can_be_deployed_again(platform):
    second = release({A: "2"})
    platform.ship({A: "1"})
    platform.deploy(platform.plan(second))
    platform.deploy(platform.rollback())
    assert platform.deploy(platform.plan(second)) == "succeeded"
    assert platform.live() == {A: "2"}
    platform.deploy(platform.rollback())
    assert platform.live() == platform.recorded() == {A: "1"}


def test_rollback_that_a_system_is_away_for_can_be_resumed(platform, waits):
    platform.ship({A: "1", DAG: "1"})
    platform.ship({A: "2", DAG: "2"})
    platform.adapters["dbt"].trouble["revert dbt.switch"] = [UnreachableError("away")] * 3
    with pytest.raises(UnreachableError):
        platform.deploy(platform.rollback())
    assert platform.live() == {A: "2", DAG: "1"}
    assert platform.records()["d3"].outcome == ""
    assert platform.resume("d3") == "succeeded"
    assert platform.live() == platform.recorded() == {A: "1", DAG: "1"}


def test_resource_that_was_off_stays_off_through_deployment_and_rollback(platform):
    platform.ship({A: "1"})
    platform.ledger.append([Event(EventType.RESOURCE_DISABLED, "prod", "x", "ada", {"key": A})])
    platform.ship({A: "2"})
    platform.deploy(platform.rollback())
    assert not platform.ledger.state("prod").resources[A].enabled


def test_progress_tells_each_step_and_the_turn(platform):
    platform.adapters["dbt"].gates[f"verify {A}"] = "fail"
    platform.ship({A: "1"})
    told = [(p.data.get("step"), p.data.get("state")) if p.task == "step" else p.task for p in platform.said]
    assert told == [
        ("dbt.stage", "started"),
        ("dbt.stage", "finished"),
        ("dbt.verify", "started"),
        "turn",
        ("dbt.verify", "finished"),
        ("dbt.verify", "undone"),
        ("dbt.stage", "undone"),
    ]


def test_adapter_by_an_outsider_needs_no_more_than_the_protocol(tmp_path):
    platform = Platform(tmp_path, ToyAdapter("dbt"))
    assert platform.ship({A: "1", DAG: "1"}) == "succeeded", "what it has no adapter for stays out"
    assert platform.live() == {A: "1"}
    platform.ledger.close()


@pytest.mark.parametrize("answer", ["none", "no"])
def test_question_after_a_rollback_undoes_nothing_whatever_the_answer(platform, waits, answer):
    platform.ship({A: "1", DAG: "1"})
    platform.ship({A: "2", DAG: "2"})
    if answer == "none":
        platform.adapters["dbt"].trouble["dbt.confirm"] = [UnreachableError("the warehouse does not answer")] * 9
    else:
        platform.adapters["dbt"].gates[f"confirm {A}"] = "fail"
    plan = platform.rollback()
    assert [s.verb for s in plan.steps] == ["revert", "revert", "confirm", "confirm"]
    assert platform.deploy(plan) == "succeeded"
    assert platform.live() == platform.recorded() == {A: "1", DAG: "1"}


def test_calls_that_a_durable_engine_makes_again_do_nothing_more(platform):
    platform.ship({A: "1"})
    plan = platform.plan(release({A: "2"}))
    with Holding(platform.ledger, scope_of("shop", "prod"), "d2") as holding:
        platform.ledger.append(beginning(plan, "d2"), fence=holding.lease)
        executor = platform.executor("d2", holding)
        assert walk(executor, directly) == "succeeded"
        before, attempts = platform.ledger.head(), list(platform.adapters["dbt"].attempts)
        assert [executor.perform(s.id) for s in plan.steps] == ["done"] * 4
        assert executor.finish("succeeded") == "succeeded"
        assert executor.finish("turned") == "succeeded", "how it ended stays"
    assert platform.ledger.head() == before
    assert platform.adapters["dbt"].attempts == attempts
