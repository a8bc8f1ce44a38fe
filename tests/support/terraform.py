"""The real Terraform of this machine, in modules that need nothing from elsewhere."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

needs_terraform = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not on PATH")


def terraform(folder: Path, *arguments: str) -> str:
    """What one command printed; the test fails when it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        ["terraform", *arguments], cwd=folder, env={**environment, "CHECKPOINT_DISABLE": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def plan_of(folder: Path, *options: str) -> dict[str, Any]:
    """The JSON of a plan of the root module in ``folder``, which is left initialised."""
    terraform(folder, "init", "-no-color", "-input=false")
    terraform(folder, "plan", "-no-color", "-input=false", "-out=tf.plan", *options)
    made: dict[str, Any] = json.loads(terraform(folder, "show", "-json", "tf.plan"))
    (folder / "tf.plan").unlink()
    return made


def only_programs(folder: Path, **programs: Path) -> str:
    """A PATH on which there are these programs, and what Interlock itself needs."""
    folder.mkdir()
    for name in ("git", "unshare"):
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    for name, path in programs.items():
        (folder / name).symlink_to(path)
    return str(folder)
