"""The way back, made of what went forward: whole, to a release, one resource; never further than that."""

from dataclasses import replace

import pytest

from interlock.model.errors import UsageError
from interlock.model.plan import Action, Change, Phase, Plan, Step
from interlock.model.state import EnvironmentState
from interlock.planning.rollback import Forward, rollback_plan

DAG, MODEL, OTHER = "airflow.dag:nightly", "dbt.model:shop.orders", "dbt.model:shop.other"
STATE = EnvironmentState("prod", "r3" + "0" * 62, {})
R1, R2, R3 = ("r1" + "0" * 62, "r2" + "0" * 62, STATE.release)


def forward(deployment: str, release: str, previous: str, changes: dict[str, tuple[str, str]], **more) -> Forward:
    """A deployment that switched each resource from one version to another; "" is none."""
    engines = sorted({k.partition(".")[0] for k in changes}, reverse=True)  # tables, then the DAGs that run them
    steps = [Step("dbt.stage", Phase.STAGE, "dbt", "stage", tuple(changes), "stage", "delete")]
    for engine in engines:
        keys = tuple(k for k in changes if k.startswith(engine))
        steps.append(Step(f"{engine}.switch", Phase.SWITCH, engine, "switch", keys, f"switch {engine}", "switch back"))
        steps.append(Step(f"{engine}.observe", Phase.OBSERVE, engine, "observe", keys, "look"))
    listed = tuple(
        Change(k, Action.ADD if not b else Action.REMOVE if not a else Action.CHANGE, b, a)
        for k, (b, a) in changes.items()
    )
    return Forward(deployment, Plan("shop", "prod", release, previous, "basis", listed, tuple(steps)), **more)


D1 = forward("d1", R1, "", {DAG: ("", "1"), MODEL: ("", "1")})
D2 = forward("d2", R2, R1, {DAG: ("1", "2"), MODEL: ("1", "2"), OTHER: ("", "1")})
D3 = forward("d3", R3, R2, {MODEL: ("2", "3"), OTHER: ("1", "")})


def back(stack=(D3, D2, D1), **options) -> Plan:
    return rollback_plan(STATE, "shop", stack, **options)


def undoing(plan: Plan) -> list[Step]:
    return [s for s in plan.steps if s.verb == "revert"]


def described(plan: Plan) -> dict[str, tuple[str, str, str]]:
    return {c.key: (c.action.value, c.before, c.after) for c in plan.changes}


def test_rollback_undoes_the_newest_deployment():
    plan = back()
    assert (plan.release, plan.previous, plan.intent) == (R2, R3, "rollback")
    assert [s.arguments["deployment"] for s in undoing(plan)] == ["d3"]
    assert described(plan) == {MODEL: ("change", "3", "2"), OTHER: ("add", "", "1")}


def test_only_switches_are_undone_and_last_switched_goes_back_first():
    plan = back((D2, D1))
    assert [s.id for s in undoing(plan)] == ["undo.airflow.switch", "undo.dbt.switch"]
    assert {s.phase for s in undoing(plan)} == {Phase.SWITCH}


def test_rollback_of_the_first_deployment_leaves_nothing():
    plan = back((D1,))
    assert plan.release == ""
    assert described(plan) == {DAG: ("remove", "1", ""), MODEL: ("remove", "1", "")}


def test_rollback_of_a_removal_brings_the_resource_back():
    assert described(back())[OTHER] == ("add", "", "1")


def test_rollback_to_a_release_undoes_everything_after_it_newest_first():
    plan = back(to=R1)
    assert plan.release == R1
    assert [(s.arguments["deployment"], s.arguments["step"]) for s in undoing(plan)] == [
        ("d3", "dbt.switch"),
        ("d2", "airflow.switch"),
        ("d2", "dbt.switch"),
    ]
    assert described(plan)[MODEL] == ("change", "3", "1")
    assert described(plan)[DAG] == ("change", "2", "1")


def test_step_ids_stay_unique_when_several_deployments_are_undone():
    ids = [s.id for s in back(to=R1).steps]
    assert len(set(ids)) == len(ids)


def test_resource_that_came_and_went_in_between_is_no_change():
    assert OTHER not in described(back(to=R1))


