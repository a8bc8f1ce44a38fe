"""Which files are DAG files, what a serialized DAG tells, and how an import error is explained."""

from pathlib import Path
from typing import Any

from interlock.catalog.airflow_errors import findings_of
from interlock.catalog.airflow_facts import dag_facts
from interlock.catalog.airflow_files import dag_files
from interlock.catalog.python_imports import ModuleIndex, PythonFiles
from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache

DAG = "from airflow import DAG\n"


def write(root: Path, files: dict[str, str]) -> Sources:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Sources(root)


def test_files_that_do_not_mention_dag_and_airflow_are_not_parsed(tmp_path: Path) -> None:
    sources = write(tmp_path, {"dags/a.py": DAG, "dags/helper.py": "x = 1", "dags/notes.txt": DAG})
    assert dag_files(sources, "dags", sources.under("dags"))[0] == ["dags/a.py"]


def test_ignored_files_and_folders_are_not_parsed(tmp_path: Path) -> None:
    files = {
        "dags/a.py": DAG,
        "dags/old/b.py": DAG,
        "dags/x_draft.py": DAG,
        "dags/deep/c.py": DAG,
        "dags/deep/d.py": DAG,
    }
    ignore = {"dags/.airflowignore": "old\n_draft  # drafts\n", "dags/deep/.airflowignore": "deep/c\n"}
    sources = write(tmp_path, files | ignore)
    assert dag_files(sources, "dags", sources.under("dags"))[0] == ["dags/a.py", "dags/deep/d.py"]


def test_ignore_line_that_is_no_expression_is_a_finding(tmp_path: Path) -> None:
    sources = write(tmp_path, {"dags/a.py": DAG, "dags/.airflowignore": "\n*_draft.py\n"})
    files, findings = dag_files(sources, "dags", sources.under("dags"))
    assert files == ["dags/a.py"]
    assert [(one.rule, str(one.place)) for one in findings] == [("ILK-AF009", "dags/.airflowignore:2")]


def operator(task_id: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"__type": "operator", "__var": {"task_id": task_id, "_task_type": kind, **fields}}


def facts(tasks: list[dict[str, Any]], source: str = "", **dag: Any) -> dict[str, Any]:
    return dag_facts("d", {"__version": 1, "dag": {"tasks": tasks, **dag}}, source, "duckdb", "analytics")


def test_facts_of_sensors_triggers_datasets_and_commands() -> None:
    dataset = [{"__type": "dataset", "__var": {"uri": "s3://b/c", "extra": None}}]
    found = facts(
        [
            operator("s", "ExternalTaskSensor", external_dag_id="up", external_task_id="t", external_task_ids=["t"]),
            operator("r", "TriggerDagRunOperator", trigger_dag_id="down"),
            operator("b", "BashOperator", bash_command="dbt run -s a", outlets=dataset, owner="me"),
            operator("e", "BashOperator", bash_command="echo nothing"),
            operator("j", "SparkJobOperator", bash_command="interlock-spark-submit settle", job="settle"),
            operator("q", "SQLExecuteQueryOperator", sql="insert into marts.x select * from raw.y join z using (id)"),
        ],
        source='x\nDAG("d")\nwait = "up"\n',
        schedule_interval="@daily",
        tags=["b", "a"],
    )
    assert found["line"] == 2
    assert found["waits"] == [{"task": "s", "dag": "up", "tasks": ["t"], "group": None, "line": 3}]
    assert found["triggers"] == [{"task": "r", "dag": "down", "line": 0}]
    assert found["commands"] == [["b", "dbt run -s a"]]
    assert found["jobs"] == [["j", "settle"]]
    assert found["outlets"] == ["s3://b/c"]
    assert found["sql"] == [
        {"task": "q", "reads": ["warehouse:analytics.z", "warehouse:raw.y"], "writes": ["warehouse:marts.x"], "why": ""}
    ]
    assert (found["schedule"], found["tags"], found["owner"]) == ("@daily", ["a", "b"], "me")


def test_mapped_tasks_are_seen_through() -> None:
    expanded = {
        "type": "dict-of-lists",
        "value": {"__type": "dict", "__var": {"bash_command": ["dbt run -s a", "dbt run -s b"]}},
    }
    found = facts([operator("m", "BashOperator", expand_input=expanded, partial_kwargs={"owner": "me"})])
    assert found["commands"] == [["m", "dbt run -s a"], ["m", "dbt run -s b"]]
    assert found["owner"] == "me"


