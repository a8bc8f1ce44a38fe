"""What is live in an environment: a projection of the ledger."""

from dataclasses import dataclass, field
from typing import Any

from interlock.model.canonical import digest_of


@dataclass(frozen=True)
class LiveResource:
    """One resource as it is live: which release it came from, its fingerprint, and what its adapter recorded."""

    key: str
    release: str
    fingerprint: str
    enabled: bool = True
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EnvironmentState:
    """All that is live in one environment. ``release`` is the last one deployed whole ("" before the first)."""

    environment: str
    release: str
    resources: dict[str, LiveResource]

    @property
    def basis(self) -> str:
        """The digest that a plan names: it moves with every change of what is live."""
        return digest_of(self)
