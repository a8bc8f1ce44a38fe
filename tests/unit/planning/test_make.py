"""A plan: frozen, in the order of its phases, with a digest that names it, and honest about what it leaves out."""

import json
import random
from dataclasses import FrozenInstanceError, replace

import pytest

from interlock.adapters.base import Capabilities, PlanningContext
from interlock.model.canonical import canonical_json
from interlock.model.plan import Action, Phase, Plan, Step, plan_from_json
from interlock.model.release import FileEntry
from interlock.model.state import EnvironmentState, LiveResource
from interlock.planning.make import in_order, make_plan, summary_of
from tests.unit.engine.toy import ToyAdapter, config, release

DAG, MODEL, JOB, STREAM = "airflow.dag:nightly", "dbt.model:shop.orders", "spark.batch:load", "spark.stream:enrich"
EVERYTHING = {DAG: "1", MODEL: "1", JOB: "1", STREAM: "1"}
EMPTY = EnvironmentState("prod", "", {})


class WithGate(ToyAdapter):
    """An adapter that has its candidates looked at by gates, and whose switch cannot be undone."""

    def plan(self, context, changes):
        stage, _, switch, *_ = super().plan(context, changes)
        gate = Step("dbt.gates", Phase.VERIFY, "gates", "verify", stage.resources, "compare")
        return [replace(switch, inverse=""), gate, stage]


def made(versions=EVERYTHING, state=EMPTY, adapters=None, seconds=None, settings=None, files=(), previous=None) -> Plan:
    settings = settings or config()
    manifest = replace(release(versions), files=files)
    context = PlanningContext(settings, "prod", settings.environments["prod"], manifest, previous, state)
    chosen = adapters or [ToyAdapter(e) for e in ("airflow", "dbt", "spark_batch", "spark_stream")]
    return make_plan(context, {a.engine: a for a in chosen}, {}, seconds or {})


def test_steps_go_by_phase_and_inside_a_phase_by_what_stands_on_what():
    ids = [s.id for s in made().steps]
    engines = ("spark_batch", "spark_stream", "dbt", "airflow")
    assert ids == [f"{e}.{verb}" for verb in ("stage", "verify", "switch", "observe") for e in engines]


def test_any_order_of_steps_becomes_the_same_order():
    steps = list(made().steps)
    for seed in range(20):
        shuffled = random.Random(seed).sample(steps, len(steps))
        assert in_order(shuffled) == steps


def test_gates_stand_in_their_phase_beside_the_engine_that_they_look_at():
    plan = made({DAG: "1", MODEL: "1"}, adapters=[ToyAdapter("airflow"), WithGate("dbt")])
    assert [s.id for s in plan.steps] == [
        "dbt.stage",
        "airflow.stage",
        "dbt.gates",
        "airflow.verify",
        "dbt.switch",
        "airflow.switch",
        "airflow.observe",
    ]


def test_steps_of_one_engine_in_one_phase_keep_the_adapters_order():
    steps = [Step(f"dbt.{n}", Phase.SWITCH, "dbt", "switch", (), "") for n in ("b", "a", "c")]
    assert in_order(steps) == steps


def test_nothing_differs_nothing_is_planned():
    live = {key: LiveResource(key, "r1", version) for key, version in EVERYTHING.items()}
    plan = made(state=EnvironmentState("prod", "r1", live))
    assert plan.empty
    assert plan.changes == ()


def test_files_that_no_engine_deploys_are_told_and_need_no_step():
    live = {key: LiveResource(key, "r1", version) for key, version in EVERYTHING.items()}
    state = EnvironmentState("prod", "r1", live)
    old = (FileEntry("schemas/a.avsc", "1" * 64, 1), FileEntry("schemas/b.avsc", "1" * 64, 1))
    new = (FileEntry("schemas/a.avsc", "2" * 64, 1), old[1])
    plan = made(state=state, files=new, previous=replace(release(EVERYTHING), files=old))
    assert plan.empty and "schemas/a.avsc;" in plan.notes[0] and len(plan.notes) == 1
    assert made(state=state, files=old, previous=replace(release(EVERYTHING), files=old)).notes == ()
    assert made(files=old).notes == (), "of a first deployment it goes without saying"


def test_plan_counts_what_it_does():
    live = {DAG: LiveResource(DAG, "r1", "0"), "airflow.dag:gone": LiveResource("airflow.dag:gone", "r1", "1")}
    plan = made({DAG: "1", MODEL: "1"}, EnvironmentState("prod", "r1", live))
    assert summary_of(plan.changes) == {"add": 1, "change": 1, "rebuild": 0, "remove": 1}
    assert {c.action for c in plan.changes} == {Action.ADD, Action.CHANGE, Action.REMOVE}


