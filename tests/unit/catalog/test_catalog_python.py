"""What Python files import, and which of the project's files that makes part of a resource."""

from pathlib import Path

import pytest

from interlock.catalog.python_imports import ModuleIndex, PythonFiles, facts_of, module_name
from interlock.catalog.sources import Sources
from interlock.catalog.store import ReadingCache


def index_of(root: Path, files: dict[str, str], roots: list[str]) -> ModuleIndex:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    sources = Sources(root)
    return ModuleIndex(files, roots, PythonFiles(sources, ReadingCache(root / ".cache")))


def test_closure_follows_absolute_relative_and_nested_imports(tmp_path: Path) -> None:
    index = index_of(
        tmp_path,
        {
            "dags/a.py": "from common.dates import today\nimport requests\n",
            "dags/common/__init__.py": "",
            "dags/common/dates.py": "from . import zones\nfrom .deep.inner import x\n",
            "dags/common/zones.py": "",
            "dags/common/deep/__init__.py": "",
            "dags/common/deep/inner.py": "from ..zones import y\n",
            "dags/common/unused.py": "",
        },
        ["dags"],
    )
    assert index.closure("dags/a.py") == (
        "dags/a.py", "dags/common/__init__.py", "dags/common/dates.py", "dags/common/deep/__init__.py",
        "dags/common/deep/inner.py", "dags/common/zones.py",
    )  # fmt: skip


def test_closure_ends_when_modules_import_each_other(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"d/a.py": "import b\n", "d/b.py": "import a\n"}, ["d"])
    assert index.closure("d/a.py") == ("d/a.py", "d/b.py")


def test_import_inside_a_function_counts_but_one_for_type_checkers_does_not(tmp_path: Path) -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import types_only\ndef task():\n    import late\n"
    index = index_of(tmp_path, {"d/a.py": text, "d/types_only.py": "", "d/late.py": ""}, ["d"])
    assert index.closure("d/a.py") == ("d/a.py", "d/late.py")


def test_first_root_wins_when_two_have_the_same_module(tmp_path: Path) -> None:
    index = index_of(tmp_path, {"one/m.py": "", "two/m.py": "", "one/a.py": "import m"}, ["one", "two"])
    assert index.resolve("m") == ("one/m.py",)


@pytest.mark.parametrize(
    ("path", "root", "name"),
    [("dags/a/b.py", "dags", "a.b"), ("dags/a/__init__.py", "dags", "a"), ("dags/x.py", ".", "dags.x")],
)
def test_module_names(path: str, root: str, name: str) -> None:
    assert module_name(path, root) == name


def test_syntax_error_is_a_fact_with_its_line() -> None:
    assert facts_of(b"a = 1\ndef f(:\n").error[0] == 2


@pytest.mark.parametrize("source", [b"\x00", b"\xff\xfe\x00a", b"# -*- coding: nonsense -*-\n", b"(" * 5000])
def test_bytes_that_are_no_python_are_facts_and_not_exceptions(source: bytes) -> None:
    facts = facts_of(source)
    assert facts.imports == ()
    assert facts.error[0] >= 1


def test_computed_imports_and_searches_for_files_are_noticed() -> None:
    assert facts_of(b"import importlib\nimportlib.import_module(name)").dynamic
    assert facts_of(b"for p in folder.glob('*.yaml'): pass").listing
    assert facts_of(b"x = open('partners.yaml')").names == ("partners.yaml",)
    plain = facts_of(b"x = 1")
    assert not plain.dynamic and not plain.listing


def test_facts_survive_the_cache_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from .b import c\nopen('x.yaml')\nimport importlib\n")
    cache = ReadingCache(tmp_path / ".cache")
    first = PythonFiles(Sources(tmp_path), cache)
    before = first.facts("a.py")
    first.save()
    assert PythonFiles(Sources(tmp_path), cache).facts("a.py") == before


def test_broken_cache_counts_as_empty_and_is_replaced(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    cache.save("s", {"a": [1]})
    next(tmp_path.glob("catalog-*.db")).write_bytes(b"no database at all" * 100)
    assert cache.load("s") == {}
    cache.save("s", {"b": 2})
    assert cache.load("s") == {"b": 2}


def test_cache_drops_what_is_not_kept(tmp_path: Path) -> None:
    cache = ReadingCache(tmp_path)
    cache.save("s", {"a": 1, "b": 2})
    cache.save("s", {"c": 3}, keep=["a"])
    assert cache.load("s") == {"a": 1, "c": 3}


def test_cache_in_a_place_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ReadingCache(tmp_path / "file" / "below")
    cache.save("s", {"a": 1})
    assert cache.load("s") == {}


def test_links_in_a_circle_and_out_of_the_project_are_said_and_not_followed(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "dags/sub").mkdir(parents=True)
    (tmp_path / "outside.py").write_text("secret = 1")
    (project / "dags/a.py").write_text("")
    (project / "dags/sub/loop").symlink_to(project / "dags")
    (project / "dags/out.py").symlink_to(tmp_path / "outside.py")
    (project / "dags/self.py").symlink_to(project / "dags/self.py")
    sources = Sources(project)
    assert sources.under("dags") == ["dags/a.py"]
    assert {one.what for one in sources.said()} == {"dags/sub/loop", "dags/out.py", "dags/self.py"}
