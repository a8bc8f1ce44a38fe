"""The outline of a scale project: how many of what, under which names, linked how. No text is written here."""

import random
from dataclasses import dataclass, field

_AREAS = (
    "orders", "payments", "refunds", "ledger", "risk", "merchants", "customers", "shipping", "catalogue", "support",
)  # fmt: skip
STATUSES = ("open", "settled", "failed", "reversed")
# Out of 20 DAGs, in this order over and over.
_KINDS = "ITISRITITRISTITRITSR"


@dataclass(frozen=True)
class Shape:
    """How many of each kind a project of `pipelines` holds."""

    pipelines: int

    @property
    def dags(self) -> int:
        return max(4, round(self.pipelines * 180 / 250))

    @property
    def models(self) -> int:
        return max(4, round(self.pipelines * 200 / 250))

    @property
    def jobs(self) -> int:
        return max(1, round(self.pipelines * 25 / 250))

    @property
    def areas(self) -> int:
        """Business areas, some 25 pipelines each: the unit that shares helper modules, folders and tags."""
        return max(1, round(self.pipelines / 25))


@dataclass(frozen=True)
class Model:
    """A dbt model and what it reads; `peers` are models of the layer below, the first one being its grain."""

    name: str
    layer: str
    area: str
    source: str = ""
    peers: tuple[str, ...] = ()
    incremental: bool = False
    number: int = 0


@dataclass(frozen=True)
class Dag:
    """A DAG: `kind` is one of ingest, transform, spark, report."""

    dag_id: str
    kind: str
    area: str
    number: int
    reads: tuple[str, ...] = ()
    models: tuple[Model, ...] = ()
    job: str = ""
    waits_for: str = ""


@dataclass
class Project:
    """Everything that is written, before it is text."""

    shape: Shape
    areas: list[str] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    dags: list[Dag] = field(default_factory=list)

    def layer(self, name: str) -> list[Model]:
        return [model for model in self.models if model.layer == name]


def design(pipelines: int, seed: int = 0) -> Project:
    """The outline of a project: names and links, drawn from `seed`."""
    if pipelines < 1:
        raise ValueError("a project has at least one pipeline")
    rng = random.Random(seed)
    shape = Shape(pipelines)
    project = Project(shape)
    project.areas = [
        _AREAS[i] if i < len(_AREAS) else f"{_AREAS[i % len(_AREAS)]}_{i // len(_AREAS)}" for i in range(shape.areas)
    ]
    project.jobs = [f"{_area(project, i)}_job_{i:04d}" for i in range(shape.jobs)]
    _design_models(project, rng)
    _design_dags(project, rng)
    return project


def _area(project: Project, number: int) -> str:
    return project.areas[number % len(project.areas)]


def _design_models(project: Project, rng: random.Random) -> None:
    total = project.shape.models
    reports = max(1, round(total * 0.1))
    marts = max(1, round(total * 0.3))
    middle = max(1, round(total * 0.3))
    staging = total - reports - marts - middle
    for i in range(staging):
        area = _area(project, i)
        project.models.append(Model(f"stg_{area}_{i:04d}", "staging", area, source=f"{area}_{i:04d}", number=i))
    for layer, prefix, count, below, width in (
        ("intermediate", "int", middle, "staging", 2),
        ("marts", "fct", marts, "intermediate", 2),
        ("reports", "rpt", reports, "marts", 3),
    ):
        parents = project.layer(below)
        for i in range(count):
            area = _area(project, i)
            own = parents[i % len(parents)]
            near = [model for model in parents if model.area == area and model is not own] or parents
            peers = [own.name]
            while len(peers) < min(width, len(parents)):
                # Four links in five stay within their area, as they do where teams own areas.
                other = rng.choice(near if rng.random() < 0.8 else parents).name
                if other in peers:
                    other = next(model.name for model in parents if model.name not in peers)
                peers.append(other)
            incremental = layer == "marts" and i % 10 == 3
            project.models.append(
                Model(f"{prefix}_{area}_{i:04d}", layer, area, peers=tuple(peers), incremental=incremental, number=i)
            )


def _design_dags(project: Project, rng: random.Random) -> None:
    names = {"I": "ingest", "T": "transform", "S": "spark", "R": "report"}
    kinds = [names[_KINDS[i % len(_KINDS)]] for i in range(project.shape.dags)]
    every = {kind: kinds.count(kind) for kind in names.values()}
    seen = dict.fromkeys(every, 0)
    slots: list[tuple[str, int, str, str]] = []
    for kind in kinds:
        number = seen[kind]
        seen[kind] += 1
        area = _area(project, number)
        slots.append((kind, number, area, f"{area}_{kind}_{number:04d}"))

    # Who lands a source and who builds a mart is known first, so that sensors wait for the right DAG.
    sources = [model.source for model in project.layer("staging")]
    known = {model.name: model for model in project.models}
    lands = {source: _nth(slots, "ingest", i % every["ingest"]) for i, source in enumerate(sources)}
    marts, reports = project.layer("marts"), project.layer("reports")
    builds = {mart.name: _nth(slots, "transform", i % every["transform"]) for i, mart in enumerate(marts)}

    for kind, number, area, dag_id in slots:
        if kind == "ingest":
            reads = tuple(sources[number :: every[kind]]) or (sources[number % len(sources)],)
            dag = Dag(dag_id, kind, area, number, reads=reads)
        elif kind == "transform":
            built = tuple(marts[number :: every[kind]]) or (marts[number % len(marts)],)
            middle = [known[peer] for mart in built for peer in mart.peers]
            roots = tuple(dict.fromkeys(known[peer].source for model in middle for peer in model.peers))
            dag = Dag(dag_id, kind, area, number, reads=roots[:4], models=built, waits_for=lands[rng.choice(roots)])
        elif kind == "spark":
            source = rng.choice(sources)
            job = project.jobs[number % len(project.jobs)]
            dag = Dag(dag_id, kind, area, number, reads=(source,), job=job, waits_for=lands[source])
        else:
            report = reports[number % len(reports)]
            upstream = builds[rng.choice(report.peers)]
            dag = Dag(dag_id, kind, area, number, models=(report,), waits_for=upstream)
        project.dags.append(dag)


def _nth(slots: list[tuple[str, int, str, str]], kind: str, number: int) -> str:
    return next(dag_id for of_kind, nth, _, dag_id in slots if of_kind == kind and nth == number)
