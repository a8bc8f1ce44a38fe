"""Last days, as waivers and quarantines name them."""

from datetime import date


def day_of(text: str) -> date | None:
    """The day; None for what is none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def is_over(text: str, today: date) -> bool:
    """Whether the day lies before today."""
    day = day_of(text)
    return day is not None and day < today
