"""The main job, whole, on real engines: what ``make demo`` tells is true, and the data shows it."""

import json
import subprocess
import sys
from pathlib import Path

import bench_demo
import duckdb
import pytest

from interlock.cli.story import CHAPTERS
from interlock.ledger import open_ledger
from interlock.model.events import EventType

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def story(tmp_path_factory) -> tuple[Path, dict]:
    root = tmp_path_factory.mktemp("story") / "payments"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERLOCK_ACTOR", "ada")
        told = bench_demo.tell(root)
    assert told.seconds > 0 and told.own_mb > 0, "the figures of the story are taken in the same way"
    return root, json.loads(told.output)


def run(root: Path, *arguments: str) -> tuple[int, dict]:
    done = subprocess.run(
        [sys.executable, "-m", "interlock", *arguments, "--json"], cwd=root, capture_output=True, text=True
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_every_chapter_ends_as_it_must(story):
    _, told = story
    assert told["kind"] == "demo"
    assert [c["exit_code"] for c in told["chapters"]] == [c.code for c in CHAPTERS]


def test_all_three_environments_got_the_same_bytes(story):
    root, _ = story
    _, status = run(root, "status")
    assert len({e["release"] for e in status["environments"]}) == 1
    assert all(len(e["resources"]) == 69 and not e["drift"] for e in status["environments"])


def test_consumers_of_production_never_saw_the_missing_rows(story):
    root, _ = story
    with duckdb.connect(str(root / ".interlock/env/prod/warehouse.duckdb"), read_only=True) as warehouse:
        rows = warehouse.execute("select count(*), count(distinct payment_id) from marts.fct_payments").fetchone()
        columns = [c[0] for c in warehouse.execute("describe marts.mart_payment_funnel").fetchall()]
    assert rows == (10_000, 10_000)
    assert "voided" not in columns, "the good change was rolled back"


def test_the_gate_that_turned_it_round_names_model_and_figures(story):
    root, _ = story
    _, history = run(root, "history", "prod")
    outcomes = [(d["intent"], d["outcome"]) for d in history["deployments"]]
    assert outcomes == [
        ("rollback", "succeeded"),
        ("deploy", "succeeded"),
        ("deploy", "turned"),
        ("deploy", "succeeded"),
    ]
    turned = history["deployments"][2]
    assert "fct_payments" in turned["cause"] and "9210" in turned["cause"]
    assert {d["actor"] for d in history["deployments"]} == {"ada"}


def test_the_ledger_holds_aggregates_and_no_row_of_production(story):
    root, _ = story
    with duckdb.connect(str(root / ".interlock/env/prod/warehouse.duckdb"), read_only=True) as warehouse:
        ids = [i for (i,) in warehouse.execute("select payment_id from marts.fct_payments limit 200").fetchall()]
    with open_ledger("sqlite:///.interlock/ledger.db", root) as ledger:
        gates = list(ledger.events(types=[EventType.GATE_ANSWERED]))
        assert len(gates) > 50
        everything = "\n".join(json.dumps(e.event.data) for e in ledger.events())
    assert not [i for i in ids if f'"{i}"' in everything]


def test_deploying_the_same_release_again_does_nothing_and_says_so(story):
    root, _ = story
    code, staging = run(root, "deploy", "staging", _live(root, "staging"), "--yes")
    assert (code, staging["outcome"]) == (0, "nothing")


def test_one_resource_goes_back_alone_and_the_release_can_be_made_whole_again(story):
    root, _ = story
    _, releases = run(root, "release", "list")
    newest = releases["releases"][0]
    code, _ = run(root, "deploy", "dev", newest, "--yes")
    assert code == 0
    key = "dbt.model:payments.mart_payment_funnel"
    code, back = run(root, "rollback", "dev", "--only", key, "--yes")
    assert (code, back["outcome"]) == (0, "succeeded")
    _, status = run(root, "status", "dev")
    assert status["environments"][0]["partial"] == [key]
    code, again = run(root, "deploy", "dev", newest, "--yes")
    assert (code, again["outcome"]) == (0, "succeeded")
    _, status = run(root, "status", "dev")
    assert status["environments"][0]["partial"] == []


def test_a_saved_plan_is_void_once_the_environment_moved(story):
    root, _ = story
    newest = run(root, "release", "list")[1]["releases"][0]
    code, _ = run(root, "plan", "staging", newest, "--out", "staging.plan")
    assert code == 0
    assert run(root, "deploy", "staging", newest, "--yes")[0] == 0
    code, refused = run(root, "deploy", "staging", "--plan", "staging.plan")
    assert code == 1
    assert refused["error"]["type"] == "StaleError"
    assert "interlock plan staging" in refused["error"]["remedy"]


def _live(root: Path, environment: str) -> str:
    return run(root, "status", environment)[1]["environments"][0]["release"]
