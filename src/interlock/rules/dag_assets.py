"""The assets (datasets, in Airflow 2) that start a file's DAGs, and those that its tasks update."""

import ast
import re
from typing import Any

from interlock.rules.dag_model import DagModel
from interlock.rules.dag_source import DagSource, Scope, Site, Where

_ASSETS = re.compile(r"^airflow\.((datasets|sdk|assets|sdk\.definitions\.asset)\.)?(Dataset|Asset)$")


def assets_of(model: DagModel) -> dict[str, Any]:
    """``consumes``: [asset, line, last line, DAG id]; ``produces``; ``unknown_outlets``: there may be more of them."""
    consumes: list[list[Any]] = []
    for dag in model.dags:
        scope = dag.where.scope
        found = model.source.resolved(dag.arguments.get("schedule"), scope)
        if isinstance(found, ast.List | ast.Tuple):
            for one in found.elts:
                name = _asset(model.source, one, scope)
                if name is not None:
                    consumes.append([name, one.lineno, one.end_lineno or one.lineno, dag.id or ""])
    produces: set[str] = set()
    unknown = False
    for site in model.source.sites:
        outlets = site.keywords.get("outlets")
        if outlets is None:
            continue
        found = model.source.resolved(outlets, site.where.scope)
        listed = found.elts if isinstance(found, ast.List | ast.Tuple) else None
        for one in listed if listed is not None else [outlets]:
            name = _asset(model.source, one, site.where.scope)
            unknown = unknown or name is None
            produces |= {name} if name else set()
    unknown = unknown or not model.source.attributes.isdisjoint(("add_outlets", "outlet_events", "outlets"))
    unknown = unknown or any(
        one.rpartition(".")[2] in ("AssetAlias", "DatasetAlias", "Metadata", "asset", "DbtDag", "DbtTaskGroup")
        for site in model.source.sites
        for one in model.source.origins(site.call.func, site.where.scope)
    )
    return {"consumes": consumes, "produces": sorted(produces), "unknown_outlets": unknown}


def _asset(source: DagSource, expr: ast.expr, scope: Scope) -> str | None:
    """The URI of ``Dataset("...")``; None where it is not known."""
    found = source.resolved(expr, scope)
    if not isinstance(found, ast.Call):
        return None
    origins = source.origins(found.func, scope)
    if not origins or not all(_ASSETS.match(one) for one in origins):
        return None
    site = Site(found, Where(scope))
    if ("name" in site.keywords and "uri" in site.keywords) or len(found.args) > 1:
        return None
    given = found.args[0] if found.args else site.keywords.get("uri", site.keywords.get("name"))
    return source.text(given, scope) if given is not None and not site.open else None
