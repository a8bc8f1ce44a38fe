"""What the rules about Python share: where a mistake surely matters, and which files are no Python of this project."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from interlock.model.findings import Severity
from interlock.rules.files import Layout, SourceFile

# Folders whose files may be broken without anybody being hurt: what lies there is read, kept or tried, but not run.
_ASIDE = re.compile(
    r"(?:^|/)(?:tests?|testing|test_?data|fixtures?|examples?|samples?|docs?|templates?|retired|deprecated|archived?|"
    r"old|legacy|backups?|sandbox|playground|scratch|notebooks?|vendor|vendored|third_party|site-packages|"
    r"[^/]*cookiecutter[^/]*|\.[^/]+)/|(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.py$",
    re.IGNORECASE,
)
_TESTS = re.compile(r"(?:^|/)(?:tests?|test_?data|fixtures?)/", re.IGNORECASE)
_MAGIC = re.compile(r"^[ \t]*(?:%{1,2}[a-z]|![a-z./])", re.MULTILINE | re.IGNORECASE)


def is_aside(path: str, layout: Layout) -> bool:
    """Whether a file is a test, an example, a template, or kept for memory.

    Of the folders above a DAG folder only those of tests count: examples and their like have DAGs that are run.
    """
    folder = layout.dag_folder(path)
    inner = path[len(folder) + 1 :] if folder and folder != "." else path
    return _ASIDE.search(inner) is not None or _TESTS.search(path) is not None


def is_run(path: str, layout: Layout) -> bool:
    """Whether Airflow or Spark runs this file, or a module of the DAG folder."""
    return (layout.dag_folder(path) is not None or path in layout.spark) and not is_aside(path, layout)


def weight(path: str, layout: Layout) -> Severity:
    """An error where the file is run, else a warning."""
    return Severity.ERROR if is_run(path, layout) else Severity.WARNING


def is_template(file: SourceFile) -> bool:
    """Whether the file becomes Python only when something fills it in (Jinja, cookiecutter)."""
    return "{{" in file.path or ("{%" in file.text and "%}" in file.text)


def is_notebook(file: SourceFile) -> bool:
    """Whether the file is a notebook's text, in which other things than Python stand and other names exist."""
    return _MAGIC.search(file.text) is not None


def is_main_guard(node: ast.AST) -> bool:
    """Whether a node is ``if __name__ == ...``: what stands in it does not happen on import."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and isinstance(node.test.left, ast.Name)
        and node.test.left.id == "__name__"
    )


def bound_names(node: ast.AST) -> Iterator[str]:
    """The names that this very node binds, not those that nodes in it bind."""
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names):
            yield from (one.asname or one.name.partition(".")[0] for one in names)
        case ast.ImportFrom(names=names):
            yield from (one.asname or one.name for one in names if one.name != "*")
        case ast.ExceptHandler(name=str(name)):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name
        case ast.arg(arg=name):
            yield name
        case ast.Global(names=names):
            yield from names


@lru_cache(maxsize=2)
def byte_lines(source: bytes) -> list[bytes]:
    """The lines as Python counts them and its columns are measured in, without their ends."""
    return source.removeprefix(b"\xef\xbb\xbf").splitlines()
