"""The real gitleaks for tests: the one that is installed, or one version of it built by Go and kept."""

import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from interlock.runtimes.environments import default_cache_root

VERSION = "8.28.0"
_MODULE = f"github.com/zricethezav/gitleaks/v8@v{VERSION}"
_SECONDS = 540


def program() -> Path | str:
    """Where it is, or why it is nowhere."""
    found = shutil.which("gitleaks")
    if found:
        return Path(found)
    folder = default_cache_root() / "tools" / f"gitleaks-{VERSION}"
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if (folder / "gitleaks").exists():
        return folder / "gitleaks"
    if go is None:
        return "neither gitleaks nor Go is installed"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if not (folder / "gitleaks").exists():
            env = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
            command = ["nice", go, "install", "-trimpath", _MODULE]
            try:
                subprocess.run(command, env=env, capture_output=True, check=True, timeout=_SECONDS)
            except (OSError, subprocess.SubprocessError) as error:
                return f"Go could not build it: {error}"
    return folder / "gitleaks"
