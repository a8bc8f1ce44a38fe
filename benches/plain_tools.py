"""The plain side of the figures: what the same questions cost with the tools that teams run today, one after the other.

Usage: `python benches/plain_tools.py PROJECT --airflow PYTHON --dbt PYTHON`.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from uv import find_uv_bin

SQLFLUFF = "sqlfluff==4.5.0"

# sqlfluff counts a file that it could not template or parse as one finding among many; here it would be work not done.
_UNREADABLE = re.compile(r"\|\s*(PRS|TMP)\s*\|")

_DAGBAG = """\
import sys
from airflow.models import DagBag
bag = DagBag(sys.argv[1], include_examples=False)
for path, error in bag.import_errors.items():
    print(path, error, file=sys.stderr)
print(len(bag.dags))
sys.exit(1 if bag.import_errors or not bag.dags else 0)
"""


class ToolError(RuntimeError):
    """A tool that was to be timed did not do its work; the message carries what it said."""


def measure(project: Path, *, airflow: Path, dbt: Path, cache: Path, uv: str, ruff: Path) -> dict[str, float]:
    """Seconds of each tool on `project`, run one after the other, nothing kept from an earlier run.

    `airflow` and `dbt` are interpreters of runtimes that hold them; sqlfluff gets an environment of its own below
    `cache`, whose building is not timed. ToolError when a tool fails for another reason than findings of its own.
    """
    sqlfluff = sqlfluff_environment(cache, uv)
    with tempfile.TemporaryDirectory(prefix="ilk-plain-") as scratch:
        work = Path(scratch)
        return {
            "DagBag": time_dagbag(project, airflow, work),
            "dbt parse": time_dbt_parse(project, dbt, work),
            "sqlfluff lint": time_sqlfluff(project, sqlfluff, work),
            "ruff check": time_ruff(project, ruff, work),
        }


def time_dagbag(project: Path, python: Path, work: Path) -> float:
    """Seconds to import every DAG with Airflow's own DagBag, start of the process included."""
    env = {
        "AIRFLOW_HOME": str(work / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{work}/airflow.db",
        "PYTHONPATH": str(project / "dags"),
    }
    # The first start writes airflow.cfg: that is set-up, not parsing. The project's helpers are compiled anew each
    # time and leave nothing behind in its folders.
    _run([python, "-c", "from airflow.models import DagBag"], work, env)
    return _run([python, "-c", _DAGBAG, project / "dags"], work, {**env, "PYTHONDONTWRITEBYTECODE": "1"})


def time_dbt_parse(project: Path, python: Path, work: Path) -> float:
    """Seconds of a cold `dbt parse`: no partial parse, an empty target folder, start of the process included."""
    folder = project / "dbt"
    command: list[Path | str] = [
        python.parent / "dbt", "--no-partial-parse", "parse", "--project-dir", folder, "--profiles-dir", folder,
        "--target-path", work / "target", "--log-path", work / "logs",
    ]  # fmt: skip
    env = {"ILK_WAREHOUSE_PATH": str(work / "parse.duckdb"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    return _run(command, work, env)


def time_floor(project: Path, *, airflow: Path, dbt: Path) -> float:
    """Seconds until DagBag and a cold `dbt parse` are both done, started at once: what reading must cost."""
    with tempfile.TemporaryDirectory(prefix="ilk-floor-") as scratch, ThreadPoolExecutor(2) as pool:
        folders = [Path(scratch) / "airflow", Path(scratch) / "dbt"]
        for folder in folders:
            folder.mkdir()
        times = [
            pool.submit(time_dagbag, project, airflow, folders[0]),
            pool.submit(time_dbt_parse, project, dbt, folders[1]),
        ]
        return max(one.result() for one in times)


def time_sqlfluff(project: Path, python: Path, work: Path) -> float:
    """Seconds of sqlfluff over all models: DuckDB dialect, Jinja templater, two processes, findings allowed."""
    command: list[Path | str] = [
        python.parent / "sqlfluff", "lint", project / "dbt" / "models", "--dialect", "duckdb", "--templater", "jinja",
        "--processes", "2", "--disable-progress-bar",
    ]  # fmt: skip
    # `ref`, `source` and `config` are built in; the project's own macros are loaded as sqlfluff's users do it.
    config = work / "sqlfluff.cfg"
    config.write_text(f"[sqlfluff:templater:jinja]\nload_macros_from_path = {project / 'dbt' / 'macros'}\n")
    return _run([*command, "--config", config], work, {}, accept=(0, 1), reject=_UNREADABLE)


def time_ruff(project: Path, ruff: Path, work: Path) -> float:
    """Seconds of ruff over all Python files, without its cache, findings allowed."""
    return _run([ruff, "check", "--no-cache", "--isolated", project], work, {}, accept=(0, 1))


def _run(
    argv: list[Path | str],
    cwd: Path,
    env: Mapping[str, str],
    *,
    accept: tuple[int, ...] = (0,),
    reject: re.Pattern[str] | None = None,
) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        [str(part) for part in argv], cwd=cwd, env={**_base_environment(cwd), **env}, capture_output=True, text=True
    )
    seconds = time.perf_counter() - started
    if done.returncode not in accept or (reject and reject.search(done.stdout)):
        said = (done.stdout + done.stderr)[-4000:]
        raise ToolError(f"{Path(argv[0]).name} ended with {done.returncode}:\n{said}")
    return seconds


def _base_environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "LANG": "C.UTF-8", "TZ": "UTC"}


def sqlfluff_environment(cache: Path, uv: str) -> Path:
    """The interpreter of an environment with sqlfluff, made once below ``cache``; ToolError when that fails."""
    folder = cache / SQLFLUFF.replace("==", "-")
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        for command in (
            [uv, "venv", "--clear", "--python", "3.11", str(folder)],
            [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), SQLFLUFF],
        ):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise ToolError(f"{' '.join(command)}\n{done.stderr}")
        ready.touch()
    return python


def main(argv: list[str] | None = None) -> int:
    """Prints the seconds of each tool on the project that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--airflow", type=Path, required=True, help="interpreter of a runtime with Airflow")
    parser.add_argument("--dbt", type=Path, required=True, help="interpreter of a runtime with dbt")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "interlock" / "benches")
    args = parser.parse_args(argv)
    ruff = Path(sys.executable).parent / "ruff"
    found = measure(
        args.project.absolute(), airflow=args.airflow, dbt=args.dbt, cache=args.cache, uv=find_uv_bin(), ruff=ruff
    )
    for name, seconds in found.items():
        sys.stdout.write(f"{name:<14} {seconds:6.1f} s\n")
    sys.stdout.write(f"{'together':<14} {sum(found.values()):6.1f} s\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
