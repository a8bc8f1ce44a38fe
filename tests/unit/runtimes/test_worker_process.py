"""The worker process: what it sees, what it may print, and how it ends."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from interlock.model.errors import WorkerError
from interlock.runtimes.environments import Runtime
from interlock.runtimes.sandbox import isolation
from interlock.runtimes.worker import WORKERS, Worker

SCRIPT = f"""
import os, socket, subprocess, sys, time
sys.path.insert(0, {str(WORKERS)!r})
from _interlock_channel import Channel, Refused
channel = Channel(sys.argv)
def reach(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return {{"reached": False}}
    return {{"reached": True}}
def session():
    path = "/proc/self/autogroup"
    return open(path).read() if os.path.exists(path) else ""
def steps(count):
    for number in range(count):
        channel.event(step=number)
    return {{"steps": count}}
def refuse():
    raise Refused("no, because of " + os.environ["TOKEN"], "Do something else.")
def spawn():
    mark = os.environ["MARK"]
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", mark], start_new_session=True)
    return {{}}
channel.serve({{
    "env": lambda: dict(os.environ),
    "echo": lambda text: {{"text": text}},
    "niceness": lambda: {{"process": os.nice(0), "session": session()}},
    "big": lambda size: {{"text": "x" * size}},
    "noise": lambda: print('{{"id": 1, "result": 0}}') or sys.stderr.write("shouted") and {{}} or {{}},
    "exit": lambda: print("last words", os.environ["TOKEN"], flush=True) or os._exit(3),
    "hang": lambda: time.sleep(600),
    "fail": lambda: 1 / 0,
    "nonsense": lambda: os.write(channel.answer, b"nonsense\\n") and {{}},
    "reach": reach, "steps": steps, "refuse": refuse, "spawn": spawn,
}})
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def worker(script: Path, **options: Any) -> Worker:
    return Worker(Runtime("test", Path(sys.executable), ""), script, **options)


def test_worker_sees_only_the_environment_it_is_given(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with worker(script, env={"GIVEN": "yes"}) as one:
        env = one.request("env")
    assert env["GIVEN"] == "yes"
    assert set(env) <= {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "PYTHONDONTWRITEBYTECODE", "GIVEN", "LC_CTYPE"}
    assert env["HOME"] != os.environ["HOME"]
    assert not Path(env["HOME"]).exists()


def test_what_the_project_prints_is_no_answer(script: Path) -> None:
    with worker(script) as one:
        assert one.request("noise") == {}
        assert one.request("echo", text="grüß\n") == {"text": "grüß\n"}


def test_large_answers_arrive_whole(script: Path) -> None:
    with worker(script) as one:
        assert len(one.request("big", size=20_000_000)["text"]) == 20_000_000


def test_events_arrive_before_the_answer(script: Path) -> None:
    seen: list[dict[str, Any]] = []
    with worker(script) as one:
        assert one.request("steps", count=3, on_event=seen.append) == {"steps": 3}
    assert seen == [{"step": 0}, {"step": 1}, {"step": 2}]


def test_dead_worker_is_reported_with_its_last_words_but_no_secret(script: Path) -> None:
    with worker(script, env={"TOKEN": "s3cret"}, secrets=["s3cret"]) as one:
        with pytest.raises(WorkerError) as raised:
            one.request("exit")
        assert "last words ***" in raised.value.detail
        with pytest.raises(WorkerError):
            one.request("echo", text="again")


def test_worker_that_takes_too_long_is_ended(script: Path) -> None:
    with worker(script) as one, pytest.raises(WorkerError, match=r"within 0\.5 s"):
        one.request("hang", timeout=0.5)


def test_failed_operation_leaves_the_worker_alive(script: Path) -> None:
    with worker(script) as one:
        with pytest.raises(WorkerError, match="ZeroDivisionError"):
            one.request("fail")
        assert one.request("echo", text="still here") == {"text": "still here"}


def test_refusal_carries_its_remedy_and_no_secret(script: Path) -> None:
    with worker(script, env={"TOKEN": "s3cret"}, secrets=["s3cret"]) as one, pytest.raises(WorkerError) as raised:
        one.request("refuse")
    assert "because of ***" in raised.value.summary
    assert raised.value.remedy == "Do something else."


def test_nonsense_ends_the_worker(script: Path) -> None:
    with worker(script) as one, pytest.raises(WorkerError, match="nonsense"):
        one.request("nonsense")


def test_what_a_worker_started_ends_with_it(script: Path, tmp_path: Path) -> None:
    mark = f"mark-{tmp_path.name}-{os.getpid()}"
    with worker(script, env={"MARK": mark}) as one:
        one.request("spawn")
        assert _running(mark)
    assert not _running(mark)


def test_nice_worker_gives_way_also_where_sessions_share_the_processors(script: Path) -> None:
    with worker(script, niceness=5) as patient, worker(script) as other:
        found = patient.request("niceness")
        assert found["process"] == other.request("niceness")["process"] + 5
    # "/autogroup-NUMBER nice 5"; nothing where the kernel knows no such groups.
    assert found["session"].split()[-1:] in ([], ["5"])


def test_interpreter_that_is_not_there_is_a_clear_error(script: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(WorkerError),
        Worker(Runtime("test", tmp_path / "no-python", ""), script, network=True) as one,
    ):
        one.request("env")


def test_worker_without_network_reaches_nobody(script: Path) -> None:
    if not isolation(network=False).network:
        pytest.skip("the kernel gives no network namespaces here")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with worker(script) as cut_off, worker(script, network=True) as connected:
            assert cut_off.isolated and not connected.isolated
            assert cut_off.request("reach", port=port) == {"reached": False}
            assert connected.request("reach", port=port) == {"reached": True}


def _running(mark: str) -> bool:
    return any(mark in (process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))
