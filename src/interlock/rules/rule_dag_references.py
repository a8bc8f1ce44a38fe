"""DAGs, tasks and assets that a DAG names and that nothing in the project defines, as far as the texts tell."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.model.resources import Kind
from interlock.rules.dag_facts import DAGS
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, Rule


def check_dags(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DG018 and ILK-DG019: a DAG, or a task of a DAG, that is waited for or triggered and does not exist.

    Silent where any file of the project may make DAGs whose ids are not written in it, and of what ILK-AF003 says
    once Airflow itself has parsed the file.
    """
    parsed = _parsed(inspection)
    facts = inspection.of(DAGS)
    known: dict[str, list[dict[str, Any]]] = {}
    for told in facts.values():
        for one in told.get("dags", ()):
            known.setdefault(one["id"] or "", []).append(one)
    complete = bool(known) and not any(told.get("dynamic") for told in facts.values())
    before = _ids(inspection.base) if inspection.base is not None else frozenset()
    for path, told in facts.items():
        for waited in told.get("waits", ()):
            defined = known.get(waited["dag"])
            if defined is None and complete and (path not in parsed or waited["dag"] in before):
                yield _missing(path, waited, known, before)
            elif defined is not None and path not in parsed:
                yield from _tasks(path, waited, defined)


def _parsed(inspection: Inspection) -> frozenset[str]:
    if inspection.reading is None:
        return frozenset()
    return frozenset(one.path for one in inspection.reading.catalog.resources if one.kind is Kind.DAG)


def _ids(inspection: Inspection) -> frozenset[str]:
    facts = inspection.of(DAGS)
    return frozenset(one["id"] for told in facts.values() for one in told.get("dags", ()) if one["id"])


def _missing(path: str, waited: dict[str, Any], known: dict[str, Any], before: frozenset[str]) -> Finding:
    verb = "triggers" if waited["triggers"] else "waits for"
    near = get_close_matches(waited["dag"], known, n=1, cutoff=0.75)
    place = Place(path, waited["line"], waited["end"])
    if waited["dag"] in before:
        summary = f"task '{waited['task']}' {verb} the DAG '{waited['dag']}', which this change removes"
        severity = Severity.ERROR
    else:
        summary = f"task '{waited['task']}' {verb} the DAG '{waited['dag']}', which nothing here defines"
        certain = bool(near) and is_misspelt(waited["dag"], near[0])
        severity = Severity.ERROR if certain else Severity.WARNING if near else Severity.INFO
    remedy = f"Name '{near[0]}'" if near else f"Add the DAG '{waited['dag']}'"
    return Finding(
        "ILK-DG018", severity, place, summary, f"{remedy}, or make sure that another repository deploys it.",
        cause=f"dag:{waited['dag']}",
    )  # fmt: skip


def is_misspelt(name: str, real: str) -> bool:
    """Whether one of two names can only be the other with a slip of the pen: separators, or a letter in a long word.

    Names that differ in a number, or in a whole short word (``_eu``, ``_us``), are names of two things.
    """
    if _bare(name) == _bare(real):
        return True
    ours, theirs = _words(name), _words(real)
    if len(ours) != len(theirs):
        return False
    different = [(a, b) for a, b in zip(ours, theirs, strict=True) if a != b]
    if len(different) != 1:
        return False
    one, other = different[0]
    if any(letter.isdigit() for letter in one + other) or min(len(one), len(other)) < 4:
        return False
    return _is_slip(one, other)


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _words(name: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in name.lower()).split()


def _is_slip(one: str, other: str) -> bool:
    """One letter too many, too few, another one, or two that changed places."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, others = one[start:], other[start:]
    if len(one) == len(other):
        swapped = rest[:2] == others[:2][::-1] and rest[2:] == others[2:]
        return swapped or (rest[1:] == others[1:] and len(one) > 5)
    return rest[1:] == others or rest == others[1:]


def _tasks(path: str, waited: dict[str, Any], defined: list[dict[str, Any]]) -> Iterator[Finding]:
    if len(defined) != 1 or defined[0]["tasks"] is None:
        return
    tasks = defined[0]["tasks"]
    for task in waited["tasks"]:
        if task in tasks:
            continue
        near = get_close_matches(task, tasks, n=1, cutoff=0.75)
        some = ", ".join([one for one in tasks if "__" not in one][:12])
        yield Finding(
            "ILK-DG019", Severity.ERROR if near else Severity.WARNING, Place(path, waited["line"], waited["end"]),
            f"task '{waited['task']}' waits for the task '{task}' of '{waited['dag']}', which has no such task: "
            "it waits until it times out",
            f"Name '{near[0]}'." if near else f"Name one that it has: {some}." if some else "Wait for the DAG itself.",
            cause=f"task:{waited['dag']}.{task}",
        )  # fmt: skip


def check_assets(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DG020: a DAG that an asset starts, which no task of the project updates."""
    facts = inspection.of(DAGS)
    if any(told.get("unknown_outlets") for told in facts.values()):
        return
    produced = {one for told in facts.values() for one in told.get("produces", ())}
    for path, told in facts.items():
        for name, line, end, dag in told.get("consumes", ()):
            if name in produced:
                continue
            near = get_close_matches(name, produced, n=1, cutoff=0.85)
            yield Finding(
                "ILK-DG020", Severity.WARNING if near else Severity.INFO, Place(path, line, end),
                f"the DAG '{dag}' waits for the asset '{name}', which no task here updates",
                f"Name '{near[0]}'." if near else f"Name '{name}' in the outlets of the task that writes it.",
                cause=f"asset:{name}",
            )  # fmt: skip


FAMILY = Family(
    "dag-references",
    (
        Rule("ILK-DG018", "unknown-dag", "a sensor or trigger names a DAG that nothing defines"),
        Rule("ILK-DG019", "unknown-task", "a sensor names a task that its DAG does not have"),
        Rule("ILK-DG020", "asset-without-producer", "a DAG waits for an asset that no task updates", Severity.INFO),
    ),
    project_checks=(check_dags, check_assets),
)
