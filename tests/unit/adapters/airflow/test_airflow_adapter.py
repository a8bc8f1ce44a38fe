"""DAG folders on a disk: deploying, rolling back whole or in part, switching one DAG off."""

import os
from pathlib import Path

import pytest

from interlock.adapters.airflow import AirflowAdapter, layout
from interlock.adapters.trees import TreeRoot
from interlock.model.errors import RefusedError, UsageError
from tests.unit.adapters.world import World, airflow_config, refuses

A, B = "airflow.dag:a", "airflow.dag:b"
FIRST = {"dags/a.py": "a1", "dags/b.py": "b1", "dags/common.py": "c1", "plugins/own.py": "p1", "README.md": "no"}
CLOSURES = {A: ("dags/a.py", "plugins/own.py"), B: ("dags/b.py", "dags/common.py")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, airflow_config())


adapter = AirflowAdapter()


def live(world: World, path: str) -> str | None:
    place = world.root / "live" / "current" / path
    return place.read_text() if place.exists() else None


def test_plan_stages_verifies_and_switches_and_observes_only_with_an_api(world: World) -> None:
    steps = world.plan(world.release(FIRST, CLOSURES), adapter)
    assert [step.id for step in steps] == ["airflow.stage", "airflow.verify", "airflow.switch"]
    assert all(step.reversible for step in steps)
    with_api = World(world.root, airflow_config(api={"url": "http://127.0.0.1:1"}))
    assert [s.verb for s in with_api.plan(world.release(FIRST, CLOSURES), adapter)][-1] == "observe"


def test_nothing_to_do_makes_no_steps(world: World) -> None:
    manifest = world.release(FIRST, CLOSURES)
    world.deploy(manifest, adapter)
    assert world.plan(manifest, adapter) == []


def test_folder_holds_dags_include_roots_and_the_stamp_and_nothing_else(world: World) -> None:
    manifest = world.release(FIRST, CLOSURES)
    world.deploy(manifest, adapter)
    current = world.root / "live" / "current"
    names = {path.relative_to(current).as_posix() for path in current.rglob("*") if path.is_file()}
    assert names == {"dags/a.py", "dags/b.py", "dags/common.py", "plugins/own.py", "dags/interlock_stamp.py"}
    assert f"release:{manifest.id[:12]}" in (live(world, "dags/interlock_stamp.py") or "")


