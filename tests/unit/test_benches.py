"""The programs of the figures: their arithmetic and their page are right, and each still runs on a tiny project."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bench_check
import bench_memory
import bench_plan
import bench_rollback
import edits
import pytest
import run as benches
import scale_project
from bench import Bench, BenchError, ScaleProject
from figures import Figure, Section, from_json, markdown, ratio, table, to_json
from rich.console import Console

FAST = Figure("warm", (0.9, 1.1, 1.0, 5.0), "s", 2.0)
SLOW = Figure("cold", (31.0, 30.0, 32.0), "s", 20.0, "a|b")
SECTION = Section(
    "check", "check and build", (FAST, SLOW), "2026-01-01 00:00 UTC", "abc", 0.25, "python benches/run.py"
)


def test_a_figure_is_its_median_and_says_how_it_spread() -> None:
    assert FAST.median == pytest.approx(1.05)
    assert FAST.measured == "1.05 s (0.90 to 5.00, n=4)"
    assert SLOW.measured == "31.0 s (30.0 to 32.0, n=3)"
    assert Figure("memory", (187.4,), "MB").measured == "187 MB"


def test_a_goal_is_met_only_below_it() -> None:
    assert (FAST.met, SLOW.met) == (True, False)
    assert Figure("at the goal", (2.0,), "s", 2.0).met is False
    assert Figure("without one", (2.0,)).met is None


@pytest.mark.parametrize(("values", "unit"), [((), "s"), ((1.0,), "minutes")])
def test_a_figure_without_values_or_with_a_foreign_unit_is_refused(values: tuple[float, ...], unit: str) -> None:
    with pytest.raises(ValueError, match="needs values"):
        Figure("odd", values, unit)


def test_a_ratio_divides_medians_of_one_unit() -> None:
    found = ratio("slower", SLOW, FAST, goal=10.0)
    assert found.median == pytest.approx(31.0 / 1.05)
    assert (found.unit, found.met) == ("x", False)
    with pytest.raises(ValueError, match="is in s"):
        ratio("nonsense", SLOW, Figure("memory", (1.0,), "MB"))


def test_the_table_shows_goal_measured_and_met() -> None:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table(SECTION))
    rows = {line.split("│")[1].strip(): line for line in console.export_text().splitlines() if line.startswith("│")}
    assert "< 2.00 s" in rows["warm"] and "yes" in rows["warm"]
    assert "< 20.0 s" in rows["cold"] and "NO" in rows["cold"]


def test_the_page_says_plainly_what_is_above_its_goal() -> None:
    page = markdown([SECTION], [("cores", "2")], "make figures")
    above = page.split("## Above the goal")[1].split("##")[0]
    assert "cold: 31.0 s" in above and "warm" not in above
    assert "| cores | 2 |" in page and "make figures" in page
    assert "| cold | < 20.0 s | 31.0 s (30.0 to 32.0, n=3) | NO | a\\|b |" in page
    assert "2026-01-01 00:00 UTC, commit abc, load 0.2" in page
    fine = markdown([replace(SECTION, figures=(FAST,))], [], "make figures")
    assert "Nothing: every figure" in fine


def test_results_are_kept_and_the_page_is_made_of_the_last_of_each(tmp_path: Path) -> None:
    newer = replace(SECTION, date="2026-02-02 00:00 UTC")
    for section in (replace(SECTION, name="demo"), SECTION, newer):
        benches.keep(section, tmp_path)
    assert benches.stored(tmp_path) == [newer, replace(SECTION, name="demo")]
    assert from_json(json.loads(json.dumps(to_json(SECTION)))) == SECTION


def test_the_machine_is_described_by_what_figures_depend_on() -> None:
    facts = dict(benches.machine())
    assert {"cores", "memory", "Python"} <= facts.keys()
    assert int(facts["cores"]) >= 1 and facts["memory"].endswith("GiB")


def test_an_unknown_bench_is_refused_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        benches.parse(["chekc"])
    assert end.value.code == 2
    assert "check, plan, rollback, memory, demo" in capsys.readouterr().err


def test_the_page_names_a_command_that_fits_any_machine(tmp_path: Path) -> None:
    usual = benches.parse(["check", "--scratch", str(tmp_path), "--cache", str(tmp_path), "--write"])
    assert benches.command_of("check", usual) == "python benches/run.py check"
    smaller = benches.parse(["--pipelines", "25", "--airflow-runs", "1", "--no-compare"])
    expected = "python benches/run.py plan --pipelines 25 --airflow-runs 1 --no-compare"
    assert benches.command_of("plan", smaller) == expected


@pytest.fixture
def project(tmp_path: Path) -> ScaleProject:
    scale_project.generate(tmp_path / "scale", 10)
    return ScaleProject(tmp_path / "scale")


def texts(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("change", [edits.change_dag, edits.change_model, edits.change_helper])
def test_one_change_is_one_file_and_each_variant_another_text(project: ScaleProject, change) -> None:
    before = texts(project.root)
    path = str(change(project.root, 1).relative_to(project.root))
    first = texts(project.root)
    change(project.root, 2)
    second = texts(project.root)
    assert [name for name in before if before[name] != first[name]] == [path]
    assert [name for name in before if first[name] != second[name]] == [path]
    assert len(second[path].splitlines()) == len(first[path].splitlines()), "a variant replaces the one before"
    change(project.root, 1)
    assert texts(project.root) == first


def test_everything_changed_means_every_dag_every_model_and_what_every_job_imports(project: ScaleProject) -> None:
    before = texts(project.root)
    edits.change_everything(project.root, 1)
    after = texts(project.root)
    changed = {name for name in before if before[name] != after[name]}
    dags = {name for name in before if name.startswith("dags/") and name.endswith(".py") and "common" not in name}
    models = {name for name in before if name.startswith("dbt/models/") and name.endswith(".sql")}
    assert changed == dags | models | {"spark/lib/scale_spark/session.py"}
    compile(after["spark/lib/scale_spark/session.py"], "session.py", "exec")
    old = {Path(name).stem: before[name] for name in dags}
    assert bench_rollback.old_sources(project) == old
    assert bench_rollback.new_sources(project) == {Path(name).stem: after[name] for name in dags}


def test_a_file_that_is_no_longer_as_generated_is_not_edited_blindly(project: ScaleProject) -> None:
    settings = project.root / "dags" / "scale_common" / "settings.py"
    settings.write_text("DEFAULT_ARGS = {}\n")
    with pytest.raises(ValueError, match="does not hold"):
        edits.change_helper(project.root, 1)


def test_a_command_that_fails_stops_the_measurement_with_what_it_said(project: ScaleProject) -> None:
    shutil.rmtree(project.root / "dags")
    (project.root / "interlock.yaml").write_text("version: 1\nprojct: scale\n")
    with pytest.raises(BenchError, match=r"interlock check ended with 2:(.|\n)*projct"):
        project.interlock("check")


def test_memory_of_the_caller_is_not_counted_as_interlocks_own(tmp_path: Path) -> None:
    out = tmp_path / "costs.json"
    script = f"""
