"""Build candidates beside production with the project's own dbt."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interlock.adapters.base import StepContext
from interlock.adapters.dbt import project_tree
from interlock.adapters.dbt.hooks_check import check_hooks
from interlock.adapters.dbt.relations import Relation, relation_of, shown, tag_of
from interlock.adapters.dbt.warehouse import Access, WarehouseSession, access_to
from interlock.model.errors import RefusedError, StaleError, UsageError
from interlock.model.plan import Receipt, Step
from interlock.model.progress import Progress
from interlock.runtimes.parsing import ParsingPlace, parsing_place
from interlock.runtimes.worker import Worker

PARSE_SECONDS = 600.0
BUILD_SECONDS = 24 * 3600.0
_DONE = "done"
_FAILED = ("error", "fail", "runtime error")


def mark_of(deployment: str) -> str:
    """Under which id the warehouse keeps that the candidates of a deployment are complete."""
    return f"stage/{deployment}"


def stage(step: Step, context: StepContext) -> Receipt:
    """All candidates of the step stand beside production, complete; a half attempt is dropped and built anew."""
    access = access_to(context.environment, context.root)
    nodes: list[dict[str, Any]] = step.arguments["nodes"]
    if not nodes:
        return Receipt(step.id, True, _receipt(context, project_tree.staged(context), [], {}, []))
    with access.session() as session:
        done = session.marks(mark_of(context.deployment)).get(_DONE)
        there = session.kinds() if done is not None else {}
        if done is not None and all(relation_of(r["candidate"]) in there for r in done["relations"]):
            return Receipt(step.id, False, done)
        session.unmark(mark_of(context.deployment))
    with _worker(context, access) as worker:
        # dbt takes seconds to start, which is time enough to lay the files.
        view = project_tree.staged(context)
        with parsing_place(_remembered(context), project_tree.tree_of(context).path(view)) as place:
            manifest = _parse(worker, context, place)
            with access.session() as session:
                relations = _prepare(session, manifest, nodes, context)
            answer = _build(worker, context, relations, manifest)
    with access.session() as session:
        # Reached first: where the warehouse went away, that is the cause, and it may come back.
        _refuse_failures(answer, relations)
        _check_built(session, relations)
        for relation in relations:
            relation["lost"] = session.lost_columns(relation_of(relation["live"]), relation_of(relation["candidate"]))
        data = _receipt(context, view, relations, manifest, answer["results"])
        session.mark(mark_of(context.deployment), _DONE, data)
    return Receipt(step.id, True, data)


def discard(receipt: Receipt | None, step: Step, context: StepContext) -> Receipt:
    """The candidates are gone; also those of an attempt that was interrupted."""
    access = access_to(context.environment, context.root)
    with access.session() as session:
        id = mark_of(context.deployment)
        noted = session.marks(id)
        relations = [r for data in noted.values() for r in data.get("relations", ())]
        if receipt is not None and not relations:
            relations = receipt.data.get("relations", [])
        session.discard(dict.fromkeys(relation_of(r["candidate"]) for r in reversed(relations)))
        session.unmark(id)
    return Receipt(step.id, bool(relations), {})


def _worker(context: StepContext, access: Access) -> Worker:
    if context.runtime is None:
        raise UsageError("staging needs the dbt runtime")
    runtime = context.runtime(project_tree.section_of(context).runtime)
    environment = {
        **access.profile_environment(),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    secret = access.password
    network = access.warehouse.type != "duckdb"
    # What holds a password is a process of its own from its start to its end.
    return Worker(
        runtime, "dbt_worker.py", env=environment, network=network, secrets=(secret,) if secret else (), keep=not secret
    )


def _parse(worker: Worker, context: StepContext, place: ParsingPlace) -> dict[str, Any]:
    """The manifest of a release in this environment. dbt reads anew only what differs from the last release here."""
    context.on_progress(Progress("dbt", "parsing the dbt project"))
    answer = _ask_to_parse(worker, context, place)
    # What was remembered may be at fault: everything is read before anybody is told of an error.
    if answer.get("errors") and place.forget():
        answer = _ask_to_parse(worker, context, place)
    errors = answer.get("errors") or []
    if errors or not answer.get("manifest_path"):
        first = errors[0] if errors else {}
        raise RefusedError(
            "dbt cannot read the project of the release",
            remedy="Run `interlock check`: it names the file and the line.",
            detail=str(first.get("message", first) if isinstance(first, dict) else first),
        )
    manifest: dict[str, Any] = json.loads(Path(answer["manifest_path"]).read_bytes())
    return manifest


def _remembered(context: StepContext) -> Path:
    """What dbt remembers of its parses in this environment with this runtime."""
    runtime = context.runtime(project_tree.section_of(context).runtime) if context.runtime else None
    digest = runtime.lock_digest[:12] if runtime else ""
    return context.cache / "dbt" / context.environment_name / (digest or "interpreter")


def _ask_to_parse(worker: Worker, context: StepContext, place: ParsingPlace) -> dict[str, Any]:
    return worker.request(
        "parse", timeout=PARSE_SECONDS, project_dir=str(place.project), profiles_dir=str(place.project),
        target=context.environment.dbt.target if context.environment.dbt else None, target_path=str(place.target),
    )  # fmt: skip


def _prepare(
    session: WarehouseSession, manifest: dict[str, Any], nodes: list[dict[str, Any]], context: StepContext
) -> list[dict[str, Any]]:
    """The candidates' names, their schemas, and the copies that some start from."""
    tag = tag_of(context.deployment)
    there = session.kinds()
    relations = [r for node in nodes if (r := _relation(session, there, manifest, node, tag)) is not None]
    candidates = {relation_of(r["candidate"]): relation_of(r["live"]) for r in relations}
    if obstacles := session.obstacles(list(candidates.values())):
        raise RefusedError(
            f"{obstacles[0].relation} cannot be replaced: {obstacles[0].what}",
            remedy="Drop that object before the deployment and create it again afterwards.",
            detail="\n".join(f"{o.relation}: {o.what}" for o in obstacles),
        )
    id = mark_of(context.deployment)
    # Written first, so that whoever cleans up after a kill knows what may be there.
    session.mark(id, "begun", {"relations": relations})
    session.prepare(list(candidates), candidates)
    for number, relation in enumerate(relations):
        live = relation_of(relation["live"])
        if _starts_from_copy(relation, manifest):
            context.on_progress(Progress("dbt", f"copying {live}", number, len(relations)))
            relation["copied"] = session.copy_table(live, relation_of(relation["candidate"]))
    return relations


