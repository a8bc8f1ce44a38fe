"""What the pages of rules call bad and good is so, for rules that need a runtime: the examples are checked for real.

``tests/regressions/test_pages.py`` does the same for all others.
"""

from pathlib import Path

import pytest

from interlock.engine.checking import check_project
from interlock.engine.project import Project
from interlock.rules.registry import RULES
from interlock.rules.rule import Needs
from tests.regressions.test_pages import PAGES, files_in

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

LOCKS = Path(__file__).resolve().parents[2] / "examples" / "payments" / "runtimes"
# A rule for which a schema must be at hand has its own tests.
CHECKED = (
    Needs.DAGS, Needs.MANIFEST, Needs.CATALOG, Needs.SPARK_RUNTIME, Needs.PLAN, Needs.TERRAFORM, Needs.TESTS,
)  # fmt: skip
# Some findings come by chance: checked so often, a flaky test shows what it is.
OFTEN = {"ILK-TE002": 40}


def configuration(files: dict[str, bytes]) -> str:
    """An interlock.yaml for the files of a page."""
    sections, runtimes = [], []
    jobs = sorted({f"{path.rpartition('/')[0]}/*.py" for path in files if path.startswith("jobs/")})
    for name, wanted, text in (
        ("airflow", any(path.startswith("dags/") for path in files), "airflow: {dags: dags, runtime: airflow}"),
        ("dbt", "dbt/dbt_project.yml" in files, "dbt: {project: dbt, runtime: dbt}"),
        ("spark", bool(jobs), f"spark: {{runtime: spark, jobs: [{', '.join(jobs)}]}}"),
    ):
        if wanted:
            sections.append(text)
            runtimes.append(f"  {name}: {{python: '3.11', lock: runtimes/{name}.lock}}")
    return "\n".join(["version: 1", "project: shop", *sections, *(["runtimes:"] if runtimes else []), *runtimes, ""])


@pytest.mark.parametrize("section", ["Bad", "Good"])
@pytest.mark.parametrize("rule", [r for r in RULES.values() if r.needs in CHECKED], ids=lambda rule: rule.id)
def test_example_of_a_page_is_true(rule, section, tmp_path, monkeypatch):
    monkeypatch.delenv("ORDERS_BUCKET", raising=False)
    files, _ = files_in((PAGES / f"{rule.id}.md").read_text("utf-8"), section)
    assert files
    for name in ("airflow", "dbt", "spark"):
        files[f"runtimes/{name}.lock"] = (LOCKS / f"{name}.lock").read_bytes()
    files.setdefault("interlock.yaml", configuration(files).encode())
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    plans = [tmp_path / path for path in files if path == "plan.json"]
    for _ in range(OFTEN.get(rule.id, 1) if section == "Bad" else 2):
        checked = check_project(Project(tmp_path), plans=plans, rerun=True)
        found = [(one.rule, str(one.place), one.summary) for one in checked.findings]
        if any(one[0] == rule.id for one in found):
            break
    assert any(one[0] == rule.id for one in found) is (section == "Bad"), found
    if section == "Good":
        assert checked.passed, found
