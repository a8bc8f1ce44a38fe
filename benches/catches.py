"""Who catches what: the plain tools of a usual CI and Interlock over the regression cases: `python benches/catches.py`.

Every case of `tests/regressions/cases` is laid out twice, broken and fixed. A tool catches a case when it complains
about the broken project in a way that it does not about the fixed one: a tool that complains about both says nothing.
All tools get what they need: a profile for dbt, an empty Airflow, the case's SQL dialect.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

import scale_project
from plain_tools import sqlfluff_environment
from uv import find_uv_bin

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from interlock.runtimes.environments import default_cache_root, ensure  # noqa: E402
from interlock.runtimes.spec import RuntimeSpec  # noqa: E402
from tests.regressions.case import Case, check_files, read_case  # noqa: E402

PAGE = HERE.parent / "docs" / "benchmarks-catches.md"
TOOLS = (
    "py_compile", "ruff", "sqlfluff parse", "sqlglot parse", "YAML/JSON/HCL parse", "dbt parse", "DagBag",
    "all of them", "Interlock",
)  # fmt: skip
_PROFILE = "{target: t, outputs: {t: {type: duckdb, path: x.duckdb}}}\n"

# Run in a runtime: folders as arguments, one JSON object of folder to complaints out.
_DBT = """\
import json, os, sys, shutil
from dbt.cli.main import dbtRunner
found = {}
for folder in sys.argv[1:]:
    said = []
    for base, _, names in os.walk(folder):
        if "dbt_project.yml" in names:
            shutil.rmtree(os.path.join(base, "target"), ignore_errors=True)
            done = dbtRunner().invoke(["--quiet", "--no-partial-parse", "parse", "--project-dir", base,
                                       "--profiles-dir", base, "--log-level-file", "none"])
            if not done.success:
                said.append(type(done.exception).__name__ + str(done.exception)[:200].replace(folder, ""))
    found[folder] = said
print("\\n" + json.dumps(found))
"""
_AIRFLOW = """\
import json, os, sys, subprocess
found = {}
for folder in sys.argv[1:]:
    dags = os.path.join(folder, "dags")
    pid = os.fork() if os.path.isdir(dags) else None
    if pid == 0:
        os.chdir(folder)
        sys.path.insert(0, dags)
        sys.stdout = sys.stderr
        from airflow.models import DagBag
        try:
            errors = DagBag(dags, include_examples=False).import_errors
            last = {os.path.basename(k): v.strip().splitlines()[-1] for k, v in errors.items()}
            said = [name + text[:200].replace(folder, "") for name, text in last.items()]
        except BaseException as error:
            said = [repr(error)[:200]]
        with open(folder + ".dagbag", "w") as out:
            json.dump(said, out)
        os._exit(0)
    if pid:
        os.waitpid(pid, 0)
        with open(folder + ".dagbag") as stream:
            found[folder] = json.load(stream)
print("\\n" + json.dumps(found))
"""
_FLUFF = """\
import json, sys
from pathlib import Path
from sqlfluff.core import FluffConfig, Linter
found = {}
for pair in sys.argv[1:]:
    folder, dialect = pair.rsplit("=", 1)
    said = []
    linter = Linter(config=FluffConfig(overrides={"dialect": dialect, "templater": "jinja"}))
    for path in sorted(Path(folder).rglob("*.sql")):
        done = linter.parse_string(path.read_text(), fname=path.name)
        said += [path.name + str(v.desc())[:200] for v in done.violations]
        root = done.root_variant()
        if root is None or root.tree is None or "unparsable" in root.tree.type_set():
            said.append(path.name + "unparsable")
    found[folder] = said
print("\\n" + json.dumps(found))
"""


def main(argv: list[str] | None = None) -> int:
    """Prints the table, and writes docs/benchmarks-catches.md with `--write`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    args = parser.parse_args(argv)
    cases = [read_case(path) for path in sorted((HERE.parent / "tests/regressions/cases").rglob("*.case"))]
    with tempfile.TemporaryDirectory(prefix="ilk-catches-") as scratch:
        caught = {case.name: set[str]() for case in cases}
        for tool, complaints in _complaints(cases, Path(scratch)).items():
            for case in cases:
                if set(complaints[f"{case.name}/broken"]) - set(complaints[f"{case.name}/fixed"]):
                    caught[case.name] |= {tool, "all of them"}
        for case in cases:
            found = check_files(case.broken, case.base, today=case.today, dialect=case.dialect)
            if any(one.rule == case.rule for one in found):
                caught[case.name].add("Interlock")
    text = _page(cases, caught)
    print(text)
    if args.write:
        PAGE.write_text(text)
    return 0


