"""The hours of reserved orders, and the day for which an order is reserved."""

from __future__ import annotations

from datetime import date, time

import pytest

from kisnb.clock import kst
from kisnb.market.reserved_orders import reserved_for, why_not_taken

FRIDAY, SATURDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 23)


@pytest.mark.parametrize(
    ("day", "at", "meant", "taken"),
    [
        (FRIDAY, time(0, 5), FRIDAY, False),
        (FRIDAY, time(0, 10), FRIDAY, True),
        (FRIDAY, time(7, 29, 59), FRIDAY, True),
        (FRIDAY, time(7, 30), None, False),
        (FRIDAY, time(15, 39, 59), None, False),
        (FRIDAY, time(15, 40), MONDAY, True),
        (FRIDAY, time(23, 40), MONDAY, False),
        (SATURDAY, time(12), MONDAY, True),
        (MONDAY, time(7), MONDAY, True),
    ],
)
def test_k13_an_order_is_reserved_for_the_next_trading_day_within_kis_hours(
    day: date, at: time, meant: date | None, taken: bool
):
    now = kst(day, at)
    assert reserved_for(now) == meant
    assert (why_not_taken(now) is None) is taken
