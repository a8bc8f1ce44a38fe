"""Workers that a keeper forks: fresh processes all the same, ended like any other, and never in anybody's way."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from interlock.model.errors import WorkerError
from interlock.runtimes import keeping
from interlock.runtimes.environments import Runtime
from interlock.runtimes.worker import Worker

pytestmark = pytest.mark.engine

# Ends with the worker that it is read by, unless somebody ends it: a project's code may do that to us.
HANGS = "{% macro hang() %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{% endmacro %}"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the keepers of one test live, with a path short enough for a socket; all are gone afterwards."""
    own = Path(tempfile.mkdtemp(prefix="ilk", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    monkeypatch.setenv("INTERLOCK_KEEP", "60")
    # Those that other tests started stay for others.
    monkeypatch.setattr(keeping, "_started", [])
    yield own
    for process in keepers(own):
        process.kill()
    for started in keeping._started:
        started.wait(10)
    shutil.rmtree(own)


def keepers(folder: Path) -> list[psutil.Process]:
    """Keepers whose sockets lie below a folder, without the programs that made their namespaces."""
    found = []
    for process in psutil.process_iter(["cmdline", "name"]):
        line = " ".join(process.info["cmdline"] or [])
        if "kept_worker" in line and str(folder) in line and process.info["name"] != "unshare":
            found.append(process)
    return [one for one in found if one.parent() not in found]


def until(what: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def runtime(runtime_python: Callable[[str], Path]) -> Runtime:
    return Runtime("dbt", runtime_python("dbt"), "digest")


def project(folder: Path, **files: str) -> Path:
    root = folder / "shop"
    (root / "models").mkdir(parents=True)
    (root / "macros").mkdir()
    (root / "dbt_project.yml").write_text("name: shop\nversion: '1.0'\nprofile: shop\n")
    (root / "profiles.yml").write_text(
        "shop: {target: dev, outputs: {dev: {type: duckdb, path: \"{{ env_var('SHOP_DB', 'nowhere') }}\"}}}\n"
    )
    for name, text in files.items():
        (root / name.replace("__", "/").replace("_sql", ".sql")).write_text(text)
    return root


def test_the_second_worker_comes_from_the_keeper_of_the_first(folder: Path, runtime: Runtime) -> None:
    with Worker(runtime, "dbt_worker.py", keep=True) as first:
        assert first.request("hello")["engine"] == "dbt"
    (keeper,) = keepers(folder)
    begun = time.perf_counter()
    with Worker(runtime, "dbt_worker.py", keep=True) as second:
        second.request("hello")
    assert time.perf_counter() - begun < 1.5, "importing dbt takes longer than that"
    assert keepers(folder) == [keeper]
    assert not keeper.children(), "its workers are gone"


def test_a_worker_knows_nothing_of_the_one_before(folder: Path, runtime: Runtime) -> None:
    root = project(folder, models__a_sql="select '{{ env_var('SHOP_TOKEN', 'none') }}' as token")
    with Worker(runtime, "dbt_worker.py", env={"SHOP_TOKEN": "of-the-first"}, keep=True) as first:
        assert first.request("parse", project_dir=str(root))["errors"] == []
        assert "of-the-first" in str(first.request("compile")["sql"])
        with Worker(runtime, "dbt_worker.py", env={}, keep=True) as second:
            with pytest.raises(WorkerError, match="no project was parsed"):
                second.request("compile")
            second.request("parse", project_dir=str(root), target_path=str(folder / "other"))
            assert "of-the-first" not in str(second.request("compile")["sql"])


def test_a_worker_that_exceeds_its_time_is_ended_and_the_keeper_stays(folder: Path, runtime: Runtime) -> None:
    root = project(folder, macros__hang_sql=HANGS, models__a_sql="select 1 as a -- {{ hang() }}")
    with Worker(runtime, "dbt_worker.py", keep=True) as worker:
        with pytest.raises(WorkerError, match="did not answer 'parse' within 4 s"):
            worker.request("parse", timeout=4.0, project_dir=str(root))
    (keeper,) = keepers(folder)
    until(lambda: not keeper.children())
    with Worker(runtime, "dbt_worker.py", keep=True) as worker:
        assert worker.request("hello")["engine"] == "dbt"


def test_whoever_is_killed_leaves_no_worker_behind(folder: Path, runtime: Runtime) -> None:
    root = project(folder, macros__hang_sql=HANGS, models__a_sql="select 1 as a -- {{ hang() }}")
    asks = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from pathlib import Path\n"
        "from interlock.runtimes.environments import Runtime\n"
        "from interlock.runtimes.worker import Worker\n"
        "worker = Worker(Runtime('dbt', Path(sys.argv[2]), 'digest'), 'dbt_worker.py', keep=True)\n"
        "print('there', flush=True)\n"
        "worker.request('parse', project_dir=sys.argv[3])\n"
    )
    command = [sys.executable, "-c", asks, str(folder), str(runtime.python), str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None and asking.stdout.readline() == b"there\n"
        (keeper,) = keepers(folder)
        until(lambda: keeper.children())
        asking.send_signal(signal.SIGKILL)
    until(lambda: not keeper.children())


def test_a_keeper_that_is_killed_costs_one_answer(folder: Path, runtime: Runtime) -> None:
    with Worker(runtime, "dbt_worker.py", keep=True) as worker:
        worker.request("hello")
        (keeper,) = keepers(folder)
        for process in [*keeper.children(recursive=True), keeper]:
            process.kill()
        with pytest.raises(WorkerError, match="died while it did 'hello'"):
            worker.request("hello")
    with Worker(runtime, "dbt_worker.py", keep=True) as worker:
        assert worker.request("hello")["engine"] == "dbt"
    assert keepers(folder) != [keeper]


def test_a_keeper_leaves_when_nobody_comes(folder: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_KEEP", "0.5")
    with Worker(runtime, "dbt_worker.py", keep=True) as worker:
        worker.request("hello")
        (keeper,) = keepers(folder)
    until(lambda: not keeper.is_running() or keeper.status() == psutil.STATUS_ZOMBIE)


def test_a_keeper_that_is_dismissed_leaves_after_its_work(folder: Path, runtime: Runtime) -> None:
    with Worker(runtime, "dbt_worker.py", keep=True) as worker:
        worker.request("hello")
        (keeper,) = keepers(folder)
        keeping.dismiss_keepers()
        assert worker.request("hello")["engine"] == "dbt"
    until(lambda: not keeper.is_running() or keeper.status() == psutil.STATUS_ZOMBIE)
    with Worker(runtime, "dbt_worker.py", keep=True) as worker:
        assert worker.request("hello")["engine"] == "dbt"


@pytest.mark.parametrize(("name", "value"), [("INTERLOCK_KEEP", "0"), ("CI", "true")])
def test_none_is_kept_where_none_is_wanted(
    folder: Path, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("INTERLOCK_KEEP")
    monkeypatch.setenv(name, value)
    with Worker(runtime, "dbt_worker.py", keep=True) as worker:
        assert worker.request("hello")["engine"] == "dbt"
        assert keepers(folder) == []


def test_a_folder_that_others_can_enter_is_not_used(folder: Path, runtime: Runtime) -> None:
    (folder / f"interlock-kept-{os.getuid()}").mkdir(mode=0o777)
    (folder / f"interlock-kept-{os.getuid()}").chmod(0o777)
    with Worker(runtime, "dbt_worker.py", keep=True) as worker:
        assert worker.request("hello")["engine"] == "dbt"
        assert keepers(folder) == []


def test_an_engine_that_cannot_be_imported_is_told_as_without_a_keeper(folder: Path) -> None:
    with Worker(Runtime("dbt", Path(sys.executable), ""), "dbt_worker.py", keep=True) as worker:
        with pytest.raises(WorkerError, match="died while it did 'hello'") as raised:
            worker.request("hello")
    assert "No module named 'dbt'" in raised.value.detail


def test_two_at_once_share_a_keeper_and_do_not_mix(folder: Path, runtime: Runtime) -> None:
    with Worker(runtime, "dbt_worker.py", keep=True) as first, Worker(runtime, "dbt_worker.py", keep=True) as second:
        first.request("hello")
        second.request("hello")
        (keeper,) = keepers(folder)
        assert len(keeper.children()) == 2
        first.close()
        assert second.request("hello")["engine"] == "dbt"
