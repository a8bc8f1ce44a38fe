"""Spark jobs and streams: read from their source, never run."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from interlock.catalog.fingerprint import combine, python_part
from interlock.catalog.python_imports import ModuleIndex
from interlock.catalog.reading import Context, EngineReading
from interlock.catalog.spark_packages import Script, absent_modules
from interlock.catalog.sql_tables import tables_of
from interlock.config import SparkSection
from interlock.model.errors import Place
from interlock.model.findings import Finding, NotChecked, Severity
from interlock.model.resources import Edge, Kind, Resource, Unknown, key_of

VERSION = 1
_SPACE = f"spark-{VERSION}"
_EMPTY = python_part(b"")
_FORMATS = frozenset({"parquet", "csv", "json", "orc", "text", "avro", "load", "save"})
_READERS = frozenset({"read", "readStream"})
_WRITERS = frozenset({"write", "writeStream", "writeTo"})
_READS_TABLE = frozenset({"table"})
_WRITES_TABLE = frozenset({"writeTo", "saveAsTable", "insertInto", "toTable"})


def read_spark(context: Context) -> EngineReading:
    """The jobs and streams of the project; nothing where it declares none."""
    section = context.config.spark
    return _read(context, section) if section is not None else EngineReading()


def _read(context: Context, section: SparkSection) -> EngineReading:
    scripts = [(Kind.BATCH, path) for path in _matching(context, section.jobs)]
    scripts += [(Kind.STREAM, path) for path in _matching(context, section.streams)]
    runtime = context.runtime_for(section.runtime)
    roots = [*dict.fromkeys(str(PurePosixPath(path).parent) for _, path in scripts), *section.include]
    paths = sorted({path for root in roots for path in context.sources.under(root)})
    data = [path for path in paths if not path.endswith(".py")]
    stored = context.cache.load(_SPACE)
    fresh: dict[str, Any] = {}
    indexes: dict[str, ModuleIndex] = {}
    resources: dict[str, Resource] = {}
    edges: list[Edge] = []
    unknowns: list[Unknown] = []
    findings: list[Finding] = []
    read: list[Script] = []
    for kind, path in scripts:
        # Spark puts the script's own folder first on the import path, and only that one.
        own = str(PurePosixPath(path).parent)
        index = indexes.get(own)
        if index is None:
            index = indexes[own] = ModuleIndex(paths, [own, *section.include], context.python)
        key = key_of(kind, PurePosixPath(path).stem)
        if key in resources:
            findings.append(_twice(key, resources[key].path, path))
            continue
        closure = index.closure(path)
        read.append(Script(key, path, index, closure, own))
        findings += [finding for one in closure if (finding := _syntax(context, one, key))]
        resources[key] = _resource(context, key, path, closure, data, runtime.lock_digest)
        for one in closure:
            digest = context.sources.digest(one)
            if digest not in stored:
                stored[digest] = fresh[digest] = uses_of(context.sources.read(one))
            found, unclear = _lineage(key, one, stored[digest])
            edges += found
            unknowns += unclear
    if fresh:
        context.cache.save(_SPACE, fresh)
    absent, untold = absent_modules(context, section, runtime, paths, read)
    return EngineReading(
        resources=tuple(resources[key] for key in sorted(resources)),
        edges=tuple(dict.fromkeys(edges)),
        unknowns=tuple(dict.fromkeys(unknowns)),
        findings=tuple(dict.fromkeys(findings)),
        not_checked=(
            *(
                NotChecked(pattern, "no file matches this pattern")
                for pattern in (*section.jobs, *section.streams)
                if not _matching(context, (pattern,))
            ),
            *untold,
        ),
        runtime={section.runtime: runtime.lock_digest},
        parsed=len(fresh),
        absent=absent,
    )


def _matching(context: Context, patterns: tuple[str, ...]) -> list[str]:
    found: dict[str, None] = {}
    for pattern in patterns:
        parts = PurePosixPath(pattern).parts
        fixed = parts[: next((i for i, part in enumerate(parts) if set(part) & set("*?[")), len(parts) - 1)]
        for path in context.sources.under("/".join(fixed) or "."):
            if path.endswith(".py") and not path.endswith("__init__.py") and script_matches(path, pattern):
                found[path] = None
    return sorted(found)


def script_matches(path: str, pattern: str) -> bool:
    """Whether a glob of interlock.yaml names this file; ``**`` stands for any number of folders."""
    return _parts_match(PurePosixPath(path).parts, PurePosixPath(pattern).parts)


def _parts_match(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _parts_match(parts, pattern[1:]) or (bool(parts) and _parts_match(parts[1:], pattern))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _parts_match(parts[1:], pattern[1:])


def _resource(
    context: Context, key: str, path: str, closure: tuple[str, ...], data: list[str], lock_digest: str
) -> Resource:
    facts = {one: context.python.facts(one) for one in closure}
    parts = {
        "code": combine({one: fact.part for one, fact in facts.items() if fact.part != _EMPTY}),
        "runtime": lock_digest,
    }
    literals = {name for fact in facts.values() for name in fact.names}
    named = [one for one in data if any(one == text or one.endswith("/" + text.lstrip("./")) for text in literals)]
    if named:
        parts["data"] = combine({one: context.data_part(one) for one in named})
    settings = {"script": path, "modules": [one for one in closure if one != path]}
    return Resource(key, path, tuple(sorted({*closure, *named})), combine(parts), parts, settings)


def _syntax(context: Context, path: str, key: str) -> Finding | None:
    line, message = context.python.facts(path).error
    if not line:
        return None
    return Finding(
        "ILK-SP001", Severity.ERROR, Place(path, line), f"is not valid Python: {message}",
        "Correct the syntax at this line.", key,
    )  # fmt: skip


def _twice(key: str, first: str, second: str) -> Finding:
    return Finding(
        "ILK-SP002", Severity.ERROR, Place(second), f"two scripts make the same job {key}: {first} and {second}",
        "Rename one of the files: a job is known by its file's name.", key,
    )  # fmt: skip


def uses_of(source: bytes) -> list[list[Any]]:
    """[how, dataset, line] for each place that reads or writes; "" as dataset where the name is not written there."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    known = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return [use for node in ast.walk(tree) if isinstance(node, ast.Call) for use in _use(node, known)]


