"""The example platform holds what its README says, and its data are what the demo's story needs."""

import ast
import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "payments"
DAG_FILES = sorted((EXAMPLE / "dags").glob("*.py"))
MODELS = sorted((EXAMPLE / "dbt" / "models").rglob("*.sql"))
AS_OF = "2026-11-20T12:00:00"
FINGERPRINT = "select count(*), sum(amount_minor), min(created_at), max(loaded_at), sum(hash(payment_id || status)) {}"


def generate(*arguments: str) -> None:
    command = [sys.executable, str(EXAMPLE / "generator" / "generate.py"), *arguments, "--as-of", AS_OF]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("example") / "warehouse.duckdb"
    generate("--rows", "10000", "--warehouse", f"duckdb:{path}")
    return path


def test_every_python_file_parses() -> None:
    files = sorted(EXAMPLE.rglob("*.py"))
    assert len(files) > 25
    for path in files:
        ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_there_are_a_dozen_dag_files_with_a_dag_each() -> None:
    named = [path for path in DAG_FILES if re.search(r"\bDAG\(|@dag\(|partner_dag\(", path.read_text(encoding="utf-8"))]
    assert named == DAG_FILES
    assert len(DAG_FILES) >= 12


def test_dag_files_use_what_a_real_platform_uses() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (EXAMPLE / "dags").rglob("*.py"))
    for word in (
        "ExternalTaskSensor(",
        "TaskGroup(",
        "Dataset(",
        "inlets=",
        "outlets=",
        "SparkJobOperator(",
        "dbt {command}",
    ):
        assert word in text, word
    assert "Variable.get" not in text


def test_dag_files_name_only_spark_jobs_that_exist() -> None:
    jobs = {path.stem for path in (EXAMPLE / "spark").glob("*/*.py")}
    named: set[str] = set()
    for path in DAG_FILES:
        text = path.read_text(encoding="utf-8")
        named |= set(re.findall(r'job="(\w+)"', text)) | set(re.findall(r"interlock-spark-submit (\w+)", text))
    assert named == jobs
    assert len(jobs) == 4


def test_dbt_project_has_its_models_and_its_four_incremental_strategies() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in MODELS)
    assert len(MODELS) >= 30
    assert sorted(re.findall(r"incremental_strategy='([^']+)'", text)) == [
        "append",
        "delete+insert",
        "merge",
        "microbatch",
    ]


def test_every_ref_and_source_of_a_model_exists() -> None:
    dbt = EXAMPLE / "dbt"
    known = {path.stem for folder in ("models", "snapshots", "seeds") for path in (dbt / folder).rglob("*.*")}
    sources = yaml.safe_load((dbt / "models" / "staging" / "sources.yml").read_text(encoding="utf-8"))["sources"]
    tables = {table["name"] for table in sources[0]["tables"]}
    for path in [*MODELS, *(dbt / "tests").glob("*.sql"), *(dbt / "snapshots").glob("*.sql")]:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"ref\('(\w+)'\)", text)) <= known, path.name
        assert set(re.findall(r"source\('raw', '(\w+)'\)", text)) <= tables, path.name


def test_three_marts_have_an_enforced_contract() -> None:
    enforced = [
        model["name"]
        for path in (EXAMPLE / "dbt" / "models" / "marts").rglob("*.yml")
        for model in yaml.safe_load(path.read_text(encoding="utf-8")).get("models", [])
        if model.get("config", {}).get("contract", {}).get("enforced")
    ]
    assert sorted(enforced) == ["dim_merchants", "fct_payments", "mart_revenue_monthly"]


def test_seeds_are_rectangular() -> None:
    for path in (EXAMPLE / "dbt" / "seeds").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as lines:
            assert len({len(row) for row in csv.reader(lines)}) == 1, path.name


def test_yaml_and_json_files_parse() -> None:
    for path in [*EXAMPLE.rglob("*.yaml"), *EXAMPLE.rglob("*.yml")]:
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path.name
    suite = json.loads((EXAMPLE / "expectations" / "fct_payments.json").read_text(encoding="utf-8"))
    assert all(item["type"].startswith("expect_") for item in suite["expectations"])


def test_avro_schemas_are_records_with_unique_fields() -> None:
    paths = sorted((EXAMPLE / "schemas" / "avro").glob("*.avsc"))
    assert len(paths) >= 3
    for path in paths:
        schema = json.loads(path.read_text(encoding="utf-8"))
        names = [field["name"] for field in schema["fields"]]
        assert schema["type"] == "record"
        assert len(names) == len(set(names))


def test_data_contract_names_the_columns_that_dbt_promises() -> None:
    contract = yaml.safe_load((EXAMPLE / "contracts" / "payments.odcs.yaml").read_text(encoding="utf-8"))
    core = yaml.safe_load((EXAMPLE / "dbt/models/marts/core/core.yml").read_text(encoding="utf-8"))
    model = next(model for model in core["models"] if model["name"] == "fct_payments")
    promised = {column["name"]: column["data_type"] for column in model["columns"]}
    assert {item["name"]: item["physicalType"] for item in contract["schema"][0]["properties"]} == promised


def test_every_locked_package_has_a_hash_and_no_address() -> None:
    for name in ("airflow", "dbt", "spark"):
        text = (EXAMPLE / "runtimes" / f"{name}.lock").read_text(encoding="utf-8")
        packages = re.split(r"^(?=[a-z0-9])", text, flags=re.M)[1:]
        assert packages
        assert all("--hash=sha256:" in package for package in packages), name
        assert "://" not in text


def test_same_arguments_give_the_same_data(warehouse: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.duckdb"
    generate("--rows", "10000", "--warehouse", f"duckdb:{again}")
    rows = []
    for path in (warehouse, again):
        with duckdb.connect(str(path), read_only=True) as connection:
            rows.append(connection.execute(FINGERPRINT.format("from raw.payments")).fetchall())
    assert rows[0] == rows[1]


def test_generating_again_refills_tables_that_views_read(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    generate("--rows", "1000", "--warehouse", f"duckdb:{path}")
    with duckdb.connect(str(path)) as connection:
        connection.execute("create view seen as select payment_id from raw.payments")
    generate("--rows", "2000", "--warehouse", f"duckdb:{path}")
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("select count(*) from seen").fetchall() == [(2000,)]


def test_both_story_edits_lose_about_eight_percent(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        reviewed, unknown = connection.execute(
            "select avg((status = 'pending_review')::int), avg((merchants.merchant_id is null)::int) "
            "from raw.payments left join raw.merchants using (merchant_id)"
        ).fetchall()[0]
    assert 0.07 < reviewed < 0.09
    assert 0.07 < unknown < 0.09


def test_newest_payments_are_fresh_and_none_is_from_the_future(warehouse: Path) -> None:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        late, future = connection.execute(
            f"select max(loaded_at) < timestamp '{AS_OF}' - interval 2 hour, max(loaded_at) > timestamp '{AS_OF}' "
            "from raw.payments"
        ).fetchall()[0]
    assert (late, future) == (False, False)
