"""Static checks of public repositories at several commits: `python benches/public.py --mirrors DIR [--write]`.

With `--kept FILE` a run can be interrupted, and goes on where it was: what was seen of a commit stays in that file.

DIR holds a git directory `OWNER+NAME/repo` for each repository that `public.toml` names; those that are missing are
said to be. Every commit is laid out in a scratch folder and checked once with an empty cache, as a first contact would
be. Whether an error is right is read beside its source and written into `public.toml` by hand, never by this program;
an error that is not there counts as not read.
"""

import argparse
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import run

HERE = Path(__file__).resolve().parent
LIST = HERE / "public.toml"
PAGE = HERE.parent / "docs" / "benchmarks-public.md"
GOAL_SECONDS = 15.0
GOAL_MODELS = 600
_COLUMNS = (
    "repository", "commit", "of", "files", "SQL", "Python", "seconds", "CPU", "errors", "right", "wrong", "warnings",
    "hints",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """One check of one commit. `errors` are the rule and the place of each finding of that severity.

    `sql` and `python` are numbers of files. `cpu` are the seconds of processors that the check and its processes used,
    which another load changes less than the seconds of the clock. `by` is the commit of Interlock.
    """

    repository: str
    commit: str
    date: str
    files: int
    sql: int
    python: int
    seconds: float
    cpu: float
    errors: list[str]
    warnings: int
    hints: int
    code: int
    by: str
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
    used, started = _used(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "interlock", "check", "--static", "--all", "--json"],
        cwd=root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    seconds, cpu = time.perf_counter() - started, _used() - used
    report = json.loads(done.stdout) if done.stdout.startswith("{") else {"findings": [], "stderr": done.stderr[-4000:]}
    severities = Counter(one["severity"] for one in report.get("findings", ()))
    kinds = Counter(path.suffix for path in root.rglob("*") if path.is_file())
    shutil.rmtree(root)
    shutil.rmtree(cache, ignore_errors=True)
    return Look(
        repository, commit, date.strip(), kinds.total(), kinds[".sql"], kinds[".py"], seconds, cpu,
        errors_of(report), severities["warning"], severities["info"], done.returncode, run.commit(), report,
    )  # fmt: skip


def errors_of(report: Mapping[str, Any]) -> list[str]:
    """The rule and the place of each error, as public.toml names them."""
    found = report.get("findings", ())
    return [f"{one['rule']} {one['path']}:{one['line']}" for one in found if one["severity"] == "error"]


def _used() -> float:
    """The seconds of processors that processes used which have ended."""
    told = resource.getrusage(resource.RUSAGE_CHILDREN)
    return told.ru_utime + told.ru_stime


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


def verdicts(one: Look, judged: Mapping[str, Mapping[str, str]]) -> Counter[str]:
    """How many of the errors are "right", "wrong", and "not read"."""
    told = judged.get(one.repository, {})
    return Counter(told.get(error, "not read").partition(":")[0] for error in one.errors)


def page(looks: list[Look], judged: Mapping[str, Mapping[str, str]], command: str) -> str:
    """The table of docs/benchmarks-public.md; ``command`` is the one that was typed."""
    lines = [
        "# Public repositories",
        "",
        "Written by the command below; do not edit by hand. Static checks (`interlock check --static --all`) of plain",
        "clones with an empty cache and without configuration, on a machine that did other work too: *CPU*, seconds",
        "of all cores together, moves less with it. *Right* and *wrong* count the errors: each was read beside its",
        "source; the judgements are in `benches/public.toml`.",
        "",
        "```",
        command,
        "```",
        "",
        "| machine | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in run.machine()),
        f"| Interlock | {', '.join(sorted({one.by for one in looks}))} |",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---" * len(_COLUMNS) + "|",
    ]
    total: Counter[str] = Counter()
    for one in looks:
        told = verdicts(one, judged)
        total += told
        lines.append(
            f"| {one.repository} | `{one.commit[:10]}` | {one.date} | {one.files:,} | {one.sql:,} | {one.python:,} "
            f"| {one.seconds:.1f} | {one.cpu:.1f} | {len(one.errors)} | {told['right']} | {told['wrong']} "
            f"| {one.warnings} | {one.hints} |"
        )
    read = total["right"] + total["wrong"]
    share = f"{100 * total['right'] / read:.1f} %" if read else "unknown"
    lines += [
        "",
        f"{len({one.repository for one in looks})} repositories, {len(looks)} commits: "
        f"{sum(len(one.errors) for one in looks):,} errors, {sum(one.warnings for one in looks):,} warnings, "
        f"{sum(one.hints for one in looks):,} hints; crashes: {sum(one.code not in (0, 1) for one in looks)}.",
        "",
        f"Of {read} errors that were read {total['right']} are right: {share} (the goal is 95 %). Not read: "
        f"{total['not read']}. Warnings and hints were not judged.",
        "",
        *_speed(looks),
    ]
    return "\n".join(lines) + "\n"


def _speed(looks: list[Look]) -> list[str]:
    """How they stand to the goal: a number of models (SQL files) in so many seconds."""
    small = [one for one in looks if one.sql <= GOAL_MODELS]
    large = sorted((one for one in looks if one.sql > GOAL_MODELS), key=lambda one: -one.seconds)
    slow = max(small, key=lambda one: one.seconds, default=None)
    late = sum(one.seconds > GOAL_SECONDS for one in small)
    lines = [f"The goal is {GOAL_SECONDS:g} s for {GOAL_MODELS} models and 100 DAGs."]
    if slow is not None:
        lines.append(
            f"Of {len(small)} commits with up to {GOAL_MODELS} SQL files {late} took longer; the slowest is "
            f"{slow.repository} `{slow.commit[:10]}` with {slow.seconds:.1f} s."
        )
    if large:
        lines += ["Larger ones:", ""]
    return lines + [
        f"- {one.repository} `{one.commit[:10]}`: {one.sql:,} SQL files in {one.seconds:.1f} s, "
        f"{one.seconds * GOAL_MODELS / one.sql:.1f} s for {GOAL_MODELS} of them"
        for one in large
    ]


def main(argv: list[str] | None = None) -> int:
    """Looks at every commit, prints a line for each; 1 when one crashed or a mirror is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--only", action="append", default=[], help="part of a repository's name; may be repeated")
    parser.add_argument("--first", action="store_true", help="only the newest commit of each")
    parser.add_argument("--reports", type=Path, help="keep the JSON reports here")
    parser.add_argument("--kept", type=Path, help="keep what was seen in this file, and look only at what it lacks")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    args = parser.parse_args(argv)
    listed = tomllib.loads(LIST.read_text())
    kept: dict[str, Any] = json.loads(args.kept.read_text()) if args.kept and args.kept.exists() else {}
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
                name = f"{repository}@{commit}"
                one = Look(**kept[name], report={}) if name in kept else look(mirror, repository, commit, Path(scratch))
                looks.append(one)
                failed = failed or one.code not in (0, 1)
                print(f"{one.repository} {commit[:10]} {one.date}: {one.files} files, {one.seconds:.1f} s, "
                      f"{one.cpu:.1f} s of CPU, {len(one.errors)} errors, {one.warnings} warnings, {one.hints} hints, "
                      f"exit {one.code}", flush=True)  # fmt: skip
                if args.kept:
                    kept[name] = {key: value for key, value in asdict(one).items() if key != "report"}
                    args.kept.write_text(json.dumps(kept, indent=1))
                if args.reports and one.report:
                    args.reports.mkdir(parents=True, exist_ok=True)
                    name = f"{repository.replace('/', '+')}@{commit[:10]}.json"
                    (args.reports / name).write_text(json.dumps(one.report, indent=1))
    if args.write:
        typed = [f"--only {shlex.quote(part)}" for part in args.only] + ["--first"] * args.first
        command = " ".join(["python benches/public.py --mirrors DIR", *typed, "--write"])
        PAGE.write_text(page(looks, listed["judged"], command))
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