def _use(call: ast.Call, known: dict[str, str]) -> Iterator[list[Any]]:
    if not isinstance(call.func, ast.Attribute):
        return
    method, chain = call.func.attr, _chain(call.func.value)
    # The nearest counts: `spark.read.parquet(a).write.parquet(b)` writes b.
    way = next((name for name in chain if name in _READERS or name in _WRITERS), "")
    reading, writing = way in _READERS, way in _WRITERS
    spark = "spark" in chain or "session" in chain
    if method == "sql" and spark:
        text = _text(call, known)
        reads, writes, why = tables_of(text, "spark", "default") if text else ([], [], "SQL made at run time")
        yield from (["reads", one.replace("warehouse:", "spark:", 1), call.lineno] for one in reads)
        yield from (["writes", one.replace("warehouse:", "spark:", 1), call.lineno] for one in writes)
        if why:
            yield ["reads", "", call.lineno]
    elif (method in _READS_TABLE and (reading or spark)) or method in _WRITES_TABLE:
        how = "writes" if method in _WRITES_TABLE else "reads"
        text = _text(call, known)
        yield [how, f"spark:{text}" if text else "", call.lineno]
    elif (method in _FORMATS and (reading or writing)) or (method == "start" and writing and call.args):
        text = _text(call, known)
        if text or call.args or method not in ("load", "save"):
            yield ["reads" if reading else "writes", _location(text), call.lineno]


def _chain(node: ast.expr) -> list[str]:
    """The names along ``a.b(…).c``, last first."""
    names: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return [*names, node.id] if isinstance(node, ast.Name) else names


def _text(call: ast.Call, known: dict[str, str]) -> str:
    named = (keyword.value for keyword in call.keywords if keyword.arg in ("path", "tableName"))
    first = call.args[0] if call.args else next(named, None)
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    return known.get(first.id, "") if isinstance(first, ast.Name) else ""


def _location(text: str) -> str:
    return text if not text or "://" in text else f"file:{text}"


def _lineage(key: str, path: str, uses: list[list[Any]]) -> tuple[list[Edge], list[Unknown]]:
    edges, unknowns = [], []
    for how, dataset, line in uses:
        if not dataset:
            unknowns.append(Unknown(key, path, line, f"what it {how} here is named only at run time"))
        elif how == "reads":
            edges.append(Edge(dataset, key, "reads"))
        else:
            edges.append(Edge(key, dataset, "writes"))
    return edges, unknowns
