"""A plan as a file: the JSON of ``terraform show -json PLANFILE``, and what of it nobody may see.

Source of the format: developer.hashicorp.com/terraform/internals/json-format. A new minor version only adds; 0.x was
written before Terraform 1.1 and differs in nothing that is read here.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.model.errors import Place, UsageError
from interlock.model.findings import Severity

LARGEST_BYTES = 100_000_000
_FORMAT = re.compile(r"[01]\.\d+")
_SHOW = "write it with: terraform plan -out=tf.plan && terraform show -json tf.plan > plan.json"
HIDDEN = "(sensitive value)"
# Shorter values stand in many words by accident.
_SHORTEST = 4


@dataclass(frozen=True)
class Plan:
    """``path`` is relative to the project where the file lies in it, else as it was typed.

    ``open``: the document, every value that Terraform marks as sensitive replaced by ``HIDDEN``; ``hidden``: those.
    """

    path: str
    document: Mapping[str, Any]
    open: Mapping[str, Any]
    hidden: tuple[str, ...] = ()

    def without_secrets(self, text: str) -> str:
        """A text in which no sensitive value of the plan is shown."""
        for value in self.hidden:
            text = text.replace(value, "…")
        return text

    @property
    def unfinished(self) -> str:
        """Why it does not show all that would happen; "" where it does."""
        if self.document.get("errored") is True:
            return "Terraform stopped with an error while it was made: it shows a part of what would happen"
        deferred = self.document.get("deferred_changes")
        if isinstance(deferred, list) and deferred:
            return f"{len(deferred)} of its changes are deferred: only a later plan shows them"
        return ""


@dataclass(frozen=True)
class Verdict:
    """What a policy of the project says of a plan. ``address``: the resource that it is about, "" for the plan itself.

    ``broken`` is where the policy itself is at fault, and says nothing of the plan.
    """

    severity: Severity
    summary: str
    remedy: str = ""
    address: str = ""
    detail: str = ""
    broken: Place | None = None


@dataclass(frozen=True)
class JudgedPlan:
    """A plan, what policies said of it, and the root module that it was made from; None where that is not known."""

    plan: Plan
    root: str | None = None
    verdicts: tuple[Verdict, ...] = ()


def read_plan(path: Path, project: Path) -> Plan:
    """The plan in a file. Raises ``UsageError`` for a file that holds none; nothing that it holds is shown."""
    try:
        with path.open("rb") as file:
            source = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the plan {path} cannot be read: {error.strerror}", remedy=_SHOW) from None
    if len(source) > LARGEST_BYTES:
        raise UsageError(
            f"the plan {path} is larger than {LARGEST_BYTES // 1_000_000} MB",
            remedy="divide the root module, or plan a part of it with -target",
        )
    document = _parsed(source, path)
    why = _no_plan(document)
    if why:
        raise UsageError(f"{path} is no plan: {why}", remedy=_SHOW)
    place = path.resolve()
    root = project.resolve()
    shown = place.relative_to(root).as_posix() if place.is_relative_to(root) else str(path)
    hidden: set[str] = set()
    try:
        opened = _with_variables(_opened(document, hidden), hidden)
        # A value that is written out in the configuration is marked only where it is used.
        opened |= {"configuration": _unequal(opened["configuration"], hidden)} if "configuration" in opened else {}
    except RecursionError:
        raise UsageError(f"{path} is no plan: it is nested too deeply", remedy=_SHOW) from None
    return Plan(shown, document, opened, tuple(sorted(hidden, key=len, reverse=True)))


def _parsed(source: bytes, path: Path) -> Any:
    if source.startswith(b"PK"):
        raise UsageError(
            f"{path} is a plan as Terraform saves it, not its JSON", remedy=f"terraform show -json {path} > plan.json"
        )
    try:
        return json.loads(source)
    except json.JSONDecodeError as error:
        ends = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
        if ends:
            why = "it ends in the middle" if source.strip() else "it is empty"
        elif error.msg == "Extra data" and b'"@level"' in source[:2000]:
            why = "it is the log that 'terraform plan -json' prints"
        else:
            why = f"its JSON is broken in line {error.lineno}, column {error.colno}: {error.msg}"
        raise UsageError(f"{path} is no plan: {why}", remedy=_SHOW) from None
    except RecursionError:
        raise UsageError(f"{path} is no plan: it is nested too deeply", remedy=_SHOW) from None
    except ValueError:
        raise UsageError(f"{path} is no plan: it is no text in UTF-8", remedy=_SHOW) from None


def _no_plan(document: Any) -> str:
    """Why this JSON is no plan; "" where it is one."""
    if not isinstance(document, dict):
        return "its JSON is no object"
    if "@level" in document:
        return "it is the log that 'terraform plan -json' prints"
    if "format_version" not in document:
        return "it is Terraform's state" if "lineage" in document else "it has no format_version"
    version = document["format_version"]
    if not isinstance(version, str) or not _FORMAT.fullmatch(version):
        return "its format_version is none that is known here (0.x and 1.x)"
    if "values" in document and "planned_values" not in document:
        return "it is the JSON of a state"
    if "planned_values" not in document:
        return "it has no planned_values"
    changes = document.get("resource_changes", [])
    if not isinstance(changes, list):
        return "its resource_changes are no list"
    wrong = next((number for number, one in enumerate(changes, 1) if not _is_change(one)), 0)
    return f"entry {wrong} of its resource_changes is not what Terraform writes" if wrong else ""


def _is_change(one: Any) -> bool:
    if not isinstance(one, dict) or not all(isinstance(one.get(name), str) for name in ("address", "type")):
        return False
    actions = one["change"].get("actions") if isinstance(one.get("change"), dict) else None
    return isinstance(actions, list) and all(isinstance(action, str) for action in actions)


# What stands beside a value and says which parts of it are sensitive: true, or a mask of the value's shape.
_MASKS = {
    "before": "before_sensitive", "after": "after_sensitive", "values": "sensitive_values", "value": "sensitive",
    "default": "sensitive",
}  # fmt: skip


def _opened(value: Any, hidden: set[str]) -> Any:
    """A copy without values that a mask beside them says are sensitive."""
    if isinstance(value, list):
        return [_opened(one, hidden) for one in value]
    if not isinstance(value, dict):
        return value
    masked = {name for name, mask in _MASKS.items() if name in value and mask in value}
    return {
        name: _hide(one, value[_MASKS[name]], hidden) if name in masked else _opened(one, hidden)
        for name, one in value.items()
    }


def _with_variables(document: dict[str, Any], hidden: set[str]) -> dict[str, Any]:
    """The document without the values that were given for variables which its configuration declares as sensitive."""
    given = document.get("variables")
    try:
        declared = document["configuration"]["root_module"]["variables"]
        secret = {name for name, one in declared.items() if one.get("sensitive") is True}
    except (KeyError, TypeError, AttributeError):
        return document
    if not isinstance(given, dict):
        return document
    shown = {name: _hide(one, {"value": name in secret}, hidden) for name, one in given.items()}
    return {**document, "variables": shown}


def _unequal(value: Any, hidden: Collection[str]) -> Any:
    """A copy in which no text is one of the hidden values."""
    if isinstance(value, list):
        return [_unequal(one, hidden) for one in value]
    if isinstance(value, dict):
        return {name: _unequal(one, hidden) for name, one in value.items()}
    return HIDDEN if isinstance(value, str) and value in hidden else value


def _hide(value: Any, mask: Any, hidden: set[str]) -> Any:
    """A value without what its mask says is sensitive: true for all of it, else a mask for each part."""
    if mask is True:
        _collect(value, hidden)
        return value if value is None else HIDDEN
    if isinstance(value, dict) and isinstance(mask, dict):
        return {name: _hide(one, mask.get(name), hidden) for name, one in value.items()}
    if isinstance(value, list) and isinstance(mask, list):
        return [_hide(one, mask[at] if at < len(mask) else None, hidden) for at, one in enumerate(value)]
    return value


def _collect(value: Any, hidden: set[str]) -> None:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _collect(one, hidden)
    elif value is not None and not isinstance(value, bool):
        text = str(value)
        hidden |= {text} if len(text) >= _SHORTEST else set()
