"""The scale project that the figures are measured on has the promised size, links that hold, and the same bytes."""

import ast
import re
from pathlib import Path

import pytest
import scale_project  # type: ignore[import-not-found]
import yaml
from scale_outline import design  # type: ignore[import-not-found]


@pytest.fixture(scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locks")
    for name in ("airflow", "dbt", "spark"):
        (folder / f"{name}.in").write_text(f"{name}\n")
        (folder / f"{name}.lock").write_text(f"{name}==1\n")
    return folder


@pytest.fixture(scope="module")
def small(locks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scale") / "small"
    scale_project.generate(out, 50, runtimes_from=locks)
    return out


@pytest.mark.parametrize(
    ("pipelines", "dags", "models", "jobs"), [(250, 180, 200, 25), (2500, 1800, 2000, 250), (50, 36, 40, 5)]
)
def test_the_size_is_in_proportion(pipelines: int, dags: int, models: int, jobs: int) -> None:
    project = design(pipelines)
    assert (len(project.dags), len(project.models), len(project.jobs)) == (dags, models, jobs)


@pytest.mark.parametrize("pipelines", [1, 2, 3, 7, 26, 99, 250])
def test_every_link_leads_somewhere(pipelines: int) -> None:
    project = design(pipelines)
    models = {model.name: model for model in project.models}
    dags = {dag.dag_id for dag in project.dags}
    assert len(models) == len(project.models) and len(dags) == len(project.dags)
    layers = ["staging", "intermediate", "marts", "reports"]
    for model in project.models:
        assert len(set(model.peers)) == len(model.peers)
        assert all(models[peer].layer == layers[layers.index(model.layer) - 1] for peer in model.peers)
    for dag in project.dags:
        assert not dag.waits_for or dag.waits_for in dags
        assert all(model.name in models for model in dag.models)
        assert not dag.job or dag.job in project.jobs


def test_every_source_is_landed_every_mart_built_and_every_job_run() -> None:
    project = design(250)
    by_kind = {kind: [dag for dag in project.dags if dag.kind == kind] for kind in ("ingest", "transform", "spark")}
    assert {name for dag in by_kind["ingest"] for name in dag.reads} == {
        model.source for model in project.layer("staging")
    }
    assert {model.name for dag in by_kind["transform"] for model in dag.models} == {
        model.name for model in project.layer("marts")
    }
    assert {dag.job for dag in by_kind["spark"]} == set(project.jobs)


def test_the_same_arguments_give_the_same_bytes(small: Path, locks: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    scale_project.generate(again, 50, runtimes_from=locks)
    assert _bytes(again) == _bytes(small)
    other = tmp_path / "other"
    scale_project.generate(other, 50, seed=1, runtimes_from=locks)
    assert _bytes(other) != _bytes(small)


def test_python_files_parse_and_import_only_modules_that_exist(small: Path) -> None:
    roots = {"scale_common": small / "dags", "scale_spark": small / "spark" / "lib"}
    files = list(small.rglob("*.py"))
    assert len(files) > 40
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(), str(file))):
            package = node.module.split(".")[0] if isinstance(node, ast.ImportFrom) and node.module else ""
            if package in roots:
                module = roots[package].joinpath(*node.module.split("."))  # type: ignore[union-attr]
                assert module.with_suffix(".py").exists() or (module / "__init__.py").exists(), file


def test_each_model_has_three_tests_and_one_file(small: Path) -> None:
    described = []
    tests = 0
    for file in (small / "dbt" / "models").rglob("_models.yml"):
        for model in yaml.safe_load(file.read_text())["models"]:
            described.append(model["name"])
            tests += sum(len(column["data_tests"]) for column in model["columns"])
    written = [file.stem for file in (small / "dbt" / "models").rglob("*.sql")]
    assert sorted(described) == sorted(written)
    assert tests == 3 * len(written)


def test_refs_and_sources_in_sql_exist(small: Path) -> None:
    sql = {file.stem: file.read_text() for file in (small / "dbt" / "models").rglob("*.sql")}
    raw = (small / "warehouse" / "raw.sql").read_text()
    for text in sql.values():
        assert all(name in sql for name in re.findall(r"ref\('(\w+)'\)", text))
        assert all(f"raw.{name} as" in raw for name in re.findall(r"source\('\w+', '(\w+)'\)", text))


def test_the_configuration_is_yaml_and_names_the_locks(small: Path) -> None:
    config = yaml.safe_load((small / "interlock.yaml").read_text())
    assert list(config["environments"]) == ["dev", "staging", "prod"]
    assert config["environments"]["prod"]["after"] == "staging"
    assert all((small / runtime["lock"]).exists() for runtime in config["runtimes"].values())


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, locks: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(FileExistsError):
        scale_project.generate(tmp_path, 10, runtimes_from=locks)
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
