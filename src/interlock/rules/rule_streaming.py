"""Rules about Structured Streaming queries: where they keep their state, what it grows to, what a change does to it.

What Spark does to a live checkpoint was measured on PySpark 3.4 to 4.3; which sink takes which output mode is from
Spark's "Structured Streaming Programming Guide". A step that cannot be seen makes a query opaque: then only what is
seen counts.
"""

from collections.abc import Iterator

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, FileCheck, FileFacts, Held, Needs, Rule
from interlock.rules.streaming_queries import FACTS, Query, facts_of, of_facts, queries_of
from interlock.rules.surroundings import is_less_serious

_CONF = "streaming-checkpoint-conf"
_NOT_DURABLE = {"console", "memory", "noop", "?"}
_FILES = {"parquet", "json", "csv", "orc", "text"}


def check_queries(file: SourceFile) -> Iterator[Finding]:
    """ILK-SS002 and ILK-SS004 to ILK-SS009 within one script."""
    queries = queries_of(file)
    for query in queries:
        yield from _state(file, query)
        yield from _modes(file, query)
        if query.appends:
            yield _said(
                file, "ILK-SS006", query, Severity.INFO,
                f"'{query.appends}' appends each batch without looking at its number",
                "Merge by a key, or write (application, batch_id) with the batch: after a restart a batch comes again.",
            )  # fmt: skip
        if query.once:
            yield _said(
                file, "ILK-SS008", query, Severity.INFO, "trigger(once=True) is deprecated: it reads all in one batch",
                "Write trigger(availableNow=True).",
            )  # fmt: skip
    yield from _shared(file, queries)


def _said(file: SourceFile, rule: str, query: Query, severity: Severity, summary: str, remedy: str) -> Finding:
    return file.finding(rule, query.line, summary, remedy, severity=severity, end_line=query.end_line)


def _state(file: SourceFile, query: Query) -> Iterator[Finding]:
    if query.opaque or query.watermarks or not query.sources:
        return
    for operator in query.operators:
        if operator[0] == "dropDuplicatesWithinWatermark":
            yield _said(
                file, "ILK-SS005", query, Severity.ERROR,
                "dropDuplicatesWithinWatermark has no watermark: Spark refuses to start the query",
                'Put .withWatermark("event_time", "1 hour") before it.',
            )  # fmt: skip
        elif operator[0] == "dropDuplicates":
            yield _said(
                file, "ILK-SS004", query, Severity.WARNING,
                "dropDuplicates without a watermark keeps every key for ever",
                "Put .withWatermark(...) before it, with the time among its keys; or dropDuplicatesWithinWatermark.",
            )  # fmt: skip
        elif operator[0] == "groupBy" and "window(" in operator[1] and query.mode != "append":
            yield _said(
                file, "ILK-SS004", query, Severity.WARNING, "windows without a watermark are kept for ever",
                'Put .withWatermark("event_time", "1 hour") before groupBy.',
            )  # fmt: skip
    if query.stream_join:
        yield _said(
            file, "ILK-SS004", query, Severity.WARNING, "a join of two streams without watermarks keeps both for ever",
            "Put .withWatermark(...) on both sides, and a range of time into the condition.",
        )  # fmt: skip


def _modes(file: SourceFile, query: Query) -> Iterator[Finding]:
    if query.mode == "update" and query.format in {*_FILES, "delta"}:
        yield _said(
            file, "ILK-SS009", query, Severity.ERROR,
            f"the sink '{query.format}' does not take the output mode 'update'",
            "Write .outputMode(\"append\") with a watermark, or merge in foreachBatch.",
        )  # fmt: skip
    elif query.mode == "complete" and query.format in _FILES:
        yield _said(
            file, "ILK-SS009", query, Severity.ERROR,
            f"the sink '{query.format}' does not take the output mode 'complete'",
            'Write .outputMode("append") with a watermark, or write in foreachBatch.',
        )  # fmt: skip
    elif query.opaque or not query.sources or query.maybe_aggregated:
        return
    elif query.mode == "complete" and not query.operators:
        yield _said(
            file, "ILK-SS009", query, Severity.ERROR,
            "the output mode 'complete' needs an aggregation, and there is none",
            'Write .outputMode("append").',
        )  # fmt: skip
    elif query.mode in ("", "append") and query.aggregates and not query.watermarks:
        yield _said(
            file, "ILK-SS009", query, Severity.ERROR,
            "an aggregation without a watermark cannot be written in the output mode 'append'",
            'Put .withWatermark(...) before groupBy, or write .outputMode("update") or "complete".',
        )  # fmt: skip


