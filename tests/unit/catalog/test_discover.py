"""``init`` finds what a repository holds, says what it is unsure of, and writes a file that loads."""

from pathlib import Path

import pytest

from interlock.catalog.discover import discover
from interlock.config import load_config
from interlock.views.init_view import config_text

DAG = "from airflow import DAG\nwith DAG('a'):\n    pass\n"
JOB = "from pyspark.sql import SparkSession\nif __name__ == '__main__':\n    SparkSession.builder.getOrCreate()\n"


def lay(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def test_a_platform_is_found_and_the_file_that_is_written_loads(tmp_path):
    root = lay(
        tmp_path,
        {
            "dags/orders.py": DAG,
            "dags/common/__init__.py": "",
            "transform/dbt_project.yml": "name: shop",
            "jobs/settle.py": JOB,
            "jobs/enrich.py": JOB + "# spark.readStream\n",
            "requirements-airflow.txt": "apache-airflow==2.11.2\n",
            "runtimes/dbt.lock": "dbt-core==1.11.0 --hash=sha256:00\n",
            "node_modules/x/dags/no.py": DAG,
        },
    )
    found = discover(root)
    assert (found.dags, found.dbt, found.jobs, found.streams) == (
        "dags",
        "transform",
        ["jobs/settle.py"],
        ["jobs/enrich.py"],
    )
    assert found.requirements == {"airflow": "requirements-airflow.txt"}
    assert found.locks == {"dbt": "runtimes/dbt.lock"}
    assert any("airflow runtime" in line and "--lock" in line for line in found.unsure)
    (root / "interlock.yaml").write_text(config_text(found))
    config = load_config(root)
    assert list(config.runtimes) == ["airflow", "dbt", "spark"]
    assert config.environments["prod"].after == "staging"


def test_what_is_ambiguous_is_said(tmp_path):
    files = {"a/dags/x.py": DAG, "b/dags/y.py": DAG, "m/dbt_project.yml": "name: m", "n/dbt_project.yml": "name: n"}
    found = discover(lay(tmp_path, files))
    assert found.dags == "a/dags"
    assert any("more than one DAG folder: a/dags, b/dags" in line for line in found.unsure)
    assert any("more than one dbt project: m, n" in line for line in found.unsure)


def test_an_empty_repository_holds_nothing(tmp_path):
    assert discover(tmp_path).runtimes == []


@pytest.mark.parametrize("name", ["my dags", "o'dags", "da:gs", "dägs", "1dags"])
def test_odd_names_of_folders_survive_the_yaml(tmp_path, name):
    found = discover(lay(tmp_path, {f"{name}/dags/x.py": DAG}))
    (tmp_path / "interlock.yaml").write_text(config_text(found))
    assert load_config(tmp_path).airflow.dags == f"{name}/dags"


def test_a_loop_of_links_is_not_followed(tmp_path):
    lay(tmp_path, {"dags/x.py": DAG})
    (tmp_path / "dags" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert discover(tmp_path).dags == "dags"
