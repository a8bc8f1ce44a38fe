"""Building runtimes with the real uv: once, whole or not at all, and with an explanation when it fails."""

import multiprocessing
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.model.errors import ConfigError, RuntimeBuildError
from interlock.runtimes import environments
from interlock.runtimes.environments import Runtime, ensure
from interlock.runtimes.lock import lock
from interlock.runtimes.spec import RuntimeSpec

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> RuntimeSpec:
    """A small runtime: one package that needs nothing else."""
    root = tmp_path_factory.mktemp("project")
    (root / "runtimes").mkdir()
    (root / "runtimes" / "small.in").write_text("iniconfig\n")
    spec = RuntimeSpec("small", python="3.11", lock=Path("runtimes/small.lock"), requirements=Path("runtimes/small.in"))
    written = lock(spec, root)
    return RuntimeSpec("small", python="3.11", lock=written)


def test_lock_has_hashes_and_no_path_of_this_machine(spec: RuntimeSpec) -> None:
    assert spec.lock is not None
    text = spec.lock.read_text()
    assert "iniconfig==" in text and "--hash=sha256:" in text
    assert str(spec.lock.parent) not in text and "index-url" not in text


def test_contradicting_requirements_are_explained_and_the_old_lock_stays(tmp_path: Path) -> None:
    (tmp_path / "a.in").write_text("iniconfig==2.0.0\niniconfig==1.1.1\n")
    (tmp_path / "a.lock").write_text("# old\n")
    with pytest.raises(RuntimeBuildError) as raised:
        lock(RuntimeSpec("a", python="3.11", lock=Path("a.lock"), requirements=Path("a.in")), tmp_path)
    assert "iniconfig==1.1.1" in raised.value.detail
    assert "contradict" in raised.value.remedy
    assert (tmp_path / "a.lock").read_text() == "# old\n"


def test_built_once_and_found_again(spec: RuntimeSpec, tmp_path: Path) -> None:
    said: list[str] = []
    first = ensure(spec, tmp_path, said.append)
    assert any("building" in line for line in said)
    said.clear()
    assert ensure(spec, tmp_path, said.append) == first
    assert said == []
    assert subprocess.run([first.python, "-c", "import iniconfig"], check=False).returncode == 0


def test_runtime_that_cannot_be_prepared_is_used_all_the_same(
    spec: RuntimeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environments, "WORKERS", tmp_path / "nowhere")
    python = ensure(spec, tmp_path).python
    assert subprocess.run([python, "-c", "import iniconfig"], check=False).returncode == 0


def test_preparation_that_hangs_is_given_up(spec: RuntimeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = tmp_path / "workers"
    hanging.mkdir()
    (hanging / "confined_worker.py").write_text("import signal\nsignal.pause()\n")
    monkeypatch.setattr(environments, "WORKERS", hanging)
    monkeypatch.setattr(environments, "_PREPARE_SECONDS", 1.0)
    assert ensure(spec, tmp_path).python.exists()
    assert _using(hanging) == []


def _using(folder: Path) -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [one for one in found if str(folder) in one]


def _ensure(spec: RuntimeSpec, root: Path, answers: "multiprocessing.SimpleQueue[tuple[Runtime, bool]]") -> None:
    said: list[str] = []
    answers.put((ensure(spec, root, said.append), any("building" in line for line in said)))


def test_two_processes_build_it_only_once(spec: RuntimeSpec, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    both = [context.Process(target=_ensure, args=(spec, tmp_path, answers)) for _ in range(2)]
    for process in both:
        process.start()
    got = [answers.get() for _ in both]
    for process in both:
        process.join()
    assert got[0][0] == got[1][0]
    assert [built for _, built in got].count(True) == 1
    assert len([path for path in (tmp_path / "runtimes").iterdir() if path.is_dir()]) == 1


def test_killed_while_building_leaves_nothing_that_counts(spec: RuntimeSpec, tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from interlock.runtimes.environments import ensure\nfrom interlock.runtimes.spec import RuntimeSpec\n"
        "def say(line):\n    if line.startswith('building'): return\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "ensure(RuntimeSpec('small', python='3.11', lock=Path(sys.argv[1])), Path(sys.argv[2]), say)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(spec.lock), str(tmp_path)], check=False)
    assert ended.returncode == -9
    assert list((tmp_path / "runtimes").glob("*.json")) == []
    runtime = ensure(spec, tmp_path)
    assert subprocess.run([runtime.python, "-c", "import iniconfig"], check=False).returncode == 0
    # The half-built folder of the killed process is gone.
    assert len([path for path in (tmp_path / "runtimes").iterdir() if path.is_dir()]) == 1


def test_package_that_differs_from_its_hash_is_refused(spec: RuntimeSpec, tmp_path: Path) -> None:
    assert spec.lock is not None
    forged = tmp_path / "forged.lock"
    name = spec.lock.read_text().split("==")[0].splitlines()[-1]
    version = spec.lock.read_text().split("==")[1].split()[0]
    forged.write_text(f"{name}=={version} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(RuntimeBuildError) as raised:
        ensure(RuntimeSpec("small", python="3.11", lock=forged), tmp_path)
    assert "hash" in raised.value.remedy
    assert list((tmp_path / "runtimes").glob("*.json")) == []


def test_package_without_a_hash_is_refused(tmp_path: Path) -> None:
    loose = tmp_path / "loose.lock"
    loose.write_text("iniconfig==2.0.0\n")
    with pytest.raises(RuntimeBuildError):
        ensure(RuntimeSpec("small", python="3.11", lock=loose), tmp_path)


def test_full_disk_is_said_to_be_full(spec: RuntimeSpec, tmp_path: Path) -> None:
    mount = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*mount, "true"], capture_output=True).returncode != 0:
        pytest.skip("no small file system can be mounted here")
    program = (
        "import sys\nfrom pathlib import Path\nfrom interlock.model.errors import RuntimeBuildError\n"
        "from interlock.runtimes.environments import ensure\nfrom interlock.runtimes.spec import RuntimeSpec\n"
        "try:\n    ensure(RuntimeSpec('small', python='3.11', lock=Path(sys.argv[1])), Path(sys.argv[2]))\n"
        "except RuntimeBuildError as error:\n    print(error.remedy)\n"
    )
    shell = 'mount -t tmpfs -o size=40k none "$1" && exec "$2" -c "$3" "$4" "$1"'
    ended = subprocess.run(
        [*mount, "sh", "-c", shell, "sh", str(tmp_path), sys.executable, program, str(spec.lock)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "free space" in ended.stdout.lower(), ended.stdout + ended.stderr


def test_existing_interpreter_is_used_and_its_packages_make_the_digest(spec: RuntimeSpec, tmp_path: Path) -> None:
    built = ensure(spec, tmp_path)
    taken = ensure(RuntimeSpec("mine", interpreter=built.python))
    assert taken.python == built.python
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    assert ensure(RuntimeSpec("mine", interpreter=bare / "bin" / "python")).lock_digest != taken.lock_digest


def test_interpreter_that_does_not_start_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not work"):
        ensure(RuntimeSpec("mine", interpreter=tmp_path / "python"))
