"""A small project with something of every section, and its release."""

from pathlib import Path

from interlock.catalog.fingerprint import combine, python_part
from interlock.config.models import ProjectConfig
from interlock.model.release import Manifest
from interlock.model.resources import Catalog, Edge, Resource
from interlock.release.build import build, publish
from interlock.release.sources import release_files
from interlock.release.store import Store

CONFIG = {
    "version": 1,
    "project": "shop",
    "airflow": {"dags": "dags", "include": ["plugins"]},
    "dbt": {"project": "dbt"},
    "spark": {"jobs": ["spark/jobs/*.py"], "include": ["spark/lib"]},
    "runtimes": {"airflow": {"python": "3.11", "lock": "runtimes/airflow.lock"}, "spark": {"interpreter": "/opt/py"}},
    "ledger": "postgresql://somewhere/ledger",
    "environments": {"dev": {"values": {"bucket": "dev-only"}}, "prod": {"after": "dev", "dbt": {"root": "/srv/prod"}}},
    "values": {"bucket": {"type": "string"}},
    "gates": {"defaults": {"freshness": {"column": "at", "max_age": "26h"}}},
}
FILES = {
    "interlock.yaml": b"version: 1\n",
    "dags/orders.py": b"import helper\n",
    "dags/helper.py": b"X = 1\n",
    "dags/\u00fcbung.py": b"",
    "plugins/shared.py": b"",
    "dbt/dbt_project.yml": b"name: shop\n",
    "dbt/models/orders.sql": b"select 1",
    "spark/jobs/settle.py": b"print()\n",
    "spark/jobs/run.sh": b"#!/bin/sh\n",
    "spark/lib/shop/__init__.py": b"",
    "runtimes/airflow.lock": b"apache-airflow==2.11.2\n",
    "schemas/avro/order.avsc": b"{}",
    "README.md": b"not part of a release",
    "notes/todo.txt": b"neither",
}
IN_RELEASE = sorted(set(FILES) - {"README.md", "notes/todo.txt", "spark/jobs/run.sh"})


def config() -> ProjectConfig:
    return ProjectConfig.model_validate(CONFIG)


def write(root: Path, files: dict[str, bytes] = FILES) -> Path:
    """The files below ``root``."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def catalog(root: Path) -> Catalog:
    parts = {
        "code": combine({n: python_part((root / n).read_bytes()) for n in ("dags/orders.py", "dags/helper.py")}),
        "runtime": "e" * 64,
    }
    dag = Resource(
        "airflow.dag:orders", "dags/orders.py", ("dags/helper.py", "dags/orders.py"), combine(parts), parts, {"n": 1}
    )
    model = Resource("dbt.model:shop.orders", "dbt/models/orders.sql", ("dbt/models/orders.sql",), "f" * 64)
    return Catalog("shop", (dag, model), (Edge(model.key, dag.key, "reads"),), (), {"airflow": "e" * 64})


def built(root: Path, commit: str = "c0ffee") -> tuple[Manifest, dict[str, Path]]:
    """The release of the project at ``root``."""
    return build(root, config(), catalog(root), commit, release_files(root, config()))


def published(root: Path, store: Store) -> Manifest:
    manifest, blobs = built(root)
    assert publish(store, manifest, blobs) == manifest.id
    return manifest