def test_rollback_to_a_release_takes_a_prefix():
    assert back(to="r1").release == R1


def test_prefix_of_two_releases_is_refused_and_names_them():
    with pytest.raises(UsageError, match=r"may be one of 2 releases: r10000000.*, r20000000"):
        back(to="r")


def test_rollback_to_a_release_that_was_never_live_is_refused():
    with pytest.raises(UsageError, match="was not live"):
        back(to="r9")


def test_rollback_to_the_live_release_is_refused():
    with pytest.raises(UsageError, match="was not live"):
        back(to=R3)


def test_rollback_to_nothing_in_particular_is_refused():
    """An empty variable in a script must not undo anything."""
    with pytest.raises(UsageError):
        back(to="")
    with pytest.raises(UsageError):
        back(only="")


def test_one_resource_goes_back_alone():
    plan = back((D2, D1), only=MODEL)
    assert [(s.engine, s.resources) for s in undoing(plan)] == [("dbt", (MODEL,))]
    assert plan.steps[0].arguments == {"deployment": "d2", "step": "dbt.switch", "only": [MODEL]}
    assert plan.steps[0].summary == f"undo 'switch dbt' for {MODEL}"
    assert described(plan) == {MODEL: ("change", "2", "1")}
    assert plan.release == STATE.release, "the environment stays at its release"


def test_one_resource_goes_back_to_where_its_own_last_switch_began():
    plan = back(only=DAG)
    assert plan.steps[0].arguments["deployment"] == "d2", "d3 did not touch it"


def test_resource_that_nothing_switched_is_refused():
    with pytest.raises(UsageError, match="no deployment that still stands has switched"):
        back(only="airflow.dag:unknown")


def test_one_resource_twice_goes_back_twice():
    undone = replace(D3, undone=frozenset({MODEL}))
    plan = back((undone, D2, D1), only=MODEL)
    assert plan.steps[0].arguments["deployment"] == "d2"


def test_whole_rollback_leaves_out_what_was_undone_before():
    plan = back((replace(D2, undone=frozenset({MODEL})), D1))
    assert {k for s in plan.steps for k in s.resources} == {DAG, OTHER}
    assert set(described(plan)) == {DAG, OTHER}
    dbt = next(s for s in plan.steps if s.engine == "dbt")
    assert dbt.summary == f"undo 'switch dbt' for {OTHER}"


def test_nothing_was_deployed_nothing_to_go_back_to():
    for options in ({}, {"to": "r1"}):
        with pytest.raises(UsageError, match="nothing to roll back") as refused:
            back((), **options)
        assert "interlock history prod" in refused.value.remedy


def test_every_step_of_a_rollback_can_be_undone_itself():
    plan = back()
    assert plan.reversible
    assert {s.inverse for s in undoing(plan)} == {"deploy the release again"}


def test_engines_are_asked_what_they_serve_once_everything_is_back():
    """Only those that were observed on the way there, and only about what went back."""
    plan = back((D2, D1))
    asked = [s for s in plan.steps if s.verb != "revert"]
    assert [s.phase for s in plan.steps] == [Phase.SWITCH] * 2 + [Phase.OBSERVE] * len(asked)
    assert {s.id: s.resources for s in asked} == {"dbt.confirm": (MODEL, OTHER), "airflow.confirm": (DAG,)}
    one = [s for s in back((D2, D1), only=DAG).steps if s.verb != "revert"]
    assert {s.id: s.resources for s in one} == {"airflow.confirm": (DAG,)}


def test_way_back_without_questions_is_only_the_way_back():
    plan = back((D2, D1), confirm=False)
    assert list(plan.steps) == undoing(plan)


def test_times_are_those_of_earlier_rollbacks():
    steps = {s.id: s for s in back((D2, D1), seconds={"undo.dbt.switch": 0.5}).steps}
    assert (steps["undo.dbt.switch"].seconds, steps["undo.dbt.switch"].estimated) == (0.5, True)
    assert not steps["undo.airflow.switch"].estimated


def test_plan_of_a_rollback_is_void_when_the_environment_moves():
    assert back().basis == STATE.basis
