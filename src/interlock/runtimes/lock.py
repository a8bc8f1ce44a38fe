"""Turns a requirements file into a lock with hashes."""

import os
import tempfile
from pathlib import Path

from interlock.model.errors import ConfigError
from interlock.runtimes.spec import RuntimeSpec
from interlock.runtimes.uvtool import Progress, run_uv


def lock(spec: RuntimeSpec, project_root: Path, progress: Progress | None = None) -> Path:
    """The lock is written, every package with its version and hashes; the old one stays if that fails.

    Raises ConfigError when the runtime names no requirements or no lock, RuntimeBuildError when the requirements
    cannot be met together (``detail`` holds uv's explanation).
    """
    if spec.requirements is None or spec.lock is None:
        raise ConfigError(
            f"runtime '{spec.name}' cannot be locked: it names no {'requirements' if spec.lock else 'lock'}",
            remedy=f"Set runtimes.{spec.name}.requirements and runtimes.{spec.name}.lock, or use an interpreter.",
        )
    requirements = project_root / spec.requirements
    target = project_root / spec.lock
    if not requirements.is_file():
        raise ConfigError(
            f"the requirements of runtime '{spec.name}' are not there: {spec.requirements}",
            remedy="Write the file: one requirement a line, for instance `apache-airflow==2.11.*`.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".lock-") as folder:
        fresh = Path(folder) / target.name
        if target.is_file():
            # uv keeps the versions of an existing output that still fit: a lock changes only where it must.
            fresh.write_bytes(target.read_bytes())
        arguments = ["pip", "compile", "--quiet", "--generate-hashes", "--no-emit-index-url", "--no-header"]
        if spec.python is not None:
            arguments += ["--python-version", spec.python]
        # Given relative to the project, so that uv's comments hold no path of this machine.
        arguments += ["--output-file", str(fresh), os.path.relpath(requirements, project_root)]
        run_uv(arguments, cwd=project_root, what=f"locking runtime '{spec.name}'", progress=progress)
        fresh.replace(target)
    return target
