"""Changes to a scale project, each in a numbered variant: another number is another change of the same place."""

import re
from pathlib import Path

_DAG_LINE = "    catchup=False,\n"
_ADDED = re.compile(r"    max_active_runs=\d+,\n")
_LIMIT = re.compile(r"limit \d{10}\n$")
_RETRIES = re.compile(r'"retries": \d+')
_SESSION = re.compile(r"\.appName\((?:f\"v\d+-\{name\}\"|name)\)")


def change_dag(root: Path, variant: int) -> Path:
    """One DAG has another setting; its file."""
    path = sorted((root / "dags").rglob("*_transform_*.py"))[0]
    _change_dag_file(path, variant)
    return path


def change_model(root: Path, variant: int) -> Path:
    """One model of the marts layer has another statement; its file."""
    path = sorted((root / "dbt" / "models" / "marts").rglob("*.sql"))[0]
    _change_model_file(path, variant)
    return path


def change_helper(root: Path, variant: int) -> Path:
    """A constant that every DAG imports has another value; its file."""
    path = root / "dags" / "scale_common" / "settings.py"
    _rewrite(path, _RETRIES, f'"retries": {variant + 2}')
    return path


def change_everything(root: Path, variant: int) -> None:
    """Every DAG's own file, every model and every Spark job (through the library they share) does something else."""
    for path in (root / "dags").rglob("*.py"):
        if "scale_common" not in path.parts:
            _change_dag_file(path, variant)
    for path in (root / "dbt" / "models").rglob("*.sql"):
        _change_model_file(path, variant)
    _rewrite(root / "spark" / "lib" / "scale_spark" / "session.py", _SESSION, f'.appName(f"v{variant}-{{name}}")')


def drop_tests(root: Path) -> None:
    """The models have no tests any more."""
    for path in (root / "dbt" / "models").rglob("_models.yml"):
        path.unlink()


def _change_dag_file(path: Path, variant: int) -> None:
    text = _ADDED.sub("", path.read_text())
    if text.count(_DAG_LINE) != 1:
        raise ValueError(f"{path} is no DAG of a scale project")
    path.write_text(text.replace(_DAG_LINE, f"{_DAG_LINE}    max_active_runs={variant + 1},\n"))


def _change_model_file(path: Path, variant: int) -> None:
    # A limit far above any table's size: another statement, the same rows.
    path.write_text(_LIMIT.sub("", path.read_text()) + f"limit {1_000_000_000 + variant}\n")


def _rewrite(path: Path, pattern: re.Pattern[str], text: str) -> None:
    changed, count = pattern.subn(lambda _: text, path.read_text())
    if count != 1:
        raise ValueError(f"{path} does not hold what is to be changed")
    path.write_text(changed)