def test_helper_change_makes_the_dags_that_use_it_look_new(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    current = world.root / "live" / "current" / "dags"
    before = {name: (current / name).stat().st_mtime_ns for name in ("a.py", "b.py")}
    world.deploy(world.release({**FIRST, "dags/common.py": "c2"}, CLOSURES), adapter)
    assert (current / "a.py").stat().st_mtime_ns == before["a.py"]
    assert (current / "b.py").stat().st_mtime_ns > before["b.py"]


def test_rollback_needs_neither_release_nor_store(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    old = TreeRoot(world.root / "live").current()
    step, receipt = world.deploy(world.release({**FIRST, "dags/a.py": "a2"}, CLOSURES), adapter)
    assert live(world, "dags/a.py") == "a2"
    world.blobs.held.clear()
    back = adapter.revert(step, receipt, world.context())
    assert back.changed and live(world, "dags/a.py") == "a1" and TreeRoot(world.root / "live").current() == old
    assert not adapter.revert(step, receipt, world.context()).changed


def test_rollback_without_a_receipt_knows_what_was_there(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    step, _ = world.deploy(world.release({**FIRST, "dags/a.py": "a2"}, CLOSURES), adapter)
    adapter.revert(step, None, world.context())
    assert live(world, "dags/a.py") == "a1"


def test_switch_that_never_began_has_nothing_to_undo(world: World) -> None:
    manifest = world.release(FIRST, CLOSURES)
    step = world.plan(manifest, adapter)[2]
    assert not adapter.revert(step, None, world.context()).changed


def test_first_deployment_goes_back_to_an_empty_folder(world: World) -> None:
    step, receipt = world.deploy(world.release(FIRST, CLOSURES), adapter)
    adapter.revert(step, receipt, world.context())
    assert sorted(p.name for p in (world.root / "live" / "current" / "dags").iterdir()) == ["interlock_stamp.py"]


def test_rerun_after_the_switch_still_knows_what_was_before(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    old = TreeRoot(world.root / "live").current()
    manifest = world.release({**FIRST, "dags/a.py": "a2"}, CLOSURES)
    world.count += 1
    stage, _, switch, *_ = world.plan(manifest, adapter)
    receipts = {stage.id: adapter.execute(stage, world.context(manifest))}
    first = adapter.execute(switch, world.context(manifest, receipts=receipts))
    again = adapter.execute(switch, world.context(manifest, receipts=receipts))
    assert first.changed and not again.changed
    assert first.data == again.data and first.data["before"] == old


def test_lost_lease_leaves_the_old_folder_live(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    with pytest.raises(RuntimeError, match="fenced"):
        world.deploy(world.release({**FIRST, "dags/a.py": "a2"}, CLOSURES), adapter, fence=refuses())
    assert live(world, "dags/a.py") == "a1"


def test_one_dag_goes_back_and_the_others_stay(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    second = {**FIRST, "dags/a.py": "a2", "plugins/own.py": "p2", "dags/b.py": "b2"}
    step, receipt = world.deploy(world.release(second, CLOSURES), adapter)
    back = adapter.revert(step, receipt, world.context(), frozenset([A]))
    assert (live(world, "dags/a.py"), live(world, "plugins/own.py"), live(world, "dags/b.py")) == ("a1", "p1", "b2")
    world.went_back(back)
    assert not adapter.revert(step, receipt, world.context(), frozenset([A])).changed
    tree = TreeRoot(world.root / "live")
    view = tree.current() or ""
    stamp = live(world, "dags/interlock_stamp.py") or ""
    assert layout.content_id(tree.files(view), world.config.airflow) in stamp  # type: ignore[arg-type]


def test_one_dag_cannot_take_a_shared_helper_back(world: World) -> None:
    closures = {A: ("dags/a.py", "dags/common.py"), B: ("dags/b.py", "dags/common.py")}
    world.deploy(world.release(FIRST, closures), adapter)
    step, receipt = world.deploy(world.release({**FIRST, "dags/common.py": "c2"}, closures), adapter)
    with pytest.raises(RefusedError, match=B) as caught:
        adapter.revert(step, receipt, world.context(), frozenset([A]))
    assert "disable" in caught.value.remedy and live(world, "dags/common.py") == "c2"


def test_added_dag_goes_alone_and_removed_dag_comes_back_alone(world: World) -> None:
    without_b = {path: text for path, text in FIRST.items() if path not in ("dags/b.py", "dags/common.py")}
    world.deploy(world.release(without_b, {A: CLOSURES[A]}), adapter)
    added, receipt = world.deploy(world.release({**FIRST, "dags/a.py": "a2"}, CLOSURES), adapter)
    world.went_back(adapter.revert(added, receipt, world.context(), frozenset([B])))
    assert live(world, "dags/b.py") is None and live(world, "dags/common.py") is None
    assert live(world, "dags/a.py") == "a2"
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    removed, receipt = world.deploy(world.release(without_b, {A: CLOSURES[A]}), adapter)
    assert live(world, "dags/b.py") is None
    adapter.revert(removed, receipt, world.context(), frozenset([B]))
    assert live(world, "dags/b.py") == "b1" and live(world, "dags/common.py") == "c1"


def test_disabled_dag_stays_off_through_deployment_and_rollback(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    assert adapter.disable(A, world.context()).changed
    assert not adapter.disable(A, world.context()).changed
    assert live(world, "dags/a.py") is None
    assert adapter.observe(world.context())[A]["enabled"] is False
    step, receipt = world.deploy(world.release({**FIRST, "dags/a.py": "a2", "dags/b.py": "b2"}, CLOSURES), adapter)
    assert live(world, "dags/a.py") is None and live(world, "dags/b.py") == "b2"
    adapter.revert(step, receipt, world.context())
    assert live(world, "dags/a.py") is None and live(world, "dags/b.py") == "b1"
    assert adapter.enable(A, world.context()).changed
    assert live(world, "dags/a.py") == "a1"


def test_file_with_two_dags_cannot_be_held_back(world: World) -> None:
    world.deploy(world.release(FIRST, {A: ("dags/a.py",), B: ("dags/a.py",)}), adapter)
    with pytest.raises(RefusedError, match=B):
        adapter.disable(A, world.context())


def test_unknown_dag_cannot_be_disabled(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    with pytest.raises(UsageError, match="not live"):
        adapter.disable("airflow.dag:nobody", world.context())


def test_edited_and_deleted_files_and_a_moved_link_are_drift(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    assert [found["drift"] for found in adapter.observe(world.context()).values()] == [[], []]
    current = world.root / "live" / "current"
    (current / "dags" / "common.py").write_text("edited")
    (current / "dags" / "a.py").unlink()
    found = adapter.observe(world.context())
    assert found[A] == {**found[A], "present": False, "drift": ["dags/a.py"]}
    assert found[B] == {**found[B], "present": True, "drift": ["dags/common.py"]}
    other = TreeRoot(world.root / "live").stage({}, lambda _: b"")
    current.unlink()
    current.symlink_to(f"views/{other}")
    assert all("current" in entry["drift"] for entry in adapter.observe(world.context()).values())


def test_somebody_else_switching_meanwhile_stops_the_deployment(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), adapter)
    manifest = world.release({**FIRST, "dags/a.py": "a2"}, CLOSURES)
    world.count += 1
    stage, _, switch, *_ = world.plan(manifest, adapter)
    receipts = {stage.id: adapter.execute(stage, world.context(manifest))}
    adapter.execute(switch, world.context(manifest, receipts=receipts))
    tree = TreeRoot(world.root / "live")
    tree.switch(tree.stage({}, lambda _: b""))
    with pytest.raises(RefusedError, match="somebody else"):
        adapter.execute(switch, world.context(manifest, receipts=receipts))


def test_project_file_with_the_stamps_name_is_refused(world: World) -> None:
    manifest = world.release({**FIRST, "dags/interlock_stamp.py": "mine"}, CLOSURES)
    with pytest.raises(RefusedError, match="own file"):
        world.deploy(manifest, adapter)


def test_folders_go_once_nobody_can_go_back_to_them(world: World) -> None:
    for word in ("a1", "a2", "a3"):
        world.deploy(world.release({**FIRST, "dags/a.py": word}, CLOSURES), adapter)
    tree = TreeRoot(world.root / "live")
    assert len(tree.known()) == 3
    long_ago = 8 * 86400
    for path in (*(world.root / "live/views").glob("[0-9a-f]*.json"), *(world.root / "live/journal").glob("*.json")):
        os.utime(path, (path.stat().st_mtime - long_ago, path.stat().st_mtime - long_ago))
    notes = len(list((world.root / "live/journal").glob("*.json")))
    switch, receipt = world.deploy(world.release({**FIRST, "dags/a.py": "a4"}, CLOSURES), adapter)
    assert len(tree.known()) == 2  # what is live, and what it replaced just now
    assert len(list((world.root / "live/journal").glob("*.json"))) < notes
    adapter.revert(switch, receipt, world.context())
    assert live(world, "dags/a.py") == "a3"
