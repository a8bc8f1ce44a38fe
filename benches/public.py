"""Static checks of public repositories at several commits: `python benches/public.py --mirrors DIR [--write]`.

DIR holds a git directory `OWNER+NAME/repo` for each repository that `public.toml` names; those that are missing are
said to be. Every commit is laid out in a scratch folder and checked once with an empty cache, as a first contact would
be. The findings are kept beside the figures for a person to read: what was right and what was wrong is written into
`public.toml` by hand, never by this program.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LIST = HERE / "public.toml"
PAGE = HERE.parent / "docs" / "benchmarks-public.md"
GOAL_SECONDS = 15.0


@dataclass(frozen=True)
class Look:
    """One check of one commit. `errors` are findings of that severity; the report holds all of them."""

    repository: str
    commit: str
    date: str
    files: int
    seconds: float
    errors: int
    others: int
    code: int
    report: dict[str, Any]


def look(mirror: Path, repository: str, commit: str, scratch: Path) -> Look:
    """The commit was laid out and checked; a command that ended otherwise than with 0 or 1 is a look with that code."""
    root = scratch / repository.replace("/", "+") / commit[:10]
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    git = ["git", "--git-dir", str(mirror)]
    lay_out(mirror, commit, root)
    date = subprocess.run(
        [*git, "log", "-1", "--format=%cs", commit], capture_output=True, text=True, check=True
    ).stdout
    cache = root.with_suffix(".cache")
    shutil.rmtree(cache, ignore_errors=True)
    environment = {**os.environ, "INTERLOCK_CACHE": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "interlock", "check", "--static", "--all", "--json"],
        cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    report = json.loads(done.stdout) if done.stdout.startswith("{") else {"findings": [], "stderr": done.stderr[-4000:]}
    severities = Counter(f["severity"] for f in report.get("findings", ()))
    files = sum(1 for path in root.rglob("*") if path.is_file())
    shutil.rmtree(root)
    shutil.rmtree(cache, ignore_errors=True)
    errors = severities.pop("error", 0)
    return Look(repository, commit, date.strip(), files, seconds, errors, severities.total(), done.returncode, report)


def lay_out(mirror: Path, commit: str, root: Path) -> None:
    """The files of a commit lie below `root`; those that the mirror does not have (large ones) are empty."""
    git = ["git", "--git-dir", str(mirror)]
    listed = subprocess.run([*git, "ls-tree", "-r", "-z", commit], capture_output=True, check=True).stdout
    entries = [line.split(b"\t", 1) for line in listed.split(b"\0") if line.startswith(b"100")]
    wanted = [(head.split()[2], os.fsdecode(name)) for head, name in entries]
    asked = b"".join(digest + b"\n" for digest, _ in wanted)
    told = subprocess.run([*git, "cat-file", "--batch"], input=asked, capture_output=True, check=True).stdout
    at = 0
    for _, name in wanted:
        end = told.index(b"\n", at)
        head, at = told[at:end], end + 1
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if head.endswith(b" missing"):
            path.touch()
            continue
        size = int(head.rpartition(b" ")[2])
        path.write_bytes(told[at : at + size])
        at += size + 1


def page(looks: list[Look], judged: dict[str, dict[str, Any]]) -> str:
    """The table of docs/benchmarks-public.md."""
    lines = [
        "# Public repositories",
        "",
        "Static checks (`interlock check --static --all`) with an empty cache, two cores. *Right* and *wrong* count",
        "the findings of severity error; each was read beside its source. The command:",
        "`python benches/public.py --mirrors DIR --write`.",
        "",
        "| repository | commit | of | files | seconds | errors | right | wrong | others |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    right = wrong = 0
    for one in looks:
        told = judged.get(f"{one.repository}@{one.commit[:10]}", {})
        known = "right" in told
        right, wrong = right + told.get("right", 0), wrong + told.get("wrong", 0)
        lines.append(
            f"| {one.repository} | `{one.commit[:10]}` | {one.date} | {one.files:,} | {one.seconds:.1f} | {one.errors} "
            f"| {told['right'] if known else 'not read'} | {told['wrong'] if known else 'not read'} | {one.others} |"
        )
    share = f"{100 * right / (right + wrong):.1f} %" if right + wrong else "unknown"
    lines += ["", f"Of {right + wrong} errors that were read {right} are right: {share} (the goal is 95 %)."]
    slow = [one for one in looks if one.seconds > GOAL_SECONDS]
    lines.append(f"Slower than {GOAL_SECONDS:g} s: {len(slow)} of {len(looks)}.")
    return "\n".join(lines) + "\n"


def main(argv: list[str] | None = None) -> int:
    """Looks at every commit, prints a line for each; 1 when one crashed or a mirror is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[], help="part of a repository's name; may be repeated")
    parser.add_argument("--first", action="store_true", help="only the newest commit of each")
    parser.add_argument("--reports", type=Path, help="keep the JSON reports here")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    args = parser.parse_args(argv)
    listed = tomllib.loads(LIST.read_text())
    looks, failed = [], False
    with tempfile.TemporaryDirectory(prefix="ilk-public-") as scratch:
        for repository, commits in listed["repositories"].items():
            if args.only and not any(part in repository for part in args.only):
                continue
            mirror = args.mirrors / repository.replace("/", "+") / "repo"
            if not mirror.is_dir():
                print(f"{repository}: there is no {mirror}", file=sys.stderr)
                failed = True
                continue
            for commit in commits[:1] if args.first else commits:
                one = look(mirror, repository, commit, Path(scratch))
                looks.append(one)
                failed = failed or one.code not in (0, 1)
                print(f"{one.repository} {commit[:10]} {one.date}: {one.files} files, {one.seconds:.1f} s, "
                      f"{one.errors} errors, {one.others} others, exit {one.code}", flush=True)  # fmt: skip
                if args.reports:
                    args.reports.mkdir(parents=True, exist_ok=True)
                    name = f"{repository.replace('/', '+')}@{commit[:10]}.json"
                    (args.reports / name).write_text(json.dumps(one.report, indent=1))
    if args.write:
        PAGE.write_text(page(looks, listed.get("judged", {})))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
