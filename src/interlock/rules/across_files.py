"""Files that DAGs name and the repository lacks."""

import posixpath
from collections.abc import Iterator, Sequence

from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity
from interlock.rules.inspection import Inspection
from interlock.rules.nearest import nearest
from interlock.rules.shell_commands import UNKNOWN
from interlock.rules.surroundings import weighed

_PYTHON_FACTS = "across-python"


class _Files:
    """The repository's files, by folder and by name."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.by_folder: dict[str, list[str]] = {}
        self.by_name: dict[str, list[str]] = {}
        for path in paths:
            folder, _, name = path.rpartition("/")
            self.by_folder.setdefault(folder, []).append(name)
            self.by_name.setdefault(name, []).append(path)

    def ending(self, path: str) -> list[str]:
        """Files whose path is, or ends with, this one."""
        path = posixpath.normpath(path).lstrip("./")
        return [one for one in self.by_name.get(posixpath.basename(path), ()) if f"/{one}".endswith(f"/{path}")]


def missing_scripts(inspection: Inspection) -> Iterator[Finding]:
    """ILK-AX002. Sure only of relative paths whose folder is here; other paths belong to the cluster."""
    told = [(path, one) for path, facts in inspection.of(_PYTHON_FACTS).items() for one in facts.get("scripts", ())]
    if not told:
        return
    files = _Files(inspection.paths)
    before = _Files(inspection.base.paths) if inspection.base is not None else None
    for path, (line, end_line, script, folder) in told:
        if files.by_name.get(posixpath.basename(script)):
            continue
        found = _missing_script(inspection, files, path, script, folder)
        if found is None:
            found = _removed_script(before, inspection.changed, script, folder)
        if found is not None:
            severity, near, why = found
            remedy = f"Name '{near}'." if near else "Name the script that took its place."
            yield Finding(
                "ILK-AX002", weighed(severity, path), Place(path, line, end_line),
                f"a task runs '{script}', which the project does not have{why}", remedy, cause=f"script:{script}",
            )  # fmt: skip


_Missing = tuple[Severity, str, str] | None


def _missing_script(inspection: Inspection, files: _Files, dag: str, script: str, folder: str) -> _Missing:
    name = posixpath.basename(script)
    if "/" not in script and not folder:
        return None
    if not script.startswith("/") and "://" not in script and folder != UNKNOWN and not folder.startswith("/"):
        bases = dict.fromkeys(("", inspection.layout.dag_folder(dag) or "", posixpath.dirname(dag)))
        for base in bases:
            place = posixpath.normpath(posixpath.join(base, folder, posixpath.dirname(script)))
            near = nearest(name, _alike(files.by_folder.get("" if place == "." else place, ()), name))
            if near:
                return Severity.ERROR, posixpath.join(posixpath.dirname(script), near), ""
        return None
    near = nearest(name, _alike(files.by_name, name), 0.9)
    if near:
        return Severity.WARNING, posixpath.join(posixpath.dirname(script), near), ""
    return None


def _alike(names: Sequence[str] | dict[str, list[str]], name: str) -> list[str]:
    """Names with the same ending."""
    return [one for one in names if one.rpartition(".")[2] == name.rpartition(".")[2]]


def _removed_script(before: _Files | None, changed: frozenset[str], script: str, folder: str) -> _Missing:
    """A script that the base has at this very place and this state nowhere."""
    gone = [one for one in before.ending(script) if one in changed] if before else []
    if len(gone) != 1 or "/" not in script:
        return None
    doubtful = script.startswith("/") or "://" in script or folder == UNKNOWN
    return Severity.WARNING if doubtful else Severity.ERROR, "", " any more"


def missing_sql(inspection: Inspection) -> Iterator[Finding]:
    """ILK-AX003. Sure where the DAG is made in the same file, without a search path, and a near file is beside it."""
    told = [
        (path, facts["own_dag"], one)
        for path, facts in inspection.of(_PYTHON_FACTS).items()
        for one in facts.get("sql", ())
    ]
    if not told:
        return
    files = _Files(inspection.paths)
    for path, own_dag, (line, operator, script) in told:
        folder = posixpath.dirname(path)
        if script.startswith("/") or inspection.exists(posixpath.normpath(posixpath.join(folder, script))):
            continue
        name = posixpath.basename(script)
        elsewhere = files.ending(script)
        top = inspection.layout.dag_folder(path)
        if elsewhere and (not own_dag or not any(inspection.layout.dag_folder(one) == top for one in elsewhere)):
            continue  # a search path, or a deployment that puts files together, may find it
        place = posixpath.normpath(posixpath.join(folder, posixpath.dirname(script)))
        near = nearest(name, _alike(files.by_folder.get("" if place == "." else place, ()), name))
        if near and own_dag and not elsewhere:
            severity, remedy = Severity.ERROR, f"Name '{posixpath.join(posixpath.dirname(script), near)}'."
        elif elsewhere:
            severity = Severity.WARNING
            remedy = f"Move {elsewhere[0]} below '{folder}', or give the DAG a template_searchpath."
        elif files.by_name.get(name) or not own_dag:
            continue
        else:
            severity, remedy = (
                Severity.WARNING,
                f"Add '{posixpath.join(folder, script)}', or name a file that is there.",
            )
        yield Finding(
            "ILK-AX003", weighed(severity, path), Place(path, line, line),
            f"{operator} reads '{script}', which is not there below the folder of its DAG", remedy,
            cause=f"file:{script}",
        )  # fmt: skip
