"""What differs between what is live in an environment and a release."""

from interlock.model.plan import Action, Change
from interlock.model.release import Manifest
from interlock.model.resources import Catalog, Kind, Resource
from interlock.model.state import EnvironmentState

_REBUILT = frozenset({Kind.MODEL, Kind.SNAPSHOT})


def changes_between(state: EnvironmentState, manifest: Manifest, previous: dict[str, Resource]) -> tuple[Change, ...]:
    """Every resource that differs, in the order of its key.

    ``previous`` holds the resources as the live releases describe them, by key: it explains *why* a resource changed
    (which parts), and is not needed to know *that* it did. A dbt model or snapshot below a changed one is rebuilt,
    because its table is made from the other's rows.
    """
    catalog = manifest.catalog
    found: dict[str, Change] = {}
    for resource in catalog.resources:
        live = state.resources.get(resource.key)
        if live is None:
            found[resource.key] = _change(catalog, resource.key, Action.ADD, "", resource.fingerprint, ())
        elif live.fingerprint != resource.fingerprint:
            why = _differing_parts(previous.get(resource.key), resource)
            found[resource.key] = _change(
                catalog, resource.key, Action.CHANGE, live.fingerprint, resource.fingerprint, why
            )
    for key, why in _rebuilds(catalog, found).items():
        fingerprint = catalog.by_key[key].fingerprint
        found[key] = _change(catalog, key, Action.REBUILD, fingerprint, fingerprint, why)
    for key, live in state.resources.items():
        if key not in catalog.by_key:
            found[key] = Change(key, Action.REMOVE, live.fingerprint, "")
    return tuple(found[key] for key in sorted(found))


def _change(catalog: Catalog, key: str, action: Action, before: str, after: str, why: tuple[str, ...]) -> Change:
    return Change(key, action, before, after, why, catalog.downstream(key))


def _differing_parts(old: Resource | None, new: Resource) -> tuple[str, ...]:
    if old is None:
        return ("the live version's description is not at hand",)
    names = sorted(old.parts.keys() | new.parts.keys())
    return tuple(n for n in names if old.parts.get(n) != new.parts.get(n))


def _rebuilds(catalog: Catalog, changed: dict[str, Change]) -> dict[str, tuple[str, ...]]:
    """Unchanged dbt nodes that dbt builds from a changed one, with the changed ones as reasons.

    Only dbt's own references count: what reaches a model through a DAG or a job arrives with its next run.
    """
    references = Catalog(catalog.project, catalog.resources, tuple(e for e in catalog.edges if e.why == "ref"))
    found: dict[str, list[str]] = {}
    for key in changed:
        for node in references.downstream(key):
            resource = catalog.by_key.get(node)
            if resource is not None and resource.kind in _REBUILT and node not in changed:
                found.setdefault(node, []).append(f"upstream {key}")
    return {node: tuple(sorted(why)) for node, why in found.items()}
