"""What a plan says has changed: which resources, why, and who is affected."""

from dataclasses import replace

from interlock.model.plan import Action, Change
from interlock.model.state import EnvironmentState, LiveResource
from interlock.planning.diff import changes_between
from tests.unit.engine.toy import release, resource

RAW, ORDERS, DAILY = "dbt.model:shop.raw", "dbt.model:shop.orders", "dbt.model:shop.daily"
DAG, JOB, SEED = "airflow.dag:nightly", "spark.batch:load", "dbt.seed:shop.rates"
REFS = [(RAW, ORDERS, "ref"), (ORDERS, DAILY, "ref")]


def state(versions: dict[str, str]) -> EnvironmentState:
    resources = {key: LiveResource(key, "r1", version) for key, version in versions.items()}
    return EnvironmentState("prod", "r1", resources)


def diff(before: dict[str, str], after: dict[str, str], edges=(), previous=()) -> dict[str, Change]:
    found = changes_between(state(before), release(after, edges), {r.key: r for r in previous})
    assert [c.key for c in found] == sorted(c.key for c in found), "in the order of keys"
    return {c.key: c for c in found}


def actions(before: dict[str, str], after: dict[str, str], edges=()) -> dict[str, Action]:
    return {key: change.action for key, change in diff(before, after, edges).items()}


def test_same_versions_are_no_change():
    assert diff({DAG: "1", RAW: "1"}, {DAG: "1", RAW: "1"}) == {}


def test_new_changed_and_gone_resources_are_told_apart():
    found = diff({DAG: "1", JOB: "1"}, {DAG: "2", RAW: "1"})
    assert {k: c.action for k, c in found.items()} == {DAG: Action.CHANGE, RAW: Action.ADD, JOB: Action.REMOVE}
    assert (found[DAG].before, found[DAG].after) == ("1", "2")
    assert (found[RAW].before, found[RAW].after) == ("", "1")
    assert (found[JOB].before, found[JOB].after) == ("1", "")


def test_change_says_which_parts_differ():
    old, new = resource(DAG, "1", code="a", helpers="h", runtime="r"), resource(DAG, "2", code="b", helpers="h")
    found = changes_between(state({DAG: "1"}), _with(new), {DAG: old})
    assert found[0].why == ("code", "runtime")


def test_change_without_the_old_description_says_that_it_is_not_known():
    found = diff({DAG: "1"}, {DAG: "2"})
    assert found[DAG].why == ("the live version's description is not at hand",)


def test_downstream_is_listed_nearest_first():
    edges = [(RAW, ORDERS, "ref"), (ORDERS, "db.main.orders", "writes"), ("db.main.orders", DAG, "reads")]
    found = diff({RAW: "1", ORDERS: "1", DAG: "1"}, {RAW: "2", ORDERS: "1", DAG: "1"}, edges)
    assert found[RAW].downstream == (ORDERS, "db.main.orders", DAG)


def test_model_below_a_changed_one_is_rebuilt_and_says_because_of_what():
    found = diff({RAW: "1", ORDERS: "1", DAILY: "1"}, {RAW: "2", ORDERS: "1", DAILY: "1"}, REFS)
    assert {k: c.action for k, c in found.items()} == {
        RAW: Action.CHANGE,
        ORDERS: Action.REBUILD,
        DAILY: Action.REBUILD,
    }
    assert found[DAILY].why == (f"upstream {RAW}",)
    assert found[DAILY].before == found[DAILY].after == "1"


def test_changed_model_below_a_changed_one_is_a_change_and_not_a_rebuild():
    found = actions({RAW: "1", ORDERS: "1"}, {RAW: "2", ORDERS: "2"}, REFS)
    assert found == {RAW: Action.CHANGE, ORDERS: Action.CHANGE}


def test_rebuild_names_every_changed_model_above():
    found = diff({RAW: "1", ORDERS: "1", DAILY: "1"}, {RAW: "2", ORDERS: "2", DAILY: "1"}, REFS)
    assert found[DAILY].why == (f"upstream {ORDERS}", f"upstream {RAW}")


def test_model_below_a_new_one_is_rebuilt():
    assert actions({ORDERS: "1"}, {RAW: "1", ORDERS: "1"}, REFS) == {RAW: Action.ADD, ORDERS: Action.REBUILD}


def test_model_below_a_seed_is_rebuilt_but_a_seed_below_a_model_is_not():
    edges = [(SEED, RAW, "ref"), (ORDERS, SEED, "ref")]
    assert actions({SEED: "1", RAW: "1"}, {SEED: "2", RAW: "1"}, edges) == {SEED: Action.CHANGE, RAW: Action.REBUILD}
    assert actions({SEED: "1", ORDERS: "1"}, {SEED: "1", ORDERS: "2"}, edges) == {ORDERS: Action.CHANGE}


def test_only_dbt_references_rebuild():
    """A DAG or a job that writes what a model reads changes the table with its next run, not with the release."""
    edges = [(JOB, "lake.raw", "writes"), ("lake.raw", RAW, "reads"), (DAG, RAW, "runs"), (RAW, ORDERS, "ref")]
    before = {JOB: "1", DAG: "1", RAW: "1", ORDERS: "1"}
    assert actions(before, {**before, JOB: "2", DAG: "2"}, edges) == {JOB: Action.CHANGE, DAG: Action.CHANGE}


def test_dag_and_job_below_a_changed_model_stay_as_they_are():
    edges = [(RAW, DAG, "ref"), (RAW, JOB, "ref")]
    assert actions({RAW: "1", DAG: "1", JOB: "1"}, {RAW: "2", DAG: "1", JOB: "1"}, edges) == {RAW: Action.CHANGE}


def test_removed_model_leaves_what_was_below_it_alone():
    assert actions({RAW: "1", ORDERS: "1"}, {ORDERS: "1"}, REFS) == {RAW: Action.REMOVE}


def test_references_in_a_circle_come_to_an_end():
    circle = [(RAW, ORDERS, "ref"), (ORDERS, RAW, "ref")]
    assert actions({RAW: "1", ORDERS: "1"}, {RAW: "2", ORDERS: "1"}, circle) == {
        RAW: Action.CHANGE,
        ORDERS: Action.REBUILD,
    }


def _with(*resources):
    made = release({})
    return replace(made, catalog=replace(made.catalog, resources=resources))
