"""Two machines that check the same project: what the first read the second need not read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.moto import S3Server

pytestmark = pytest.mark.engine


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop" / "dags").mkdir(parents=True)
    (tmp_path / "shop" / "dags" / "a.py").write_text("x = 1  # interlock: ignore[ILK-AF001]\n")
    return tmp_path / "shop"


def check(project: Path, cache: Path, **environment: str) -> tuple[dict, str]:
    done = subprocess.run(
        [sys.executable, "-m", "interlock", "check", "--static", "--json"],
        cwd=project, env={**os.environ, "INTERLOCK_CACHE": str(cache), **environment}, capture_output=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout), done.stderr


def databases(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*.db"))


def test_a_second_machine_begins_with_what_the_first_read(project: Path, tmp_path: Path, s3_server: S3Server) -> None:
    shared = {**s3_server.environment, "INTERLOCK_SHARED_CACHE": f"s3://{s3_server.bucket}/{tmp_path.name}/ci"}
    first, _ = check(project, tmp_path / "one", **shared)
    stored = s3_server.client().list_objects_v2(Bucket=s3_server.bucket, Prefix=f"{tmp_path.name}/ci/")
    assert [entry["Key"].rpartition("/")[2] for entry in stored["Contents"]] == databases(tmp_path / "one")
    written = {entry["Key"]: entry["LastModified"] for entry in stored["Contents"]}
    second, _ = check(project, tmp_path / "two", **shared)
    assert second["findings"] == first["findings"] and first["verdict"] == "fail"
    again = s3_server.client().list_objects_v2(Bucket=s3_server.bucket, Prefix=f"{tmp_path.name}/ci/")
    assert {entry["Key"]: entry["LastModified"] for entry in again["Contents"]} == written, "nothing new was read"


def test_a_shared_cache_that_is_spoilt_costs_time_and_nothing_else(
    project: Path, tmp_path: Path, s3_server: S3Server
) -> None:
    shared = {**s3_server.environment, "INTERLOCK_SHARED_CACHE": f"s3://{s3_server.bucket}/{tmp_path.name}/spoilt"}
    first, _ = check(project, tmp_path / "one", **shared)
    for entry in s3_server.client().list_objects_v2(Bucket=s3_server.bucket, Prefix=f"{tmp_path.name}/")["Contents"]:
        s3_server.client().put_object(Bucket=s3_server.bucket, Key=entry["Key"], Body=b"no database")
    second, _ = check(project, tmp_path / "two", **shared)
    assert second["findings"] == first["findings"]


def test_a_bucket_that_is_not_there_does_not_stop_a_check(project: Path, tmp_path: Path, s3_server: S3Server) -> None:
    shared = {**s3_server.environment, "INTERLOCK_SHARED_CACHE": "s3://nobody-has-this/x"}
    told, _ = check(project, tmp_path / "one", **shared)
    assert told["kind"] == "check" and told["findings"]


def test_a_place_that_is_no_url_is_refused(project: Path, tmp_path: Path) -> None:
    told, _ = check(project, tmp_path / "one", INTERLOCK_SHARED_CACHE="/mnt/cache")
    assert told["kind"] == "error" and "no S3 URL" in told["error"]["summary"]