@pytest.mark.parametrize("missing", ["airflow", "spark", "dbt", "warehouse"])
def test_engine_without_a_target_stays_out_and_the_plan_says_so(missing):
    settings = config()
    environment = settings.environments["prod"].model_copy(update={missing: None})
    settings = settings.model_copy(update={"environments": {"prod": environment}})
    plan = made(settings=settings)
    engine = "dbt" if missing == "warehouse" else missing
    assert not [s for s in plan.steps if s.engine.startswith(engine)]
    assert not [c for c in plan.changes if c.key.startswith(engine)]
    assert [n for n in plan.notes if "stay out: 'prod' has no target" in n and engine in n]


def test_unknown_engine_stays_out_and_the_plan_says_so():
    plan = made(adapters=[ToyAdapter("dbt")])
    assert {c.key for c in plan.changes} == {MODEL}
    assert len(plan.notes) == 3


def test_engine_that_cannot_switch_at_once_is_named():
    plan = made({MODEL: "1"}, adapters=[ToyAdapter("dbt", Capabilities(atomic_switch=False))])
    assert plan.notes == ("dbt: objects are switched one after the other; readers may see two versions meanwhile",)
    assert made({MODEL: "1"}).notes == ()


def test_switch_that_cannot_be_undone_is_named_and_the_plan_is_not_reversible():
    assert made().reversible
    plan = made({MODEL: "1"}, adapters=[WithGate("dbt")])
    assert not plan.reversible
    assert plan.notes == ("dbt.switch cannot be undone: switch 1",)


def test_only_what_was_measured_has_a_time():
    steps = {s.id: s for s in made(seconds={"dbt.switch": 1.23456}).steps}
    assert (steps["dbt.switch"].seconds, steps["dbt.switch"].estimated) == (1.235, True)
    assert (steps["dbt.stage"].seconds, steps["dbt.stage"].estimated) == (0.0, False)


def test_plan_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        made().release = "another"


def test_plan_survives_its_file_with_the_same_digest():
    plan = made(seconds={"dbt.switch": 2.0, "dbt.stage": 0.125})
    read = plan_from_json(json.loads(canonical_json(plan)))
    assert read == plan
    assert read.digest == plan.digest
    assert {type(s.phase) for s in read.steps} == {Phase}
    assert {type(c.action) for c in read.changes} == {Action}


def test_same_inputs_give_the_same_digest():
    assert made().digest == made().digest
    assert len(made().digest) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"environment": "dev"},
        {"release": "0" * 64},
        {"previous": "r0"},
        {"basis": "0" * 64},
        {"changes": ()},
        {"steps": ()},
        {"notes": ("one more",)},
        {"intent": "rollback"},
        {"project": "other"},
        {"format": 2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_in_a_plan_moves_its_digest(change):
    assert replace(made(), **change).digest != made().digest


def test_changed_argument_of_a_step_moves_the_digest():
    plan = made()
    first, *rest = plan.steps
    assert replace(plan, steps=(replace(first, arguments={**first.arguments, "x": 1}), *rest)).digest != plan.digest


@pytest.mark.parametrize(
    "document", [{}, {"changes": []}, {"changes": [], "steps": [], "notes": [], "more": 1}, [], "x"]
)
def test_file_that_is_no_plan_is_refused(document):
    with pytest.raises((KeyError, TypeError)):
        plan_from_json(document)


def test_basis_moves_with_everything_that_is_live():
    live = LiveResource(DAG, "r1", "1", True, {"version": "1"})
    state = EnvironmentState("prod", "r1", {DAG: live})
    moved = [
        replace(live, fingerprint="2"),
        replace(live, release="r2"),
        replace(live, enabled=False),
        replace(live, data={"version": "2"}),
    ]
    bases = {replace(state, resources={DAG: other}).basis for other in moved}
    bases |= {state.basis, replace(state, release="r2").basis, replace(state, resources={}).basis}
    assert len(bases) == 7
    assert made(state=state).basis == state.basis


def test_order_in_which_resources_went_live_does_not_void_a_plan():
    one, two = LiveResource(DAG, "r1", "1"), LiveResource(MODEL, "r1", "1")
    forwards, backwards = {DAG: one, MODEL: two}, {MODEL: two, DAG: one}
    assert EnvironmentState("prod", "r1", forwards).basis == EnvironmentState("prod", "r1", backwards).basis
