"""Times as the ledger writes them: UTC, ISO 8601, microseconds, always 27 characters: text order is time order."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """This machine's idea of now; it may jump either way."""
    return datetime.now(UTC)


def written(at: datetime) -> str:
    """``at`` as text, for instance ``2026-03-01T08:15:00.000000Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read(text: str) -> datetime:
    """The time that ``written`` wrote; ``ValueError`` where it is none."""
    return datetime.fromisoformat(text)
