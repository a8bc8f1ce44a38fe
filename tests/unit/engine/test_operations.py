"""What a user asks for, whole: deploy exactly what was looked at, promote, roll back, resume, switch off and on."""

import json
from dataclasses import replace

import pytest
import yaml

from interlock.engine.looking import environment_status
from interlock.engine.operations import (
    deploy,
    plan_deploy,
    plan_rollback,
    release_to_promote,
    resume,
    switch_resource,
)
from interlock.engine.workspace import Workspace
from interlock.model.canonical import canonical_json
from interlock.model.errors import HeldError, RefusedError, StaleError, UnreachableError, UsageError
from interlock.model.events import EventType
from interlock.model.plan import plan_from_json
from interlock.model.release import FileEntry
from tests.unit.engine.toy import CONFIG, ToyAdapter, quick_ledger, release

A, B, DAG = "dbt.model:shop.a", "dbt.model:shop.b", "airflow.dag:nightly"


def opened(root) -> Workspace:
    workspace = Workspace(root)
    workspace.adapters = {e: ToyAdapter(e) for e in ("dbt", "airflow")}
    workspace.ledger = quick_ledger(root, workspace.config.ledger)
    return workspace


@pytest.fixture
def workspace(tmp_path):
    environments = {**CONFIG["environments"], "prod": {**CONFIG["environments"]["prod"], "after": "dev"}}
    (tmp_path / "interlock.yaml").write_text(yaml.safe_dump({**CONFIG, "environments": environments}))
    made = opened(tmp_path)
    yield made
    made.ledger.close()


def built(workspace, versions):
    """A release of these versions, in the store."""
    manifest = release(versions)
    workspace.store.put_manifest(manifest)
    return manifest


def shipped(workspace, versions, environment="prod"):
    return deploy(workspace, plan_deploy(workspace, environment, built(workspace, versions)))


def versions(workspace, environment="prod"):
    return {k: r.fingerprint for k, r in workspace.ledger.state(environment).resources.items()}


def test_saved_plan_is_applied_exactly(workspace, tmp_path):
    plan = plan_deploy(workspace, "prod", built(workspace, {A: "1"}))
    (tmp_path / "plan.json").write_bytes(canonical_json(plan))
    ended = deploy(opened(tmp_path), plan_from_json(json.loads((tmp_path / "plan.json").read_bytes())))
    assert (ended.outcome, ended.plan.digest) == ("succeeded", plan.digest)
    assert versions(workspace) == {A: "1"}


def test_plan_is_void_once_the_environment_moved(workspace):
    old = plan_deploy(workspace, "prod", built(workspace, {A: "1"}))
    shipped(workspace, {B: "1"})
    head = workspace.ledger.head()
    with pytest.raises(StaleError, match="moved since the plan was made") as refused:
        deploy(workspace, old)
    assert "interlock plan prod" in refused.value.remedy
    assert workspace.ledger.head() == head
    assert versions(workspace) == {B: "1"}


def test_plan_is_void_once_a_resource_was_switched_off(workspace):
    shipped(workspace, {A: "1"})
    plan = plan_deploy(workspace, "prod", built(workspace, {A: "2"}))
    switch_resource(workspace, "prod", A, on=False)
    with pytest.raises(StaleError):
        deploy(workspace, plan)


def test_rollback_plan_is_void_once_the_environment_moved(workspace):
    shipped(workspace, {A: "1"})
    back = plan_rollback(workspace, "prod", None, None)
    shipped(workspace, {A: "2"})
    with pytest.raises(StaleError):
        deploy(workspace, back)


def test_plan_made_before_a_rollback_is_valid_again_after_it(workspace):
    """The basis is what is live, not when: the same state, the same answer."""
    shipped(workspace, {A: "1"})
    plan = plan_deploy(workspace, "prod", built(workspace, {A: "3"}))
    shipped(workspace, {A: "2"})
    deploy(workspace, plan_rollback(workspace, "prod", None, None))
    assert deploy(workspace, plan).outcome == "succeeded"


def test_other_environment_that_moved_voids_nothing(workspace):
    plan = plan_deploy(workspace, "prod", built(workspace, {A: "1"}))
    shipped(workspace, {A: "1"}, "dev")
    assert deploy(workspace, plan).outcome == "succeeded"


def test_same_release_twice_does_nothing_and_says_so(workspace):
    shipped(workspace, {A: "1"})
    head = workspace.ledger.head()
    assert shipped(workspace, {A: "1"}).outcome == "nothing"
    assert workspace.ledger.head() == head


def with_schema(workspace, versions, digest):
    manifest = replace(release(versions), files=(FileEntry("schemas/orders.avsc", digest * 64, 1),))
    workspace.store.put_manifest(manifest)
    return manifest


