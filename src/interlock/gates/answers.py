"""Each gate: measurements against thresholds. Pure functions; shares count from the live version."""

from collections.abc import Sequence

from interlock.config.models import CompareGate, GatePolicy
from interlock.gates.measure import Difference, Side
from interlock.model.plan import GateResult, Outcome

_FUTURE_SECONDS = 300.0


def answer_row_count(resource: str, policy: GatePolicy, old: Side | None, new: Side) -> list[GateResult]:
    """Neither fewer nor more rows than allowed."""
    gate = policy.row_count
    if gate is None:
        return []
    limits = {"max_drop": gate.max_drop, "max_growth": gate.max_growth}
    if old is None:
        return [_pass("row_count", resource, f"{new.rows} rows; nothing is live yet to compare with", rows=new.rows)]
    if old.rows == 0:
        said = f"0 -> {new.rows} rows; an empty table has no share to compare"
        return [GateResult("row_count", resource, Outcome.PASS, said, {"live": 0, "candidate": new.rows}, limits)]
    share = (new.rows - old.rows) / old.rows
    bad = -share > gate.max_drop or share > gate.max_growth
    said = f"{old.rows} -> {new.rows} rows ({share:+.2%})"
    if bad:
        limit = f"at most {gate.max_drop:.2%} fewer" if share < 0 else f"at most {gate.max_growth:.2%} more"
        said += f"; allowed are {limit}"
    return [
        GateResult(
            "row_count", resource, Outcome.FAIL if bad else Outcome.PASS, said,
            {"live": old.rows, "candidate": new.rows, "share": round(share, 6)}, limits,
            f"If that is meant, raise gates.\"{resource}\".row_count for this release." if bad else "",
        )
    ]  # fmt: skip


def answer_null_rate(resource: str, policy: GatePolicy, old: Side | None, new: Side) -> list[GateResult]:
    """No column's share of nulls rises by more than allowed."""
    gate = policy.null_rate
    if gate is None:
        return []
    limits = {"max_increase": gate.max_increase}
    if old is None:
        return [_pass("null_rate", resource, "nothing is live yet to compare with")]
    if old.rows == 0 or new.rows == 0:
        return [_pass("null_rate", resource, "one side has no rows, so there are no rates to compare")]
    rises = {c: new.nulls[c] / new.rows - n / old.rows for c, n in old.nulls.items() if c in new.nulls}
    bad = {c: rise for c, rise in rises.items() if rise > gate.max_increase}
    measured = {c: round(rise, 6) for c, rise in sorted(rises.items()) if rise > 0}
    if not bad:
        return [GateResult("null_rate", resource, Outcome.PASS, "no column has notably more nulls", measured, limits)]
    worst = ", ".join(f"{c} {rise:+.2%}" for c, rise in sorted(bad.items(), key=lambda item: -item[1])[:5])
    said = f"more nulls than allowed in {worst}"
    remedy = "See which join or expression leaves them empty."
    return [GateResult("null_rate", resource, Outcome.FAIL, said, measured, limits, remedy)]


def answer_unique(resource: str, policy: GatePolicy, key: Sequence[str], problem: str, new: Side) -> list[GateResult]:
    """The key names each row once, and always does."""
    if not policy.unique:
        return []
    if not key:
        # A model without any key says so once, with the comparison; a key that is wrong is worth a line of its own.
        if problem == "it has no key":
            return []
        return [GateResult("unique", resource, Outcome.UNKNOWN, f"not looked at: {problem}", remedy="Correct the key.")]
    names = ", ".join(key)
    measured = {"duplicates": new.duplicates, "nulls": new.null_keys}
    if new.duplicates or new.null_keys:
        said = f"{new.duplicates} rows repeat the key ({names}), {new.null_keys} have a null in it"
        return [
            GateResult("unique", resource, Outcome.FAIL, said, measured, remedy="Find the join that multiplies rows.")
        ]
    return [GateResult("unique", resource, Outcome.PASS, f"({names}) is unique", measured)]


