"""Killed between any two writes, any number of times, a deployment that is resumed ends as an undisturbed one ends."""

import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.model.canonical import plain
from interlock.model.errors import RefusedError
from interlock.model.plan import Plan
from interlock.model.release import Manifest
from tests.unit.engine.toy import Killed, Platform, carried, killing, release

FOLDER = tempfile.TemporaryDirectory(prefix="interlock-resume-")  # gone with the process
A, B, DAG = "dbt.model:shop.a", "dbt.model:shop.b", "airflow.dag:nightly"


@dataclass(frozen=True)
class Story:
    """What is live, what is deployed next, and what goes wrong with it. ``back``: it is rolled back instead."""

    live: tuple[tuple[str, str], ...]
    wanted: tuple[tuple[str, str], ...]
    gate: str = ""
    refused: str = ""
    back: dict[str, str] | None = field(default=None, hash=False)

    def make_live(self, platform: Platform) -> None:
        """What was deployed before."""
        for versions in (self.live, self.wanted if self.back is not None else ()):
            if versions:
                assert platform.ship(dict(versions)) == "succeeded"

    def plan(self, platform: Platform) -> Plan:
        """The deployment to disturb; from here on things go wrong."""
        platform.adapters["dbt"].gates = {self.gate: "fail"}
        if self.refused:
            platform.adapters["dbt"].trouble[self.refused] = [RefusedError("it cannot be done")] * 99
        return platform.plan(release(dict(self.wanted))) if self.back is None else platform.rollback(**self.back)


LIVE = ((A, "1"), (B, "1"), (DAG, "1"))
NEXT = ((A, "2"), (DAG, "2"), ("dbt.model:shop.new", "1"))
STORIES = {
    "first": Story((), LIVE),
    "change-add-remove": Story(LIVE, NEXT),
    "gate-before-switch": Story(LIVE, NEXT, gate=f"verify {A}"),
    "gate-after-switch": Story(LIVE, NEXT, gate=f"observe {A}"),
    "switch-refused": Story(LIVE, NEXT, refused="dbt.switch"),
    "rollback": Story(LIVE, NEXT, back={}),
    "rollback-one": Story(LIVE, NEXT, back={"only": A}),
    "small": Story(((A, "1"),), ((A, "2"),), gate=f"observe {A}"),
}


def end_of(platform: Platform) -> dict[str, Any]:
    """What consumers, adapters and the ledger hold at the end."""
    assert platform.ledger.verify() == []
    state = platform.ledger.state("prod")
    record = list(platform.records().values())[-1]
    assert {key: r.fingerprint for key, r in state.resources.items()} == platform.live()
    return {
        "files": platform.files(),
        "state": plain(state),
        "outcome": record.outcome,
        "cause": record.turned,
        "receipts": sorted(record.receipts),
        "undone": sorted(record.undone),
        "gates": record.gates,
    }


@cache
def live_already(name: str) -> tuple[Path, dict[str, Manifest]]:
    """A folder in which the story can begin, made once, and the releases that are known in it."""
    root = Path(tempfile.mkdtemp(dir=FOLDER.name))
    platform = Platform(root)
    with platform.ledger:
        STORIES[name].make_live(platform)
    return root, platform.releases


def disturbed(name: str, at: list[int]) -> tuple[dict[str, Any], int]:
    """The end after kills at these points, one in each life, and how many of them happened."""
    before, releases = live_already(name)
    with tempfile.TemporaryDirectory() as folder:
        root = shutil.copytree(before, Path(folder) / "p")
        platform = Platform(root)
        platform.releases.update(releases)
        platform.count = 7
        with platform.ledger:
            plan = STORIES[name].plan(platform)
            lives = killing(platform, at)
            carried(platform, plan)
            return end_of(platform), lives()


@cache
def undisturbed(name: str) -> dict[str, Any]:
    return disturbed(name, [])[0]


@pytest.mark.parametrize("name", [n for n in STORIES if n != "small"])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(at=st.lists(st.integers(1, 45), min_size=1, max_size=4))
def test_killed_any_number_of_times_it_ends_as_if_undisturbed(name, at):
    end, _ = disturbed(name, at)
    assert end == undisturbed(name), f"{name} killed at {at}"


def test_killed_at_each_point_of_a_turning_deployment_it_ends_as_if_undisturbed():
    """Every prefix, one after the other, of a deployment that is live already and then turns."""
    point, killed = 0, 1
    while killed:
        point += 1
        end, killed = disturbed("small", [point])
        assert end == undisturbed("small"), f"killed at {point}"
    assert point > 30, "it passes a point before and after each write"


def test_killed_before_the_deployment_was_written_down_nothing_happened(tmp_path):
    platform = Platform(tmp_path)
    with platform.ledger:
        platform.ship({A: "1"})
        plan = platform.plan(release({A: "2"}))
        before = platform.files(), platform.ledger.head()
        killing(platform, [1])
        with pytest.raises(Killed):
            platform.deploy(plan)
        assert (platform.files(), platform.ledger.head()) == before


def test_the_undisturbed_ends_are_those_that_the_stories_say():
    outcomes = {name: undisturbed(name)["outcome"] for name in STORIES}
    turned = {"gate-before-switch", "gate-after-switch", "switch-refused", "small"}
    assert outcomes == {name: "turned" if name in turned else "succeeded" for name in STORIES}
