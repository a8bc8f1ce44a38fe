"""Days on which money moves between banks."""

from datetime import date, timedelta

# Days on which the euro settlement system is closed, beside weekends.
FIXED_CLOSING_DAYS = ((1, 1), (5, 1), (12, 25), (12, 26))


def is_settlement_day(day: date) -> bool:
    """Whether banks settle on that day."""
    return day.weekday() < 5 and (day.month, day.day) not in FIXED_CLOSING_DAYS


def next_settlement_day(day: date) -> date:
    """The first settlement day after `day`."""
    following = day + timedelta(days=1)
    while not is_settlement_day(following):
        following += timedelta(days=1)
    return following