def _shared(file: SourceFile, queries: list[Query]) -> Iterator[Finding]:
    """ILK-SS002 in one script: certain where both start in one place, one after the other."""
    first: dict[str, Query] = {}
    for query in queries:
        if not query.checkpoint:
            continue
        other = first.setdefault(query.checkpoint, query)
        # The same stream started again, as notebooks do, or by the other arm of a condition, is no second query.
        same = (other.source_text, other.operators, other.format) == (query.source_text, query.operators, query.format)
        if other is query or same or "?" in query.within or "?" in other.within:
            continue
        surely = other.within == query.within and not is_less_serious(file.path)
        yield _said(
            file, "ILK-SS002", query, Severity.ERROR if surely else Severity.WARNING,
            "two queries of this script share one checkpoint location",
            "Give each query a checkpoint location of its own.",
        )  # fmt: skip


def has_conf(file: SourceFile) -> bool | None:
    """Whether a file names the setting that gives every query its checkpoint location."""
    return True if b"spark.sql.streaming.checkpointLocation" in file.source else None


def checkpoints(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SS001, ILK-SS002 between scripts, and ILK-SS003."""
    scripts = {path: of_facts(told) for path, told in inspection.of(FACTS).items() if not is_less_serious(path)}
    parametrised = any(
        one.checkpoint_text not in ("", "?") and not one.checkpoint for told in scripts.values() for one in told
    )
    first: dict[str, str] = {}
    for path, queries in scripts.items():
        for query in queries:
            place = Place(path, query.line, query.end_line)
            if not query.checkpoint_text and query.format not in _NOT_DURABLE and not inspection.of(_CONF):
                yield Finding(
                    "ILK-SS001", Severity.WARNING, place,
                    f"a query that writes to {_sink(query)} has no checkpoint location",
                    'Write .option("checkpointLocation", ...): without it Spark refuses, or begins anew each time.',
                )  # fmt: skip
            if not query.checkpoint:
                continue
            other = first.setdefault(query.checkpoint, path)
            if other != path:
                jobs = inspection.layout.spark
                yield Finding(
                    "ILK-SS002", Severity.ERROR if {path, other} <= set(jobs) else Severity.WARNING, place,
                    f"the checkpoint location of this query is also that of one in {other}",
                    "Give each query a checkpoint location of its own.",
                )  # fmt: skip
            if parametrised:
                yield Finding(
                    "ILK-SS003", Severity.INFO, place, "the checkpoint location is the same in every environment",
                    "Make it of the environment's root, as other queries here do.",
                )  # fmt: skip


def _sink(query: Query) -> str:
    return {"default": "files", "table": "a table", "foreachBatch": "foreachBatch", "foreach": "foreach"}.get(
        query.format, f"'{query.format}'"
    )


def changed_state(inspection: Inspection) -> Iterator[Finding]:
    """ILK-SS007: what keeps its checkpoint and is not the same query any more."""
    if inspection.base is None:
        return
    before = inspection.base.of(FACTS)
    for path, told in inspection.of(FACTS).items():
        if path not in inspection.changed or path not in before:
            continue
        old, new = _by_checkpoint(of_facts(before[path])), _by_checkpoint(of_facts(told))
        for key, query in new.items():
            if key in old:
                for severity, what in _differences(old[key], query):
                    yield Finding(
                        "ILK-SS007", severity, Place(path, query.line, query.end_line),
                        f"{what}, and the checkpoint stays",
                        "Give the query a new checkpoint location, or keep what its state was made for.",
                    )  # fmt: skip


def _by_checkpoint(queries: list[Query]) -> dict[str, Query]:
    """Queries by their checkpoint's expression; those that share one are left out, as nothing tells them apart."""
    found: dict[str, list[Query]] = {}
    for one in queries:
        if one.checkpoint_text not in ("", "?"):
            found.setdefault(one.checkpoint_text, []).append(one)
    return {key: ones[0] for key, ones in found.items() if len(ones) == 1}


def _differences(old: Query, new: Query) -> Iterator[tuple[Severity, str]]:
    surely = Severity.WARNING if old.opaque or new.opaque else Severity.ERROR
    if old.sources and new.sources and old.sources != new.sources:
        yield surely, f"the query reads {new.sources} streams instead of {old.sources}"
    kinds = [[one[0] for one in query.operators] for query in (old, new)]
    if kinds[0] != kinds[1]:
        told = [" and ".join(one) or "none" for one in kinds]
        yield surely, f"its stateful operators are {told[1]} instead of {told[0]}"
    else:
        for was, now in zip(old.operators, new.operators, strict=True):
            yield from _changed_operator(was, now, surely)
    if old.watermarks != new.watermarks:
        yield Severity.WARNING, "its watermark is another one"
    if (old.mode or "append") != (new.mode or "append"):
        yield Severity.WARNING, f"its output mode is '{new.mode or 'append'}' instead of '{old.mode or 'append'}'"


def _changed_operator(was: list[str], now: list[str], surely: Severity) -> Iterator[tuple[Severity, str]]:
    if was == now or was[0] == "other":
        return
    if was[0].startswith("dropDuplicates"):
        yield surely, "duplicates are told by other columns"
        return
    if was[1:2] != now[1:2]:
        fewer = len(was[1].split(" | ")) != len(now[1].split(" | ")) or "window(" in was[1] + now[1]
        yield surely if fewer else Severity.WARNING, "it groups by other keys"
    if was[2:] != now[2:]:
        more = len(was[2].split(" | ")) != len(now[2].split(" | "))
        yield surely if more else Severity.WARNING, "it aggregates something else"


def _rule(number: int, name: str, summary: str, severity: Severity, needs: Needs = Needs.SOURCE) -> Rule:
    return Rule(f"ILK-SS{number:03d}", name, summary, severity, needs)


FAMILY = Family(
    "streaming",
    (
        _rule(1, "no-checkpoint", "a query that writes durably has no checkpoint location", Severity.WARNING),
        _rule(2, "shared-checkpoint", "two queries share one checkpoint location", Severity.ERROR),
        _rule(3, "checkpoint-of-all-environments", "a checkpoint location holds no environment", Severity.INFO),
        _rule(4, "unbounded-state", "a stateful operator without a watermark keeps everything", Severity.WARNING),
        _rule(5, "watermark-missing", "dropDuplicatesWithinWatermark has no watermark", Severity.ERROR),
        _rule(6, "batch-appended-twice", "foreachBatch appends a batch again after a restart", Severity.INFO),
        _rule(7, "state-changed", "a query changes what its checkpoint was made for", Severity.ERROR, Needs.BASE),
        _rule(8, "trigger-once", "trigger(once=True) is deprecated", Severity.INFO),
        _rule(9, "output-mode", "a sink or a query does not take the output mode", Severity.ERROR),
    ),
    file_checks=(FileCheck(("*.py",), check_queries),),
    facts=(
        FileFacts(FACTS, ("*.py",), facts_of, Held.WHERE_NAMED),
        FileFacts(_CONF, ("*.py", "*.sh", "*.conf", "*.y*ml", "Dockerfile*"), has_conf),
    ),
    project_checks=(checkpoints,),
    comparisons=(changed_state,),
)