def answer_freshness(resource: str, policy: GatePolicy, new: Side, now: float) -> list[GateResult]:
    """The newest value is young enough. ``now`` in seconds since 1970; a column without zone counts as UTC."""
    gate = policy.freshness
    if gate is None:
        return []
    limit = gate.max_age.total_seconds()
    limits = {"max_age_seconds": limit}
    if new.newest is None:
        said = f"{gate.column} holds no value"
        return [GateResult("freshness", resource, Outcome.FAIL, said, {}, limits, "See why no row has it.")]
    age = now - new.newest
    measured = {"age_seconds": round(age)}
    if age < -_FUTURE_SECONDS:
        said = f"the newest {gate.column} lies {-age / 3600:.1f} h in the future"
        return [
            GateResult("freshness", resource, Outcome.UNKNOWN, said, measured, limits, "Compare this machine's clock.")
        ]
    said = f"the newest {gate.column} is {max(age, 0) / 3600:.1f} h old; allowed are {limit / 3600:g} h"
    if age > limit:
        return [GateResult("freshness", resource, Outcome.FAIL, said, measured, limits, "Load the newest data first.")]
    return [GateResult("freshness", resource, Outcome.PASS, said, measured, limits)]


def incomparable(key: Sequence[str], problem: str, old: Side | None, new: Side) -> str:
    """Why the two cannot be compared row by row; "" if they can."""
    if not key:
        return problem
    if old is not None and old.duplicates is None:
        return "the live version does not have the key's columns"
    for name, side in (("the live version", old), ("the candidate", new)):
        if side is not None and (side.duplicates or side.null_keys):
            return f"the key is not unique in {name}"
    return ""


def answer_compare(resource: str, gate: CompareGate, old: Side, found: Difference) -> list[GateResult]:
    """Row by row: not more added, removed or changed than allowed."""
    rows = max(old.rows, 1)
    checks = (
        ("added", found.added, gate.max_added),
        ("removed", found.removed, gate.max_removed),
        ("changed", found.changed, gate.max_changed),
    )
    over = [f"{n} {word} ({n / rows:.2%}, allowed {limit:.2%})" for word, n, limit in checks
            if limit is not None and old.rows and n / rows > limit]  # fmt: skip
    measured = {
        "live": old.rows,
        "added": found.added,
        "removed": found.removed,
        "changed": found.changed,
        "by_column": found.by_column,
    }
    limits = {"max_added": gate.max_added, "max_removed": gate.max_removed, "max_changed": gate.max_changed}
    columns = ", ".join(f"{c} {n}" for c, n in sorted(found.by_column.items(), key=lambda item: -item[1])[:5])
    if over:
        said = f"of {old.rows} live rows: {'; '.join(over)}" + (f"; by column: {columns}" if columns else "")
        remedy = f'If that is meant, raise gates."{resource}".compare for this release.'
        return [GateResult("compare", resource, Outcome.FAIL, said, measured, limits, remedy)]
    said = f"{found.added} added, {found.removed} removed, {found.changed} changed of {old.rows} live rows"
    return [GateResult("compare", resource, Outcome.PASS, said, measured, limits)]


def answer_columns(resource: str, live: dict[str, str], new: dict[str, str], lost: Sequence[str]) -> list[GateResult]:
    """What changed in the shape: said, and refused only where a view outside the release reads what goes away."""
    added = [c for c in new if c not in live]
    removed = [c for c in live if c not in new]
    retyped = {c: f"{live[c]} -> {new[c]}" for c in live if c in new and live[c] != new[c]}
    if lost:
        said = f"views outside the release read columns that go away: {', '.join(lost[:5])}"
        return [
            GateResult("columns", resource, Outcome.FAIL, said, {"lost": list(lost)}, {}, "Change those views first.")
        ]
    if not (added or removed or retyped):
        return []
    parts = [f"added {', '.join(added)}" if added else "", f"removed {', '.join(removed)}" if removed else ""]
    parts.append("; ".join(f"{c}: {change}" for c, change in retyped.items()))
    said = "columns: " + "; ".join(part for part in parts if part)
    measured = {"added": added, "removed": removed, "retyped": retyped}
    return [GateResult("columns", resource, Outcome.PASS, said, measured)]


def _pass(gate: str, resource: str, summary: str, **measured: int) -> GateResult:
    return GateResult(gate, resource, Outcome.PASS, summary, dict(measured))
