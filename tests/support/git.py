"""git, as tests call it: an identity of its own, whatever the machine's settings say."""

import subprocess
from pathlib import Path

_SETTINGS = {
    "user.name": "a", "user.email": "a@example.org", "commit.gpgsign": "false", "init.defaultBranch": "main",
    "protocol.file.allow": "always",
}  # fmt: skip


def git(root: Path, *arguments: str) -> str:
    """What it printed; raises CalledProcessError where it fails."""
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    done = subprocess.run(["git", *settings, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()
