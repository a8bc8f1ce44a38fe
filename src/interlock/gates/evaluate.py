"""From measurements and thresholds to answers."""

import time
from collections.abc import Collection
from typing import Any

from interlock.adapters.base import StepContext
from interlock.adapters.dbt.planning import STAGE
from interlock.adapters.dbt.relations import Relation, relation_of
from interlock.adapters.dbt.warehouse import WarehouseSession, access_to
from interlock.config.models import GatePolicy
from interlock.gates.answers import (
    answer_columns,
    answer_compare,
    answer_freshness,
    answer_null_rate,
    answer_row_count,
    answer_unique,
    incomparable,
)
from interlock.gates.dbt_tests import answer_hooks, answer_tests
from interlock.gates.measure import Side, base_type, compare, measure
from interlock.model.canonical import plain
from interlock.model.errors import StaleError
from interlock.model.plan import GateResult, Outcome, Receipt, Step
from interlock.model.progress import Progress


def evaluate_step(step: Step, context: StepContext) -> Receipt:
    """A receipt whose ``data["gates"]`` holds every answer about the step's candidates."""
    with access_to(context.environment, context.root).session() as session:
        results = evaluate(step, context, session)
    return Receipt(step.id, False, {"gates": [plain(result) for result in results]})


def evaluate(step: Step, context: StepContext, session: WarehouseSession) -> list[GateResult]:
    """Every gate's answer about every candidate of the step. ``StaleError`` if nothing was staged."""
    staged = context.receipts.get(STAGE)
    if staged is None:
        raise StaleError("there are no candidates to look at", remedy="Deploy again.")
    relations = [r for r in staged.data["relations"] if r["key"] in step.resources]
    results = [*answer_tests(staged.data["tests"]), *answer_hooks(staged.data["warnings"])]
    there = session.kinds()
    for number, relation in enumerate(relations):
        context.on_progress(Progress("gates", f"comparing {relation['key']}", number, len(relations)))
        results += _about(relation, context.config.gates_for(relation["key"]), session, there)
    return results


def _about(
    relation: dict[str, Any], policy: GatePolicy, session: WarehouseSession, there: Collection[Relation]
) -> list[GateResult]:
    resource = relation["key"]
    candidate, live = relation_of(relation["candidate"]), relation_of(relation["live"])
    if candidate not in there:
        why = "dbt did not build it: something before it failed"
        return [GateResult("built", resource, Outcome.FAIL, why, remedy="See the failed test or model before it.")]
    types = session.columns(candidate)
    live_types = session.columns(live) if live in there else None
    key, key_problem = _key(policy, relation["unique_key"], types)
    fresh = policy.freshness.column if policy.freshness else None
    results: list[GateResult] = []
    if fresh is not None and not base_type(types.get(fresh, "")).startswith(("timestamp", "date")):
        said = f"{fresh} is {types[fresh]}, not a time" if fresh in types else f"there is no column {fresh}"
        results.append(GateResult("freshness", resource, Outcome.FAIL, said, remedy="Correct the gate's column."))
        fresh = None
    new = measure(session, candidate, list(types), key, fresh)
    old: Side | None = None
    if live_types is not None:
        # Without the key's columns in the live version there is nothing to compare by.
        live_key = key if all(k in live_types for k in key) else ()
        old = measure(session, live, [c for c in live_types if c in types], live_key)
        results += answer_columns(resource, live_types, types, relation.get("lost", []))
    results += answer_row_count(resource, policy, old, new)
    results += answer_null_rate(resource, policy, old, new)
    results += answer_unique(resource, policy, key, key_problem, new)
    if fresh is not None:
        results += answer_freshness(resource, policy, new, time.time())
    if policy.compare is not None:
        problem = incomparable(key, key_problem, old, new)
        if live_types is None or old is None:
            results.append(GateResult("compare", resource, Outcome.PASS, "nothing is live yet to compare with"))
        elif problem:
            results.append(
                GateResult("compare", resource, Outcome.UNKNOWN, f"not compared: {problem}",
                           remedy=f"Name a unique key under gates.\"{resource}\".key.")
            )  # fmt: skip
        else:
            difference = compare(session, live, candidate, key, live_types, types)
            results += answer_compare(resource, policy.compare, old, difference)
    return results


def _key(policy: GatePolicy, declared: list[str], types: dict[str, str]) -> tuple[tuple[str, ...], str]:
    """The key's columns, or none and why: what the policy says, else the model's ``unique_key``."""
    wanted = policy.key or tuple(declared)
    if not wanted:
        return (), "it has no key"
    lowered = {name.lower(): name for name in types}
    unknown = [name for name in wanted if name.lower() not in lowered]
    if unknown:
        return (), f"its key names {unknown[0]}, which is no column"
    return tuple(lowered[name.lower()] for name in wanted), ""
