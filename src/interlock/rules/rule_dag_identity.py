"""DAG ids that two DAGs share, DAGs that nobody makes, and DAGs that leave the essentials to Airflow's defaults."""

import ast
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.dag_facts import DAGS, MENTIONS, dag_definitions, dag_mentions
from interlock.rules.dag_model import Dag, DagModel, read_dag_model
from interlock.rules.dag_source import in_dag_folder
from interlock.rules.files import SourceFile
from interlock.rules.inspection import Inspection
from interlock.rules.rule import Family, FileCheck, FileFacts, Rule

_IGNORED = "airflowignore"
_STAGE = re.compile(
    r"^v?\d+([._]\d+)*$|(^|[_-])(dev|prod|production|staging|stage|test|qa|uat|local|sandbox)", re.IGNORECASE
)
# How teams tag what must not fail: tier-1, tier:0, p1, prio-1, critical, business-critical.
_HIGHEST = re.compile(r"(tier|t|p|prio|priority|sev)[-_: ]?[01]|(\w+[-_: ])?critical", re.IGNORECASE)


def airflowignore(file: SourceFile) -> list[str] | None:
    """The lines of an .airflowignore that say something."""
    lines = (re.sub(r"\s*#.*", "", line).strip() for line in file.lines)
    return [line for line in lines if line] or None


def check_ids(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DG005: two DAGs that are surely both made, in one DAG folder, under one id."""
    ignored = inspection.of(_IGNORED)
    said = inspection.reading.findings if inspection.reading is not None else ()
    # Once Airflow itself has parsed the files, ILK-AF002 says the same of all DAGs, the computed ones included.
    known = {one.place.path for one in said if one.rule == "ILK-AF002"}
    first: dict[tuple[str, str], tuple[str, int]] = {}
    for path, told in inspection.of(DAGS).items():
        folder = inspection.layout.dag_folder(path)
        dags = [one for one in told.get("dags", ()) if one["sure"] and one["id"]]
        if folder is None or not dags or _may_be_ignored(path, ignored):
            continue
        for one in dags:
            before = first.setdefault((folder, one["id"]), (path, one["line"]))
            if before == (path, one["line"]) or not known.isdisjoint((path, before[0])):
                continue
            here = before[0] == path
            where = "in this file" if here else f"in {before[0]}"
            effect = (
                "of the two, Airflow keeps the one that stands last"
                if here
                else "of the two, Airflow shows the one that it has parsed last"
            )
            apart = not here and _may_be_apart(before[0], path)
            yield Finding(
                "ILK-DG005", Severity.WARNING if apart else Severity.ERROR, Place(path, one["line"], one["line"]),
                f"the DAG id '{one['id']}' is defined {where} as well: {effect}", "Give one of the two another dag_id.",
                detail="No harm is done where the two folders are never deployed together." if apart else "",
                cause=f"dag-id:{one['id']}",
            )  # fmt: skip


def _may_be_apart(one: str, other: str) -> bool:
    """Whether two files may be the same one for two installations: in trees side by side, by stage or by version."""
    *ours, our_name = one.split("/")
    *theirs, their_name = other.split("/")
    if ours == theirs:
        return False
    differing = set(ours) ^ set(theirs)
    return (
        our_name == their_name
        or "dags" in differing
        or ours.count("dags") + theirs.count("dags") > 2
        or any(_STAGE.search(part) for part in differing)
    )


def _may_be_ignored(path: str, ignored: Mapping[str, Any]) -> bool:
    """Whether a line of an .airflowignore may be meant for a file, as a regular expression or as a glob."""
    for where, lines in ignored.items():
        folder = where.rpartition("/")[0]
        if folder and not path.startswith(f"{folder}/"):
            continue
        for line in lines:
            glob = line.strip("/")
            parts = path.split("/")
            if any(fnmatchcase(one, glob) for one in (*parts, path)) or glob in path:
                return True
            try:
                if re.search(line, path):
                    return True
            except (re.error, RecursionError):
                continue
    return False


def check_makers(inspection: Inspection) -> Iterator[Finding]:
    """ILK-DG006: a DAG in a function that nobody calls."""
    makers = [
        (path, one)
        for path, told in inspection.of(DAGS).items()
        if inspection.layout.dag_folder(path) is not None
        for one in told.get("makers", ())
    ]
    if not makers:
        return
    mentions = inspection.of(MENTIONS)
    for path, one in makers:
        stem = path.rpartition("/")[2].removesuffix(".py")
        if any({one["name"], f"*{stem}"} & set(names) for other, names in mentions.items() if other != path):
            continue
        named = f"the DAG '{one['id']}'" if one["id"] else "its DAG"
        decorated = one["decorated"]
        yield Finding(
            "ILK-DG006", Severity.ERROR if decorated else Severity.WARNING, Place(path, one["line"], one["line"]),
            f"nobody calls {one['name']}(), so {named} does not exist for Airflow",
            f"Call it at the end of the file: {one['name']}()" if decorated else
            f"Keep its result in the module: dag = {one['name']}(...)",
        )  # fmt: skip


def check_defaults(file: SourceFile) -> Iterator[Finding]:
    """ILK-DG007: no owner, retries or execution_timeout; one finding a DAG, heavier where its tags ask for it."""
    model = read_dag_model(file)
    if model is None or not in_dag_folder(file):
        return
    given = {name for task in model.tasks for name in task.site.keywords}
    decorated = any(site.open for site in model.source.sites) and "default_args" not in file.text
    for dag in model.dags:
        lacking = None if decorated else _lacking(model, dag, given)
        if lacking:
            named = f"the DAG '{dag.id}'" if dag.id else "a DAG"
            tier = _tier(dag)
            yield file.finding(
                "ILK-DG007", dag.line,
                f"{named}{f', of {tier},' if tier else ''} sets no {_listed(lacking)} for its tasks",
                "Set them in default_args={...}.", severity=Severity.WARNING if tier else Severity.INFO,
            )  # fmt: skip


def _tier(dag: Dag) -> str:
    """The tag that puts a DAG among those that must not fail; "" where it has none."""
    tags = dag.arguments.get("tags")
    words = (one.value for one in ast.walk(tags) if isinstance(one, ast.Constant)) if tags is not None else ()
    return next((one for one in words if isinstance(one, str) and _HIGHEST.fullmatch(one)), "")


def _lacking(model: DagModel, dag: Dag, given: set[str]) -> list[str]:
    if dag.site is not None and dag.site.open:
        return []
    found = dag.arguments.get("default_args")
    read = model.source.mapping(found, dag.where.scope) if found is not None else ({}, True)
    if read is None or not read[1]:
        return []
    return [one for one in ("owner", "retries", "execution_timeout") if one not in read[0] and one not in given]


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


FAMILY = Family(
    "dag-identity",
    (
        Rule("ILK-DG005", "same-dag-id", "two DAGs have the same literal id"),
        Rule("ILK-DG006", "dag-nobody-makes", "a function that makes a DAG is never called"),
        Rule("ILK-DG007", "dag-by-default", "a DAG sets no owner, retries or execution timeout", Severity.INFO),
    ),
    file_checks=(FileCheck(("*.py",), check_defaults),),
    facts=(
        FileFacts(DAGS, ("*.py",), dag_definitions),
        FileFacts(MENTIONS, ("*.py",), dag_mentions),
        FileFacts(_IGNORED, (".airflowignore",), airflowignore),
    ),
    project_checks=(check_ids, check_makers),
)
