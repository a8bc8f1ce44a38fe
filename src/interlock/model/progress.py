"""Typed progress that lower layers emit and views render. Nothing below the views prints."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Something moved: ``task`` groups what belongs together, ``done`` of ``total`` counts (0 of 0: not countable)."""

    task: str
    message: str
    done: int = 0
    total: int = 0
    data: dict[str, Any] = field(default_factory=dict)


OnProgress = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Drop progress."""
