"""dbt as a task. The project and its profile stand where the environment says; the task runs them as a command."""

from airflow.operators.bash import BashOperator

from payments_common.settings import DBT_DIR

# Artifacts go to the task's own scratch folder: the deployed project is never written to.
PLACES = f'--project-dir "{DBT_DIR}" --profiles-dir "{DBT_DIR}" --target-path "$PWD/target" --log-path "$PWD/logs"'
TARGET = '--target "${PAYMENTS_ENVIRONMENT:-dev}"'


def dbt_task(task_id, select, command="build", **arguments):
    """A task that runs a dbt command on a selection, as `dbt build --select ...`."""
    return BashOperator(
        task_id=task_id,
        bash_command=f"dbt {command} --select {select} {PLACES} {TARGET}",
        append_env=True,
        **arguments,
    )
