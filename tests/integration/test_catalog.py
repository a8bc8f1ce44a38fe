"""The example platform, read by its own Airflow and its own dbt."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.catalog.dbt_select import Selection
from interlock.catalog.read import read_project
from interlock.catalog.reading import ProjectReading
from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache
from interlock.config import ProjectConfig, load_config
from interlock.model.errors import WorkerError
from interlock.model.findings import Finding
from interlock.model.progress import OnProgress, Progress, silent
from interlock.rules.files import Layout
from interlock.rules.run import find, inspection_of
from interlock.runtimes.environments import Runtime
from interlock.runtimes.spec import RuntimeSpec, lock_digest

pytestmark = pytest.mark.engine

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "payments"


class Platform:
    """A copy of the example that a test may change, with a cache of its own."""

    def __init__(self, root: Path, cache: Path, python: Callable[[str], Path]) -> None:
        self.root, self.cache, self._python = root, cache, python
        self.config = load_config(root)
        self.started: list[str] = []

    def runtime(self, name: str) -> Runtime:
        lock = self.root / "runtimes" / f"{name}.lock"
        return Runtime(name, self._python(name), lock_digest(RuntimeSpec(name, "3.11", lock)))

    def read(self, on_progress: OnProgress = silent) -> ProjectReading:
        return read_project(Sources(self.root), self.config, self.runtime, self.cache, on_progress)

    def without(self, *engines: str) -> "Platform":
        """The same, with fewer engines, so that a test about one does not wait for another."""
        self.config = self.config.model_copy(update=dict.fromkeys(engines))
        return self

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new, 1))

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def found(self) -> list[Finding]:
        return [one for one in findings(self.read(), self.config) if one.severity != "info"]


def findings(reading: ProjectReading, config: ProjectConfig) -> tuple[Finding, ...]:
    """What the readers and the rules about what they read find; rules about source text are left out."""
    return find(inspection_of(Layout(), (), lambda path: b"", {}, config=config, reading=reading), {})


@pytest.fixture(scope="module")
def read_once(runtime_python: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """The example and its cache after a first reading; tests work on copies of both."""
    folder = tmp_path_factory.mktemp("catalog")
    shutil.copytree(EXAMPLE, folder / "project", ignore=shutil.ignore_patterns("__pycache__", ".interlock", "target"))
    platform = Platform(folder / "project", folder / "cache", runtime_python)
    platform.read()
    return platform


@pytest.fixture
def platform(read_once: Platform, runtime_python: Callable[[str], Path], tmp_path: Path) -> Platform:
    shutil.copytree(read_once.root, tmp_path / "project")
    shutil.copytree(read_once.cache, tmp_path / "cache")
    return Platform(tmp_path / "project", tmp_path / "cache", runtime_python)


def fingerprints(reading: ProjectReading) -> dict[str, str]:
    return {one.key: one.fingerprint for one in reading.catalog.resources}


def changed(before: ProjectReading, after: ProjectReading) -> set[str]:
    old, new = fingerprints(before), fingerprints(after)
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def test_example_is_read_whole_and_without_a_finding(read_once: Platform) -> None:
    reading = read_once.read()
    kinds = [one.kind.value for one in reading.catalog.resources]
    assert kinds.count("airflow.dag") >= 12
    assert kinds.count("dbt.model") >= 30
    assert {"dbt.seed", "dbt.snapshot", "spark.batch", "spark.stream"} <= set(kinds)
    assert [one for one in findings(reading, read_once.config) if one.severity == "error"] == []


def test_lineage_crosses_the_engines(read_once: Platform) -> None:
    catalog = read_once.read().catalog
    below = catalog.downstream("dbt.model:payments.fct_payments")
    assert "warehouse:marts.fct_payments" in below
    assert any(key.startswith("airflow.dag:") for key in below)
    above = catalog.upstream("dbt.model:payments.fct_payments")
    assert any(key.startswith("airflow.dag:") for key in above)
    assert any(edge.why == "runs" and edge.target.startswith("spark.batch:") for edge in catalog.edges)


def test_second_reading_starts_no_engine_and_says_the_same(platform: Platform) -> None:
    def broken(name: str) -> Runtime:
        return Runtime(name, Path("/nonexistent/python"), platform.runtime(name).lock_digest)

    again = read_project(Sources(platform.root), platform.config, broken, platform.cache)
    assert again.parsed == {"airflow": 0, "dbt": 0, "spark": 0}
    assert again.catalog.resources
    with pytest.raises(WorkerError):
        read_project(Sources(platform.root), platform.config, broken, platform.cache / "empty")


def test_other_folder_and_empty_cache_give_the_same_catalog(platform: Platform, read_once: Platform) -> None:
    shutil.rmtree(platform.cache)
    assert platform.read().catalog == read_once.read().catalog


def test_comment_in_a_helper_changes_nothing_and_code_changes_its_importers(platform: Platform) -> None:
    platform.without("dbt")
    before = platform.read()
    platform.change("dags/payments_common/operators.py", "class Spark", "# says why\n\n\nclass Spark")
    commented = platform.read()
    assert changed(before, commented) == set()
    importers = {one.key for one in before.catalog.resources if "dags/payments_common/operators.py" in one.files}
    assert 0 < len(importers) < len([one for one in before.catalog.resources if one.key.startswith("airflow")])
    platform.change("dags/payments_common/operators.py", 'ui_color = "#e8f0d0"', 'ui_color = "#000000"')
    assert changed(commented, platform.read()) == importers


def test_only_the_changed_file_is_parsed_again(platform: Platform) -> None:
    platform.without("dbt")
    platform.read()
    platform.change("dags/fx_rates_hourly.py", "tags=[", 'tags=["again", ')
    after = platform.read()
    assert after.parsed["airflow"] == 1
    assert "again" in after.catalog.by_key["airflow.dag:fx_rates_hourly"].settings["tags"]
    again = platform.read()
    assert not after.fleeting and again.parsed["airflow"] == 0
    assert (again.catalog, again.findings, again.templates) == (after.catalog, after.findings, after.templates)


def test_a_file_whose_process_died_is_looked_at_again(platform: Platform) -> None:
    platform.without("dbt")
    platform.write("dags/dies.py", "import os\n\nfrom airflow import DAG\n\nos.kill(os.getpid(), 9)\n")
    platform.read()
    again = platform.read()
    assert again.fleeting and again.parsed["airflow"] == 1


def test_reader_that_is_scheduled_before_its_producer_is_found(platform: Platform) -> None:
    assert [one for one in platform.found() if one.rule.startswith("ILK-LN")] == []
    platform.change("dags/chargebacks_intake.py", "40 1 * * *", "40 5 * * *")
    found = [one for one in platform.found() if one.rule == "ILK-LN002"]
    assert {str(one.place) for one in found} >= {"dags/merchant_features.py:8"}
    assert all("dags/chargebacks_intake.py" in one.affected for one in found)


def test_two_that_write_one_dataset_are_found(platform: Platform) -> None:
    sql = "insert into marts.fct_payments select * from raw.late_payments"
    platform.write(
        "dags/late_payments.py",
        "from airflow.models.dag import DAG\n"
        "from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator\n"
        "from payments_common.settings import dag_defaults\n\n"
        "with DAG('late_payments', schedule=None, **dag_defaults()):\n"
        f"    SQLExecuteQueryOperator(task_id='add', conn_id='w', sql='{sql}')\n",
    )
    for name in ("one", "two"):
        text = "def main(spark):\n    spark.table('raw.late').write.saveAsTable('lake.late')\n"
        platform.write(f"spark/jobs/{name}.py", text)
    found = {one.resource: one for one in platform.found() if one.rule == "ILK-LN001"}
    assert found.keys() == {"airflow.dag:late_payments", "spark.batch:two"}
    assert "dbt.model:payments.fct_payments" in found["airflow.dag:late_payments"].summary
    assert str(found["airflow.dag:late_payments"].place) == "dags/late_payments.py:5"


@pytest.mark.parametrize(
    ("engine", "other", "path", "old", "key"),
    [
        ("airflow", "dbt", "dags/fx_rates_hourly.py", "tags=[", "airflow.dag:fx_rates_hourly"),
        ("dbt", "airflow", "dbt/models/marts/core/fct_payments.sql", "select", "dbt.model:payments.fct_payments"),
    ],
)
def test_what_an_engine_read_of_a_file_that_changed_meanwhile_is_not_kept(
    platform: Platform, engine: str, other: str, path: str, old: str, key: str
) -> None:
    platform.without(other)
    first = platform.read()
    text = (platform.root / path).read_text()

    def edit(progress: Progress) -> None:
        if progress.task == engine:
            platform.write(path, text.replace(old, "(", 1))

    platform.change(path, text[:1], "\n" + text[:1])  # or no engine is started
    steady = (platform.root / path).read_text()
    mixed = platform.read(edit)
    assert mixed.fleeting and path in {one.what for one in mixed.not_checked}
    platform.write(path, steady)
    again = platform.read()
    assert again.parsed[engine] > 0 and not again.fleeting
    assert again.catalog.by_key[key].settings == first.catalog.by_key[key].settings


def test_yaml_of_a_factory_adds_a_dag(platform: Platform) -> None:
    platform.without("dbt")
    before = platform.read()
    platform.change("dags/config/partners.yaml", "partners:\n", "# nobody reads this\npartners:\n")
    assert changed(before, platform.read()) == set()
    entry = 'partners:\n  - {name: newpay, schedule: "@daily", minimum_rows: 1}\n'
    platform.change("dags/config/partners.yaml", "partners:\n", entry)
    assert "airflow.dag:partner_feed_newpay" in changed(before, platform.read())


def test_broken_import_is_refused_with_place_and_nearest_name(platform: Platform) -> None:
    platform.without("dbt")
    platform.change("dags/refunds_intake.py", "from payments_common.", "from payments_comon.")
    [found] = [one for one in platform.found() if one.rule == "ILK-AF001"]
    assert found.place.path == "dags/refunds_intake.py" and found.place.line > 0
    assert "payments_common" in found.remedy
    platform.change("dags/refunds_intake.py", "from payments_comon.", "from payments_common.")
    assert [one for one in platform.found() if one.rule == "ILK-AF001"] == []


def test_helper_that_cannot_be_imported_twice_is_told_until_it_can(platform: Platform) -> None:
    platform.without("dbt", "spark")
    platform.write("dags/once.py", "# airflow dag\nimport multiprocessing\nmultiprocessing.set_start_method('spawn')\n")
    assert platform.read().findings == ()  # nothing imports it: it runs once
    platform.write("dags/late.py", "import once\nfrom airflow import DAG\ndag = DAG('late')\n")
    for _ in range(2):  # by Airflow, and from the cache
        [found] = platform.read().findings
        assert (found.rule, found.severity, str(found.place)) == ("ILK-AF012", "error", "dags/once.py:3")
        assert "context has already been set" in found.summary and "dags/late.py" in found.affected
    platform.change("dags/once.py", "'spawn'", "'spawn', force=True")
    assert platform.read().findings == ()


def test_module_that_appears_heals_the_file_that_missed_it(platform: Platform) -> None:
    platform.without("dbt", "spark")
    platform.write("dags/late.py", "import arrives_later\nfrom airflow import DAG\ndag = DAG('late')\n")
    assert "ILK-AF001" in {one.rule for one in platform.found()}
    platform.write("dags/arrives_later.py", "x = 1\n")
    reading = platform.read()
    assert "airflow.dag:late" in reading.catalog.by_key
    assert reading.findings == ()


def test_circle_duplicate_and_dangling_sensor_are_found(platform: Platform) -> None:
    platform.without("dbt")
    head = "from datetime import datetime\nfrom airflow import DAG\nfrom airflow.operators.empty import EmptyOperator\n"
    body = "with DAG('circle', start_date=datetime(2026, 1, 1)):\n    a, b = EmptyOperator(task_id='a'), EmptyOperator(task_id='b')\n"
    platform.write("dags/circle.py", f"{head}{body}    a >> b >> a\n")
    platform.write("dags/twice.py", f"{head}dag = DAG('refunds_intake', start_date=datetime(2026, 1, 1))\n")
    sensor = "from airflow.sensors.external_task import ExternalTaskSensor\n"
    waits = "    ExternalTaskSensor(task_id='w', external_dag_id='warehouse_marts', external_task_id='redy')\n"
    platform.write("dags/waits.py", f"{head}{sensor}with DAG('waits', start_date=datetime(2026, 1, 1)):\n{waits}")
    found = {one.rule: one for one in platform.found() if one.rule.startswith("ILK-AF")}
    assert set(found) == {"ILK-AF001", "ILK-AF002", "ILK-AF003"}
    assert found["ILK-AF001"].place.path == "dags/circle.py" and "circle" in found["ILK-AF001"].summary
    assert "refunds_intake" in found["ILK-AF002"].summary
    assert "'ready'" in found["ILK-AF003"].remedy and found["ILK-AF003"].place.line == 6


def test_model_macro_and_test_change_their_own_parts(platform: Platform) -> None:
    platform.without("airflow", "spark")
    before = platform.read()
    key = "dbt.model:payments.fct_payments"
    path = before.catalog.by_key[key].path
    text = (platform.root / path).read_text()
    (platform.root / path).write_text(f"-- a comment\n{text}\n\n")
    assert changed(before, platform.read()) == set()
    (platform.root / path).write_text(f"{text}\nlimit 10\n")
    platform.write("dbt/macros/money.sql", (platform.root / "dbt/macros/money.sql").read_text().replace("100", "1000"))
    after = platform.read()
    parts = {one: after.catalog.by_key[one].parts for one in changed(before, after)}
    old = {one.key: one.parts for one in before.catalog.resources}
    differ = {one: {name for name in parts[one] if parts[one][name] != old[one].get(name)} for one in parts}
    assert differ[key] == {"sql"} or differ[key] == {"sql", "macros"}
    users = {one.key for one in before.catalog.resources if "dbt/macros/money.sql" in one.files}
    assert set(differ) <= users | {key}


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("broken.sql", "select {{ ref('nothing_like_it') }}", "dbt/models/broken.sql"),
        ("broken.sql", "select 1\nfrom {{ ref('fct_payments' }}", "dbt/models/broken.sql:2"),
        ("broken.yml", "models: [", "dbt/models/broken.yml"),
    ],
)
def test_dbt_project_that_does_not_parse_is_a_finding_with_its_file(
    platform: Platform, name: str, text: str, place: str
) -> None:
    platform.without("airflow", "spark")
    platform.write(f"dbt/models/{name}", text)
    [found] = platform.read().findings
    assert found.rule == "ILK-DB001"
    assert str(found.place).startswith(place)
    assert str(platform.root) not in found.detail + found.summary


def test_selection_is_what_dbt_itself_lists(
    read_once: Platform, runtime_python: Callable[[str], Path], tmp_path: Path
) -> None:
    """Each selector alone, asked of `dbt ls` and of the catalog."""
    stored = json.loads(_facts_of(read_once))
    selection = Selection(stored)
    script = tmp_path / "ask.py"
    script.write_text(_ASK)
    selectors = [
        "+mart_chargeback_rates", "stg_payments+1", "stg_refunds+", "tag:finance", "path:models/marts", "path:seeds",
        "models/staging", "source:*", "source:raw+", "marts.core", "fct_*", "tag:core,path:models/marts/core",
        "@snap_merchants", "config.materialized:incremental", "resource_type:snapshot", "+exposure:*", "2+fct_payments+1",
        "file:fct_payments.sql", "*",
    ]  # fmt: skip
    asked = subprocess.run(
        [runtime_python("dbt"), script, read_once.root / "dbt", tmp_path / "target", *selectors],
        capture_output=True, text=True, check=True, timeout=180,
    )  # fmt: skip
    answers = json.loads(asked.stdout.splitlines()[-1])
    for selector in selectors:
        ours = {stored[key]["name"] for key in selection.nodes([selector]) if stored[key]["type"] in _LISTED}
        assert ours == set(answers[selector]), selector


_LISTED = ("model", "seed", "snapshot")
_ASK = """
import json, sys
from dbt.cli.main import dbtRunner
project, target, *selectors = sys.argv[1:]
places = ["--project-dir", project, "--profiles-dir", project, "--target-path", target, "--log-path", target, "--quiet"]
manifest = dbtRunner().invoke(["parse", *places]).result
kinds = [word for kind in ("model", "seed", "snapshot") for word in ("--resource-type", kind)]
answers = {}
for one in selectors:
    asked = dbtRunner(manifest=manifest).invoke(["ls", *places, *kinds, "--output", "name", "--select", one])
    answers[one] = asked.result or []
print()
print(json.dumps(answers))
"""


def _facts_of(platform: Platform) -> str:
    kept = ReadingCache(platform.cache).load("dbt")
    return json.dumps(kept[kept["recent"][0]]["facts"])
