"""What is live, and what was live before, from events and manifests alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from interlock.engine.live import live_in
from interlock.engine.project import Project
from interlock.ledger.store import Ledger
from interlock.model.canonical import digest_bytes
from interlock.model.events import Event, EventType
from interlock.model.findings import Compared
from interlock.model.release import FileEntry, Manifest
from interlock.model.resources import Catalog
from interlock.release.store_folder import FolderStore
from tests.unit.engine.toy import CONFIG, quick_ledger, resource

JOB, PATH = "spark.batch:load", "topics/orders.avsc"
E = EventType


class World:
    """A project whose releases differ in one schema and in what their one job does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "interlock.yaml").write_text(yaml.safe_dump({**CONFIG, "schemas": {"mode": "FULL_TRANSITIVE"}}))
        self.ledger: Ledger = quick_ledger(root, "sqlite:///.interlock/ledger.db")
        self.store = FolderStore(root / ".interlock/artifacts")

    def release(self, name: str) -> str:
        """A release whose schema holds its name."""
        digest = self.store.put_blob(name.encode())
        catalog = Catalog("shop", (resource(JOB, name),), ())
        files = (FileEntry(PATH, digest, len(name)),)
        return self.store.put_manifest(Manifest("shop", f"commit of {name}", files, catalog, {}, {}))

    def deploy(self, number: int, release: str, *, live: bool = True, outcome: str = "succeeded") -> None:
        """What the ledger holds of a deployment; one that turns round puts back what was there."""
        before = self.ledger.state("prod")
        events: list[tuple[EventType, dict[str, Any]]] = [(E.DEPLOYMENT_STARTED, {"release": release})]
        if live:
            fingerprint = self.store.manifest(release).catalog.by_key[JOB].fingerprint
            events.append((E.RESOURCE_LIVE, {"key": JOB, "release": release, "fingerprint": fingerprint}))
        if outcome == "turned" and live:
            old = before.resources[JOB]
            events.append((E.RESOURCE_LIVE, {"key": JOB, "release": old.release, "fingerprint": old.fingerprint}))
        if outcome:
            ended = release if outcome == "succeeded" else before.release
            events.append((E.DEPLOYMENT_FINISHED, {"outcome": outcome, "release": ended}))
        for kind, data in events:
            self.ledger.append([Event(kind, "prod", f"d-{number}", "ada", data)])

    def at(self, number: int, kind: EventType) -> str:
        """When the first event of this kind of a deployment was recorded."""
        return next(fact.at for fact in self.ledger.events(deployment=f"d-{number}", types=[kind]))

    def earlier(self) -> tuple[list[tuple[Compared, bytes]], list[str]]:
        [live] = live_in(Project(self.root), ["prod"])
        told, lacking = live.earlier([PATH])
        return [(one.compared, one.read()) for one in told[PATH]], [one.what for one in lacking]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "shop"
    root.mkdir()
    made = World(root)
    yield made
    made.ledger.close()


def test_every_release_that_was_live_is_there_once_also_what_was_live_for_a_moment(world: World) -> None:
    first, second, moment, never = (world.release(name) for name in ("first", "second", "moment", "never"))
    world.deploy(1, first)
    world.deploy(2, moment, outcome="turned")
    world.deploy(3, never, live=False, outcome="turned")
    world.deploy(4, second)
    world.deploy(5, first)
    world.deploy(6, second)
    switched, ended = world.at(2, E.RESOURCE_LIVE), [world.at(n, E.DEPLOYMENT_FINISHED) for n in range(1, 7)]
    found, lacking = world.earlier()
    assert lacking == []
    assert found == [
        (Compared("prod", first, "commit of first", ended[4], ended[5]), b"first"),
        (Compared("prod", moment, "commit of moment", switched, ended[1]), b"moment"),
    ]
    [live] = live_in(Project(world.root), ["prod"])
    assert live.compared == Compared("prod", second, "commit of second", ended[5])
    assert live.files == {PATH: digest_bytes(b"second")} and live.read(PATH) == b"second"


def test_release_that_was_live_and_is_gone_from_the_store_is_said(world: World) -> None:
    first, second, third = (world.release(name) for name in ("first", "second", "third"))
    for number, release in enumerate((first, second, third)):
        world.deploy(number, release)
    (world.store.folder / "manifests" / f"{first}.json").unlink()
    found, lacking = world.earlier()
    assert [content for _, content in found] == [b"second"]
    assert lacking == [f"release {first[:12]}, which was live in prod"]


def test_state_moves_with_what_the_ledger_says_of_this_environment(world: World) -> None:
    first, second = world.release("first"), world.release("second")

    def state(environment: str = "prod") -> str:
        [live] = live_in(Project(world.root), [environment])
        return live.state

    states = [state()]
    for step in (
        lambda: world.deploy(1, first),
        lambda: world.deploy(2, second, outcome="turned"),
        lambda: world.deploy(3, second, outcome=""),
    ):
        step()
        states.append(state())
    assert len(set(states)) == 4
    world.ledger.append([Event(E.RELEASE_BUILT, "", "", "ada", {"project": "shop", "release": second})])
    assert state() == states[-1] and state("dev") != states[-1]
