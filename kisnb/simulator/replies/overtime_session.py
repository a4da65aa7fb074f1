"""KRX's single-price session after hours (시간외 단일가) of one stock and day. Won and shares.

The session ended with 2026-09-11. On a later day everything of it is zero.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from kisnb.clock import Ns
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.replies.reply import Row
from kisnb.simulator.replies.stock_fields import rate, sign_of
from kisnb.terms import Side, Venue

SPAN = "single price"
"""Name of the session in the table of market sessions."""
LIMIT_PERCENT = 10
"""Limits of the session around the close, in percent (KRX rule). The day's limits hold as well."""


class Overtime(NamedTuple):
    """The session of one stock on one day. ``close`` is the price of the regular session in won."""

    close: int
    trades: Sequence[PlannedTrade]

    @property
    def price(self) -> int:
        """The last price in won; 0 without trades."""
        return self.trades[-1].price if self.trades else 0

    @property
    def volume(self) -> int:
        """Shares traded."""
        return sum(trade.qty for trade in self.trades)

    @property
    def first(self) -> PlannedTrade | None:
        """The first trade; None without trades."""
        return self.trades[0] if self.trades else None

    @property
    def high(self) -> PlannedTrade | None:
        """The first trade at the highest price; None without trades."""
        return max(self.trades, key=lambda trade: trade.price, default=None)

    @property
    def low(self) -> PlannedTrade | None:
        """The first trade at the lowest price; None without trades."""
        return min(self.trades, key=lambda trade: trade.price, default=None)

    @property
    def value(self) -> int:
        """Won traded."""
        return sum(trade.price * trade.qty for trade in self.trades)


def overtime_of(trades: Sequence[PlannedTrade], item: Instrument, day: date) -> Overtime:
    """Return the session of a stock.

    ``trades`` are all its trades of the day at KRX, oldest first.
    """
    closed, begin, end = (
        bisect_right(trades, t, key=_when)
        for t in (sessions.regular_close(day), *session_span(day))
    )
    # A stock without a trade on that day has its base price as the close.
    return Overtime(trades[closed - 1].price if closed else item.base, trades[begin:end])


def _when(trade: PlannedTrade) -> Ns:
    return trade.t


def session_span(day: date) -> tuple[Ns, Ns]:
    """Return begin and end of the session; zeros on a day without one."""
    return next(
        ((h.start, h.end) for h in sessions.hours(Venue.KRX, day) if h.span.name == SPAN), (0, 0)
    )


def price_fields(overtime: Overtime, item: Instrument, day: date) -> Row:
    """Return the fields of the session's prices, compared with the close.

    The reply also has fields for the expected match of the next auction. They show the last match.
    """
    prices = [trade.price for trade in overtime.trades]
    price, close = overtime.price, overtime.close
    change = price - close if price else 0
    # A price is rounded to the grid toward the close, so both limits lie inside the ten percent.
    upper = ticks.snap(close * (100 + LIMIT_PERCENT) // 100, Side.BUY, item.kind, day, item.board)
    lower = ticks.snap(
        -(-close * (100 - LIMIT_PERCENT) // 100), Side.SELL, item.kind, day, item.board
    )
    limits = ticks.limits_of(item, day)
    if limits is not None:
        # The narrower of the day's limits and the session's counts.
        lower, upper = max(lower, limits.lower), min(upper, limits.upper)
    # KIS marks a price at a limit with signs of its own.
    at_limit = {upper: "1", lower: "4"}.get(price, sign_of(change))
    expected = overtime.trades[-1].qty if overtime.trades else 0
    return {
        "ovtm_untp_prpr": price,
        "ovtm_untp_prdy_vrss": change,
        "ovtm_untp_prdy_vrss_sign": at_limit,
        "ovtm_untp_prdy_ctrt": rate(change, close),
        "ovtm_untp_vol": overtime.volume,
        "ovtm_untp_tr_pbmn": overtime.value,
        "ovtm_untp_mxpr": upper,
        "ovtm_untp_llam": lower,
        "ovtm_untp_sdpr": close,
        "ovtm_untp_oprc": prices[0] if prices else 0,
        "ovtm_untp_hgpr": max(prices, default=0),
        "ovtm_untp_lwpr": min(prices, default=0),
        "ovtm_untp_antc_cnpr": price,
        "ovtm_untp_antc_cntg_vrss": change,
        "ovtm_untp_antc_cntg_vrss_sign": at_limit,
        "ovtm_untp_antc_cntg_vrsssign": at_limit,
        "ovtm_untp_antc_cntg_ctrt": rate(change, close),
        "ovtm_untp_antc_vol": expected,
        "ovtm_untp_antc_cnqn": expected,
        "uplm_sign": "1",
        "lslm_sign": "4",
        "ovtm_vi_cls_code": "N",
    }
