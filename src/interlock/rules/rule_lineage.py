"""Rules about who writes and who reads a dataset, and when: across DAGs, models and jobs."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Catalog, Kind, Resource
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule

_DBT = frozenset({Kind.MODEL, Kind.SEED, Kind.SNAPSHOT})
_JOBS = frozenset({Kind.BATCH, Kind.STREAM})
_PRESETS = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
_COMPUTED = re.compile(r"[{}$*]")
# What one DAG does before another can begin.
_ORDERS = frozenset({"waits", "triggers", "updates"})


def two_writers(inspection: Inspection) -> Iterator[Finding]:
    """ILK-LN001: whatever one writes, the other replaces, or adds to without knowing.

    DAGs whose SQL shares a table with a job or another DAG usually mean to: one creates what the other fills. Two
    models of one name are refused by dbt.
    """
    if inspection.reading is None:
        return
    catalog = inspection.reading.catalog
    for dataset, writers in _writers(catalog).items():
        models = [one for one in writers if one.kind in _DBT]
        jobs = [one for one in writers if one.kind in _JOBS]
        first = (models or jobs)[:1]
        others = [one for one in writers if one.kind not in _DBT] if models else jobs[1:]
        for other in others if first and not _COMPUTED.search(dataset) else ():
            yield Finding(
                "ILK-LN001", Severity.WARNING, Place(other.path, other.line),
                f"{other.key} writes {dataset}, which {first[0].key} writes too",
                "Let one of them write it and the other a dataset of its own; a model can bring both together.",
                other.key, affected=(first[0].path, *_readers(catalog, dataset)), cause=f"dataset:{dataset}",
            )  # fmt: skip


def _writers(catalog: Catalog) -> dict[str, list[Resource]]:
    """The resources that write each dataset, by key."""
    found: dict[str, dict[str, Resource]] = defaultdict(dict)
    for edge in catalog.edges:
        if edge.why == "writes" and edge.source in catalog.by_key:
            found[edge.target][edge.source] = catalog.by_key[edge.source]
    return {dataset: [writers[key] for key in sorted(writers)] for dataset, writers in found.items()}


def _readers(catalog: Catalog, dataset: str) -> tuple[str, ...]:
    return tuple(key for key in catalog.downstream(dataset) if key in catalog.by_key)


def late_producers(inspection: Inspection) -> Iterator[Finding]:
    """ILK-LN002: said where both run at a fixed time of the same days, and nothing makes the reader wait.

    A DAG of which it is not known what it runs may make anything, earlier than all others: then nothing is said.
    """
    reading = inspection.reading
    if reading is None or any(_is_dag(one.subject) for one in reading.catalog.unknowns):
        return
    catalog = reading.catalog
    times = {one.key: time for one in catalog.resources if one.kind is Kind.DAG and (time := _time_of(one))}
    flow = _Flow(catalog)
    late: dict[tuple[str, str], list[str]] = defaultdict(list)
    for dataset, makers in sorted(flow.made.items()):
        if not makers or not makers <= times.keys() or _COMPUTED.search(dataset):
            continue
        first = min(makers, key=lambda one: (times[one].minute, one))
        for reader in flow.used[dataset] - makers:
            if reader in times and all(times[one].is_after(times[reader]) for one in makers):
                late[reader, first].append(dataset)
    for (reader, maker), datasets in sorted(late.items()):
        if reader not in flow.after(maker):
            dag, other = catalog.by_key[reader], catalog.by_key[maker]
            more = f" and {len(datasets) - 1} more" if len(datasets) > 1 else ""
            yield Finding(
                "ILK-LN002", Severity.WARNING, Place(dag.path, dag.line),
                f"runs at '{times[reader].said}' and reads {datasets[0]}{more}, which {maker} makes at "
                f"'{times[maker].said}': always what the run before made",
                f"Let it wait for {other.name} (a dataset, or a sensor), or schedule it later.",
                reader, affected=(other.path,), cause=f"order:{maker}:{reader}",
            )  # fmt: skip


class _Flow:
    """``made`` and ``used``: by dataset or resource, the DAGs that make it and those that read it, whatever they run
    for that."""

    def __init__(self, catalog: Catalog) -> None:
        self.made: dict[str, set[str]] = defaultdict(set)
        self.used: dict[str, set[str]] = defaultdict(set)
        self._next: dict[str, set[str]] = defaultdict(set)
        runners: dict[str, set[str]] = defaultdict(set)
        for edge in catalog.edges:
            if edge.why == "runs":
                runners[edge.target].add(edge.source)
                self.made[edge.target].add(edge.source)
        for edge in catalog.edges:
            if edge.why in ("writes", "updates"):
                self.made[edge.target] |= runners.get(edge.source, {edge.source} if _is_dag(edge.source) else set())
            if edge.why in ("reads", "ref"):
                self.used[edge.source] |= runners.get(edge.target, {edge.target} if _is_dag(edge.target) else set())
            if edge.why in _ORDERS:
                self._next[edge.source].add(edge.target)

    def after(self, dag: str) -> set[str]:
        """The DAGs that wait for this one, or that it sets off, by whatever way."""
        found: set[str] = set()
        queue = [dag]
        for one in queue:
            new = self._next.get(one, set()) - found
            found |= new
            queue += new
        return found


def _is_dag(key: str) -> bool:
    return key.startswith(f"{Kind.DAG.value}:")


@dataclass(frozen=True)
class _Time:
    """``minute`` counts from the start of the day, or of the hour where ``days`` begins with every hour."""

    days: tuple[str, ...]
    minute: int
    said: str

    def is_after(self, other: "_Time") -> bool:
        """Whether both are of the same days, and this one is later in them."""
        return self.days == other.days and self.minute > other.minute


def _time_of(dag: Resource) -> _Time | None:
    """The time of a cron schedule that names one minute, and one hour or every hour; None for any other."""
    said = str(dag.settings.get("schedule") or "")
    fields = _PRESETS.get(said, said).split()
    if len(fields) != 5 or not fields[0].isdecimal() or not (fields[1].isdecimal() or fields[1] == "*"):
        return None
    hourly = fields[1] == "*"
    days = (str(dag.settings.get("timezone", "UTC")), "hours" if hourly else "days", *fields[2:])
    return _Time(days, int(fields[0]) + (0 if hourly else 60 * int(fields[1])), said)


FAMILY = Family(
    "lineage",
    (
        Rule("ILK-LN001", "two-writers", "two resources write one dataset", Severity.WARNING, Needs.CATALOG),
        Rule(
            "ILK-LN002", "late-producer", "a dataset's producer is scheduled after its consumer", Severity.WARNING,
            Needs.CATALOG,
        ),
    ),
    project_checks=(two_writers, late_producers),
)  # fmt: skip
