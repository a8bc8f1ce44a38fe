"""What a DAG tree holds: the project's files, our stamp, and DAG files that were disabled.

Airflow's ``dags_folder`` is ``<root>/current/<dags>``, which Airflow itself puts on ``sys.path``. Include roots lie at
``<root>/current/<include>``: importable where Airflow's ``PYTHONPATH`` (or ``plugins_folder``) names them. Python
looks at those folders as it starts and forgets one that is not there: deploy once before Airflow starts the first time.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from interlock.adapters.trees import Files, TreeRoot, view_id_of
from interlock.config.models import AirflowSection
from interlock.model.errors import RefusedError
from interlock.model.release import Manifest
from interlock.model.resources import Kind, Resource

STAMP_DAG = "interlock_stamp"
_WITHHELD, _SUFFIX = ".interlock/withheld/", ".withheld"

_STAMP = '''"""Written by Interlock: names the version of the DAG folder that was parsed. It never runs."""

from datetime import datetime, timezone

from airflow import DAG

with DAG(
    dag_id="{dag}",
    description="Which release this DAG folder was parsed from",
    schedule=None,
    start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
    tags=["release:{release}", "view:{content}"],
):
    pass
'''


def inside(path: str, folder: str) -> bool:
    """Whether ``path`` lies in ``folder`` (both relative to the project; ``.`` is the project itself)."""
    return folder in (".", "") or path.startswith(folder.rstrip("/") + "/")


def stamp_path(section: AirflowSection) -> str:
    """Where the stamp lies in a tree."""
    return f"{STAMP_DAG}.py" if section.dags == "." else f"{section.dags.rstrip('/')}/{STAMP_DAG}.py"


def project_files(manifest: Manifest, section: AirflowSection) -> Files:
    """The files of a release that belong in the tree; ``RefusedError`` if one takes our stamp's name."""
    roots = (section.dags, *section.include)
    files = {
        entry.path: (entry.digest, entry.executable)
        for entry in manifest.files
        if any(inside(entry.path, root) for root in roots)
    }
    if stamp_path(section) in files:
        raise RefusedError(f"{stamp_path(section)} is Interlock's own file", remedy="Give that DAG file another name.")
    return files


def stamp(files: Mapping[str, tuple[str, bool]], section: AirflowSection, release: str) -> dict[str, bytes]:
    """The stamp for a tree of these files: ``{path: bytes}``. Its ``view:`` tag is the digest of all other files."""
    text = _STAMP.format(dag=STAMP_DAG, release=release[:12] or "none", content=content_id(files, section))
    return {stamp_path(section): text.encode()}


def content_id(files: Mapping[str, tuple[str, bool]], section: AirflowSection) -> str:
    """What the stamp's ``view:`` tag says: 12 hexadecimal characters."""
    return view_id_of({path: entry for path, entry in files.items() if path != stamp_path(section)})[:12]


def withheld_path(path: str) -> str:
    """Where a disabled DAG file waits: a place and a name that Airflow does not read."""
    return f"{_WITHHELD}{path}{_SUFFIX}"


def withheld(files: Iterable[str]) -> frozenset[str]:
    """The DAG files that a tree holds back, by their proper paths."""
    return frozenset(path.removeprefix(_WITHHELD).removesuffix(_SUFFIX) for path in files if path.startswith(_WITHHELD))


def arranged(files: Mapping[str, tuple[str, bool]], hold: Collection[str]) -> Files:
    """The same files with exactly those in ``hold`` held back."""
    found: Files = {}
    for path, entry in files.items():
        proper = path.removeprefix(_WITHHELD).removesuffix(_SUFFIX) if path.startswith(_WITHHELD) else path
        found[withheld_path(proper) if proper in hold else proper] = entry
    return found


def assemble(tree: TreeRoot, wanted: Mapping[str, tuple[str, bool]], section: AirflowSection) -> str:
    """The view with these files, from the disk alone; stamped anew where its stamp does not fit."""
    bare = {path: entry for path, entry in wanted.items() if path != stamp_path(section)}
    views = tree.known()
    for view in views:
        files = tree.files(view)
        if stamp_path(section) in files and {p: e for p, e in files.items() if p != stamp_path(section)} == bare:
            return tree.assemble(files, views)
    return tree.assemble(bare, views, stamp(bare, section, ""))


def dags(manifest: Manifest) -> list[Resource]:
    """The DAGs of a release."""
    return [resource for resource in manifest.catalog.resources if resource.kind is Kind.DAG]


def live_data(manifest: Manifest, keys: Collection[str], view: str) -> dict[str, dict[str, Any]]:
    """What the ledger keeps of each DAG: its file, and the digests of everything that the file imports."""
    return {
        dag.key: {
            "view": view,
            "path": dag.path,
            "files": {
                path: manifest.by_path[path].digest
                for path in sorted({dag.path, *dag.files})
                if path in manifest.by_path
            },
        }
        for dag in dags(manifest)
        if dag.key in keys
    }
