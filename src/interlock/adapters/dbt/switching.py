"""Make candidates live, and take that back: one transaction of the warehouse, then one rename of the dbt project."""

from typing import Any

from interlock.adapters.base import StepContext
from interlock.adapters.dbt import project_tree, staging
from interlock.adapters.dbt.planning import STAGE
from interlock.adapters.dbt.relations import Move, Moved, Relation, moved_of, relation_of, tag_of
from interlock.adapters.dbt.warehouse import WarehouseSession, access_to
from interlock.model.errors import RefusedError, StaleError, UsageError
from interlock.model.plan import Receipt, Step

_OLD_NAME = "|earlier name"  # a resource that moved to another name leaves a relation at the old one


def switch(step: Step, context: StepContext) -> Receipt:
    """All relations of the step and the dbt project's folder are live."""
    if context.manifest is None:
        raise UsageError("switching needs the release")
    id = f"switch/{context.deployment}"
    with access_to(context.environment, context.root).session() as session:
        staged = _staged(context, session)
        noted = _note(step, context, staged)
        moved, changed = session.swap(id, _moves(session, staged, step, context), context.fence)
        session.tidy()
    tree_changed = project_tree.tree_of(context).switch(noted["after"], fence=context.fence)
    data = {**noted, "id": id, "tag": staged["tag"], "relations": [m.to_json() for m in moved]}
    return Receipt(step.id, changed or tree_changed, data)


def undo(step: Step, receipt: Receipt | None, context: StepContext, only: frozenset[str] | None) -> Receipt:
    """What was live before the switch is live again; neither dbt, nor the runtime, nor the release is needed."""
    id = f"switch/{context.deployment}"
    noted = project_tree.tree_of(context).noted(_note_name(step, context))
    if receipt is not None:
        id, noted = receipt.data["id"], receipt.data
    with access_to(context.environment, context.root).session() as session:
        # Asked first in any case: a killed process's transaction may have been committed, or be about to be.
        stored = session.marks(id)
        entries = list(receipt.data["relations"]) if receipt is not None else list(stored.values())
        tag = receipt.data["tag"] if receipt is not None else tag_of(context.deployment)
        wanted = [m for m in map(moved_of, entries) if only is None or _resource(m.key) in only]
        back = [_move_back(session, moved, tag) for moved in wanted if moved.put or moved.previous]
        moved, changed = session.swap(f"undo/{id}", back, context.fence) if back else ([], False)
        session.tidy()
    tree_changed = _tree_back(context, noted, only) if noted else False
    return Receipt(step.id, changed or tree_changed, {"id": f"undo/{id}", "relations": [m.to_json() for m in moved]})


def _staged(context: StepContext, session: WarehouseSession) -> dict[str, Any]:
    receipt = context.receipts.get(STAGE)
    data = receipt.data if receipt else session.marks(staging.mark_of(context.deployment)).get("done")
    if data is None:
        raise StaleError("the candidates of this deployment are not complete", remedy="Deploy again.")
    missing = [r["key"] for r in data["relations"] if not r.get("built", True)]
    if missing:
        raise RefusedError(
            f"{missing[0]} was not built, so nothing is switched",
            remedy="See why dbt skipped it: a test before it failed.",
        )
    return data


def _moves(session: WarehouseSession, staged: dict[str, Any], step: Step, context: StepContext) -> list[Move]:
    tag = staged["tag"]
    moves = []
    taken = {relation_of(r["live"]) for r in staged["relations"]}
    for r in staged["relations"]:
        live = relation_of(r["live"])
        moves.append(
            Move(
                key=r["key"],
                live=live,
                parked=session.beside(live, "prev", tag),
                incoming=relation_of(r["candidate"]),
                expect=r["copied"],
                grants_managed=r["grants_managed"],
            )
        )
    gone = {key: key for key in step.arguments["removed"]}
    gone |= {node["key"]: node["key"] + _OLD_NAME for node in step.arguments["nodes"]}
    for key, name in gone.items():
        live_data = context.state.resources[key].data.get("relation") if key in context.state.resources else None
        old = relation_of(live_data) if live_data else None
        if old is not None and old not in taken:
            moves.append(Move(name, old, session.beside(old, "prev", tag), None))
    return moves


def _move_back(session: WarehouseSession, moved: Moved, tag: str) -> Move:
    return Move(
        key=moved.key,
        live=moved.live,
        parked=session.beside(moved.live, "undone", tag),
        incoming=moved.previous,
        definition=moved.definition,
        definition_kind=moved.previous_kind or "view",
    )


def _note_name(step: Step, context: StepContext) -> str:
    return f"{context.deployment}/{step.id}"


def _note(step: Step, context: StepContext, staged: dict[str, Any]) -> dict[str, Any]:
    """What was live before, written down before anything moves: a rerun would find the new version live."""
    manifest, tree = context.manifest, project_tree.tree_of(context)
    assert manifest is not None
    section = project_tree.section_of(context)
    relations = {r["key"]: r["live"] for r in staged["relations"]}
    live = {
        node["key"]: {
            "relation": relations.get(node["key"]),
            "unique_id": node["unique_id"],
            "materialized": node["materialized"],
            "files": project_tree.closure(manifest, node["key"], section),
        }
        for node in step.arguments["nodes"]
    }
    before = {
        key: context.state.resources[key].data if key in context.state.resources else None for key in step.resources
    }
    note = {"before": tree.current(), "after": staged["view"], "live": live, "live_before": before}
    return tree.note(_note_name(step, context), note)


def _tree_back(context: StepContext, noted: dict[str, Any], only: frozenset[str] | None) -> bool:
    tree = project_tree.tree_of(context)
    current = tree.current()
    if current is None:
        return False
    if only is None and current == noted["after"]:
        view = noted["before"] or tree.assemble({}, ())
    else:
        # Some resources go back, or some have gone before: the others keep their files.
        keys = frozenset(noted["live_before"]) if only is None else only
        view = tree.assemble(project_tree.partly_back(context, noted, keys), tree.known())
    return tree.switch(view, fence=context.fence)


def _resource(key: str) -> str:
    return key.removesuffix(_OLD_NAME)


def present(context: StepContext) -> dict[str, Any]:
    """Each live dbt resource: whether its relation is there, and which of its files were edited by hand."""
    tree = project_tree.tree_of(context)
    current = tree.current()
    edited = set(tree.drift(current)) if current else set()
    found: dict[str, Any] = {}
    with access_to(context.environment, context.root).session() as session:
        there = session.kinds()
        for key, live in context.state.resources.items():
            if not key.startswith("dbt."):
                continue
            data = live.data.get("relation")
            relation: Relation | None = relation_of(data) if data else None
            found[key] = {
                "present": relation is None or relation in there,
                "relation": str(relation) if relation else "",
                "view": current,
                "drift": sorted(edited & set(live.data.get("files", {}))),
            }
    return found
