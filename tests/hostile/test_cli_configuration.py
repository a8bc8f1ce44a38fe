"""A wrong interlock.yaml: the file, the line, what was expected and the nearest valid name are said; all stays live."""

import sys
from pathlib import Path

import pytest

from tests.hostile.cli_project import (
    AIRFLOW,
    DBT,
    DONE,
    SPARK,
    USAGE,
    build,
    config,
    copy_of,
    deploy,
    interlock,
    live_job,
    live_spark,
    spark_files,
    unharmed,
    write,
)

GOOD = config(SPARK)
RUNTIME = f"spark: {{interpreter: {sys.executable}}}"

# What stands in the file, and what the answer has to name.
WRONG: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "broken_yaml": (GOOD.replace("project: small", "project: [small"), ("interlock.yaml:", "not valid YAML")),
    "indented_by_tabs": (GOOD.replace("  prod:", "\tprod:"), ("interlock.yaml:7", "not valid YAML")),
    "not_utf_8": (GOOD.encode().replace(b"small", b"caf\xe9"), ("interlock.yaml:2", "not UTF-8")),
    "nul_bytes": (GOOD.encode() + b"\0\0", ("interlock.yaml:9", "not valid YAML", "U+0000")),
    "empty": (b"", ("interlock.yaml",)),
    "only_a_list": ("- version: 1\n", ("interlock.yaml:1", "no mapping")),
    "key_twice": (GOOD + "project: other\n", ("interlock.yaml:9", "'project'", "twice")),
    "aliases_that_grow_without_end": ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", ("interlock.yaml:2", "alias")),
    "nested_a_thousand_deep": ("version: " + "[" * 5000, ("interlock.yaml", "not valid YAML")),
    "unknown_key_at_the_top": (
        GOOD.replace("environments:", "enviroments:"),
        ("interlock.yaml:6", "enviroments", "did you mean 'environments'"),
    ),
    "unknown_key_deep_inside": (
        GOOD.replace("{root: live/spark}", "{rooot: live/spark}"),
        ("interlock.yaml:8", "environments.prod.spark.rooot", "did you mean 'root'"),
    ),
    "unknown_runtime": (
        GOOD.replace("runtime: spark", "runtime: spork"),
        ("interlock.yaml:3", "spork", "did you mean 'spark'"),
    ),
    "wrong_type": (GOOD.replace("jobs: [jobs/*.py]", "jobs: 7"), ("interlock.yaml:3", "spark.jobs")),
    "path_upwards": (
        GOOD.replace(SPARK, SPARK + AIRFLOW.replace("dags: dags", "dags: ../other/dags")).replace(
            RUNTIME, f"{RUNTIME}\n  airflow: {{interpreter: {sys.executable}}}"
        ),
        ("interlock.yaml:4", "airflow.dags", "inside the project", "../other/dags"),
    ),
    "absolute_path": (
        GOOD.replace(SPARK, SPARK + DBT.replace("project: dbt", "project: /etc")).replace(
            RUNTIME, f"{RUNTIME}\n  dbt: {{interpreter: {sys.executable}}}"
        ),
        ("interlock.yaml:4", "dbt.project", "inside the project", "/etc"),
    ),
    "glob_upwards": (GOOD.replace("jobs/*.py", "jobs/../../*.py"), ("interlock.yaml:3", "spark.jobs", "..")),
    "lock_upwards": (
        GOOD.replace(f"interpreter: {sys.executable}", "python: '3.11', lock: ../x.lock"),
        ("interlock.yaml:5", "runtimes.spark.lock", "../x.lock"),
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return live_spark(tmp_path_factory.mktemp("configuration") / "project")


@pytest.mark.parametrize("name", WRONG)
def test_wrong_configuration_is_refused_with_its_line(project: Path, name: str) -> None:
    content, named = WRONG[name]
    write(project, {"interlock.yaml": content})
    try:
        said = interlock(project, "check")
    finally:
        write(project, {"interlock.yaml": GOOD})
    assert said.code == USAGE, said
    said.about(*named)


def test_every_mistake_is_said_at_once_in_the_order_of_the_file(project: Path) -> None:
    wrong = GOOD.replace("version: 1", "version: 2").replace("project:", "projekt:").replace("root:", "rot:")
    write(project, {"interlock.yaml": wrong})
    try:
        said = interlock(project, "deploy", "prod", "--yes")
    finally:
        write(project, {"interlock.yaml": GOOD})
    assert said.code == USAGE, said
    lines = [int(one.split(":")[1]) for one in said.body["error"]["problems"] if one.split(":")[1].isdigit()]
    assert {1, 2, 8} <= set(lines) and lines == sorted(lines), said.body


def test_configuration_that_is_a_link_to_itself_or_a_folder_is_named(project: Path, tmp_path: Path) -> None:
    place = copy_of(project, tmp_path / "copy")
    (place / "interlock.yaml").unlink()
    (place / "interlock.yaml").symlink_to("interlock.yaml")
    said = interlock(place, "status")
    assert said.code == USAGE, said
    said.about("interlock.yaml")
    (place / "interlock.yaml").unlink()
    (place / "interlock.yaml").mkdir()
    said = interlock(place, "status")
    assert said.code == USAGE, said
    said.about("interlock.yaml")


def test_after_all_wrong_configurations_nothing_is_lost_and_the_corrected_one_deploys(project: Path) -> None:
    live = interlock(project, "status").body["environments"][0]["release"]
    assert live
    unharmed(project, live)
    assert "settle 1" in live_job(project)
    write(project, spark_files(version=2))
    release = build(project)
    deploy(project)
    unharmed(project, release)
    assert "settle 2" in live_job(project)


def test_environment_and_release_that_do_not_exist_are_answered_with_those_that_do(project: Path) -> None:
    said = interlock(project, "deploy", "prd", "--yes")
    assert said.code == USAGE
    _, remedy, _ = said.about("'prd'")
    assert "prod" in remedy
    said = interlock(project, "release", "show", "ffffffff")
    assert said.code == USAGE, said
    said.about("ffffffff")
    assert interlock(project, "status").code == DONE
