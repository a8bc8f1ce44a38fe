"""Spark jobs under a real spark-submit: the version that was live at the start is the one that runs to the end."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.adapters.spark_batch import SparkBatchAdapter
from tests.support.java import java_environment
from tests.support.process import wait_until
from tests.unit.adapters.world import World, spark_config

pytestmark = pytest.mark.engine

JOB = "spark.batch:settle"
# The job says that it began, waits until it is told to go on, and only then imports the rest of its code, in the driver
# and in a Python worker: the very moment at which a torn version would show.
SCRIPT = """
import os, sys, time
from pathlib import Path
from pyspark.sql import SparkSession

folder = Path(sys.argv[1])
spark = SparkSession.builder.getOrCreate()
(folder / "began").write_text(os.environ["INTERLOCK_JOB_VERSION"])
while not (folder / "go").exists():
    time.sleep(0.05)
from shop.late import NAME

def on_executor(_):
    from shop.late import NAME
    return NAME

names = spark.sparkContext.parallelize([1], 1).map(on_executor).collect()
(folder / "result").write_text(f"{MARK} {NAME} {names[0]}")
spark.stop()
"""


def files(mark: str) -> dict[str, str]:
    return {
        "spark/jobs/settle.py": f"MARK = {mark!r}\n{SCRIPT}",
        "spark/lib/shop/__init__.py": "",
        "spark/lib/shop/late.py": f"NAME = {mark!r}\n",
    }


@pytest.fixture(scope="module")
def spark_submit(runtime_python: Callable[[str], Path]) -> Path:
    """The spark-submit of the example platform's runtime."""
    return runtime_python("spark").parent / "spark-submit"


def start(world: World, spark_submit: Path, folder: Path) -> subprocess.Popen[bytes]:
    folder.mkdir()
    launcher = world.root / "live" / "bin" / "interlock-spark-submit"
    env = {
        "PATH": f"{spark_submit.parent}:{os.environ['PATH']}",
        "SPARK_SUBMIT": str(spark_submit),
        "HOME": str(folder),
        **java_environment(),
    }
    options = ["--master", "local[1]", "--conf", "spark.ui.enabled=false", "--conf", "spark.driver.host=127.0.0.1"]
    command = [sys.executable, str(launcher), "settle", *options, "--", str(folder)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log)


def test_run_that_is_overtaken_by_a_deployment_finishes_in_its_own_version(tmp_path: Path, spark_submit: Path) -> None:
    world, adapter = World(tmp_path, spark_config()), SparkBatchAdapter()
    closures = {JOB: tuple(sorted(files("old")))}
    world.deploy(world.release(files("old"), closures), adapter)
    first = tmp_path / "first"
    running = start(world, spark_submit, first)
    try:
        wait_until((first / "began").exists, timeout=90, what="the first run to begin")
        step, receipt = world.deploy(world.release(files("new"), closures), adapter)
        (first / "go").touch()
        assert running.wait(timeout=90) == 0, (first / "log").read_text()
    finally:
        running.kill()
    assert (first / "result").read_text() == "old old old"

    second = tmp_path / "second"
    running = start(world, spark_submit, second)
    try:
        (second / "go").touch()
        assert running.wait(timeout=90) == 0, (second / "log").read_text()
    finally:
        running.kill()
    assert (second / "result").read_text() == "new new new"
    assert (second / "began").read_text() != (first / "began").read_text()

    adapter.revert(step, receipt, world.context())
    third = tmp_path / "third"
    running = start(world, spark_submit, third)
    try:
        (third / "go").touch()
        assert running.wait(timeout=90) == 0, (third / "log").read_text()
    finally:
        running.kill()
    assert (third / "result").read_text() == "old old old"
    assert (third / "began").read_text() == (first / "began").read_text()
