#!/usr/bin/env python3
"""Start a Spark job in the version that is live in this environment.

    interlock-spark-submit JOB [ARGUMENT ...]
    interlock-spark-submit JOB [SPARK-SUBMIT OPTION ...] -- [ARGUMENT ...]
    interlock-spark-submit --which JOB

JOB is a name (orders_daily) or a key (spark.batch:orders_daily). The version is looked up once: the run uses it to the
end, whatever is deployed meanwhile. spark-submit is taken from SPARK_SUBMIT, from SPARK_HOME, or from PATH. The job
sees INTERLOCK_JOB (its key) and INTERLOCK_JOB_VERSION. Exit codes of the launcher itself: 64 wrong usage, 66 the job is
not deployed here, 69 no spark-submit, 75 the job is disabled.

Installed by Interlock, which need not be installed or running where this runs. Python 3.7 or newer, nothing else.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, List, NoReturn, Optional, Tuple  # noqa: UP035  (Python 3.7)

USAGE, NOT_DEPLOYED, NO_SPARK, DISABLED = 64, 66, 69, 75
ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"spark.batch": "batch", "spark.stream": "stream"}


def fail(code: int, text: str) -> NoReturn:
    """Say why, and end."""
    sys.stderr.write(f"interlock-spark-submit: {text}\n")
    sys.exit(code)


def look_up(job: str) -> "Tuple[Any, Path]":  # noqa: UP006
    """The job's pointer and its version's folder, from one read of one file."""
    kind, colon, name = job.partition(":")
    if colon and kind not in FOLDERS:
        fail(USAGE, f"{job!r} is neither a job's name nor spark.batch:NAME or spark.stream:NAME")
    name = name if colon else job
    if not name or "/" in name or name.startswith("."):
        fail(USAGE, f"{job!r} is no job's name")
    found = []
    for folder in [FOLDERS[kind]] if colon else sorted(FOLDERS.values()):
        try:
            pointer = json.loads((ROOT / folder / "current" / f"{name}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        found.append((pointer, ROOT / folder / "versions" / name / "views" / pointer["version"]))
    if not found:
        fail(NOT_DEPLOYED, f"job {job} is not deployed below {ROOT}; deploy a release that holds it")
    if len(found) > 1:
        fail(USAGE, f"{name} is a batch job and a stream: say spark.batch:{name} or spark.stream:{name}")
    return found[0]


def spark_submit() -> str:
    """The program to run."""
    chosen, home = os.environ.get("SPARK_SUBMIT"), os.environ.get("SPARK_HOME")
    program: Optional[str] = None  # noqa: UP045
    if chosen:
        program = shutil.which(chosen)
    else:
        program = shutil.which(str(Path(home) / "bin" / "spark-submit")) if home else None
        program = program or shutil.which("spark-submit")
    if not program:
        fail(NO_SPARK, "no spark-submit: set SPARK_SUBMIT to it, set SPARK_HOME, or put it on PATH")
    return program


def with_py_files(options: "List[str]", archive: str) -> "List[str]":  # noqa: UP006
    """The options with our archive in --py-files, beside what the caller named there."""
    merged, rest, waiting = [archive], [], list(options)
    while waiting:
        option = waiting.pop(0)
        if option == "--py-files" and waiting:
            merged.append(waiting.pop(0))
        elif option.startswith("--py-files="):
            merged.append(option.split("=", 1)[1])
        else:
            rest.append(option)
    return [*rest, "--py-files", ",".join(merged)]


def main(arguments: "List[str]") -> None:  # noqa: UP006
    """Look the job up, and become spark-submit."""
    which = arguments[:1] == ["--which"]
    arguments = arguments[1:] if which else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(__doc__ or "")
        sys.exit(0 if arguments else USAGE)
    if arguments[0].startswith("-"):
        fail(USAGE, "the job's name comes first, then options of spark-submit, then -- and the job's arguments")
    pointer, version = look_up(arguments[0])
    key = pointer["key"]
    if which:
        print(version)
        return
    if not pointer.get("enabled", True):
        fail(DISABLED, f"job {key} is disabled; 'interlock enable ENVIRONMENT {key}' lets it start again")
    options, own = [], arguments[1:]
    if "--" in own:
        cut = own.index("--")
        options, own = own[:cut], own[cut + 1 :]
    if pointer.get("py_files"):
        options = with_py_files(options, str(version / pointer["py_files"]))
    environment = dict(os.environ)
    roots = [str(version / root) for root in pointer["include"]] + [environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(root for root in roots if root)
    environment["INTERLOCK_JOB"] = key
    environment["INTERLOCK_JOB_VERSION"] = pointer["version"]
    # A version's bytes are proven by digest; nothing is written beside them.
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    program = spark_submit()
    os.execve(program, [program, *options, str(version / pointer["path"]), *own], environment)


if __name__ == "__main__":
    main(sys.argv[1:])
