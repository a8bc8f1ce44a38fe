"""Seconds of `check` and `build` together: cold, warm, and after one change, beside the plain tools."""

import shutil
from collections.abc import Callable

import plain_tools
from bench import Bench, ScaleProject
from edits import change_dag, change_helper, change_model
from figures import Figure, ratio

TITLE = "check and build"
COLD, WARM, CHANGED = 20.0, 2.0, 4.0
# Longer than any pause of this bench, and gone soon after it.
KEEP = 120.0


def measure(bench: Bench) -> list[Figure]:
    """Cold, warm and changed, then DagBag, `dbt parse`, sqlfluff and ruff one after the other on the same files."""
    project = bench.project("check", bench.pipelines)
    size = f"{bench.pipelines} pipelines"
    cold = _both(bench, project, f"{size}, cold", COLD, lambda _: project.forget())
    warm = _both(bench, project, f"{size}, without a change", WARM, lambda _: None)
    changed = [
        _both(bench, project, f"{size}, one DAG changed", CHANGED, lambda n: change_dag(project.root, n)),
        _both(bench, project, f"{size}, one model changed", CHANGED, lambda n: change_model(project.root, n)),
        _both(
            bench, project, f"{size}, one model changed, without a dbt that stays imported", None,
            lambda n: change_model(project.root, bench.repeats + n), keep=0,
        ),
        _both(
            bench, project, f"{size}, a helper changed that every DAG imports", None,
            lambda n: change_helper(project.root, n),
        ),
    ]  # fmt: skip
    growth = _growth(bench, cold, warm)
    if not bench.compare:
        return [cold, warm, *changed, *growth]
    plain = _plain(bench, project)
    together = plain[-1]
    return [
        cold, warm, *changed, *growth, *plain,
        ratio("plain tools / Interlock cold", together, cold),
        ratio("plain tools / Interlock without a change", together, warm),
    ]  # fmt: skip


def _growth(bench: Bench, cold: Figure, warm: Figure) -> list[Figure]:
    """The same at the large size (cold only once: it takes minutes), and how many times longer it is."""
    project = bench.project("check-large", bench.large)
    size = f"{bench.large} pipelines"
    large_cold = _both(bench, project, f"{size}, cold", None, lambda _: project.forget(), repeats=1)
    large_warm = _both(bench, project, f"{size}, without a change", None, lambda _: None)
    shutil.rmtree(project.root)
    note = f"{bench.large / bench.pipelines:g} times the pipelines"
    return [
        large_cold, large_warm,
        ratio(f"{large_cold.name} / at {bench.pipelines}", large_cold, cold, note=note),
        ratio(f"{large_warm.name} / at {bench.pipelines}", large_warm, warm, note=note),
    ]  # fmt: skip


def _both(
    bench: Bench,
    project: ScaleProject,
    name: str,
    goal: float | None,
    before: Callable[[int], object],
    repeats: int | None = None,
    keep: float = KEEP,
) -> Figure:
    """`check`, then `build`, each in a process of its own; `before` gets the run's number and is outside the clock."""
    bench.say(f"check and build: {name}")
    checks, builds = [], []
    for number in range(1, (repeats or bench.repeats) + 1):
        before(number)
        checks.append(project.interlock("check", keep=keep).seconds)
        builds.append(project.interlock("build", keep=keep).seconds)
    values = tuple(check + build for check, build in zip(checks, builds, strict=True))
    split = f"check {Figure('', tuple(checks)).median:.2f} s, build {Figure('', tuple(builds)).median:.2f} s"
    return Figure(f"check + build, {name}", values, "s", goal, split)


def _plain(bench: Bench, project: ScaleProject) -> list[Figure]:
    found: dict[str, list[float]] = {}
    for number in range(1, bench.repeats + 1):
        bench.say(f"plain tools, run {number} of {bench.repeats}")
        seconds = plain_tools.measure(
            project.root, airflow=bench.runtime("airflow"), dbt=bench.runtime("dbt"), cache=bench.cache,
            uv=bench.uv, ruff=bench.ruff,
        )  # fmt: skip
        for tool, value in {**seconds, "all four, one after the other": sum(seconds.values())}.items():
            found.setdefault(tool, []).append(value)
    return [Figure(f"plain: {tool}", tuple(values)) for tool, values in found.items()]
