"""Decides whether a new base price comes from yesterday's close or from a split."""

from __future__ import annotations

from kisnb.clock import kst_day
from kisnb.events import ProtectionPriced, StockDay
from kisnb.market import calendar


def why_incomparable(before: ProtectionPriced, stated: StockDay) -> str | None:
    """Return why the prices of an exit mean nothing today. None when they can be compared.

    The base price of a day is the close of the day before, which lies within the limits of that
    day. KRX adjusts the base price (기준가) after a split, a merger of shares, a rights issue or a
    capital reduction. An adjusted base price that still lies within the limits is not noticed.
    ``before`` has the base price and the limits of an earlier day, ``stated`` has those of today.
    """
    days, day = 1, calendar.next_trading_day(kst_day(before.t))
    while day < stated.day:
        days, day = days + 1, calendar.next_trading_day(day)
    # On each of these days the close may have moved by as much as the limits allowed on the first.
    base, scale = stated.base, before.base ** (days - 1)
    if before.low**days <= base * scale <= before.high**days:
        return None
    return (
        f"the base price is {base:,} today and was {before.base:,} on "
        f"{kst_day(before.t)}, which no trading explains (a split?); set a new exit"
    )
