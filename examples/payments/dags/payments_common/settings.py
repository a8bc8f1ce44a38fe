"""Defaults of every payments DAG."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = "payments-data"

# Expanded by the shell when a task runs, never when the file is parsed: the stored DAG is the same everywhere.
HOME = "${AIRFLOW_HOME:-$HOME/airflow}"
DBT_DIR = "${PAYMENTS_DBT_DIR:-" + HOME + "/dbt}"
SPARK_ROOT = "${PAYMENTS_SPARK_ROOT:-" + HOME + "/spark}"
LAKE = "${PAYMENTS_LAKE_DIR:-" + HOME + "/lake}"

DEFAULT_ARGS = {
    "owner": OWNER,
    "retries": 2,
    "retry_delay": timedelta(minutes=5),
    "execution_timeout": timedelta(hours=2),
}


def folder(variable, default):
    """The folder that an environment variable names, or one below Airflow's home; for code inside a task."""
    home = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
    return Path(os.environ.get(variable, home / default))


def dag_defaults(**changes):
    """Arguments of a DAG: the house's defaults with `changes` laid over them."""
    defaults = {
        "start_date": START,
        "catchup": False,
        "max_active_runs": 1,
        "default_args": DEFAULT_ARGS,
        "dagrun_timeout": timedelta(hours=6),
    }
    return {**defaults, **changes}
