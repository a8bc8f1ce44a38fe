"""Templates that a stranger wrote to hang, to eat memory or to run something: they are parsed, and that is all."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from interlock.rules.files import SourceFile
from interlock.rules.rule_dag_templates import check_templates
from interlock.runtimes.environments import Runtime
from interlock.runtimes.worker import Worker

HEAD = """\
import datetime, pathlib
from airflow import DAG
from airflow.operators.bash import BashOperator

MARK = pathlib.Path(__file__).parent / "ran"


def run(*arguments):
    MARK.touch()
    return "x"


class Evil:
    template_fields = ("a",)

    @property
    def a(self):
        return [self]


dag = DAG("d", schedule="@daily", start_date=datetime.datetime(2026, 1, 1), user_defined_macros={"run": run},
          user_defined_filters={"run": run})
"""
TEMPLATES = {
    "pads": "{{ 'x' | center(9999999999) }}",
    "power": "{{ 9 ** (9 ** 9) }}",
    "repeats": "{{ 'x' * 9999999999 }}",
    "loops": "{% for i in range(9999999999) %}{% for j in range(9999999999) %}{{ i }}{% endfor %}{% endfor %}",
    "in a block": "{% set y = 'x' | center(9999999999) %}{% if 9 ** (9 ** 9) %}{{ y ~ 'x' * 9999999999 }}{% endif %}",
    "calls": "{{ run(1) }}{{ 'x' | run }}{{ run('y') | run }}",
    "deep": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "long": "{{ ds }}" * 12_000,
    "joined": "{{ 'a'" + " ~ 'a'" * 5000 + " }}",
    "unclosed": "{% if " * 3000,
    "includes": "{% include '/etc/passwd' %}{% import '/etc/passwd' as p %}",
}


def source_of(texts: list[str]) -> str:
    tasks = [f"BashOperator(task_id='t{n}', dag=dag, bash_command={text!r})\n" for n, text in enumerate(texts)]
    return HEAD + "".join(tasks)


@pytest.mark.parametrize("name", TEMPLATES)
def test_text_alone_takes_no_time(name: str) -> None:
    begun = time.monotonic()
    list(check_templates(SourceFile("dags/d.py", source_of([TEMPLATES[name]]).encode())))
    assert time.monotonic() - begun < 10


@pytest.mark.engine
def test_airflows_environment_takes_no_time_and_runs_nothing(
    tmp_path: Path, runtime_python: Callable[[str], Path]
) -> None:
    (tmp_path / "d.py").write_text(source_of([*TEMPLATES.values(), "{{ dss }}"]) + "BashOperator(task_id='e', dag=dag, "
                                   "bash_command='x', env={'a': Evil()})\n")  # fmt: skip
    with Worker(Runtime("airflow", runtime_python("airflow"), ""), "airflow_worker.py") as worker:
        begun = time.monotonic()
        answer = worker.request("parse", dags_folder=str(tmp_path), files=["d.py"], timeout=120, timeout_s=30)
        assert time.monotonic() - begun < 30
    [file] = answer["files"]
    assert file["outcome"] == "ok", file["errors"]
    told: dict[str, Any] = file["dags"][0]["templates"]
    assert [one["name"] for one in told["problems"] if one["kind"] == "name"] == ["dss"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.engine
def test_macros_that_are_no_mapping_cost_the_look_and_not_the_file(
    tmp_path: Path, runtime_python: Callable[[str], Path]
) -> None:
    source = source_of(["{{ ds }}"]) + "dag.jinja_environment_kwargs = {'finalize': run, 'nonsense': 1}\n"
    (tmp_path / "d.py").write_text(source)
    with Worker(Runtime("airflow", runtime_python("airflow"), ""), "airflow_worker.py") as worker:
        answer = worker.request("parse", dags_folder=str(tmp_path), files=["d.py"], timeout=120, timeout_s=30)
    [file] = answer["files"]
    assert file["outcome"] == "ok" and file["dags"][0]["templates"] is None
