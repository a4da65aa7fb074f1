"""The hours in which KIS reserves orders for a trading day (예약주문), and that day.

Source: KIS's workbook, sheet order-resv: from 15:40 until 7:30 of the next trading day, except
between 23:40 and 0:10. A client was refused at 16:15 in November 2025 with the words that the hours
are 16:40 to 8:30 (KIER3672). So an order within the workbook's hours may still be refused by KIS.
"""

from __future__ import annotations

from datetime import date, time

from kisnb.clock import Ns, kst_datetime, kst_day
from kisnb.market.calendar import is_trading_day, next_trading_day
from kisnb.terms import OrderKind

OPENS, REST_BEGINS, REST_ENDS, CLOSES = time(15, 40), time(23, 40), time(0, 10), time(7, 30)
KINDS = (OrderKind.LIMIT, OrderKind.MARKET, OrderKind.CONDITIONAL, OrderKind.PRE_CLOSE)
"""Kinds of orders that can be reserved (workbook, ORD_DVSN_CD 00, 01, 02, 05)."""
_HOURS = "reserve it between 15:40 and 7:30, except from 23:40 to 0:10"


def reserved_for(now: Ns) -> date | None:
    """Return the trading day for which an order is reserved now; None from 7:30 to 15:40 KST."""
    day, at = kst_day(now), kst_datetime(now).time()
    if is_trading_day(day) and at < OPENS:
        return day if at < CLOSES else None
    return next_trading_day(day)


def why_not_taken(now: Ns) -> tuple[str, str] | None:
    """Return why KIS reserves no order now, and the cure; None when KIS does reserve orders now."""
    at = kst_datetime(now).time()
    if reserved_for(now) is None:
        return f"KIS reserves no orders at {at:%H:%M}: the market is open, or opens soon", _HOURS
    if at >= REST_BEGINS or at < REST_ENDS:
        return f"KIS reserves no orders at {at:%H:%M}, while its server rests", _HOURS
    return None
