"""Spark jobs on a disk: pointers, versions, the launcher's own decisions."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.adapters.spark_batch import SparkBatchAdapter
from interlock.adapters.spark_stream import SparkStreamAdapter
from interlock.model.errors import RefusedError, UsageError
from tests.unit.adapters.world import World, refuses, spark_config

JOB, OTHER, STREAM = "spark.batch:settle", "spark.batch:report", "spark.stream:enrich"
FIRST = {
    "spark/jobs/settle.py": "import shop.rules\n",
    "spark/jobs/report.py": "1",
    "spark/streams/enrich.py": "1",
    "spark/lib/shop/__init__.py": "",
    "spark/lib/shop/rules.py": "ONE = 1\n",
    "dags/a.py": "",
}
CLOSURES = {
    JOB: ("spark/jobs/settle.py", "spark/lib/shop/__init__.py", "spark/lib/shop/rules.py"),
    OTHER: ("spark/jobs/report.py",),
    STREAM: ("spark/streams/enrich.py",),
}
batch, stream = SparkBatchAdapter(), SparkStreamAdapter()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, spark_config())


def launch(world: World, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(world.root / "live" / "bin" / "interlock-spark-submit"), *arguments]
    clean = {"PATH": os.environ["PATH"], **env}
    return subprocess.run(command, capture_output=True, text=True, env=clean, timeout=60, check=False)


def version(world: World, job: str) -> Path:
    return Path(launch(world, "--which", job).stdout.strip())


def test_version_holds_script_closure_and_shared_packages_at_their_paths(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    folder = version(world, "settle")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {
        "spark/jobs/settle.py", "spark/lib/shop/__init__.py", "spark/lib/shop/rules.py", ".interlock/pyfiles.zip",
    }  # fmt: skip


def test_batch_and_streams_switch_on_their_own(world: World) -> None:
    manifest = world.release(FIRST, CLOSURES)
    world.deploy(manifest, batch)
    assert launch(world, "--which", STREAM).returncode == 66
    world.deploy(manifest, stream)
    assert version(world, "enrich").is_dir() and version(world, "settle").is_dir()


def test_stream_plan_says_that_a_running_query_is_left_alone(world: World) -> None:
    steps = world.plan(world.release(FIRST, CLOSURES), stream)
    assert [step.id for step in steps] == ["spark_stream.stage", "spark_stream.switch"]
    assert "until you restart it" in steps[1].summary and all(step.reversible for step in steps)


def test_unchanged_job_keeps_its_version_and_changed_one_gets_another(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    settle, report = version(world, "settle"), version(world, "report")
    world.deploy(world.release({**FIRST, "spark/jobs/report.py": "2"}, CLOSURES), batch)
    assert version(world, "settle") == settle and version(world, "report") != report
    assert report.is_dir()


def test_rollback_whole_and_alone_without_store(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    settle, report = version(world, "settle"), version(world, "report")
    second = {**FIRST, "spark/jobs/report.py": "2", "spark/lib/shop/rules.py": "ONE = 2\n"}
    step, receipt = world.deploy(world.release(second, CLOSURES), batch)
    new = version(world, "settle")
    world.blobs.held.clear()
    assert batch.revert(step, receipt, world.context(), frozenset([OTHER])).changed
    assert (version(world, "settle"), version(world, "report")) == (new, report)
    assert batch.revert(step, None, world.context()).changed
    assert (version(world, "settle"), version(world, "report")) == (settle, report)
    assert not batch.revert(step, receipt, world.context()).changed


def test_first_deployment_goes_back_to_no_job(world: World) -> None:
    step, receipt = world.deploy(world.release(FIRST, CLOSURES), batch)
    batch.revert(step, receipt, world.context())
    told = launch(world, "settle")
    assert told.returncode == 66 and "not deployed" in told.stderr


def test_rollback_to_an_edited_version_is_refused(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    old = version(world, "report")
    step, receipt = world.deploy(world.release({**FIRST, "spark/jobs/report.py": "2"}, CLOSURES), batch)
    (old / "spark/jobs/report.py").write_text("edited")
    with pytest.raises(RefusedError, match="by hand"):
        batch.revert(step, receipt, world.context())


def test_removed_job_is_gone_and_comes_back(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    fewer = {key: paths for key, paths in CLOSURES.items() if key != OTHER}
    step, receipt = world.deploy(world.release(FIRST, fewer), batch)
    assert launch(world, "report").returncode == 66
    batch.revert(step, receipt, world.context())
    assert version(world, "report").is_dir()


def test_disabled_job_does_not_start_and_stays_off_through_deployments(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    assert batch.disable(OTHER, world.context()).changed
    assert not batch.disable(OTHER, world.context()).changed
    step, receipt = world.deploy(world.release({**FIRST, "spark/jobs/report.py": "2"}, CLOSURES), batch)
    assert launch(world, "report").returncode == 75
    batch.revert(step, receipt, world.context())
    told = launch(world, "report")
    assert told.returncode == 75 and "disabled" in told.stderr and "enable" in told.stderr
    assert batch.enable(OTHER, world.context()).changed
    assert launch(world, "report", SPARK_SUBMIT="/bin/true").returncode == 0


def test_unknown_job_cannot_be_disabled(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    with pytest.raises(UsageError, match="not live"):
        batch.disable("spark.batch:nobody", world.context())


def test_options_and_arguments_reach_spark_submit(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    folder = version(world, "settle")
    told = launch(
        world, "settle", "--master", "local[1]", "--py-files", "mine.zip", "--", "--day", "x y", SPARK_SUBMIT="echo"
    )
    assert told.stdout.strip() == (
        f"--master local[1] --py-files {folder}/.interlock/pyfiles.zip,mine.zip {folder}/spark/jobs/settle.py --day x y"
    )
    assert launch(world, "report", "2026", SPARK_SUBMIT="echo").stdout.strip().endswith("spark/jobs/report.py 2026")


@pytest.mark.parametrize("name", ["../settle", ".hidden", "airflow.dag:x", ""])
def test_strange_names_are_refused(world: World, name: str) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    assert launch(world, name).returncode == 64


def test_missing_spark_submit_says_what_to_set(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    told = launch(world, "settle", PATH=str(world.root))
    assert told.returncode == 69 and "SPARK_SUBMIT" in told.stderr


def test_batch_job_and_stream_of_one_name_are_told_apart(world: World) -> None:
    closures = {"spark.batch:enrich": ("spark/jobs/report.py",), STREAM: CLOSURES[STREAM]}
    manifest = world.release(FIRST, closures)
    world.deploy(manifest, batch)
    world.deploy(manifest, stream)
    assert launch(world, "enrich").returncode == 64
    assert "/stream/" in launch(world, "--which", STREAM).stdout


def test_edited_version_is_drift(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    assert batch.observe(world.context())[JOB]["drift"] == []
    (version(world, "settle") / "spark/lib/shop/rules.py").write_text("ONE = 3\n")
    assert batch.observe(world.context())[JOB]["drift"] == ["spark/lib/shop/rules.py"]


def test_lost_lease_switches_no_job(world: World) -> None:
    world.deploy(world.release(FIRST, CLOSURES), batch)
    before = version(world, "report")
    with pytest.raises(RuntimeError, match="fenced"):
        world.deploy(world.release({**FIRST, "spark/jobs/report.py": "2"}, CLOSURES), batch, fence=refuses())
    assert version(world, "report") == before


def test_versions_go_once_nobody_can_go_back_to_them_and_not_before(world: World) -> None:
    releases = [world.release({**FIRST, "spark/jobs/report.py": word}, CLOSURES) for word in "123"]
    for manifest in releases:
        world.deploy(manifest, batch)
    kept = sorted(path.name for path in (world.root / "live/batch/versions/report/views").glob("*.json"))
    assert len(kept) == 3
    week = 8 * 86400
    # The version of the first release has long been live when the second replaces it: its age alone says nothing.
    for path in (world.root / "live/batch/versions").glob("*/views/*.json"):
        os.utime(path, (path.stat().st_mtime - week, path.stat().st_mtime - week))
    world.deploy(world.release({**FIRST, "spark/jobs/report.py": "4"}, CLOSURES), batch)
    assert len(list((world.root / "live/batch/versions/report/views").glob("*.json"))) == 4
    # A week later no pointer that can be gone back to names them any more.
    for path in (world.root / "live/batch/views").glob("*.json"):
        os.utime(path, (path.stat().st_mtime - week, path.stat().st_mtime - week))
    for path in (world.root / "live/batch/versions").glob("*/views/*.json"):
        os.utime(path, (path.stat().st_mtime - week, path.stat().st_mtime - week))
    world.deploy(world.release({**FIRST, "spark/jobs/report.py": "5"}, CLOSURES), batch)
    left = list((world.root / "live/batch/versions/report/views").glob("*.json"))
    assert len(left) == 2  # what is live, and what it replaced just now
    assert version(world, "report").is_dir() and version(world, "settle").is_dir()
