"""Well-formed projects give nothing that counts, whatever their spelling; spoilt files give no crash and no secret."""

import shutil
from pathlib import Path

import fuzz
import pytest
import scale_project
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.engine.checking import check_project
from interlock.engine.project import Project
from interlock.model.findings import Severity
from tests.regressions.case import check_files

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "payments"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path_factory.mktemp("cache")))


def counting(root: Path) -> list[str]:
    found = check_project(Project(root), static=True).findings
    return [f"{one.place} {one.rule} {one.summary}" for one in found if one.severity is not Severity.INFO]


@pytest.mark.parametrize("configured", [True, False], ids=["configured", "found"])
def test_the_example_platform_is_clean(tmp_path: Path, configured: bool) -> None:
    root = tmp_path / "payments"
    shutil.copytree(EXAMPLE, root)
    if not configured:
        (root / "interlock.yaml").unlink()
    assert counting(root) == []


def test_the_scale_project_is_clean(tmp_path: Path) -> None:
    scale_project.generate(tmp_path / "scale", 25)
    assert counting(tmp_path / "scale") == []


NAMES = st.sampled_from(["orders", "payments_2", "Kunden", "v", "order_lines_daily", "_raw", "x1"])
SCHEDULES = st.sampled_from(["'@daily'", "None", "'0 6 * * *'", "timedelta(hours=1)"])
COLUMNS = st.lists(st.sampled_from(["id", "amount", "country", "created_at", "status", "n"]), min_size=1, unique=True)


@st.composite
def platforms(draw: st.DrawFn) -> dict[str, bytes]:
    """A DAG that runs a model, the model with its YAML, a job: all names, columns and spellings are drawn."""
    name, schedule, columns = draw(NAMES), draw(SCHEDULES), draw(COLUMNS)
    command = draw(st.sampled_from([f"dbt build --select {name}", f"dbt run -s +{name}", "echo {{ ds }}", "ls"]))
    quote = draw(st.sampled_from(['"', "'"]))
    lead = draw(st.booleans())
    joined = "\n    , ".join(columns) if lead else ",\n    ".join(columns)
    listed = ", ".join(f"{n} as {c}" for n, c in enumerate(columns))
    form = draw(st.sampled_from(["with d:\n    ", "a = "]))
    task = f'BashOperator(task_id="build", bash_command={command!r}{"" if form.startswith("with") else ", dag=d"})'
    return {
        "dags/load.py": (
            "from datetime import datetime, timedelta\n\nfrom airflow import DAG\n"
            "from airflow.operators.bash import BashOperator\n\n"
            f"d = DAG({quote}load_{name}{quote}, schedule={schedule}, start_date=datetime(2026, 1, 1),\n"
            f'        default_args={{"owner": "platform", "retries": 1}}, catchup={draw(st.booleans())})\n{form}{task}\n'
        ).encode(),
        "dbt/dbt_project.yml": b"name: shop\nversion: '1.0'\nprofile: shop\n",
        f"dbt/models/{name}.sql": (
            f"{{{{ config(materialized={quote}table{quote}) }}}}\n\nwith base as (\n    select {listed}\n)\n\n"
            f"select\n    {joined}\nfrom base\n"
        ).encode(),
        "dbt/models/schema.yml": (
            f"version: 2\nmodels:\n  - name: {name}\n    columns:\n"
            + "".join(f"      - name: {column}\n        data_tests: [not_null]\n" for column in columns)
        ).encode(),
        "jobs/load.py": (
            b"from pyspark.sql import SparkSession\n\n\ndef main():\n    spark = SparkSession.builder.getOrCreate()\n"
            b"    spark.read.parquet('in').write.parquet('out')\n\n\nif __name__ == '__main__':\n    main()\n"
        ),
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(platforms())
def test_well_formed_variations_are_clean(files: dict[str, bytes]) -> None:
    found = [one for one in check_files(files, dialect="duckdb") if one.severity is not Severity.INFO]
    assert [(one.rule, str(one.place), one.summary) for one in found] == []


@pytest.mark.parametrize("seed", [1, 2])
def test_spoilt_files_crash_nothing_and_show_no_secret(seed: int, tmp_path: Path) -> None:
    assert fuzz.run(1500, seed, tmp_path) == 0
