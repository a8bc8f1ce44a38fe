"""Works on a dbt manifest in memory: points nodes elsewhere, sums nodes up, finds how to select them."""

import re

# The parts of a rendered relation: each quoted in some way, or bare.
_PART = re.compile(r'"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|[^.]+')


def redirect(manifest, overrides):
    """The nodes named will be built in the database, schema and alias given; what refers to them follows.

    ``overrides``: {unique_id: {database?, schema?, alias?}}. Raises KeyError for an unknown node.
    """
    for unique_id, change in overrides.items():
        node = manifest.nodes[unique_id]
        unknown = set(change) - {"database", "schema", "alias"}
        if unknown:
            raise ValueError("unknown part of a relation: %s" % ", ".join(sorted(unknown)))
        for name, value in change.items():
            setattr(node, name, value)
        if node.relation_name:
            node.relation_name = renamed(node.relation_name, change)


def renamed(relation, change):
    """A rendered relation with other parts, each quoted as it was before."""
    parts = _PART.findall(relation)
    for name, place in (("alias", -1), ("schema", -2), ("database", -3)):
        if name in change and len(parts) >= -place:
            old = parts[place]
            quoted = old[0] in '"`['
            parts[place] = old[0] + change[name] + old[-1] if quoted else change[name]
    return ".".join(parts)


def without_hooks(manifest):
    """The project's on-run-start and on-run-end statements are not run."""
    for unique_id in [one for one, node in manifest.nodes.items() if str(node.resource_type) == "operation"]:
        del manifest.nodes[unique_id]


def selectors(manifest, select):
    """What to give to ``--select``: unique ids become their full qualified names, anything else stays."""
    found = []
    for one in select:
        node = manifest.nodes.get(one) or manifest.unit_tests.get(one)
        found.append("fqn:" + ".".join(node.fqn) if node is not None else one)
    return found


def summary(node):
    """The little of a node that says what and where it is; the rest is in manifest.json."""
    return {
        "resource_type": str(node.resource_type),
        "name": node.name,
        "path": node.original_file_path,
        "database": node.database,
        "schema": node.schema,
        "alias": node.alias,
        "relation_name": getattr(node, "relation_name", None),
        "materialized": node.config.materialized,
        "depends_on": sorted(getattr(node.depends_on, "nodes", ())),
    }


def result(one):
    """One entry of a run's results."""
    response = one.adapter_response or {}
    return {
        "unique_id": one.node.unique_id,
        "status": str(getattr(one.status, "value", one.status)),
        "message": str(one.message or "")[:4000],
        "seconds": round(one.execution_time or 0.0, 4),
        "failures": one.failures,
        "rows": response.get("rows_affected"),
    }


def problem(error):
    """A dbt exception as data: {type, message, file, line}."""
    node = getattr(error, "node", None)
    message = str(error).strip() or type(error).__name__
    place = getattr(node, "original_file_path", None)
    line = re.search(r"\bline (\d+)", message)
    if place is None:
        named = re.search(r"\(([\w./-]+\.(?:sql|yml|yaml|py|csv))\)|([\w./-]+\.(?:sql|yml|yaml|py|csv))", message)
        place = (named.group(1) or named.group(2)) if named else None
    return {
        "type": type(error).__name__,
        "message": message[:4000],
        "file": place,
        "line": int(line.group(1)) if line else None,
    }
