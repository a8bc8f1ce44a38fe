"""dbt's own tests, as answers of gates; also those that did not run, and hooks that were not watched."""

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.model.plan import GateResult, Outcome

_ANSWERS = {
    "pass": Outcome.PASS,
    "success": Outcome.PASS,
    "warn": Outcome.PASS,
    "fail": Outcome.FAIL,
    "error": Outcome.FAIL,
}


def answer_tests(tests: Iterable[Mapping[str, Any]]) -> list[GateResult]:
    """One answer for each test that is attached to a candidate."""
    return [_answer(test) for test in tests]


def _answer(test: Mapping[str, Any]) -> GateResult:
    status, name, failures = test["status"], test["name"], test.get("failures")
    outcome = _ANSWERS.get(status, Outcome.UNKNOWN)
    measured = {"status": status, "failures": failures}
    if status == "error":
        summary = f"dbt test {name} could not run: {test.get('message', '')}"
        return GateResult("dbt_test", test["resource"], outcome, summary, measured, remedy="Correct the test.")
    if outcome is Outcome.FAIL:
        found = f"found {failures} rows" if failures else "failed"
        summary = f"dbt test {name} {found}"
        return GateResult("dbt_test", test["resource"], outcome, summary, measured, remedy="Run that test with dbt.")
    if status == "warn":
        return GateResult("dbt_test", test["resource"], outcome, f"dbt test {name} warns: {failures} rows", measured)
    if outcome is Outcome.UNKNOWN:
        why = "something before it failed" if status == "skipped" else "dbt reported nothing about it"
        summary = f"dbt test {name} did not run: {why}"
        return GateResult("dbt_test", test["resource"], outcome, summary, measured, remedy="See what failed before it.")
    return GateResult("dbt_test", test["resource"], outcome, f"dbt test {name} passed", measured)


def answer_hooks(warnings: Iterable[Mapping[str, Any]]) -> list[GateResult]:
    """One answer, unknown, for each dbt hook that may have touched more than the candidates."""
    return [
        GateResult(
            "dbt_hooks", w.get("resource", ""), Outcome.UNKNOWN,
            f"the {w['hook']} of {w['node']} may have touched production while the candidate was built: {w['why']}",
            remedy="Write {{ this }} or ref() in the hook, or build candidates as a user who cannot write production.",
        )
        for w in warnings
    ]  # fmt: skip
