"""What a repository seems to hold, found without running anything of it."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_SKIPPED = {"node_modules", "venv", "env", "site-packages", "dbt_packages", "target", "build", "dist", "tests", "test"}
_LIMIT_FILES = 50_000
_AIRFLOW = re.compile(rb"^\s*(?:from|import)\s+airflow\b", re.MULTILINE)
_DAG = re.compile(rb"\bDAG\s*\(|@dag\b|\bdag\s*=", re.IGNORECASE)
_SPARK = re.compile(rb"^\s*(?:from|import)\s+pyspark\b", re.MULTILINE)
_STREAM = re.compile(rb"\breadStream\b|\bwriteStream\b")
_PACKAGES = {
    "airflow": re.compile(r"^apache-airflow(?![-\w])", re.MULTILINE | re.IGNORECASE),
    "dbt": re.compile(r"^dbt-(?:core|[a-z]+)\b", re.MULTILINE | re.IGNORECASE),
    "spark": re.compile(r"^pyspark\b", re.MULTILINE | re.IGNORECASE),
}
_NAMES_ADAPTERS = frozenset({"profiles.yml", "pyproject.toml", "Pipfile", "setup.py", "setup.cfg", "environment.yml"})
# dbt's name of a warehouse: what sqlglot calls its SQL.
_DIALECTS = {
    "bigquery": "bigquery", "snowflake": "snowflake", "postgres": "postgres", "redshift": "redshift",
    "databricks": "databricks", "spark": "spark", "duckdb": "duckdb", "trino": "trino", "athena": "athena",
    "clickhouse": "clickhouse", "sqlserver": "tsql", "fabric": "fabric",
}  # fmt: skip
# Operators that run SQL of one warehouse, and those that may run SQL of any other.
_OPERATORS = {
    "bigquery": re.compile(rb"\bBigQuery(?:InsertJob|ExecuteQuery|Check|ValueCheck)?Operator\b"),
    "snowflake": re.compile(rb"\bSnowflake(?:SqlApi)?Operator\b"),
    "": re.compile(
        rb"\b(?:Postgres|MySql|MsSql|Oracle|Redshift(?:SQL|Data)|Athena|Presto|Trino|Hive|SparkSql|Databricks\w*|"
        rb"SQLExecuteQuery|ClickHouse|Vertica|Jdbc|Sqlite)Operator\b"
    ),
}
_ADAPTER = re.compile(rf"\bdbt-({'|'.join(_DIALECTS)})\b", re.IGNORECASE)
_PROFILE = re.compile(rf"^\s*type:\s*[\"']?({'|'.join(_DIALECTS)})\b", re.MULTILINE)


@dataclass
class Found:
    """Folders and files relative to the repository, POSIX; ``unsure`` says what a person should look at.

    ``dag_folders`` and ``dbt_projects`` are all there are; ``dags`` and ``dbt`` the ones that a project would take.
    ``dialect`` is the warehouse's, as sqlglot names it, "" where nothing or more than one is named.
    ``requirements`` and ``locks`` map a runtime's name (``airflow``, ``dbt``, ``spark``) to a file.
    """

    name: str
    dags: str = ""
    dbt: str = ""
    jobs: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    dag_folders: list[str] = field(default_factory=list)
    dbt_projects: list[str] = field(default_factory=list)
    dialect: str = ""
    requirements: dict[str, str] = field(default_factory=dict)
    locks: dict[str, str] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)

    @property
    def runtimes(self) -> list[str]:
        """The runtimes that what was found needs."""
        needed = {"airflow": self.dags, "dbt": self.dbt, "spark": self.jobs or self.streams}
        return [name for name, found in needed.items() if found]


def discover(root: Path) -> Found:
    """Look through the repository once. Reads at most 50,000 files; links are not followed."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", root.absolute().name).strip("-") or "project"
    found = Found(name if name[0].isalpha() else f"p-{name}")
    dag_files: list[str] = []
    dbt_projects: list[str] = []
    adapters: set[str] = set()
    operators: set[str] = set()
    for number, path in enumerate(_files(root)):
        if number == _LIMIT_FILES:
            found.unsure.append(f"the repository has more than {_LIMIT_FILES} files; the rest was not looked at")
            break
        relative = path.relative_to(root).as_posix()
        if path.name == "dbt_project.yml":
            dbt_projects.append(path.parent.relative_to(root).as_posix())
        elif path.suffix == ".py":
            source = _read(path)
            _python(relative, source, found, dag_files)
            operators.update(name for name, pattern in _OPERATORS.items() if pattern.search(source))
        elif (
            path.suffix in (".txt", ".in", ".lock") and "require" in relative + path.parent.name
        ) or path.suffix == ".lock":
            _requirements(relative, _read(path).decode("utf-8", "replace"), found)
        if path.name in _NAMES_ADAPTERS or path.suffix in (".txt", ".in") or path.name.startswith("Dockerfile"):
            adapters.update(_adapters(path.name, _read(path).decode("utf-8", "replace")))
    # Where dbt names no warehouse, DAGs may.
    named = [_DIALECTS[one] for one in adapters] or sorted(operators)
    found.dialect = named[0] if len(named) == 1 else ""
    _settle_dags(dag_files, found)
    _settle_dbt(dbt_projects, found)
    found.jobs = sorted(found.jobs)
    found.streams = sorted(found.streams)
    for runtime in found.runtimes:
        if runtime not in found.locks:
            given = found.requirements.get(runtime)
            found.unsure.append(
                f"no hash-locked requirements for the {runtime} runtime were found"
                + (f"; {given} can be locked: interlock init --lock" if given else "; name an interpreter, or a lock")
            )
    return found


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED)
        for name in sorted(files):
            path = Path(folder, name)
            if not path.is_symlink():
                yield path


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(200_000)
    except OSError:
        return b""


