"""DAG folders under a real Airflow: what it must show before a deployment counts as done, and what refuses one."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.airflow import AirflowAdapter
from interlock.adapters.airflow.api import AirflowApi
from interlock.adapters.airflow.watch import Expected, Watch, expected_of
from interlock.adapters.trees import TreeRoot
from interlock.model.errors import ConfigError, InterlockError, UnreachableError
from interlock.model.plan import Action, Outcome, Receipt
from interlock.model.release import Manifest
from interlock.runtimes.environments import Runtime
from tests.support.airflow import AirflowService
from tests.support.process import free_port
from tests.unit.adapters.world import World, airflow_config

pytestmark = pytest.mark.engine

A, B = "airflow.dag:orders", "airflow.dag:refunds"
DAG = """
from airflow import DAG
from airflow.operators.bash import BashOperator
from shared import WORD

with DAG("{name}", schedule=None, tags=["{mark}", WORD]):
    BashOperator(task_id="say", bash_command="echo " + WORD)
"""
adapter = AirflowAdapter()


def files(orders: str = "one", helper: str = "first") -> dict[str, str]:
    return {
        "dags/orders.py": DAG.format(name="orders", mark=orders),
        "dags/refunds.py": DAG.format(name="refunds", mark="same"),
        "plugins/shared.py": f"WORD = {helper!r}\n",
    }


CLOSURES = {A: ("dags/orders.py", "plugins/shared.py"), B: ("dags/refunds.py", "plugins/shared.py")}


@pytest.fixture(scope="module")
def runtime(runtime_python: Callable[[str], Path]) -> Callable[[str], Runtime]:
    return lambda name: Runtime(name, runtime_python(name), "0" * 64)


class Live:
    """A world, its Airflow, and deployments that walk every step, the proof by the API included."""

    def __init__(self, world: World, service: AirflowService, runtime: Callable[[str], Runtime]) -> None:
        self.world, self.service, self.runtime = world, service, runtime

    def deploy(self, manifest: Manifest) -> dict[str, Receipt]:
        """Receipts by verb; gates that failed are in them."""
        self.world.count += 1
        changes = self.world.changes(manifest, adapter)
        done: dict[str, Receipt] = {}
        for step in self.world.plan(manifest, adapter):
            receipts = {receipt.step: receipt for receipt in done.values()}
            context = self.world.context(manifest, receipts=receipts, runtime=self.runtime)
            done[step.verb] = adapter.execute(step, context)
            if failed(done[step.verb]):
                return done
        self.world._now_live(manifest, changes, done["switch"])
        return done

    def missing(self, receipt: Receipt, actions: dict[str, Action], timeout: float) -> dict[str, str]:
        """What Airflow does not show, by resource key, after a switch or its way back."""
        section = self.world.config.airflow
        assert section is not None
        expected = expected_of(TreeRoot(self.world.root / "live"), section, receipt.data, actions, {})
        results = Watch(AirflowApi(self.service.url, *self.service.auth), expected, timeout, lambda _: None).run()
        assert all(result.remedy for result in results if result.outcome is Outcome.FAIL)
        return {result.resource: result.summary for result in results if result.outcome is Outcome.FAIL}

    def tags(self, dag_id: str) -> set[str]:
        return {tag["name"] for tag in self.service.get(f"/dags/{dag_id}")["tags"]}


def failed(receipt: Receipt) -> list[dict[str, Any]]:
    return [gate for gate in receipt.data.get("gates", ()) if gate["outcome"] == Outcome.FAIL]


@pytest.fixture(scope="module")
def live(
    airflow_service: Callable[..., AirflowService],
    runtime: Callable[[str], Runtime],
    tmp_path_factory: pytest.TempPathFactory,
) -> Live:
    """The first release is live, and Airflow has shown it."""
    world = World(tmp_path_factory.mktemp("platform"), airflow_config())
    # Python looks at PYTHONPATH as it starts: a folder that is not there by then is never looked at again.
    _, receipt = world.deploy(world.release(files(), CLOSURES), adapter)
    current = world.root / "live" / "current"
    service = airflow_service(current / "dags", env={"PYTHONPATH": str(current / "plugins")})
    api = {"url": service.url, "user_env": "ILK_TEST_USER", "password_env": "ILK_TEST_PASSWORD", "timeout": "90s"}
    world.config = airflow_config(api=api)
    live = Live(world, service, runtime)
    assert not live.missing(receipt, {A: Action.ADD, B: Action.ADD}, 60)
    return live


@pytest.fixture(autouse=True)
def login(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ILK_TEST_USER", live.service.auth[0])
    monkeypatch.setenv("ILK_TEST_PASSWORD", live.service.auth[1])


def test_deployments_and_rollback_are_proven_by_a_running_airflow(live: Live) -> None:
    world = live.world
    assert live.tags("orders") == {"one", "first"}

    # Only the helper changes: the served source stays the same, and both DAGs must have been parsed again.
    second = live.deploy(world.release(files(helper="second"), CLOSURES))
    assert not failed(second["observe"])
    assert live.tags("orders") == {"one", "second"} and live.tags("refunds") == {"same", "second"}

    third = live.deploy(world.release(files(orders="two", helper="second"), CLOSURES))
    assert not failed(third["observe"])
    served = hashlib.sha256(live.service.source("orders").encode()).hexdigest()
    assert served == hashlib.sha256(files(orders="two")["dags/orders.py"].encode()).hexdigest()

    step = next(s for s in world.plan(world.release(files(), CLOSURES), adapter) if s.verb == "switch")
    world.blobs.held.clear()
    back = adapter.revert(step, third["switch"], world.context())
    world.went_back(back)
    assert not live.missing(back, {A: Action.CHANGE}, 90)
    assert live.tags("orders") == {"one", "second"}


def test_broken_dag_is_found_before_anything_is_switched(live: Live) -> None:
    broken = {**files(), "dags/orders.py": "from airflow import DAG\nimport nowhere_to_be_found  # dag\n"}
    before = TreeRoot(live.world.root / "live").current()
    done = live.deploy(live.world.release(broken, CLOSURES))
    (gate,) = [gate for gate in failed(done["verify"]) if gate["resource"] == A]
    assert "dags/orders.py:2" in gate["summary"] and "nowhere_to_be_found" in gate["summary"] and gate["remedy"]
    assert "switch" not in done and TreeRoot(live.world.root / "live").current() == before


def test_dag_that_the_tree_no_longer_defines_is_found(live: Live) -> None:
    other = {**files(), "dags/orders.py": DAG.format(name="renamed", mark="one")}
    done = live.deploy(live.world.release(other, CLOSURES))
    assert [gate["resource"] for gate in failed(done["verify"])] == [A]


def test_airflow_that_reads_another_folder_is_a_failed_gate_and_not_a_success(live: Live) -> None:
    elsewhere = World(live.world.root / "other", live.world.config)
    _, receipt = elsewhere.deploy(elsewhere.release(files(orders="elsewhere"), CLOSURES), adapter)
    missing = Live(elsewhere, live.service, live.runtime).missing(receipt, {A: Action.ADD}, 2)
    assert "has not parsed this version" in missing["airflow.dag:interlock_stamp"]


def test_disable_pauses_the_dag_and_enable_lets_it_run(live: Live) -> None:
    context = live.world.context()
    assert adapter.disable(B, context).changed and not adapter.disable(B, context).changed
    assert live.service.get("/dags/refunds")["is_paused"] is True
    assert adapter.enable(B, context).changed
    assert live.service.get("/dags/refunds")["is_paused"] is False


def test_unknown_dag_cannot_be_paused(live: Live) -> None:
    with pytest.raises(InterlockError, match="does not know"):
        adapter.disable("airflow.dag:nobody", live.world.context())


def test_wrong_password_names_the_setting(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ILK_TEST_PASSWORD", "wrong")
    with pytest.raises(ConfigError, match="refused the login") as caught:
        adapter.disable(B, live.world.context())
    assert "wrong" not in str(caught.value) + caught.value.detail
    monkeypatch.delenv("ILK_TEST_PASSWORD")
    with pytest.raises(ConfigError, match="ILK_TEST_PASSWORD"):
        adapter.disable(B, live.world.context())


def test_api_that_is_away_is_unreachable(live: Live) -> None:
    api = AirflowApi(f"http://127.0.0.1:{free_port()}", "a", "b")
    with pytest.raises(UnreachableError):
        api.dags()
    with pytest.raises(UnreachableError):
        Watch(api, Expected("0" * 12, 0.0, {"orders": "dags/orders.py"}), 0.5, lambda _: None).run()
