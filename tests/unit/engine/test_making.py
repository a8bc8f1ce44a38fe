"""A release holds what was checked."""

import sys
from pathlib import Path

import pytest

from interlock.engine import making
from interlock.engine.making import build_release
from interlock.engine.workspace import Workspace
from interlock.model.errors import StaleError

CONFIG = f"""\
version: 1
project: small
runtimes:
  spark: {{interpreter: {sys.executable}}}
spark: {{runtime: spark, jobs: [jobs/*.py]}}
environments:
  dev: {{spark: {{root: .interlock/dev}}}}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("INTERLOCK_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "project"
    for path, text in {"interlock.yaml": CONFIG, "jobs/load.py": "print(1)\n", "jobs/notes.txt": "a\n"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Workspace(root)


def test_file_that_changed_after_it_was_checked_stands_in_the_way(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather = making.release_files

    def edited(*arguments: object) -> tuple[str, ...]:
        (workspace.root / "jobs/load.py").write_text("print(2)\n")
        return gather(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(making, "release_files", edited)
    with pytest.raises(StaleError, match=r"1 files were changed .*: jobs/load\.py"):
        build_release(workspace)
    assert workspace.store.list() == () and not list(workspace.ledger.events())
    monkeypatch.undo()
    built = build_release(workspace)
    assert built.manifest is not None and workspace.store.list() == (built.manifest.id,)
