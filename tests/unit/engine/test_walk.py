"""The walk over a plan's steps: forward while the answers are yes, back with consumers first."""

from types import SimpleNamespace

import pytest

from interlock.engine.executor import DONE, REFUSED
from interlock.engine.walk import walk, way_back
from interlock.model.plan import Phase, Plan, Step

PHASES = {
    "expand": Phase.EXPAND,
    "stage": Phase.STAGE,
    "verify": Phase.VERIFY,
    "switch": Phase.SWITCH,
    "observe": Phase.OBSERVE,
}


def steps(*ids: str) -> tuple[Step, ...]:
    return tuple(Step(i, PHASES[i.partition(".")[2]], i.partition(".")[0], "do", (), i) for i in ids)


class Recorder:
    """Answers as it is told to, and notes what the walk asks for."""

    def __init__(self, plan_steps: tuple[Step, ...], refused: str = "", outcome: str = "") -> None:
        plan = Plan("shop", "prod", "r2", "r1", "b", (), plan_steps)
        self.record = SimpleNamespace(plan=plan, outcome=outcome)
        self.refused = refused
        self.asked: list[str] = []

    def perform(self, step: str) -> str:
        return REFUSED if step == self.refused else DONE

    def undo(self, step: str) -> None:
        return None

    def finish(self, outcome: str) -> str:
        return outcome

    def durably(self, name, function, argument):
        self.asked.append(name)
        return function(argument)


ALL = steps("dbt.expand", "dbt.stage", "air.stage", "dbt.verify", "dbt.switch", "air.switch", "air.observe")


def test_every_step_is_asked_for_once_and_in_order():
    recorder = Recorder(ALL)
    assert walk(recorder, recorder.durably) == "succeeded"
    assert recorder.asked == [*(f"perform {s.id}" for s in ALL), "finish"]


def test_refused_before_the_switch_takes_back_what_was_staged():
    recorder = Recorder(ALL, refused="dbt.verify")
    assert walk(recorder, recorder.durably) == "turned"
    assert recorder.asked[3:] == [
        "perform dbt.verify",
        "undo dbt.verify",
        "undo air.stage",
        "undo dbt.stage",
        "undo dbt.expand",
        "finish turned",
    ]


def test_refused_after_the_switch_takes_consumers_back_first_newest_first():
    recorder = Recorder(ALL, refused="air.observe")
    walk(recorder, recorder.durably)
    assert [name for name in recorder.asked if name.startswith("undo")] == [
        "undo air.switch",
        "undo dbt.switch",
        "undo air.observe",
        "undo dbt.verify",
        "undo air.stage",
        "undo dbt.stage",
        "undo dbt.expand",
    ]


def test_steps_after_the_refused_one_are_never_touched():
    recorder = Recorder(ALL, refused="dbt.switch")
    walk(recorder, recorder.durably)
    assert not [name for name in recorder.asked if "air.switch" in name or "air.observe" in name]


@pytest.mark.parametrize("outcome", ["succeeded", "turned"])
def test_deployment_that_has_ended_is_not_walked_again(outcome):
    recorder = Recorder(ALL, outcome=outcome)
    assert walk(recorder, recorder.durably) == outcome
    assert recorder.asked == []


def test_way_back_of_nothing_is_nothing():
    assert way_back([]) == []
