"""The example platform's three jobs and its stream run on a real Spark, from the data that its generator writes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.java import java_environment

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "payments"
_QUIET = ("spark.ui.enabled=false", "spark.driver.host=127.0.0.1", "spark.sql.shuffle.partitions=2")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    generate = [sys.executable, "-B", "generator/generate.py", "--rows", "1000", "--files", str(folder)]
    done = subprocess.run(generate, cwd=EXAMPLE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def submit(runtime_python: Callable[[str], Path]) -> Callable[..., str]:
    python = runtime_python("spark")

    def run(script: str, *arguments: object) -> str:
        command = [python.parent / "spark-submit", "--master", "local[2]"]
        for setting in _QUIET:
            command += ["--conf", setting]
        environment = {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(EXAMPLE / "spark" / "lib"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYSPARK_PYTHON": str(python),
            **java_environment(),
        }
        done = subprocess.run(
            [*command, EXAMPLE / "spark" / script, *map(str, arguments)],
            env=environment, capture_output=True, text=True, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


def asked(sql: str) -> tuple[Any, ...]:
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()[0]


@pytest.mark.parametrize("job", ["build_merchant_features", "score_fraud", "settle_merchants"])
def test_job_writes_rows_and_says_how_many(job: str, lake: Path, submit: Callable[..., str], tmp_path: Path) -> None:
    said = submit(f"jobs/{job}.py", "--input", lake, "--output", tmp_path / "out")
    rows = int(said.rpartition(f"{job}: ")[2].split()[0])
    written = asked(f"SELECT count(*) FROM read_csv('{tmp_path}/out/*.csv', header = true)")
    assert written == (rows,) and rows > 0


def test_stream_counts_each_event_once_also_when_it_is_started_again(
    lake: Path, submit: Callable[..., str], tmp_path: Path
) -> None:
    places = ("--output", tmp_path / "out", "--checkpoint", tmp_path / "checkpoint")

    summed = (
        "SELECT sum(events), count(*), count(DISTINCT (window_start, merchant_id, currency))"
        f" FROM read_parquet('{tmp_path}/out/*.parquet')"
    )
    submit("streams/enrich_payments.py", "--input", lake / "payment_stream", *places)
    first = asked(summed)
    (sent,) = asked(f"SELECT count(DISTINCT payment_id) FROM read_json('{lake}/payment_stream/*.json*')")
    assert 0 < first[0] <= sent and first[1] == first[2]
    submit("streams/enrich_payments.py", "--input", lake / "payment_stream", *places)
    assert asked(summed) == first
