"""Operators of the payments platform."""

from airflow.operators.bash import BashOperator

from payments_common.settings import SPARK_ROOT


def spark_command(job, args=()):
    """The command that runs the live version of a job; shell variables in `args` are expanded."""
    if any(mark in arg for arg in args for mark in ('"', "`", "$(")):
        raise ValueError(f"{job}: an argument may hold variables, but no quotes and no commands")
    quoted = " ".join(f'"{arg}"' for arg in args)
    return f'PAYMENTS_SPARK_ROOT="{SPARK_ROOT}" interlock-spark-submit {job} {quoted}'.rstrip()


class SparkJobOperator(BashOperator):
    """Runs the version of a Spark job that is live in this environment.

    `job` is the name of the job (its file without `.py`), `args` its arguments. The launcher settles on one version at
    its start, so that a run uses exactly one whatever is deployed meanwhile.
    """

    template_fields = (*BashOperator.template_fields, "job", "args")
    ui_color = "#e8f0d0"

    def __init__(self, *, job, args=(), **kwargs):
        super().__init__(bash_command=spark_command(job, args), append_env=True, **kwargs)
        self.job = job
        self.args = list(args)