def test_release_of_other_schemas_alone_is_live_once_it_was_deployed(workspace):
    old, new = (with_schema(workspace, {A: "1"}, digest) for digest in "12")
    deploy(workspace, plan_deploy(workspace, "prod", old))
    plan = plan_deploy(workspace, "prod", new)
    ended = deploy(workspace, plan)
    assert (plan.empty, ended.outcome) == (True, "succeeded")
    assert workspace.ledger.state("prod").release == new.id
    assert workspace.deployments()[ended.deployment].outcome == "succeeded"
    with pytest.raises(StaleError):
        deploy(workspace, plan)
    assert deploy(workspace, plan_deploy(workspace, "prod", new)).outcome == "nothing"


def test_release_of_other_schemas_alone_stands_in_no_rollbacks_way(workspace):
    shipped(workspace, {A: "0"})
    old, new = (with_schema(workspace, {A: "1"}, digest) for digest in "12")
    for manifest in (old, new):
        deploy(workspace, plan_deploy(workspace, "prod", manifest))
    assert deploy(workspace, plan_rollback(workspace, "prod", None, None)).outcome == "succeeded"
    assert versions(workspace) == {A: "0"}


def test_release_whose_predecessor_is_gone_from_the_store_is_deployed(workspace):
    shipped(workspace, {A: "1"})
    before = workspace.ledger.state("prod").release
    (workspace.store.folder / "manifests" / f"{before}.json").unlink()
    again = opened(workspace.root)
    try:
        assert shipped(again, {A: "2"}).outcome == "succeeded"
    finally:
        again.ledger.close()


def test_plan_of_another_project_is_refused(workspace):
    plan = plan_deploy(workspace, "prod", built(workspace, {A: "1"}))
    with pytest.raises(UsageError, match="'other'"):
        deploy(workspace, replace(plan, project="other"))


def test_environment_that_another_deployment_holds_is_refused(workspace):
    plan = plan_deploy(workspace, "prod", built(workspace, {A: "1"}))
    lease = workspace.ledger.leases.acquire("shop/prod", "somebody", 30)
    head = workspace.ledger.head()
    with pytest.raises(HeldError, match="somebody"):
        deploy(workspace, plan)
    assert workspace.ledger.head() == head
    workspace.ledger.leases.release(lease)


def test_interrupted_deployment_stands_in_the_way_until_it_is_resumed(workspace):
    shipped(workspace, {A: "1"})
    workspace.adapters["dbt"].gates[f"observe {A}"] = "fail"
    workspace.adapters["dbt"].trouble["revert dbt.switch"] = [UnreachableError("the warehouse is away")]
    with pytest.raises(UnreachableError):
        shipped(workspace, {A: "2"})
    interrupted = list(workspace.deployments())[-1]
    for blocked in (
        lambda: shipped(workspace, {A: "3"}),
        lambda: deploy(workspace, plan_rollback(workspace, "prod", None, None)),
        lambda: switch_resource(workspace, "prod", A, on=False),
    ):
        with pytest.raises(HeldError) as refused:
            blocked()
        assert refused.value.remedy == f"finish it first: interlock resume {interrupted}"
    assert environment_status(workspace, "prod")["running"] == interrupted
    ended = resume(workspace, None)
    assert (ended.deployment, ended.outcome) == (interrupted, "turned")
    assert versions(workspace) == {A: "1"}
    assert shipped(workspace, {A: "1", B: "1"}).outcome == "succeeded"


def test_defect_in_an_adapter_leaves_a_deployment_that_can_be_resumed(workspace):
    workspace.adapters["dbt"].trouble["dbt.switch"] = [KeyError("a defect")]
    with pytest.raises(KeyError):
        shipped(workspace, {A: "1", DAG: "1"})
    assert resume(workspace, None).outcome == "succeeded"
    assert versions(workspace) == {A: "1", DAG: "1"}


def test_turned_deployment_says_why_and_which_gates_answered(workspace):
    workspace.adapters["dbt"].gates[f"verify {A}"] = "fail"
    ended = shipped(workspace, {A: "1"})
    assert ended.outcome == "turned"
    assert ended.cause == f"row_count of {A}: 8 % fewer"
    assert [g["outcome"] for g in ended.gates] == ["fail"]


def test_turned_deployment_does_not_void_a_plan_made_before_it(workspace):
    shipped(workspace, {A: "1"})
    plan = plan_deploy(workspace, "prod", built(workspace, {A: "3"}))
    workspace.adapters["dbt"].gates[f"observe {A}"] = "fail"
    assert shipped(workspace, {A: "2"}).outcome == "turned"
    workspace.adapters["dbt"].gates.clear()
    assert deploy(workspace, plan).outcome == "succeeded"


def test_nothing_to_resume_and_wrong_ids_are_refused(workspace):
    with pytest.raises(UsageError, match="no deployment was interrupted"):
        resume(workspace, None)
    done = shipped(workspace, {A: "1"}).deployment
    for wrong in (done, "nope"):
        with pytest.raises(UsageError, match="is no interrupted deployment"):
            resume(workspace, wrong)


