"""Small projects with tests of their own, checked for real."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from interlock.engine.checking import Checked, check_project
from interlock.engine.project import Project
from interlock.model.progress import OnProgress, silent


def plain_pytest(folder: Path) -> Path:
    """The interpreter of an environment that holds this pytest and none of the plugins here."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for name in ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py"):
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None
        if spec.origin.endswith("__init__.py"):
            shutil.copytree(Path(spec.origin).parent, packages / name)
        else:
            shutil.copy(spec.origin, packages)
    return folder / "bin" / "python"


def write(root: Path, files: Mapping[str, str]) -> Path:
    """The files stand in the project."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def own_project(root: Path, python: Path, files: Mapping[str, str], timeout: str = "60s", quarantine: str = "") -> Path:
    """A project with tests in ``tests`` and modules in ``lib``; its one runtime is that interpreter."""
    text = "version: 1\nproject: own\nspark: {include: [lib], runtime: own}\n"
    text += f"runtimes:\n  own: {{interpreter: {python}}}\n"
    text += f"tests:\n  pytest:\n    - {{runtime: own, paths: [tests], timeout: {timeout}}}\n"
    if quarantine:
        text += f"  quarantine:\n{quarantine}"
    return write(root, {"interlock.yaml": text, **files})


def check(root: Path, cache: Path, on_progress: OnProgress = silent, **options: Any) -> Checked:
    """What a check finds, with a cache of its own."""
    before = os.environ.get("INTERLOCK_CACHE")
    os.environ["INTERLOCK_CACHE"] = str(cache)
    try:
        return check_project(Project(root, on_progress=on_progress), **options)
    finally:
        if before is None:
            del os.environ["INTERLOCK_CACHE"]
        else:
            os.environ["INTERLOCK_CACHE"] = before
