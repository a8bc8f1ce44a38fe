"""SIGKILL at every ledger write and fence of a deployment, then ``resume``: it ends as an undisturbed one ends."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from interlock.engine.making import build_release
from interlock.engine.operations import deploy, plan_deploy
from interlock.engine.workspace import Workspace
from interlock.model.canonical import plain
from tests.crash.small_project import write

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1800)]
DRIVE = Path(__file__).with_name("drive.py")


def ready(root: Path, *, engines: bool) -> None:
    """Version 1 is live, version 2 is built."""
    if engines:
        (root / ".interlock/env/prod").mkdir(parents=True)
        duckdb.connect(str(root / ".interlock/env/prod/warehouse.duckdb")).close()
    for version in (1, 2):
        write(root, version, engines=engines)
        workspace = Workspace(root)
        built = build_release(workspace)
        assert built.manifest is not None, built.findings
        if version == 1:
            assert deploy(workspace, plan_deploy(workspace, "prod", built.manifest)).outcome == "succeeded"
        workspace.ledger.close()


def drive(root: Path, kill_at: int, mode: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DRIVE), str(root), "prod", str(kill_at), mode]
    return subprocess.run(command, capture_output=True, text=True)


def end_of(root: Path) -> dict[str, object]:
    """What consumers and the ledger see: live files, live tables, the state, and how the deployment ended."""
    workspace = Workspace(root)
    state = workspace.ledger.state("prod")
    records = list(workspace.deployments().values())
    assert not workspace.ledger.verify()
    workspace.ledger.close()
    return {
        "release": state.release,
        "resources": {k: (r.release, r.fingerprint) for k, r in state.resources.items()},
        "outcome": records[-1].outcome,
        "tables": list(_tables(root / ".interlock/env/prod/warehouse.duckdb")),
        "job": _which(root),
        "dags": _text(root / ".interlock/env/prod/airflow/current/dags/nightly.py"),
        "steps": sorted(records[-1].receipts),
    }


def _tables(path: Path) -> Iterator[object]:
    if path.exists():
        with duckdb.connect(str(path), read_only=True) as warehouse:
            yield warehouse.execute("select sum(amount), count(*) from analytics.one").fetchall()
            yield warehouse.execute("select sum(amount), count(*) from analytics.two").fetchall()
            yield warehouse.execute("select n from analytics.three").fetchall()


def _which(root: Path) -> str:
    launcher = root / ".interlock/env/prod/spark/bin/interlock-spark-submit"
    done = subprocess.run([sys.executable, str(launcher), "--which", "settle"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return _text(next(Path(done.stdout.strip()).rglob("settle.py")))


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize(("engines", "stride"), [(False, 1), (True, 5)], ids=["jobs-every-point", "platform-every-5th"])
def test_killed_anywhere_and_resumed_ends_like_an_undisturbed_deployment(tmp_path, engines, stride):
    start = tmp_path / "start"
    ready(start, engines=engines)
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(start, undisturbed, symlinks=True)
    done = drive(undisturbed, 0, "deploy")
    assert done.returncode == 0, done.stderr
    points, outcome = done.stdout.split()
    assert outcome == "succeeded"
    wanted = plain(end_of(undisturbed))
    assert int(points) > 8
    for point in range(1, int(points) + 1, stride):
        root = tmp_path / f"killed-{point}"
        shutil.copytree(start, root, symlinks=True)
        killed = drive(root, point, "deploy")
        assert killed.returncode == -signal.SIGKILL, (point, killed.stdout, killed.stderr)
        workspace = Workspace(root)
        unfinished = [r for r in workspace.deployments().values() if not r.outcome]
        live = workspace.ledger.state("prod").release
        workspace.ledger.close()
        if unfinished:
            resumed = drive(root, 0, "resume")
            assert resumed.returncode == 0, (point, resumed.stderr)
        elif live != wanted["release"]:
            # Killed before the deployment was written down: there is nothing to resume, and nothing happened.
            assert drive(root, 0, "deploy").returncode == 0, point
        assert plain(end_of(root)) == wanted, f"killed at point {point}: {json.dumps(plain(end_of(root)), indent=1)}"
        shutil.rmtree(root)