def test_promotion_takes_the_release_that_is_live_before(workspace):
    manifest = built(workspace, {A: "1"})
    deploy(workspace, plan_deploy(workspace, "dev", manifest))
    built(workspace, {A: "2"})
    assert release_to_promote(workspace, "prod").id == manifest.id


def test_promotion_of_nothing_from_nowhere_is_refused(workspace):
    with pytest.raises(UsageError, match="nothing is live in 'dev' yet"):
        release_to_promote(workspace, "prod")
    with pytest.raises(UsageError, match="comes after no other environment"):
        release_to_promote(workspace, "dev")
    with pytest.raises(UsageError, match="there is no environment 'qa'") as refused:
        release_to_promote(workspace, "qa")
    assert refused.value.remedy == "known environments: dev, prod"


def test_resource_switched_off_and_on_is_recorded_with_who_did_it(workspace, monkeypatch):
    monkeypatch.setenv("INTERLOCK_ACTOR", "ada")
    shipped(workspace, {A: "1"})
    switch_resource(workspace, "prod", A, on=False)
    assert not workspace.ledger.state("prod").resources[A].enabled
    switch_resource(workspace, "prod", A, on=True)
    assert workspace.ledger.state("prod").resources[A].enabled
    kinds = (EventType.RESOURCE_DISABLED, EventType.RESOURCE_ENABLED)
    assert [(r.event.type, r.event.actor) for r in workspace.ledger.events(types=kinds)] == [(k, "ada") for k in kinds]


def test_resource_that_is_not_live_cannot_be_switched_off(workspace):
    with pytest.raises(UsageError, match="is not live in prod"):
        switch_resource(workspace, "prod", A, on=False)


def test_rollback_needs_neither_store_nor_project_files(workspace, tmp_path):
    shipped(workspace, {A: "1"})
    shipped(workspace, {A: "2"})
    artifacts = tmp_path / ".interlock" / "artifacts"
    artifacts.rename(tmp_path / "elsewhere")
    other = opened(tmp_path)
    assert deploy(other, plan_rollback(other, "prod", None, None)).outcome == "succeeded"
    assert versions(workspace) == {A: "1"}
    other.ledger.close()


def test_status_finds_what_was_removed_behind_our_back(workspace, tmp_path):
    shipped(workspace, {A: "1", B: "1"})
    assert environment_status(workspace, "prod")["drift"] == []
    (tmp_path / "prod" / "dbt" / A).unlink()
    assert [d["resource"] for d in environment_status(workspace, "prod")["drift"]] == [A]


def test_status_after_going_back_with_one_resource_says_that_it_differs(workspace):
    shipped(workspace, {A: "1", B: "1"})
    shipped(workspace, {A: "2", B: "2"})
    deploy(workspace, plan_rollback(workspace, "prod", None, A))
    assert environment_status(workspace, "prod")["partial"] == [A]


def test_engine_that_cannot_be_looked_at_is_unknown_and_not_fine(workspace, monkeypatch):
    shipped(workspace, {A: "1", DAG: "1"})

    def away(context):
        raise UnreachableError("Airflow does not answer")

    monkeypatch.setattr(workspace.adapters["airflow"], "observe", away)
    drift = environment_status(workspace, "prod")["drift"]
    assert drift == [{"resource": "airflow", "why": "unknown: Airflow does not answer"}]


def test_refusal_on_the_way_there_is_an_answer_and_not_a_failure(workspace):
    workspace.adapters["dbt"].trouble["dbt.stage"] = [RefusedError("a contract is broken", remedy="correct it")]
    ended = shipped(workspace, {A: "1"})
    assert (ended.outcome, ended.cause) == ("turned", "dbt.stage: a contract is broken")


def test_plan_for_an_environment_that_is_gone_is_refused_before_anything_is_written(workspace, tmp_path):
    plan = plan_deploy(workspace, "dev", built(workspace, {A: "1"}))
    text = yaml.safe_load((tmp_path / "interlock.yaml").read_text())
    text["environments"] = {"prod": {**text["environments"]["prod"], "after": None}}
    (tmp_path / "interlock.yaml").write_text(yaml.safe_dump(text))
    other = opened(tmp_path)
    head = other.ledger.head()
    try:
        with pytest.raises(UsageError, match="there is no environment 'dev'"):
            deploy(other, plan)
        assert other.ledger.head() == head
    finally:
        other.ledger.close()


def test_holder_that_lost_its_lease_does_not_even_write_that_it_resumed(workspace, monkeypatch):
    workspace.adapters["dbt"].trouble["dbt.stage"] = [KeyError("a defect")]
    with pytest.raises(KeyError):
        shipped(workspace, {A: "1"})
    append, fences = workspace.ledger.append, []

    def watched(events, fence=None):
        fences.extend(fence for e in events if e.type is EventType.DEPLOYMENT_RESUMED)
        return append(events, fence=fence)

    monkeypatch.setattr(workspace.ledger, "append", watched)
    resume(workspace, None)
    assert fences and None not in fences
