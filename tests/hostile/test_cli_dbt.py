"""A dbt project that does not parse, or holds files that are no text: refused with file and line, tables stay."""

from pathlib import Path

import duckdb
import pytest

from tests.hostile.cli_project import DONE, NO, build, dbt_files, deploy, interlock, unharmed, write

pytestmark = pytest.mark.engine

GOOD = {
    "one.sql": "select i as id, 1 as version from range(10) t(i)\n",
    "two.sql": "select id, version from {{ ref('one') }}\n",
    "schema.yml": "models:\n  - name: one\n    columns: [{name: id, data_tests: [unique]}]\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dbt") / "project"
    write(root, dbt_files(GOOD))
    duckdb.connect(str(root / "warehouse.duckdb")).close()
    build(root)
    deploy(root)
    return root


def version(root: Path) -> int:
    with duckdb.connect(str(root / "warehouse.duckdb"), read_only=True) as warehouse:
        return int(warehouse.execute("select max(version) from analytics.two").fetchall()[0][0])


# The files that are wrong, and for each answer what it has to name.
WRONG: dict[str, tuple[dict[str, str | bytes], list[tuple[str, ...]]]] = {
    "broken_yaml": ({"models/schema.yml": "models:\n  - name: one\n   columns: [\n"}, [("dbt/models/schema.yml:",)]),
    "not_utf_8": (
        {
            "models/schema.yml": b"models:\n  - name: caf\xe9\n",
            "models/two.sql": b"select 'caf\xe9' as id, 2 as version\n",
            "dbt_project.yml": b"name: caf\xe9\n",
        },
        [
            ("dbt/models/schema.yml:2", "not UTF-8"),
            ("dbt/models/two.sql:1", "not UTF-8"),
            ("dbt/dbt_project.yml:1", "not UTF-8"),
        ],
    ),
    "unknown_model": ({"models/two.sql": "select * from {{ ref('won') }}\n"}, [("dbt/models/two.sql", "won")]),
    "broken_jinja": ({"models/two.sql": "select 1\n{% if %}\n"}, [("dbt/models/two.sql:2",)]),
    "project_file_is_no_yaml": ({"dbt_project.yml": "name: [small\n"}, [("dbt/dbt_project.yml",)]),
}


@pytest.mark.parametrize("name", WRONG)
def test_dbt_project_that_cannot_be_read_is_refused_with_its_file(project: Path, name: str) -> None:
    files, named = WRONG[name]
    before = {f"dbt/{path}": (project / "dbt" / path).read_bytes() for path in files}
    write(project, {f"dbt/{path}": content for path, content in files.items()})
    try:
        said = interlock(project, "check")
    finally:
        write(project, before)
    assert said.code == NO, said
    for one in named:
        said.about(*one)
    assert version(project) == 1


def test_missing_project_file_is_named(project: Path) -> None:
    place = project / "dbt/dbt_project.yml"
    before = place.read_bytes()
    place.unlink()
    try:
        said = interlock(project, "check")
    finally:
        place.write_bytes(before)
    assert said.code == 2, said
    said.about("dbt_project.yml")


def test_model_that_the_warehouse_refuses_turns_the_deployment_and_consumers_keep_their_tables(project: Path) -> None:
    live = interlock(project, "status").body["environments"][0]["release"]
    write(project, {"dbt/models/two.sql": "select id, cast('x' || id as integer) as version from {{ ref('one') }}\n"})
    build(project)
    said = interlock(project, "deploy", "prod", "--yes")
    assert (said.code, said.body["outcome"]) == (NO, "turned"), said
    assert "dbt.model:small.two" in said.body["cause"] and "Could not convert" in said.body["cause"], said.body["cause"]
    assert said.body["remedy"].strip()
    unharmed(project, live)
    assert version(project) == 1
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as warehouse:
        left = warehouse.execute("select table_name from information_schema.tables where table_name like '%ilk%'")
        assert left.fetchall() == [], "candidates of the deployment that was turned round are left"


def test_mended_project_builds_and_deploys(project: Path) -> None:
    write(project, dbt_files({**GOOD, "one.sql": GOOD["one.sql"].replace("1 as version", "2 as version")}))
    assert interlock(project, "check").code == DONE
    release = build(project)
    deploy(project)
    unharmed(project, release)
    assert version(project) == 2
