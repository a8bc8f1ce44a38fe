"""All figures, or chosen ones, as one table: `python benches/run.py [check plan rollback memory demo] [--write]`."""

import argparse
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
# The services of the tests are used here too; a program that is started by its path has only its own folder.
sys.path.insert(0, str(ROOT))

from bench import Bench  # noqa: E402
from figures import Section, from_json, markdown, table, to_json  # noqa: E402

from interlock.runtimes.environments import default_cache_root  # noqa: E402

NAMES = ("check", "plan", "rollback", "memory", "demo")
PAGE = ROOT / "docs" / "benchmarks.md"


def measure(name: str, bench: Bench, command: str) -> Section:
    """One bench has run; its figures with the circumstances."""
    module = importlib.import_module(f"bench_{name}")
    load = os.getloadavg()[0]
    date = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return Section(name, module.TITLE, tuple(module.measure(bench)), date, commit(), load, command)


def commit() -> str:
    """The commit of this checkout, and whether its sources were changed since; "unknown" without git."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--", "src", "benches")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head} with changes" if changed else head


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def machine() -> list[tuple[str, str]]:
    """What a reader must know of this machine: processors, memory, Python, system."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        ("cores", str(usable)),
        ("processor", _processor()),
        ("memory", f"{memory:.0f} GiB"),
        ("Python", platform.python_version()),
        ("system", f"{platform.system()} {platform.release().split('-')[0]}"),
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def keep(section: Section, folder: Path) -> None:
    """The section can be read again by `stored`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{section.name}.json").write_text(json.dumps(to_json(section)))


def stored(folder: Path) -> list[Section]:
    """The last section of each bench, in the order of `NAMES`; those that never ran are left out."""
    files = [folder / f"{name}.json" for name in NAMES]
    return [from_json(json.loads(path.read_text())) for path in files if path.exists()]


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line as typed values."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"one or more of {', '.join(NAMES)}; default: all")
    parser.add_argument("--pipelines", type=int, default=250)
    parser.add_argument("--large", type=int, default=2500, help="the size that growth is shown with")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each short command")
    parser.add_argument("--airflow-runs", type=int, default=2, help="runs of what waits for Airflow")
    parser.add_argument("--no-compare", action="store_true", help="leave out the tools that Interlock is compared with")
    parser.add_argument("--cache", type=Path, default=default_cache_root() / "benches", help="tools and results")
    parser.add_argument("--scratch", type=Path, help="work and stay here, and take deployed projects from here again")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)} from the last results")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in NAMES]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return args


def command_of(name: str, args: argparse.Namespace) -> str:
    """The command that takes one bench's figures in the same way on any machine: without this one's folders."""
    sizes = {"pipelines": 250, "large": 2500, "repeats": 3, "airflow_runs": 2}
    other = [
        f"--{key.replace('_', '-')} {getattr(args, key)}" for key, usual in sizes.items() if getattr(args, key) != usual
    ]
    return " ".join(["python benches/run.py", name, *other, *(["--no-compare"] if args.no_compare else [])])


def main(argv: list[str] | None = None) -> int:
    """Runs the benches, prints each table as soon as it is known; 0 when every goal was reached, else 1."""
    args = parse(argv)
    console, errors = Console(width=160, highlight=False), Console(stderr=True, highlight=False)
    scratch = (args.scratch or Path(tempfile.mkdtemp(prefix="ilk-bench-"))).absolute()
    scratch.mkdir(parents=True, exist_ok=True)
    results = args.cache.absolute() / "results"
    begun = time.monotonic()

    def say(text: str) -> None:
        errors.print(f"[dim]{time.monotonic() - begun:6.0f} s[/] {text}")

    bench = Bench(
        scratch, args.cache.absolute(), args.pipelines, args.large, args.repeats, args.airflow_runs,
        not args.no_compare, say,
    )  # fmt: skip
    measured = []
    try:
        for name in args.names or NAMES:
            section = measure(name, bench, command_of(name, args))
            keep(section, results)
            console.print(table(section))
            measured.append(section)
    finally:
        if args.scratch is None:
            shutil.rmtree(scratch, ignore_errors=True)
    if args.write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(markdown(stored(results), machine(), "python benches/run.py --write"))
        errors.print(f"{PAGE.relative_to(ROOT)} written")
    return int(any(figure.met is False for section in measured for figure in section.figures))


if __name__ == "__main__":
    raise SystemExit(main())
