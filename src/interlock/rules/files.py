"""One file as the rules see it: its text and its forms, each made once, when first asked for."""

import ast
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from interlock.catalog.sources import is_below
from interlock.model.errors import Place
from interlock.model.findings import Finding, Severity

# Beyond that a file is data: rules that read its text leave it alone.
LARGEST_BYTES = 2_000_000


@dataclass(frozen=True)
class Layout:
    """Where what lies in a project, from interlock.yaml or from looking. Folders are POSIX and relative to the root.

    ``dags``: DAG folders. ``python_roots``: further folders that modules are imported from. ``dbt``: dbt project
    folders; ``dbt_shared``: folders beside them that they take models, sources or macros from. ``spark``: scripts of
    jobs and streams. ``dialect``: the warehouse's, as sqlglot names it, or "".
    """

    dags: tuple[str, ...] = ()
    python_roots: tuple[str, ...] = ()
    dbt: tuple[str, ...] = ()
    spark: tuple[str, ...] = ()
    dialect: str = ""
    dbt_shared: tuple[str, ...] = ()

    def dag_folder(self, path: str) -> str | None:
        """The DAG folder that holds ``path``; None for files elsewhere."""
        return _innermost(path, self.dags)

    def dbt_project(self, path: str) -> str | None:
        """The dbt project or the shared folder that holds ``path``; None for files elsewhere."""
        return _innermost(path, (*self.dbt, *self.dbt_shared))


def _innermost(path: str, folders: tuple[str, ...]) -> str | None:
    return max((one for one in folders if is_below(path, one)), key=len, default=None)


@dataclass(frozen=True)
class SourceFile:
    """A file of the project. ``path`` is POSIX and relative to the root."""

    path: str
    source: bytes
    layout: Layout = field(default_factory=Layout)

    @cached_property
    def text(self) -> str:
        """The text; characters that are no UTF-8 are replaced."""
        return self.source.decode("utf-8-sig", "replace")

    @cached_property
    def lines(self) -> list[str]:
        """The lines of the text, without their ends; line n is ``lines[n - 1]``."""
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree of a Python file; None where this Python cannot parse it."""
        try:
            return ast.parse(self.source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    @cached_property
    def documents(self) -> list[yaml.Node] | None:
        """The documents of a YAML file as nodes with places; None where it is no YAML.

        Documents that are larger than any person writes count as none: aliases can make them grow without end.
        """
        try:
            return None if is_too_deep(self.text) else list(yaml.compose_all(self.text, Loader=_SAFE_LOADER))
        except (yaml.YAMLError, ValueError, RecursionError):
            return None

    @cached_property
    def data(self) -> Any:
        """What a JSON file holds; None where it is no JSON."""
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            return None

    def finding(
        self,
        rule: str,
        line: int,
        summary: str,
        remedy: str,
        *,
        severity: Severity = Severity.ERROR,
        end_line: int = 0,
        column: int = 0,
        resource: str = "",
        detail: str = "",
        cause: str = "",
    ) -> Finding:
        """A finding in this file. Lines and columns count from 1; 0 is not known."""
        place = Place(self.path, line, end_line or line, column)
        return Finding(rule, severity, place, summary, remedy, resource, detail, cause=cause)


def is_too_deep(text: str) -> bool:
    """Whether a YAML text is nested deeper than people write: libyaml's composer would exhaust the stack."""
    brackets = text.count("[") + text.count("{")
    if brackets <= _DEEPEST_YAML and all(len(line) <= 2 * _DEEPEST_YAML for line in text.split("\n")):
        return False
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_SAFE_LOADER):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _DEEPEST_YAML:
                    return True
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except (yaml.YAMLError, ValueError):
        return False
    return False


_DEEPEST_YAML = 500
_SAFE_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
