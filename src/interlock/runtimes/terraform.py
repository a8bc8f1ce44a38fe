"""The ``terraform`` (or ``tofu``) on PATH, and ``validate`` of one root module by it.

Providers in a ``.terraform`` folder, and the modules beside them, may come from whoever wrote the branch: Terraform
runs as all of a project's code does, in a worker that reads the project, writes nowhere but its own temporary folder,
and has no network.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.model.errors import WorkerError
from interlock.runtimes.environments import Runtime
from interlock.runtimes.sandbox import Confinement
from interlock.runtimes.worker import Worker

PROGRAMS = ("terraform", "tofu")
_CACHE_SETTING = re.compile(r'^\s*plugin_cache_dir\s*=\s*"([^"]+)"', re.MULTILINE)
_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """What Terraform said of a root module.

    ``refusal``: why it could not be made ready without a network, "" where it could. ``diagnostics``: those of
    ``validate -json``, as developer.hashicorp.com/terraform/cli/commands/validate describes them.
    """

    refusal: str
    diagnostics: tuple[dict[str, Any], ...]


def binary_on_path(*, open_tofu: bool) -> Path | None:
    """The program that PATH has, links followed; None where it has none. ``open_tofu``: OpenTofu comes first."""
    names = reversed(PROGRAMS) if open_tofu else PROGRAMS
    found = next((path for name in names if (path := shutil.which(name))), None)
    return Path(found).resolve() if found else None


def is_script(binary: Path) -> bool:
    """Whether it is a script that looks for the program itself, in places that a worker does not see."""
    try:
        with binary.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False  # a program may be run and not be read


def version_of(binary: Path) -> str:
    """The version that a binary states. Raises ``WorkerError`` where it states none."""
    with tempfile.TemporaryDirectory(prefix="interlock-terraform-") as nowhere:
        environment = {"PATH": os.defpath, "HOME": nowhere, "CHECKPOINT_DISABLE": "1"}
        try:
            done = subprocess.run(
                [str(binary), "version", "-json"], cwd=nowhere, env=environment, stdin=subprocess.DEVNULL,
                capture_output=True, check=True, timeout=_SECONDS,
            )  # fmt: skip
            return str(json.loads(done.stdout)["terraform_version"])
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
            raise WorkerError(
                f"{binary.name} does not tell its version", remedy=f"Run '{binary} version -json', and repair it.",
                detail=str(error),
            ) from None  # fmt: skip


def validate(binary: Path, project: Path, folder: str, seconds: float) -> Answer:
    """What ``terraform validate`` says of the root module in ``folder`` of ``project``; nothing there is changed.

    Raises ``WorkerError`` where it takes longer than ``seconds`` or answers nothing.
    """
    # Interlock's own interpreter: the worker is standard library alone, and a project need not have another.
    runtime = Runtime("terraform", Path(sys.executable), "")
    confinement = Confinement((project, binary, *plugin_caches()))
    with Worker(runtime, "terraform_worker.py", confinement=confinement) as worker:
        told = worker.request("validate", timeout=seconds, binary=str(binary), folder=str((project / folder).resolve()))
    try:
        diagnostics = json.loads(told["validate"])["diagnostics"]
        return Answer(told["init"], tuple(one for one in diagnostics if isinstance(one, dict)))
    except (ValueError, KeyError, TypeError):
        raise WorkerError(
            f"{binary.name} validate answered nothing that can be read",
            remedy=f"Run '{binary.name} validate' in {folder or '.'}.",
        ) from None


def plugin_caches() -> tuple[Path, ...]:
    """Where this user keeps providers for all projects: a ``.terraform`` folder links there, and nowhere else."""
    home = Path.home()
    named = [os.environ.get("TF_PLUGIN_CACHE_DIR", "")]
    try:
        settings = Path(os.environ.get("TF_CLI_CONFIG_FILE") or home / ".terraformrc").read_text("utf-8", "replace")
        named += _CACHE_SETTING.findall(settings)
    except OSError:
        pass
    places = [Path(os.path.expandvars(one)).expanduser() for one in named if one]
    return tuple(path for path in (*places, home / ".terraform.d" / "plugin-cache") if path.is_dir())
