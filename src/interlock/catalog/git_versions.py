"""What files held before a commit: every content of theirs on the way to it, along first parents."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from interlock.catalog.git import run_git

MOST_COMMITS = 200  # that touch any of the files: the newest ones are looked at


@dataclass(frozen=True)
class Past:
    """A content that a file had: the commit that brought it, when (UTC, ISO 8601), and git's name of the content."""

    commit: str
    at: str
    blob: str


@dataclass(frozen=True)
class History:
    """Past contents by path, each once, the newest first.

    ``full``: there were ``MOST_COMMITS`` commits, and older ones were not looked at. ``shallow``: the clone ends before
    the history does.
    """

    by_path: Mapping[str, Sequence[Past]]
    full: bool = False
    shallow: bool = False


def history_of(root: Path, commit: str, paths: Sequence[str]) -> History:
    """What ``paths`` (relative to ``root``) held at ``commit`` and before."""
    if not paths:
        return History({})
    said = run_git(
        root, "log", "--first-parent", "-m", "--root", f"--max-count={MOST_COMMITS}", "--format=%H %ct",
        "--raw", "--no-renames", "--no-follow", "--no-show-signature", "--no-abbrev", "--relative", "-z", commit, "--",
        *(f":(literal){path}" for path in paths),
    )  # fmt: skip
    found: dict[str, dict[str, Past]] = {}
    commits, commit_id, at = 0, "", ""
    fields = iter(said.split(b"\0"))
    for field in fields:
        words = field.decode().split()
        if len(words) == 2:
            commits, commit_id = commits + 1, words[0]
            at = datetime.fromtimestamp(int(words[1]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        elif words:
            path, mode, blob = os.fsdecode(next(fields)), words[1], words[3]
            if mode.startswith("100"):  # a regular file: neither gone, nor a link, nor a submodule
                found.setdefault(path, {}).setdefault(blob, Past(commit_id, at, blob))
    shallow = run_git(root, "rev-parse", "--is-shallow-repository", fails=True).strip() == b"true"
    by_path = {path: tuple(ones.values()) for path, ones in found.items()}
    return History(by_path, commits == MOST_COMMITS, shallow)


def content_of(root: Path, blob: str) -> bytes:
    """The bytes that git calls ``blob``."""
    return run_git(root, "cat-file", "blob", blob)
