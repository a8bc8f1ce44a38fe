"""Builds each locked runtime once and finds it again.

A cache entry is a folder that is built where it will stay, because an environment holds absolute paths and cannot be
moved. It counts only once a small pointer file names it, and that file appears by a rename: whoever is killed midway
leaves a folder that nobody points to, and the next builder of the same key removes it.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from interlock.model.errors import ConfigError, RuntimeBuildError
from interlock.runtimes.spec import RuntimeSpec, lock_digest
from interlock.runtimes.uvtool import Progress, run_uv

WORKERS = Path(__file__).parent / "workers"
# What a finished entry holds besides its packages; one of another layout is built anew.
_LAYOUT = "2"
_PREPARE_SECONDS = 120.0
# What an existing interpreter holds: its version and every installed distribution, in a fixed order.
_DESCRIBE = (
    "import importlib.metadata as m, platform;"
    "print(platform.python_implementation(), platform.python_version());"
    "print('\\n'.join(sorted({f'{d.metadata[\"Name\"]}=={d.version}'.lower() for d in m.distributions()})))"
)


@dataclass(frozen=True)
class Runtime:
    """An interpreter that is ready to run the project's code."""

    name: str
    python: Path
    lock_digest: str


def default_cache_root() -> Path:
    """``INTERLOCK_CACHE``, else ``~/.cache/interlock``."""
    chosen = os.environ.get("INTERLOCK_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "interlock"


def ensure(spec: RuntimeSpec, cache_root: Path | None = None, progress: Progress = lambda line: None) -> Runtime:
    """The runtime is built and ready; a second call finds it, in this process or another.

    Raises ConfigError for a declaration that cannot be met, RuntimeBuildError when building fails.
    """
    if spec.interpreter is not None:
        return _existing(spec, spec.interpreter)
    digest = lock_digest(spec)
    root = (cache_root or default_cache_root()).absolute() / "runtimes"
    try:
        root.mkdir(parents=True, exist_ok=True)
        # By the Python that was asked for: which exact one that is here, uv says when it is built (0.3 s).
        told = (_LAYOUT, digest, _wanted(spec), sysconfig.get_platform())
        key = hashlib.sha256("\n".join(told).encode()).hexdigest()[:24]
        python = _pointed_at(root, key) or _build_once(spec, root, key, progress)
    except OSError as error:
        raise RuntimeBuildError(
            f"runtime '{spec.name}' could not be built: {error.strerror or error}",
            remedy=f"Free space and check the permissions of {root}, or point INTERLOCK_CACHE elsewhere.",
            detail=str(error),
        ) from error
    return Runtime(spec.name, python, digest)


def _existing(spec: RuntimeSpec, interpreter: Path) -> Runtime:
    """The given interpreter, with a digest of what is installed in it standing in for the lock's."""
    try:
        described = subprocess.run(
            [str(interpreter), "-c", _DESCRIBE], capture_output=True, text=True, timeout=60, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"the interpreter of runtime '{spec.name}' does not work: {interpreter}",
            remedy=f"Point runtimes.{spec.name}.interpreter at a Python that starts.",
            detail=str(getattr(error, "stderr", None) or error),
        ) from error
    # Not resolved: following a virtual environment's link would leave the environment.
    return Runtime(spec.name, interpreter.absolute(), hashlib.sha256(described.encode()).hexdigest())


def _wanted(spec: RuntimeSpec) -> str:
    return spec.python or ">=3.9"


def _python_version(spec: RuntimeSpec, root: Path, progress: Progress) -> str:
    """The exact version that will be used; fetched by uv when this machine has no such Python."""
    wanted = _wanted(spec)
    find = ["python", "find", "--system", "--no-project", "--show-version", wanted]
    try:
        return run_uv([*find, "--no-python-downloads"], cwd=root, what=f"finding Python {wanted}").strip()
    except RuntimeBuildError:
        progress(f"fetching Python {wanted}")
        run_uv(["python", "install", wanted], cwd=root, what=f"fetching Python {wanted}", progress=progress)
        return run_uv(find, cwd=root, what=f"finding Python {wanted}").strip()


def _pointed_at(root: Path, key: str) -> Path | None:
    """The interpreter of a finished entry, or None. An entry whose base Python vanished is not finished."""
    try:
        python = Path(json.loads((root / f"{key}.json").read_text("utf-8"))["python"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return python if os.access(python, os.X_OK) else None


def _build_once(spec: RuntimeSpec, root: Path, key: str, progress: Progress) -> Path:
    """One of several processes builds; the others wait and use what it built."""
    from filelock import FileLock, Timeout

    guard = FileLock(root / f"{key}.lock")
    try:
        guard.acquire(timeout=0)
    except Timeout:
        progress(f"waiting for another process that builds runtime '{spec.name}'")
        guard.acquire()
    try:
        # Looked for again: the other process may have finished while we waited.
        return _pointed_at(root, key) or _build(spec, root, key, progress)
    finally:
        guard.release()


def _build(spec: RuntimeSpec, root: Path, key: str, progress: Progress) -> Path:
    """A new entry, pointed at. The caller holds the key's lock, so unfinished folders of the key are nobody's."""
    for leftover in root.glob(f"{key}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    version = _python_version(spec, root, progress)
    entry = Path(tempfile.mkdtemp(dir=root, prefix=f"{key}-"))
    python = entry / "bin" / "python"
    what = f"building runtime '{spec.name}'"
    progress(f"{what} with Python {version}")
    try:
        run_uv(
            ["venv", "--quiet", "--no-project", "--allow-existing", "--python", version, str(entry)],
            cwd=root,
            what=what,
        )
        run_uv(
            ["pip", "install", "--python", str(python), "--require-hashes", "--no-deps", "--compile-bytecode",
             "--requirement", str((spec.lock or Path()).absolute())],
            cwd=root, what=what, progress=progress,
        )  # fmt: skip
        _prepare(python, entry / "interlock")
        pointer = entry / "pointer.json"
        pointer.write_text(json.dumps({"python": str(python), "runtime": spec.name, "version": version}), "utf-8")
        pointer.replace(root / f"{key}.json")
    except BaseException:
        shutil.rmtree(entry, ignore_errors=True)
        raise
    return python


def _prepare(python: Path, folder: Path) -> None:
    """What depends on the runtime's packages alone is worked out by themselves, confined as they will be later.

    A runtime that cannot be prepared is no worse: its workers do that work each time.
    """
    from interlock.runtimes.sandbox import Confinement, isolation

    folder.mkdir()
    with (
        tempfile.TemporaryDirectory(prefix="interlock-prepare-") as home,
        suppress(OSError, subprocess.SubprocessError),
    ):
        limits = Confinement((), (folder,)).arguments(Path(home))
        subprocess.run(
            [*isolation(network=False).prefix, str(python), str(WORKERS / "confined_worker.py"), "prepare_worker",
             json.dumps(limits), str(folder)],
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"},
            cwd=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PREPARE_SECONDS,
        )  # fmt: skip