def _relation(
    session: WarehouseSession, there: Mapping[Relation, str], manifest: dict[str, Any], node: dict[str, Any], tag: str
) -> dict[str, Any] | None:
    described = manifest["nodes"].get(node["unique_id"])
    if described is None:
        raise StaleError(
            f"dbt no longer finds {node['unique_id']} in this environment",
            remedy="It is switched on or off by target or variable: make the plan for this environment again.",
        )
    config = described["config"]
    if config.get("materialized") == "ephemeral":
        return None
    live = Relation(described["schema"], described.get("alias") or described["name"])
    key = config.get("unique_key")
    if described["resource_type"] == "snapshot":
        names = config.get("snapshot_meta_column_names") or {}
        key = names.get("dbt_scd_id") or "dbt_scd_id"
    return {
        "key": node["key"],
        "unique_id": node["unique_id"],
        "resource_type": described["resource_type"],
        "materialized": config.get("materialized"),
        "unique_key": [key] if isinstance(key, str) else list(key or []),
        "live": live.to_json(),
        "live_kind": there.get(live),
        "candidate": session.beside(live, "candidate", tag).to_json(),
        "copied": None,
        "grants_managed": bool(config.get("grants")),
    }


def _starts_from_copy(relation: dict[str, Any], manifest: dict[str, Any]) -> bool:
    fresh = manifest["nodes"][relation["unique_id"]]["config"].get("full_refresh") is True
    return relation["materialized"] in ("incremental", "snapshot") and relation["live_kind"] == "table" and not fresh


