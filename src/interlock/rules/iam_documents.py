"""What an IAM policy document lets everybody, or its holder, do: for Terraform's text and for its plan.

Sources: AWS "IAM JSON policy elements reference"; a document without ``Principal`` is held by an identity, one with it
stands at a resource, where ``"*"`` means everybody unless a condition says otherwise.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_READS = ("s3:get", "s3:list")


@dataclass(frozen=True)
class Grant:
    """One ``Allow``. ``everybody``: any principal; ``held``: no principal is named, so an identity holds it."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    everybody: bool
    held: bool
    conditional: bool

    @property
    def all_of_all(self) -> bool:
        """Every action on every resource, without a condition."""
        return self._on_all and any(one in ("*", "*:*") for one in self.actions)

    @property
    def services_on_all(self) -> tuple[str, ...]:
        """Actions such as ``s3:*`` that are allowed on every resource without a condition."""
        return tuple(one for one in self.actions if one.endswith(":*") and one != "*:*") if self._on_all else ()

    @property
    def _on_all(self) -> bool:
        return self.held and not self.conditional and "*" in self.resources

    @property
    def changes(self) -> bool:
        """Whether more than reading is allowed."""
        return any(not one.lower().startswith(_READS) for one in self.actions)


def document_of(value: Any) -> dict[str, Any] | None:
    """A policy document from an object, or from JSON whose interpolations are NUL characters."""
    if isinstance(value, str):
        try:
            value = json.loads(value.replace("\0", "-"))
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) and ("Statement" in value or "statement" in value) else None


def grants_of(document: dict[str, Any]) -> Iterator[Grant]:
    """What a document allows. A statement of which a part is not known is read as if that part were harmless."""
    statements = document.get("Statement", document.get("statement"))
    for one in statements if isinstance(statements, list) else [statements]:
        if isinstance(one, dict) and one.get("Effect") == "Allow" and "NotPrincipal" not in one:
            principal = one.get("Principal")
            yield Grant(
                _texts(one.get("Action")), _texts(one.get("Resource")), _is_everybody(principal),
                principal is None and not any(key.startswith("\0") for key in one), bool(one.get("Condition")),
            )  # fmt: skip


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


def _is_everybody(principal: Any) -> bool:
    return principal == "*" or (isinstance(principal, dict) and "*" in _texts(principal.get("AWS")))