def _complaints(cases: list[Case], scratch: Path) -> dict[str, dict[str, list[str]]]:
    folders = {}
    for case in cases:
        for kind, files in (("broken", case.broken), ("fixed", case.fixed)):
            folders[f"{case.name}/{kind}"] = _laid_out(scratch / case.name / kind, files)
    dialects = {f"{c.name}/{k}": _fluff_dialect(c) for c in cases for k in ("broken", "fixed")}
    return {
        "py_compile": {key: _py_compile(folder) for key, folder in folders.items()},
        "ruff": {key: _ruff(folder) for key, folder in folders.items()},
        "sqlglot parse": {key: _sqlglot(folders[key], dialects[key]) for key in folders},
        "YAML/JSON/HCL parse": {key: _data_files(folder) for key, folder in folders.items()},
        "sqlfluff parse": _in(
            sqlfluff_environment(default_cache_root() / "benches", find_uv_bin()), _FLUFF,
            {key: f"{folder}={dialects[key]}" for key, folder in folders.items()}, scratch,
        ),
        "dbt parse": _in(_runtime("dbt"), _DBT, {key: str(f) for key, f in folders.items()}, scratch),
        "DagBag": _in(_runtime("airflow"), _AIRFLOW, {key: str(f) for key, f in folders.items()}, scratch),
    }  # fmt: skip


def _laid_out(root: Path, files: Mapping[str, bytes]) -> Path:
    root.mkdir(parents=True)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        if name.endswith("dbt_project.yml"):
            _profile(root / name, content)
    return root


def _profile(project: Path, content: bytes) -> None:
    lines = [
        line.partition(b":")[2].strip().strip(b"\"'") for line in content.splitlines() if line.startswith(b"profile:")
    ]
    name = lines[0].decode() if lines else "default"
    (project.parent / "profiles.yml").write_text(f"{name}: {_PROFILE}")
    if not lines:
        with project.open("ab") as file:
            file.write(b"\nprofile: default\n")


def _runtime(name: str) -> Path:
    lock = scale_project.RUNTIMES / f"{name}.lock"
    return ensure(RuntimeSpec(name, python="3.11", lock=lock)).python


def _in(python: Path, program: str, arguments: Mapping[str, str], scratch: Path) -> dict[str, list[str]]:
    env = {
        "PATH": os.environ["PATH"], "HOME": str(scratch), "LANG": "C.UTF-8", "AIRFLOW_HOME": str(scratch / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    done = subprocess.run(
        [str(python), "-c", program, *arguments.values()], env=env, cwd=scratch, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-4000:])
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return {key: told.get(value.rpartition("=")[0] or value, []) for key, value in arguments.items()}


def _py_compile(folder: Path) -> list[str]:
    found = []
    for path in sorted(folder.rglob("*.py")):
        try:
            compile(path.read_bytes(), path.name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            found.append(f"{path.name} {error}")
    return found


def _ruff(folder: Path) -> list[str]:
    command = [
        str(Path(sys.executable).parent / "ruff"),
        "check",
        "--isolated",
        "--no-cache",
        "--output-format",
        "json",
    ]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    return [f"{Path(one['filename']).name} {one['code']} {one['message']}" for one in json.loads(done.stdout or "[]")]


def _fluff_dialect(case: Case) -> str:
    return {"": "ansi", "spark": "sparksql"}.get(case.dialect, case.dialect)


def _sqlglot(folder: Path, dialect: str) -> list[str]:
    import sqlglot

    found = []
    for path in sorted(folder.rglob("*.sql")):
        try:
            sqlglot.parse(path.read_text(), dialect={"ansi": "", "sparksql": "spark"}.get(dialect, dialect))
        except Exception as error:
            found.append(f"{path.name} {error}"[:300])
    return found


def _data_files(folder: Path) -> list[str]:
    import hcl2
    import yaml

    readers = {
        ".yml": lambda text: list(yaml.safe_load_all(text)), ".yaml": lambda text: list(yaml.safe_load_all(text)),
        ".json": json.loads, ".avsc": json.loads, ".tf": hcl2.loads,
    }  # fmt: skip
    found = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in readers and path.is_file():
            try:
                readers[path.suffix](path.read_text())
            except Exception as error:
                found.append(f"{path.name} {type(error).__name__} {error}"[:300])
    return found


def _page(cases: list[Case], caught: Mapping[str, set[str]]) -> str:
    families: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        families[case.breakage].append(case)
    total = Counter(tool for tools in caught.values() for tool in tools)
    lines = [
        "# Who catches what",
        "",
        "The regression cases (`tests/regressions/cases`), each broken and fixed; a tool catches a case when it",
        "complains about the broken project otherwise than about the fixed one. Written by",
        "`python benches/catches.py --write`.",
        "",
        f"| class | cases | {' | '.join(TOOLS)} |",
        f"|---|---|{'---|' * len(TOOLS)}",
    ]
    for name, members in sorted(families.items()):
        counts = [sum(tool in caught[case.name] for case in members) for tool in TOOLS]
        lines.append(f"| {name} | {len(members)} | {' | '.join(map(str, counts))} |")
    lines.append(f"| **together** | {len(cases)} | {' | '.join(str(total[tool]) for tool in TOOLS)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
