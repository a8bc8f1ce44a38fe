"""What events add up to: the state of environments."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.ledger import Ledger, environment_state, open_ledger
from interlock.ledger.projections import Span, spans
from interlock.model.events import Event, EventType
from interlock.model.state import LiveResource

E = EventType
DAG = "airflow.dag:orders"


def event(kind: EventType, deployment: str = "d-1", environment: str = "prod", **data: Any) -> Event:
    return Event(kind, environment, deployment, "ada", data)


def opened(root: Path) -> Ledger:
    return open_ledger("sqlite:///ledger.db", root)


def test_live_resources_come_go_and_stay_disabled(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([event(E.RESOURCE_LIVE, key=DAG, release="r1", fingerprint="f1", data={"folder": "a"})])
        assert ledger.state("prod").resources == {DAG: LiveResource(DAG, "r1", "f1", True, {"folder": "a"})}
        ledger.append([event(E.RESOURCE_DISABLED, key=DAG), event(E.RESOURCE_DISABLED, key="dbt.model:x.unknown")])
        ledger.append([event(E.RESOURCE_LIVE, key=DAG, release="r2", fingerprint="f2", data={})])
        assert ledger.state("prod").resources == {DAG: LiveResource(DAG, "r2", "f2", False, {})}
        ledger.append([event(E.RESOURCE_ENABLED, key=DAG)])
        assert ledger.state("prod").resources[DAG].enabled
        ledger.append([event(E.RESOURCE_LIVE, key=DAG, removed=True)])
        assert ledger.state("prod").resources == {}
        assert ledger.state("dev").resources == {}


def test_only_a_deployment_that_succeeded_moves_the_release_of_an_environment(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([event(E.DEPLOYMENT_FINISHED, outcome="succeeded", release="r1")])
        ledger.append([event(E.DEPLOYMENT_FINISHED, "d-2", outcome="turned", release="r2")])
        ledger.append([event(E.DEPLOYMENT_FINISHED, "d-3", "dev", outcome="succeeded", release="r3")])
        assert ledger.state("prod").release == "r1"


def test_an_environment_was_at_one_release_after_the_other(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        for number, (outcome, release) in enumerate(
            [("succeeded", "r1"), ("turned", "r1"), ("succeeded", "r2"), ("succeeded", "r2"), ("succeeded", "r1")]
        ):
            ledger.append([event(E.DEPLOYMENT_FINISHED, f"d-{number}", outcome=outcome, release=release)])
        first, _, second, _, back = [fact.at for fact in ledger.events()]
        told = spans(ledger.events(environment="prod"))
    assert told == [Span("r1", first, second), Span("r2", second, back), Span("r1", back)]


def test_a_state_that_was_handed_out_does_not_change_afterwards(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append([event(E.RESOURCE_LIVE, key=DAG, release="r1", fingerprint="f1")])
        before = ledger.state("prod")
        basis = before.basis
        ledger.append([event(E.RESOURCE_LIVE, key=DAG, release="r2", fingerprint="f2")])
        assert ledger.state("prod").basis != basis == before.basis


_KEYS = st.sampled_from(["airflow.dag:a", "dbt.model:p.b", "spark.batch:c"])
_ENVIRONMENTS = st.sampled_from(["dev", "prod"])


def _live(environment: str, key: str, number: int, removed: bool) -> Event:
    facts = {"release": f"r{number}", "fingerprint": f"f{number}", "data": {"n": number}, "removed": removed}
    return event(E.RESOURCE_LIVE, "d", environment, key=key, **facts)


def _toggled(environment: str, key: str, kind: EventType) -> Event:
    return event(kind, "d", environment, key=key)


def _ended(environment: str, outcome: str) -> Event:
    return event(E.DEPLOYMENT_FINISHED, "d", environment, outcome=outcome, release="r")


_EVENTS = st.one_of(
    st.builds(_live, _ENVIRONMENTS, _KEYS, st.integers(0, 3), st.booleans()),
    st.builds(_toggled, _ENVIRONMENTS, _KEYS, st.sampled_from([E.RESOURCE_DISABLED, E.RESOURCE_ENABLED])),
    st.builds(_ended, _ENVIRONMENTS, st.sampled_from(["succeeded", "failed"])),
    st.builds(lambda environment: event(E.STEP_STARTED, "d", environment, step="s"), _ENVIRONMENTS),
)


@given(st.lists(st.lists(_EVENTS, max_size=6), max_size=5), st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_state_kept_up_to_date_equals_a_fold_from_the_first_event(batches: list[list[Event]], store: bool) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as kept, opened(Path(folder)) as writer:
        for batch in batches:
            writer.append(batch)
            if store:
                writer.rebuild()
            for name in ("dev", "prod"):
                fresh = environment_state(writer.events(), name)
                assert kept.state(name) == fresh
                with opened(Path(folder)) as later:
                    assert later.state(name) == fresh
        assert kept.verify() == []


def test_a_state_is_stored_now_and_then_and_can_be_rebuilt(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.append(
            [event(E.RESOURCE_LIVE, key=f"airflow.dag:{n}", release="r", fingerprint="f") for n in range(700)]
        )
        state = ledger.state("prod")
        ledger.append([event(E.RESOURCE_LIVE, key="airflow.dag:0", removed=True)])
    with opened(tmp_path) as ledger, ledger.database.reading() as connection:
        stored = connection.exec_driver_sql("SELECT environment, number FROM projection").all()
        assert [tuple(row) for row in stored] == [("prod", 700)]
    with opened(tmp_path) as ledger:
        assert len(ledger.state("prod").resources) == len(state.resources) - 1
        assert ledger.rebuild() == ["prod"]
        assert ledger.state("prod") == environment_state(ledger.events(), "prod")
        assert ledger.verify() == []
