"""What the tasks of a DAG type into a shell."""

import pytest
from payments_common.dbt import dbt_task
from payments_common.operators import SparkJobOperator, spark_command


def test_arguments_of_a_job_may_hold_variables_and_blanks():
    assert spark_command("settle", ["--day", "${DAY} 2"]).endswith('interlock-spark-submit settle "--day" "${DAY} 2"')


@pytest.mark.parametrize("argument", ['"', "`id`", "$(id)"])
def test_argument_of_a_job_cannot_end_the_quotes(argument):
    with pytest.raises(ValueError, match="no quotes and no commands"):
        spark_command("settle", [argument])


def test_job_is_rendered_by_airflow():
    task = SparkJobOperator(task_id="settle", job="settle_merchants", args=["--day", "{{ ds }}"])
    assert {"bash_command", "job", "args"} <= set(task.template_fields)
    assert task.args == ["--day", "{{ ds }}"]


def test_dbt_runs_where_the_environment_says():
    task = dbt_task("marts", select="tag:marts")
    assert task.bash_command.startswith("dbt build --select tag:marts ")
    assert "${PAYMENTS_DBT_DIR" in task.bash_command
