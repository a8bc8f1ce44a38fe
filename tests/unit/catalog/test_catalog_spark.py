"""Spark jobs, read from their source alone."""

from pathlib import Path

from interlock.catalog.read import read_project
from interlock.catalog.reading import ProjectReading
from interlock.catalog.sources import Sources
from interlock.config import ProjectConfig
from interlock.model.resources import Edge
from interlock.runtimes.environments import Runtime

CONFIG = {
    "version": 1,
    "project": "p",
    "spark": {"jobs": ["spark/jobs/*.py"], "streams": ["spark/streams/**/*.py"], "include": ["spark/lib"]},
    "runtimes": {"spark": {"interpreter": "python3"}},
}
JOB = "from shared.money import cents\nspark.read.table('raw.pay').writeTo('marts.x').append()\n"


def project(root: Path, **more: str) -> None:
    files = {
        "spark/jobs/settle.py": JOB,
        "spark/jobs/score.py": "spark.read.parquet(args.input).write.parquet('s3://lake/scores')\n",
        "spark/streams/enrich.py": "x = 1\n",
        "spark/lib/shared/__init__.py": "",
        "spark/lib/shared/money.py": "def cents(x):\n    return x * 100\n",
        **more,
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def read(root: Path) -> ProjectReading:
    runtime = Runtime("spark", Path("python3"), "0" * 64)
    return read_project(Sources(root), ProjectConfig.model_validate(CONFIG), lambda _: runtime, root / ".cache")


def fingerprints(root: Path) -> dict[str, str]:
    return {one.key: one.fingerprint for one in read(root).catalog.resources}


def test_scripts_are_jobs_with_their_closure_and_datasets(tmp_path: Path) -> None:
    project(tmp_path)
    catalog = read(tmp_path).catalog
    assert sorted(catalog.by_key) == ["spark.batch:score", "spark.batch:settle", "spark.stream:enrich"]
    settle = catalog.by_key["spark.batch:settle"]
    assert settle.files == ("spark/jobs/settle.py", "spark/lib/shared/__init__.py", "spark/lib/shared/money.py")
    assert Edge("spark:raw.pay", settle.key, "reads") in catalog.edges
    assert Edge(settle.key, "spark:marts.x", "writes") in catalog.edges
    assert Edge("spark.batch:score", "s3://lake/scores", "writes") in catalog.edges
    assert [(one.subject, one.line) for one in catalog.unknowns] == [("spark.batch:score", 1)]


def test_comment_changes_no_fingerprint_and_a_helper_changes_only_who_imports_it(tmp_path: Path) -> None:
    project(tmp_path)
    before = fingerprints(tmp_path)
    (tmp_path / "spark/lib/shared/money.py").write_text("# cents\ndef cents( x ):\n\n    return x*100\n")
    assert fingerprints(tmp_path) == before
    (tmp_path / "spark/lib/shared/money.py").write_text("def cents(x):\n    return x * 1000\n")
    after = fingerprints(tmp_path)
    assert {key for key in after if after[key] != before[key]} == {"spark.batch:settle"}


def test_same_files_give_the_same_catalog_wherever_they_lie(tmp_path: Path) -> None:
    project(tmp_path / "one")
    project(tmp_path / "two")
    assert read(tmp_path / "one").catalog == read(tmp_path / "two").catalog


def test_second_reading_knows_everything_already(tmp_path: Path) -> None:
    project(tmp_path)
    first, second = read(tmp_path), read(tmp_path)
    assert (first.catalog, first.findings) == (second.catalog, second.findings)
    assert second.parsed["spark"] == 0


def test_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    project(tmp_path, **{"spark/lib/shared/money.py": "def cents(x):\n    return x *\n"})
    [found] = read(tmp_path).findings
    assert (found.rule, str(found.place), found.resource) == (
        "ILK-SP001", "spark/lib/shared/money.py:2", "spark.batch:settle",
    )  # fmt: skip


def test_two_scripts_of_one_name_are_refused(tmp_path: Path) -> None:
    project(tmp_path, **{"spark/streams/a/enrich.py": "x = 2\n"})
    assert [one.rule for one in read(tmp_path).findings] == ["ILK-SP002"]


def test_pattern_without_a_file_is_said(tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "spark/streams/enrich.py").unlink()
    assert [one.what for one in read(tmp_path).not_checked] == ["spark/streams/**/*.py"]
