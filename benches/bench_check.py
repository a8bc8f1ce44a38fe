"""Seconds of `check` and of `check` and `build` together: cold, warm, and after one change, beside the plain tools."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import plain_tools
from bench import Bench, ScaleProject
from edits import change_dag, change_helper, change_model
from figures import Figure, ratio

TITLE = "check and build"
# Longer than any pause of this bench, and gone soon after it.
KEEP = 120.0

_PARTS = {
    "dbt": "dbt", "airflow": "Airflow", "spark": "Spark", "rules": "rules over source text", "index": "package index"
}  # fmt: skip


@dataclass(frozen=True)
class Goals:
    """Seconds that `check` alone, and `check` with `build`, must stay under."""

    check: float | None = None
    both: float | None = None


NONE = Goals()
COLD, WARM, CHANGED, LARGE_WARM = Goals(10.0, 20.0), Goals(1.2, 2.0), Goals(3.0, 4.0), Goals(8.0)
# How many times faster than the plain tools, as the ratio of our time to theirs must stay under; over the floor.
FASTER_COLD, FASTER_WARM, OVER_FLOOR = 1 / 3, 1 / 25, 1.3


@dataclass(frozen=True)
class Timed:
    """The figures of one situation."""

    check: Figure
    both: Figure


def measure(bench: Bench) -> list[Figure]:
    """Cold, warm and changed, then DagBag, `dbt parse`, sqlfluff and ruff one after the other on the same files."""
    project = bench.project("check", bench.pipelines)
    size = f"{bench.pipelines} pipelines"
    cold = _timed(bench, project, f"{size}, cold", COLD, lambda _: project.forget())
    warm = _timed(bench, project, f"{size}, without a change", WARM, lambda _: None)
    changed = [
        _timed(bench, project, f"{size}, one DAG changed", CHANGED, lambda n: change_dag(project.root, n)),
        _timed(bench, project, f"{size}, one model changed", CHANGED, lambda n: change_model(project.root, n)),
        _timed(
            bench, project, f"{size}, one model changed, without a dbt that stays imported", NONE,
            lambda n: change_model(project.root, bench.repeats + n), keep=0,
        ),
        _timed(
            bench, project, f"{size}, a helper changed that every DAG imports", NONE,
            lambda n: change_helper(project.root, n),
        ),
    ]  # fmt: skip
    ours = [figure for timed in (cold, warm, *changed) for figure in (timed.check, timed.both)]
    ours += [*_growth(bench, cold, warm), *_parts(bench, project)]
    if not bench.compare:
        return ours
    plain = _plain(bench, project)
    together, floor = plain[-2:]
    return [
        *ours, *plain,
        ratio("check, cold / plain tools", cold.check, together, goal=FASTER_COLD, note="a third: three times as fast"),
        ratio("check, without a change / plain tools", warm.check, together, goal=FASTER_WARM, note="25 times as fast"),
        ratio("check, cold / floor", cold.check, floor, goal=OVER_FLOOR),
    ]  # fmt: skip


def _growth(bench: Bench, cold: Timed, warm: Timed) -> list[Figure]:
    """The same at the large size (cold only once: it takes minutes), and how many times longer it is."""
    project = bench.project("check-large", bench.large)
    size = f"{bench.large} pipelines"
    large_cold = _timed(bench, project, f"{size}, cold", NONE, lambda _: project.forget(), repeats=1)
    large_warm = _timed(bench, project, f"{size}, without a change", LARGE_WARM, lambda _: None)
    shutil.rmtree(project.root)
    note = f"{bench.large / bench.pipelines:g} times the pipelines"
    return [
        large_cold.check, large_cold.both, large_warm.check, large_warm.both,
        ratio(f"{large_cold.both.name} / at {bench.pipelines}", large_cold.both, cold.both, note=note),
        ratio(f"{large_warm.both.name} / at {bench.pipelines}", large_warm.both, warm.both, note=note),
    ]  # fmt: skip


def _timed(
    bench: Bench,
    project: ScaleProject,
    name: str,
    goals: Goals,
    before: Callable[[int], object],
    repeats: int | None = None,
    keep: float = KEEP,
) -> Timed:
    """`check`, then `build`, each in a process of its own; `before` gets the run's number and is outside the clock."""
    bench.say(f"check and build: {name}")
    checks, builds = [], []
    for number in range(1, (repeats or bench.repeats) + 1):
        before(number)
        checks.append(project.interlock("check", keep=keep).seconds)
        builds.append(project.interlock("build", keep=keep).seconds)
    both = tuple(check + build for check, build in zip(checks, builds, strict=True))
    return Timed(
        Figure(f"check, {name}", tuple(checks), "s", goals.check),
        Figure(f"check + build, {name}", both, "s", goals.both, f"build {Figure('', tuple(builds)).median:.2f} s"),
    )


def _parts(bench: Bench, project: ScaleProject) -> list[Figure]:
    """Where the time of a cold check goes: what the processors did for all of it, and for each part alone."""
    bench.say("check and build: what the processors do for each part")
    runs = range(bench.repeats)
    whole = Figure("processors: check, cold", tuple(_cold_cpu(project) for _ in runs))
    parts = (
        Figure(f"processors: {name} alone", tuple(project.part(one) for _ in runs)) for one, name in _PARTS.items()
    )
    return [whole, *parts]


def _cold_cpu(project: ScaleProject) -> float:
    project.forget()
    # A dbt that stays would not be among the processes below the command.
    return project.interlock("check", keep=0).cpu


def _plain(bench: Bench, project: ScaleProject) -> list[Figure]:
    """Each tool, all of them one after the other, and the floor."""
    found: dict[str, list[float]] = {}
    floors = []
    airflow, dbt = bench.runtime("airflow"), bench.runtime("dbt")
    for number in range(1, bench.repeats + 1):
        bench.say(f"plain tools, run {number} of {bench.repeats}")
        seconds = plain_tools.measure(
            project.root, airflow=airflow, dbt=dbt, cache=bench.cache, uv=bench.uv, ruff=bench.ruff
        )
        for tool, value in {**seconds, "all four, one after the other": sum(seconds.values())}.items():
            found.setdefault(tool, []).append(value)
        floors.append(plain_tools.time_floor(project.root, airflow=airflow, dbt=dbt))
    return [
        *(Figure(f"plain: {tool}", tuple(values)) for tool, values in found.items()),
        Figure("floor: DagBag and dbt parse, both at once", tuple(floors)),
    ]