def _python(relative: str, source: bytes, found: Found, dag_files: list[str]) -> None:
    if _AIRFLOW.search(source) and _DAG.search(source):
        dag_files.append(relative)
    elif _SPARK.search(source) and b"__main__" in source:
        (found.streams if _STREAM.search(source) else found.jobs).append(relative)


def _requirements(relative: str, text: str, found: Found) -> None:
    for runtime, pattern in _PACKAGES.items():
        if pattern.search(text):
            kind = found.locks if "--hash=" in text else found.requirements
            kind.setdefault(runtime, relative)


def _adapters(name: str, text: str) -> set[str]:
    pattern = _PROFILE if name == "profiles.yml" else _ADAPTER
    return {match.lower() for match in pattern.findall(text)}


def _settle_dags(files: list[str], found: Found) -> None:
    """The folder named ``dags`` nearest to the top that holds DAG files, else the folder that all of them share."""
    named = sorted(
        {"/".join(p[: p.index("dags") + 1]) for p in (f.split("/") for f in files) if "dags" in p[:-1]},
        key=lambda folder: (folder.count("/"), folder),
    )
    below = [path for path in files if not any(path.startswith(f"{folder}/") for folder in named)]
    apart = {path.rpartition("/")[0] or "." for path in below}
    found.dag_folders = [*named, *sorted(apart)]
    if named:
        found.dags = named[0]
        if len(named) > 1:
            found.unsure.append(f"more than one DAG folder: {', '.join(named)}; {named[0]} was taken")
    elif files:
        found.dags = os.path.commonpath([str(Path(f).parent) for f in files])
        found.unsure.append(f"no folder is named 'dags'; DAG files lie below {found.dags!r}")
        if found.dags in ("", "."):
            found.dags = ""
            found.unsure.append("DAG files at the top of the repository are not supported: move them into a folder")


def _settle_dbt(projects: list[str], found: Found) -> None:
    ordered = sorted(projects, key=lambda folder: (folder.count("/"), folder))
    found.dbt_projects = ordered
    if ordered:
        found.dbt = ordered[0]
        if found.dbt == ".":
            found.dbt = ""
            found.unsure.append("a dbt project at the top of the repository is not supported: move it into a folder")
    if len(ordered) > 1:
        found.unsure.append(f"more than one dbt project: {', '.join(ordered)}; {ordered[0]} was taken")
