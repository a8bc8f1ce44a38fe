"""The parts of the workers that need no engine: leading imports, grouping, renamed relations."""

import sys
from pathlib import Path

import pytest

from interlock.runtimes.worker import WORKERS

sys.path.insert(0, str(WORKERS))
import _interlock_dbtnodes as dbtnodes  # type: ignore[import-not-found]
import _interlock_forest as forest  # type: ignore[import-not-found]
import _interlock_imports as imports  # type: ignore[import-not-found]

sys.path.remove(str(WORKERS))


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import a\nimport b.c as d, e\n", ["a", "b.c", "e"]),
        (
            '"""Doc\nimport no\n"""\nfrom __future__ import annotations\nfrom a.b import (\n  c,\n  d,\n)\n',
            ["__future__", "a.b"],
        ),
        ("import a\nX = 1\nimport b\n", ["a"]),
        ("import a\nif True:\n    import b\n", ["a"]),
        ("import sys; sys.path.insert(0, 'x')\nimport b\n", ["sys"]),
        ("import a\nsys.path.insert(0, 'x')\nimport b\n", ["a"]),
        ("from . import a\nimport b\n", []),
        ("import a\ndef broken(:\n", ["a"]),
        ("import a\n" + "(" * 100_000, ["a"]),
        ("", []),
    ],
)
def test_only_imports_before_anything_else_count(tmp_path: Path, source: str, modules: list[str]) -> None:
    path = tmp_path / "dag.py"
    path.write_text(source)
    found = [module for module, _ in imports.leading_imports(str(path))]
    assert found == modules


def test_file_that_is_no_text_has_no_known_imports(tmp_path: Path) -> None:
    path = tmp_path / "dag.py"
    path.write_bytes(b"\xff\xfe\x00import a\n")
    assert imports.leading_imports(str(path)) == []


def test_modules_of_the_project_are_told_from_those_of_the_runtime(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "x.py").write_text("")
    roots = imports.Roots(str(tmp_path), [str(tmp_path)])
    own, foreign = imports.split([("lib", ("x", "NAME")), ("airflow", ("DAG",)), ("__future__", ())], roots)
    assert (own, foreign) == (["lib", "lib.x"], ["airflow"])


def test_files_are_divided_by_the_module_that_most_share() -> None:
    jobs = [forest.Job("1", ["a", "b"]), forest.Job("2", ["a"]), forest.Job("3", ["c"]), forest.Job("4", ["a", "b"])]
    plain, groups = forest.divide(jobs)
    assert [job.path for job in plain] == ["3"]
    assert [(module, [job.path for job in own]) for module, own in groups] == [("a", ["1", "2", "4"])]
    plain, groups = forest.divide(groups[0][1])
    assert ([job.path for job in plain], [module for module, _ in groups]) == (["2"], ["b"])


@pytest.mark.parametrize(
    ("relation", "change", "renamed"),
    [
        ('"db"."main"."fct"', {"schema": "cand"}, '"db"."cand"."fct"'),
        ('"db"."main"."fct"', {"schema": "cand", "alias": "fct__1"}, '"db"."cand"."fct__1"'),
        ("`p-1`.`d.s`.`t`", {"alias": "u"}, "`p-1`.`d.s`.`u`"),
        ("DB.MAIN.FCT", {"database": "OTHER"}, "OTHER.MAIN.FCT"),
        ("main.fct", {"database": "x", "schema": "y"}, "y.fct"),
    ],
)
def test_moved_relation_keeps_its_quoting(relation: str, change: dict[str, str], renamed: str) -> None:
    assert dbtnodes.renamed(relation, change) == renamed
