"""What git knows of a project: its files, its commit, and the commit that a work tree is compared with."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from interlock.model.canonical import is_unicode
from interlock.model.errors import ConfigError, UsageError

_MOST_BLOBS, _LARGEST_BLOB = 1000, 1_000_000
# Where changes are merged to, by the names that are usual; the first that exists counts.
_TRUNKS = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def in_git(root: Path) -> bool:
    """Whether a repository holds this folder."""
    return any((folder / ".git").exists() for folder in (root.resolve(), *root.resolve().parents))


def run_git(root: Path, *arguments: str, fails: bool = False, stdin: bytes = b"") -> bytes:
    """What git printed; ``ConfigError`` when it fails, unless it may."""
    # Variables such as GIT_DIR, which hooks set, would point git at another repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {"LC_ALL": "C"}
    command = ["git", "-c", "core.quotePath=false", "-c", "core.fsmonitor=false", *arguments]
    try:
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, input=stdin)
    except FileNotFoundError as error:
        raise ConfigError("the project is in a git repository, but there is no git", remedy="Install git.") from error
    if done.returncode and not fails:
        raise ConfigError(
            "git could not say which files the project has",
            remedy="Run 'git status' in the project and repair what it says.",
            detail=done.stderr.decode(errors="replace")[:500],
        )
    return done.stdout if not done.returncode else b""


@dataclass(frozen=True)
class Base:
    """The commit that a work tree is compared with, and the one that is checked out (``head``).

    ``changed``: paths below the project that differ from it, relative to the project: added, changed and gone ones.
    Those that are no UTF-8 are left out, as they are of what is looked at.
    """

    root: Path
    commit: str
    head: str
    changed: frozenset[str]

    def contents(self, paths: Iterable[str]) -> dict[str, bytes]:
        """What these files held at the base; those that were not there are left out."""
        prefix = run_git(self.root, "rev-parse", "--show-prefix").decode().rstrip("\n")
        asked = [path for path in paths if "\n" not in path]
        told = run_git(
            self.root, "cat-file", "--batch", stdin="".join(f"{self.commit}:{prefix}{p}\n" for p in asked).encode()
        )
        found: dict[str, bytes] = {}
        for path in asked:
            head, _, told = told.partition(b"\n")
            kind, _, size = head.rpartition(b" ")
            if not kind.endswith(b" blob"):
                continue  # "... missing"; a submodule is a commit of elsewhere
            found[path], told = told[: int(size)], told[int(size) + 1 :]
        return found

    def passing(self) -> dict[str, tuple[bytes, ...]]:
        """What files held in commits after the base, and hold no more: by path, the first 1,000 texts of up to 1 MB."""
        said = run_git(
            self.root, "log", "--format=", "--raw", "--no-renames", "--no-abbrev", "--relative", "-z",
            f"{self.commit}..HEAD", "--", ".", fails=True,
        )  # fmt: skip
        fields = [one for one in said.split(b"\0") if one]
        blobs = dict.fromkeys(
            (head.split()[3].decode(), os.fsdecode(path))
            for head, path in zip(fields[::2], fields[1::2], strict=False)
            if head.startswith(b":") and head.split()[1] != b"000000"
        )
        asked = list(blobs)[:_MOST_BLOBS]
        told = run_git(self.root, "cat-file", "--batch", stdin="".join(f"{blob}\n" for blob, _ in asked).encode())
        found: dict[str, list[bytes]] = {}
        for _, path in asked:
            head, _, told = told.partition(b"\n")
            kind, _, size = head.rpartition(b" ")
            if not kind.endswith(b" blob"):
                continue
            content, told = told[: int(size)], told[int(size) + 1 :]
            if len(content) <= _LARGEST_BLOB and content != _content(self.root / path):
                found.setdefault(path, []).append(content)
        return {path: tuple(contents) for path, contents in found.items()}


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def base_of(root: Path, since: str = "") -> Base | None:
    """The base: ``since``, or else the commit where this branch left the trunk.

    None where there is nothing to compare with: no repository, no trunk, or the trunk itself without a change. Raises
    ``UsageError`` when ``since`` names no commit that this clone has.
    """
    if not in_git(root):
        if since:
            raise UsageError("the project is in no git repository", remedy="leave out --changed-since")
        return None
    head = run_git(root, "rev-parse", "--verify", "--quiet", "HEAD", fails=True).decode().strip()
    commit = _merge_base(root, since) if since else _trunk_base(root, head)
    if since and not commit:
        raise UsageError(
            f"{since!r} is no commit of this clone, or shares no history with it",
            remedy="fetch it first; in GitHub Actions, check out with 'fetch-depth: 0'",
        )
    if not commit:
        return None
    changed = _changed(root, commit)
    return None if commit == head and not changed and not since else Base(root, commit, head, changed)


def _trunk_base(root: Path, head: str) -> str:
    target = os.environ.get("GITHUB_BASE_REF") or os.environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
    for trunk in ((f"origin/{target}",) if target else ()) + _TRUNKS:
        commit = _merge_base(root, trunk)
        if commit:
            return commit
    return head


def _merge_base(root: Path, ref: str) -> str:
    if ref.startswith("-"):
        return ""
    return run_git(root, "merge-base", "HEAD", ref, fails=True).decode().strip()


def _changed(root: Path, commit: str) -> frozenset[str]:
    differ = run_git(root, "diff", "--relative", "--no-renames", "--name-only", "-z", commit, "--", ".")
    added = run_git(root, "ls-files", "-z", "--others", "--exclude-standard")
    names = (differ + added).split(b"\0")
    return frozenset(path for one in names if one and is_unicode(path := os.fsdecode(one)))


@dataclass(frozen=True)
class SourceState:
    """The commit that the project is at ("" outside git, or before the first commit), and if files differ."""

    commit: str
    dirty: bool

    @property
    def label(self) -> str:
        """The commit as a manifest names it: ``-dirty`` says that it does not tell the whole content."""
        return f"{self.commit}-dirty" if self.commit and self.dirty else self.commit


def source_state(root: Path) -> SourceState:
    """The state of the project at ``root``. ``dirty`` counts changed, added and deleted files below ``root`` only."""
    if not in_git(root):
        return SourceState("", False)
    head = run_git(root, "rev-parse", "--verify", "--quiet", "HEAD", fails=True).decode().strip()
    changed = run_git(root, "status", "--porcelain", "-z", "--untracked-files=normal", "--", ".")
    return SourceState(head, bool(changed) or not head)


def listed(root: Path) -> list[str] | None:
    """The files of a project as git has them, tracked or not ignored; None outside a repository."""
    if not in_git(root):
        return None
    told = run_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", fails=True)
    return sorted({os.fsdecode(one) for one in told.split(b"\0") if one and not one.endswith(b"/")})
