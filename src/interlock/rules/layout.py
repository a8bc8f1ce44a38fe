"""Where what lies: from interlock.yaml, or from what a look at the repository found."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from interlock.catalog.discover import Found
from interlock.catalog.spark_reader import script_matches
from interlock.config import ProjectConfig
from interlock.rules.dbt_project import shared_folders
from interlock.rules.files import Layout, SourceFile


def layout_of(config: ProjectConfig, paths: Iterable[str]) -> Layout:
    """The layout that interlock.yaml declares; globs of Spark scripts are matched with ``paths``."""
    dags = (config.airflow.dags,) if config.airflow else ()
    include = (*(config.airflow.include if config.airflow else ()), *(config.spark.include if config.spark else ()))
    scripts: tuple[str, ...] = ()
    if config.spark:
        patterns = (*config.spark.jobs, *config.spark.streams)
        python = (path for path in paths if path.endswith(".py"))
        scripts = tuple(path for path in python if any(script_matches(path, pattern) for pattern in patterns))
    return Layout(
        tuple(map(_plain, dags)),
        tuple(dict.fromkeys(map(_plain, (*dags, *include, ".")))),
        (_plain(config.dbt.project),) if config.dbt else (),
        scripts,
        config.dialect,
    )


def layout_of_found(found: Found) -> Layout:
    """The layout of a repository without an interlock.yaml."""
    dags = tuple(found.dag_folders)
    above = tuple(dict.fromkeys(folder.rpartition("/")[0] or "." for folder in dags))
    return Layout(
        dags,
        tuple(dict.fromkeys((*dags, *above, "."))),
        tuple(found.dbt_projects),
        tuple(sorted((*found.jobs, *found.streams))),
        found.dialect,
    )


def with_shared_folders(layout: Layout, paths: Iterable[str], read: Callable[[str], bytes]) -> Layout:
    """The layout with the folders beside its dbt projects that these take files from, as their own files say."""
    known = set(paths)
    shared: list[str] = []
    for folder in layout.dbt:
        path = "dbt_project.yml" if folder == "." else f"{folder}/dbt_project.yml"
        if path in known:
            shared += shared_folders(SourceFile(path, read(path), layout))
    return replace(layout, dbt_shared=tuple(dict.fromkeys(shared)))


def _plain(folder: str) -> str:
    return folder.removeprefix("./").rstrip("/") or "."