def test_schedules_of_every_form() -> None:
    cron = {"__type": "airflow.timetables.interval.CronDataIntervalTimetable", "__var": {"expression": "0 1 * * *"}}
    both = {"dataset_condition": {"objects": [{"__type": "dataset", "uri": "s3://x"}]}}
    datasets = {"__type": "airflow.timetables.simple.DatasetTriggeredTimetable", "__var": both}
    assert facts([], timetable=cron)["schedule"] == "0 1 * * *"
    assert facts([], schedule_interval={"__type": "timedelta", "__var": 3600.0})["schedule"] == "every 3600 s"
    assert facts([])["schedule"] == ""
    found = facts([], timetable=datasets)
    assert (found["schedule"], found["on"]) == ("datasets", ["s3://x"])


def failed(path: str, outcome: str = "error", **error: Any) -> dict[str, Any]:
    errors = [error] if error else []
    return {
        "path": path,
        "outcome": outcome,
        "import_seconds": 0.1,
        "errors": errors,
        "imports": [path],
        "second": None,
    }


def explain(root: Path, results: list[dict[str, Any]], files: dict[str, str] | None = None) -> list[Any]:
    sources = write(root, files or {})
    index = ModuleIndex(files or {}, ["dags"], PythonFiles(sources, ReadingCache(root / ".cache")))
    return findings_of(results, index, sources)


def test_missing_module_is_explained_with_the_nearest_that_exists(tmp_path: Path) -> None:
    error = {"type": "ModuleNotFoundError", "message": "No module named 'comon'", "missing_module": "comon.dates"}
    [found] = explain(tmp_path, [failed("dags/a.py", **error, file="dags/a.py", line=4)], {"dags/common/dates.py": ""})
    assert (found.rule, str(found.place)) == ("ILK-AF001", "dags/a.py:4")
    assert "'common.dates' (dags/common/dates.py)" in found.remedy


def test_missing_name_is_explained_with_the_nearest_in_the_module(tmp_path: Path) -> None:
    message = "cannot import name 'dag_default' from 'common' (dags/common.py)"
    error = {"type": "ImportError", "message": message, "file": "dags/a.py", "line": 1}
    [found] = explain(tmp_path, [failed("dags/a.py", **error)], {"dags/common.py": "def dag_defaults(): pass\n"})
    assert "'dag_defaults'" in found.remedy and "dags/common.py" in found.remedy


def test_one_cause_in_a_helper_is_one_finding_that_names_all_files(tmp_path: Path) -> None:
    error = {"type": "NameError", "message": "name 'x' is not defined", "file": "dags/common.py", "line": 7}
    [found] = explain(tmp_path, [failed("dags/a.py", **error), failed("dags/b.py", **error)])
    assert str(found.place) == "dags/common.py:7"
    assert found.affected == ("dags/a.py", "dags/b.py")


def test_every_way_to_misbehave_has_its_own_rule(tmp_path: Path) -> None:
    results = [failed(f"dags/{one}.py", one) for one in ("timeout", "memory", "exited", "crashed")]
    found = {one.rule for one in explain(tmp_path, results)}
    assert found == {"ILK-AF004", "ILK-AF005", "ILK-AF006", "ILK-AF007"}


def failing_again(outcome: str) -> dict[str, Any]:
    error = {"type": "KeyError", "message": "'REGION'", "file": "dags/region.py", "line": 3, "outcome": outcome}
    return {**failed("dags/region.py", "ok"), "second": error}


def test_module_that_fails_the_second_time_is_told_with_the_dags_that_import_it(tmp_path: Path) -> None:
    importer = {**failed("dags/a.py", "ok"), "imports": ["dags/a.py", "dags/region.py"]}
    [found] = explain(tmp_path, [failing_again("error"), importer])
    assert (found.rule, found.severity, str(found.place)) == ("ILK-AF012", "error", "dags/region.py:3")
    assert "KeyError: 'REGION'" in found.summary and "dags/a.py" in found.affected
    for outcome in ("timeout", "exited", "crashed"):
        [found] = explain(tmp_path, [failing_again(outcome), importer])
        assert found.rule == "ILK-AF012" and "KeyError" not in found.summary


def test_module_that_no_dag_file_imports_is_never_run_twice(tmp_path: Path) -> None:
    importer = {**failed("dags/a.py", "error", type="KeyError"), "imports": ["dags/a.py", "dags/region.py"]}
    assert explain(tmp_path, [failing_again("error"), failed("dags/a.py", "ok")]) == []
    assert [one.rule for one in explain(tmp_path, [failing_again("error"), importer])] == ["ILK-AF001"]


def test_slow_import_is_a_warning(tmp_path: Path) -> None:
    [found] = explain(tmp_path, [{**failed("dags/a.py", "ok"), "import_seconds": 9.0}])
    assert (found.rule, found.severity) == ("ILK-AF008", "warning")