def _build(
    worker: Worker, context: StepContext, relations: list[dict[str, Any]], manifest: dict[str, Any]
) -> dict[str, Any]:
    if not relations:
        return {"results": [], "success": True}
    overrides = {
        r["unique_id"]: {"schema": r["candidate"]["schema"], "alias": r["candidate"]["name"]} for r in relations
    }
    total = len(relations) + len(_tests(manifest, relations))
    finished = 0

    def on_event(event: dict[str, Any]) -> None:
        nonlocal finished
        finished += 1
        name = ".".join(str(event.get("unique_id", "")).split(".")[2:3])
        context.on_progress(Progress("dbt", f"{name}: {event.get('status', '')}", min(finished, total), total))

    return worker.request(
        "build", timeout=BUILD_SECONDS, on_event=on_event, select=sorted(overrides), overrides=overrides,
        command="build", hooks=False,
    )  # fmt: skip


def _tests(manifest: dict[str, Any], relations: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The tests that look at a candidate, by unique id; values: the test's node."""
    chosen = {r["unique_id"] for r in relations}
    every = {u: n for u, n in manifest["nodes"].items() if n["resource_type"] == "test"} | manifest.get(
        "unit_tests", {}
    )
    return {u: n for u, n in every.items() if chosen & set(n["depends_on"].get("nodes", ()))}


def _refuse_failures(answer: Mapping[str, Any], relations: list[dict[str, Any]]) -> None:
    keys = {r["unique_id"]: r["key"] for r in relations}
    failed = [
        r for r in answer["results"] if r["unique_id"] in keys and r["status"] in ("error", "fail", "runtime error")
    ]
    if failed:
        first = failed[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        raise RefusedError(
            f"dbt could not build {keys[first['unique_id']]}{more}: {shown(first.get('message') or '')}",
            remedy="Correct the model; production was not touched.",
        )
    if not answer["results"] and not answer.get("success", False):
        raise RefusedError(
            "dbt could not start to build the candidates",
            remedy="Run `dbt build` in the dbt project: it says more.",
            detail=shown("; ".join(str(error.get("message", "")) for error in answer.get("errors", ()))),
        )


def _check_built(session: WarehouseSession, relations: list[dict[str, Any]]) -> None:
    there = session.kinds()
    for relation in relations:
        relation["built"] = relation_of(relation["candidate"]) in there


def _receipt(
    context: StepContext,
    view: str,
    relations: list[dict[str, Any]],
    manifest: dict[str, Any],
    results: list[dict[str, Any]],
) -> dict[str, Any]:
    """Aggregates only: statuses and counts of dbt's results, no row."""
    answers = {r["unique_id"]: r for r in results}
    keys = {r["unique_id"]: r["key"] for r in relations}
    tests = []
    for unique_id, node in sorted(_tests(manifest, relations).items()) if relations else ():
        attached = [u for u in [node.get("attached_node"), *node["depends_on"]["nodes"]] if u in keys]
        answer = answers.get(unique_id, {})
        tests.append(
            {
                "name": node["name"],
                "resource": keys[attached[0]],
                "status": answer.get("status", "missing"),
                "failures": answer.get("failures"),
                "message": shown(answer.get("message") or ""),
            }
        )
    warnings = check_hooks(manifest, list(keys)) if manifest else []
    return {
        "tag": tag_of(context.deployment),
        "view": view,
        "relations": relations,
        "tests": tests,
        "seconds": {keys[u]: round(float(a.get("seconds") or 0), 3) for u, a in answers.items() if u in keys},
        # Left out of the candidates' build: they run against whatever they name.
        "hooks_not_run": sorted(u for u, n in manifest.get("nodes", {}).items() if n["resource_type"] == "operation"),
        "warnings": [{**w, "resource": keys.get(w["node"], "")} for w in warnings],
    }
