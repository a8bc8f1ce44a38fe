"""What a rule is, and what a family of rules hands to the registry.

A family is one file, ``rule_*.py``, with a ``FAMILY``. Its rules are metadata; its checks are functions that yield
findings of any of them. There are five kinds of work, from the cheapest to the dearest to repeat:

- ``facts``: what later work wants to know of one file, as JSON. Kept by the file's content.
- ``file_checks``: findings that one file's content and the layout decide. Kept by the file's content.
- ``batch_checks``: the same by an outside tool (ruff, gitleaks) that is started once for many files.
- ``project_checks``: findings that need several files, the catalog, or the base commit. Run every time: they work on
  facts, never on texts of all files.
- ``comparisons``: findings of rules that need ``BASE``, and of these alone. Like project checks, and run once more for
  every release that the project is compared with: ``Inspection.base`` is then what is live.

None of them prints or raises for what a file holds; a file that cannot be read as what it claims to be is a finding of
the one rule that says so, and nothing to all others.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from fnmatch import translate
from functools import cache
from typing import TYPE_CHECKING, Any

from interlock.model.findings import Finding, Severity

if TYPE_CHECKING:
    from interlock.rules.files import SourceFile
    from interlock.rules.inspection import Inspection

_NOTHING = r"\Z."


class Needs(StrEnum):
    """What a rule cannot do without. Only ``SOURCE`` and ``BASE`` are there in a static check."""

    SOURCE = "source text"
    BASE = "the base commit"
    HISTORY = "the branch's commits"
    DAGS = "parsed DAGs"
    MANIFEST = "dbt's manifest"
    CATALOG = "the catalog"
    SPARK_RUNTIME = "Spark's built runtime"
    SCHEMAS = "recorded schemas"
    PLAN = "a Terraform plan"
    INDEX = "a package index"
    TERRAFORM = "Terraform itself"
    TESTS = "the project's tests"


@dataclass(frozen=True)
class Rule:
    """``severity`` is the usual one: a finding may weigh less where a mistake is not certain.

    ``id`` is ``ILK-`` with two letters for the family and three digits, and never given twice. ``name`` is its spoken
    form (``duplicate-dag-id``). ``summary`` says in one line what is wrong. ``pages/ID.md`` explains it.
    """

    id: str
    name: str
    summary: str
    severity: Severity = Severity.ERROR
    needs: Needs = Needs.SOURCE


FileCheckFunction = Callable[["SourceFile"], Iterable[Finding]]
FactsFunction = Callable[["SourceFile"], Any]
BatchCheckFunction = Callable[[Sequence["SourceFile"]], Iterable[Finding]]
ProjectCheck = Callable[["Inspection"], Iterable[Finding]]


@dataclass(frozen=True)
class FileCheck:
    """``patterns`` are matched with a file's name, or with its whole path where they hold a slash."""

    patterns: tuple[str, ...]
    check: FileCheckFunction


class Held(Enum):
    """Which files with such facts a release holds: comparisons with what is live see no others.

    ``AS_DEPLOYED``: those that an engine deploys, and nobody compares others. ``EVERYWHERE``: all in the project.
    ``WHERE_NAMED``: comparisons look at others too, but a release holds only those that interlock.yaml names.
    """

    AS_DEPLOYED = auto()
    EVERYWHERE = auto()
    WHERE_NAMED = auto()


@dataclass(frozen=True)
class FileFacts:
    """JSON that ``extract`` makes of a file; None where the file has nothing to tell. ``name`` finds it again."""

    name: str
    patterns: tuple[str, ...]
    extract: FactsFunction
    held: Held = Held.AS_DEPLOYED


@dataclass(frozen=True)
class BatchCheck:
    """Every finding must lie in one of the files that were given."""

    patterns: tuple[str, ...]
    check: BatchCheckFunction


@dataclass(frozen=True)
class Family:
    """What one ``rule_*.py`` has to give."""

    name: str
    rules: tuple[Rule, ...]
    file_checks: tuple[FileCheck, ...] = ()
    facts: tuple[FileFacts, ...] = ()
    batch_checks: tuple[BatchCheck, ...] = ()
    project_checks: tuple[ProjectCheck, ...] = ()
    comparisons: tuple[ProjectCheck, ...] = ()


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of the patterns is meant for this path."""
    names, paths = _compiled(patterns)
    return bool(names.match(path.rpartition("/")[2]) or paths.match(path))


@cache
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What matches a name, and what matches a whole path: asked for each file by each rule."""
    for_names = [translate(one) for one in patterns if "/" not in one]
    for_paths = [translate(one) for one in patterns if "/" in one]
    return re.compile("|".join(for_names) or _NOTHING), re.compile("|".join(for_paths) or _NOTHING)
