"""Writes a project of any size for the figures: DAGs, dbt models and Spark jobs with the cross-links of a real one.

Per 250 "pipelines": 180 DAGs, 200 dbt models with 600 tests, 25 Spark jobs; other sizes keep the proportions. The
same arguments give the same bytes. Usage: `python benches/scale_project.py OUT --pipelines 250`.
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from scale_airflow import dag_files
from scale_dbt import dbt_files, raw_sql
from scale_outline import Project, design
from scale_spark import spark_files

ROOT = Path(__file__).resolve().parent.parent
RUNTIMES = ROOT / "examples" / "payments" / "runtimes"


def generate(out: Path, pipelines: int, seed: int = 0, runtimes_from: Path = RUNTIMES) -> Project:
    """The project stands in `out`, which must be empty or absent, and its outline is returned.

    `runtimes_from` holds the `.in` and `.lock` files that are copied to `runtimes/`. FileExistsError when `out`
    holds something, FileNotFoundError when a lock is missing.
    """
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty")
    project = design(pipelines, seed)
    for path, text in files(project):
        target = out / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    (out / "runtimes").mkdir(exist_ok=True)
    for runtime in ("airflow", "dbt", "spark"):
        for suffix in ("in", "lock"):
            shutil.copyfile(runtimes_from / f"{runtime}.{suffix}", out / "runtimes" / f"{runtime}.{suffix}")
    return project


def files(project: Project) -> Iterator[tuple[str, str]]:
    """Each file of the project: its path with forward slashes, and its text."""
    yield "interlock.yaml", _interlock_yaml()
    yield ".gitignore", ".interlock/\n__pycache__/\ntarget/\nlogs/\n"
    yield "warehouse/raw.sql", raw_sql(project)
    yield from dag_files(project)
    yield from dbt_files(project)
    yield from spark_files(project)


def _interlock_yaml() -> str:
    environments = "".join(
        f"""  {name}:
    airflow: {{root: .interlock/env/{name}/airflow}}
    spark: {{root: .interlock/env/{name}/spark}}
    warehouse: {{type: duckdb, path: .interlock/env/{name}/warehouse.duckdb}}
    dbt: {{root: .interlock/env/{name}/dbt, target: {name}}}
{after}    values: {{bucket: scale-{name}, spark_executors: {executors}}}
"""
        for name, after, executors in (
            ("dev", "", 1),
            ("staging", "    after: dev\n", 2),
            ("prod", "    after: staging\n", 8),
        )
    )
    return (
        dedent("""\
            version: 1
            project: scale
            airflow:
              dags: dags
              runtime: airflow
            dbt:
              project: dbt
              runtime: dbt
            spark:
              runtime: spark
              jobs: [spark/jobs/*.py]
              include: [spark/lib]
            runtimes:
              airflow: {python: "3.11", lock: runtimes/airflow.lock, requirements: runtimes/airflow.in}
              dbt: {python: "3.11", lock: runtimes/dbt.lock, requirements: runtimes/dbt.in}
              spark: {python: "3.11", lock: runtimes/spark.lock, requirements: runtimes/spark.in}
            ledger: sqlite:///.interlock/ledger.db
            artifacts: .interlock/artifacts
            environments:
            """)
        + environments
        + dedent("""\
            values:
              bucket: {type: string}
              spark_executors: {type: integer, min: 1, max: 100}
            gates:
              defaults: {row_count: {max_drop: 0.02, max_growth: 0.5}, null_rate: {max_increase: 0.01}, unique: true}
            """)
    )


def main(argv: list[str] | None = None) -> int:
    """Writes the project that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="an empty or new folder")
    parser.add_argument("--pipelines", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runtimes-from", type=Path, default=RUNTIMES, help="folder of the .in and .lock files")
    args = parser.parse_args(argv)
    project = generate(args.out, args.pipelines, args.seed, args.runtimes_from)
    sys.stdout.write(
        f"{args.out}: {len(project.dags)} DAGs, {len(project.models)} models with {3 * len(project.models)} tests, "
        f"{len(project.jobs)} Spark jobs\n"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
