"""Days on which banks settle."""

from datetime import date

import pytest
from payments_tools.settlement_days import is_settlement_day, next_settlement_day


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2026, 12, 25), date(2026, 5, 2), date(2026, 5, 3)])
def test_holidays_and_weekends_are_none(day):
    assert not is_settlement_day(day)


def test_next_one_after_a_long_weekend():
    assert next_settlement_day(date(2026, 4, 30)) == date(2026, 5, 4)