import subprocess, sys
held = bytearray(400 * 2**20)
held[::4096] = bytes([1]) * len(held[::4096])
sys.exit(subprocess.run([sys.executable, {str(Path(benches.__file__).parent / "measured.py")!r}, {str(out)!r},
                         "--version"]).returncode)
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    costs = json.loads(out.read_text())
    assert costs["exit_code"] == 0
    assert 5 < costs["own_mb"] < 300


# Each bench as a whole, at the smallest size that has one of everything.


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("benches")
    # One size for both, so that three benches share one deployment.
    return Bench(folder / "scratch", folder / "cache", 5, 5, 1, 1, compare=False)


@pytest.mark.engine
def test_check_bench_measures_cold_warm_and_changed(tiny: Bench) -> None:
    figures = bench_check.measure(tiny)
    assert len(figures) == 24
    found = {figure.name: figure for figure in reversed(figures)}
    cold, warm = (found[f"check + build, 5 pipelines, {what}"] for what in ("cold", "without a change"))
    assert warm.median < cold.median, "the warm one had everything in its cache"
    whole, dbt, airflow = (
        found[f"processors: {what}"].median for what in ("check, cold", "dbt alone", "Airflow alone")
    )
    assert 0.5 < dbt < whole and 0.5 < airflow < whole


@pytest.mark.engine
def test_plan_bench_measures_both_sizes_and_their_growth(tiny: Bench) -> None:
    names = [figure.name for figure in bench_plan.measure(tiny)]
    assert names[:6] == [
        f"plan, {size} pipelines, {what}"
        for size in (5, 5)
        for what in ("nothing live", "nothing changed", "one model changed")
    ]
    assert len(names) == 9


@pytest.mark.engine
def test_memory_bench_tells_interlock_from_its_workers(tiny: Bench) -> None:
    found = {figure.name: figure for figure in bench_memory.measure(tiny)}
    own = [figure for name, figure in found.items() if name.endswith("own process")]
    assert {figure.unit for figure in found.values()} == {"MB"} and len(own) == 8
    assert found["check, cold, 5 pipelines, largest worker"].median > 50, "a worker imports a whole engine"
    assert not any("rollback" in name and "worker" in name for name in found), "rollback starts none"


@pytest.mark.engine
def test_rollback_bench_waits_until_airflow_serves_the_old_code(tiny: Bench) -> None:
    found = bench_rollback.measure(tiny)
    assert [figure.unit for figure in found] == ["s", "s", "s", "x"]
    assert all(figure.median > 0 for figure in found)
