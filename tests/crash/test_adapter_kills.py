"""Killed before any operation on the disk, a deployment or its way back ends where an undisturbed one ends."""

import os
import shutil
import sys
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from interlock.adapters.airflow import AirflowAdapter
from interlock.adapters.base import Adapter
from interlock.adapters.spark_batch import SparkBatchAdapter
from interlock.adapters.trees import TreeRoot
from interlock.model.plan import Receipt, Step
from interlock.model.release import Manifest
from tests.unit.adapters.world import World, airflow_config, snapshot, spark_config

_KILLED = 137
_CHANGES = {"os.rename", "os.symlink", "os.link", "os.mkdir", "os.utime", "os.remove", "os.rmdir", "os.chmod"}
_LIMIT = 400


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Whether ``work``, in a process of its own, was ended right before its ``number``-th change of the disk."""
    pid = os.fork()
    if pid == 0:
        left = number

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in _CHANGES or writes:
                left -= 1
                if left == 0:
                    os._exit(_KILLED)

        try:
            sys.addaudithook(hook)
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _KILLED), f"the work failed before change {number}"
    return code == _KILLED


class Case:
    """A world in which one release is live and the next one is about to be deployed."""

    def __init__(self, root: Path, adapter: Adapter) -> None:
        self.adapter = adapter
        spark = adapter.engine != "airflow"
        self.world = World(root, spark_config() if spark else airflow_config())
        self.tree = TreeRoot(root / "live" / "batch" if spark else root / "live")
        self.world.deploy(self.release("1"), adapter)
        self.old = self.tree.current()
        self.next = self.release("2")
        self.before = deepcopy(self.world.state)

    def copy(self, root: Path) -> "Case":
        """The same at another place, as if it had been made there."""
        shutil.copytree(self.world.root, root, symlinks=True)
        other = copy(self)
        other.world = replace(self.world, root=root)
        other.tree = TreeRoot(root / self.tree.root.relative_to(self.world.root))
        return other

    def release(self, mark: str) -> Manifest:
        if self.adapter.engine == "airflow":
            files = {"dags/a.py": mark, "dags/same.py": "s", "dags/deep/c.py": mark, f"dags/only_{mark}.py": mark}
            keys = {"airflow.dag:a": ("dags/a.py", "dags/deep/c.py"), "airflow.dag:same": ("dags/same.py",)}
            return self.world.release(files, {**keys, f"airflow.dag:{mark}": (f"dags/only_{mark}.py",)})
        files = {"spark/jobs/a.py": mark, "spark/jobs/same.py": "s", "spark/lib/shop/rules.py": "r"}
        return self.world.release(
            files, {"spark.batch:a": ("spark/jobs/a.py",), "spark.batch:same": ("spark/jobs/same.py",)}
        )

    def deploy(self) -> tuple[Step, Receipt]:
        """Also after a kill: the ledger still says what it said before the deployment."""
        self.world.count, self.world.state = 1, deepcopy(self.before)
        return self.world.deploy(self.next, self.adapter)

    def whole(self) -> None:
        """Consumers see one version, whole."""
        current = self.tree.current()
        assert current is not None
        assert self.tree.drift(current) == ()


@pytest.fixture(params=[AirflowAdapter, SparkBatchAdapter], ids=["airflow", "spark"])
def new(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Case]:
    # What a killed process has written is not lost with it, so that these tests need not wait for the disk.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = Case(tmp_path / "made", request.param())
    return lambda number: made.copy(tmp_path / str(number))


def test_killed_deployment_that_is_run_again_ends_as_if_undisturbed(new: Callable[[int], Case]) -> None:
    undisturbed = new(0)
    undisturbed.deploy()
    wanted = snapshot(undisturbed.world.root)
    for number in range(1, _LIMIT):
        case = new(number)
        killed = killed_at(number, case.deploy)
        case.whole()
        case.deploy()
        assert snapshot(case.world.root) == wanted, f"killed before change {number}"
        if not killed:
            assert number > 15
            return
    raise AssertionError("never came to an end")


def test_killed_deployment_that_is_taken_back_ends_in_the_old_version(new: Callable[[int], Case]) -> None:
    for number in range(1, _LIMIT):
        case = new(number)
        killed = killed_at(number, case.deploy)
        case.world.count, case.world.state = 2, case.before
        switch = next(s for s in case.world.plan(case.next, case.adapter) if s.verb == "switch")
        case.adapter.revert(switch, None, case.world.context())
        assert case.tree.current() == case.old, f"killed before change {number}"
        case.whole()
        if not killed:
            return
    raise AssertionError("never came to an end")


@pytest.mark.parametrize("alone", [False, True], ids=["whole", "alone"])
def test_killed_rollback_that_is_run_again_ends_as_if_undisturbed(new: Callable[[int], Case], alone: bool) -> None:
    def back(case: Case, step: Step, receipt: Receipt) -> None:
        key = "airflow.dag:a" if case.adapter.engine == "airflow" else "spark.batch:a"
        case.adapter.revert(step, receipt, case.world.context(), frozenset([key]) if alone else None)

    undisturbed = new(0)
    back(undisturbed, *undisturbed.deploy())
    wanted = snapshot(undisturbed.world.root)
    for number in range(1, _LIMIT):
        case = new(number)
        step, receipt = case.deploy()
        killed = killed_at(number, lambda case=case, step=step, receipt=receipt: back(case, step, receipt))
        case.whole()
        back(case, step, receipt)
        assert snapshot(case.world.root) == wanted, f"killed before change {number}"
        if not killed:
            return
    raise AssertionError("never came to an end")
