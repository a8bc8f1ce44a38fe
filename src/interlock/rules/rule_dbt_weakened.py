"""Rules about what a change takes away: tests and unit tests that guarded a model before."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dbt_project import DbtProject, on_both_sides
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Needs, Rule

_THRESHOLD = re.compile(r"^\s*(>=|>|!=|<>)\s*(\d{1,12})\s*$")
_REMEDY = "Keep it, or say in the change why it is no longer needed."
_OWNERS = {"models": "model", "seeds": "seed", "snapshots": "snapshot"}


def weakened(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DS018, one for each test or unit test of what is still there."""
    if inspection.base is None:
        return
    for project, old in on_both_sides(inspection, inspection.base):
        if not project.certain or project.unread or old.unread:
            continue
        yield from _generic_tests(old, project)
        yield from _unit_tests(old, project)
        yield from _singular_tests(old, project, inspection)


def _generic_tests(old: DbtProject, new: DbtProject) -> Iterator[Finding]:
    left: dict[tuple[str, ...], list[tuple[str, dict[str, Any]]]] = {}
    for path, test in _tests(new):
        left.setdefault(_key(test), []).append((path, test))
    gone = []
    for path, test in _tests(old):
        same = left.get(_key(test), [])
        match = next((one for one in same if one[1].get("args") == test.get("args")), same[0] if same else None)
        if match is None:
            gone.append((path, test))
            continue
        same.remove(match)
        yield from _loosened(test, *match)
    # A test that moved with its column's new name is no test that is gone.
    moved = Counter((*key[:2], key[3]) for key, tests in left.items() for _ in tests)
    for _, test in gone:
        key = _key(test)
        if moved[(*key[:2], key[3])] > 0:
            moved[(*key[:2], key[3])] -= 1
            continue
        place = _still_there(new, test)
        if place is not None and test.get("enabled") is not False:
            yield _weaker(place, f"the test '{test['name']}' of {_what(test)} is gone")


def _tests(project: DbtProject) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, told in project.yaml.items():
        for test in told.get("tests", ()):
            yield path, test


def _key(test: dict[str, Any]) -> tuple[str, ...]:
    return (*test["owner"], test["column"], test["name"].rpartition(".")[2])


def _what(test: dict[str, Any]) -> str:
    return f"{test['owner'][1]}.{test['column']}" if test["column"] else str(test["owner"][1])


def _still_there(project: DbtProject, test: dict[str, Any]) -> Place | None:
    """Where the test would be now; None where what it guarded is gone as well."""
    kind, name = test["owner"]
    if kind == "sources":
        source, _, table = name.partition(".")
        at = project.sources.get(source, {}).get(table)
        return Place(at[0], at[1], at[1]) if at and not test["column"] else _column_of_source(at)
    base_name = name.partition(".v")[0]
    nodes = [one for one in project.nodes.get(base_name, ()) if one.kind == _OWNERS.get(kind)]
    if not nodes:
        return None
    path, entry = project.entry_of.get((kind, base_name), ("", None))
    if entry is None:
        return Place(nodes[0].path, 1, 1)
    if test["column"] and test["column"] not in entry["columns"]:
        return None
    line = entry["columns"].get(test["column"], entry["line"])
    return Place(path, line, line)


def _column_of_source(at: tuple[str, int] | None) -> Place | None:
    return Place(at[0], at[1], at[1]) if at else None


def _loosened(old: dict[str, Any], path: str, new: dict[str, Any]) -> Iterator[Finding]:
    place, what = Place(path, new["line"], new["line"]), f"the test '{new['name']}' of {_what(new)}"
    if new.get("enabled") is False and old.get("enabled") is not False:
        yield _weaker(place, f"{what} is switched off")
    if _severity(new) == "warn" and _severity(old) != "warn":
        yield _weaker(place, f"{what} only warns now")
    for key in ("error_if", "warn_if"):
        then, now = _threshold(old.get(key)), _threshold(new.get(key))
        if then is not None and now is not None and now > then:
            yield _weaker(place, f"{what} lets more rows fail: {key} is '{new.get(key)}'")
    if new.get("where") and not old.get("where"):
        yield _weaker(place, f"{what} looks at a part of the rows only, by a new where")


def _severity(test: dict[str, Any]) -> str:
    return str(test.get("severity") or "error").lower()


def _threshold(told: Any) -> int | None:
    """How many rows have to fail; None where it is not plain."""
    if told is None:
        return 1
    match = _THRESHOLD.match(str(told))
    if match is None:
        return None
    if match[1] in ("!=", "<>"):
        return 1 if match[2] == "0" else None
    return int(match[2]) + (match[1] == ">")


def _unit_tests(old: DbtProject, new: DbtProject) -> Iterator[Finding]:
    now = {(one[0], one[1]): one for told in new.yaml.values() for one in told.get("unit_tests", ())}
    where = {(one[0], one[1]): path for path, told in new.yaml.items() for one in told.get("unit_tests", ())}
    had = [one for told in old.yaml.values() for one in told.get("unit_tests", ()) if one[3]]
    # As many for the model as before: one of them has another name.
    count = Counter(model for _, model in now)
    lacking = Counter(one[1] for one in had)
    for name, model, _, _ in had:
        found = now.get((name, model))
        if found is not None:
            if not found[3]:
                line = found[2]
                yield _weaker(
                    Place(where[(name, model)], line, line), f"the unit test '{name}' of '{model}' is switched off"
                )
        elif new.nodes.get(model) and count[model] < lacking[model]:
            path, entry = new.entry_of.get(("models", model), ("", None))
            place = Place(path, entry["line"], entry["line"]) if entry else Place(new.nodes[model][0].path, 1, 1)
            yield _weaker(place, f"the unit test '{name}' of '{model}' is gone")


def _singular_tests(old: DbtProject, new: DbtProject, inspection: Inspection) -> Iterator[Finding]:
    kept = {told["digest"] for path, told in new.sql.items()}
    names = {path.rpartition("/")[2] for path, role in new.roles.items() if role == "test"}
    for path, told in old.sql.items():
        if old.roles.get(path) != "test" or told.get("macros") or not told.get("refs") or path in new.sql:
            continue
        if told["digest"] in kept or path.rpartition("/")[2] in names or inspection.exists(path):
            continue
        models = [ref[0] for ref in told["refs"] if isinstance(ref[0], str)]
        here = next((new.nodes[name][0] for name in models if new.nodes.get(name)), None)
        if here is not None and all(new.nodes.get(name) for name in models):
            yield _weaker(
                Place(here.path, here.line, here.line),
                f"the test '{path.rpartition('/')[2].removesuffix('.sql')}' of '{here.name}' is gone",
            )


def _weaker(place: Place, summary: str) -> Finding:
    return Finding(
        "ILK-DS018", Severity.WARNING, place, summary, _REMEDY,
        detail="What it would have caught is caught by nobody now.",
    )  # fmt: skip


FAMILY = Family(
    "dbt-weakened",
    (
        Rule(
            "ILK-DS018",
            "test-weakened",
            "a test is gone, or looser than before",
            Severity.WARNING,
            Needs.BASE,
        ),
    ),
    comparisons=(weakened,),
)
