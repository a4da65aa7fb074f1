"""Volatility interruptions (VI): at which prices a stock stops for a call. Dated tables with a source; prices won."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple, TypeAlias

from kisnb.clock import MINUTE, Ns
from kisnb.market.session_table import REFORM, Certainty
from kisnb.terms import Side, Venue

When: TypeAlias = Literal["regular", "closing auction", "after hours"]
ViWhy: TypeAlias = Literal["static VI", "dynamic VI", "static and dynamic VI"]


class DynamicVi(NamedTuple):
    """Percent of the last trade's price at which a stock outside KOSPI200 is interrupted."""

    when: When
    percent: int
    percent_kospi200: int
    source: str
    certainty: Certainty = "B"


DYNAMIC: tuple[DynamicVi, ...] = (
    DynamicVi("regular", 6, 3, "KRX rule of 2014"),
    DynamicVi("closing auction", 4, 2, "KRX rule of 2014"),
    DynamicVi("after hours", 6, 3, "KRX rule of 2014"),
)
STATIC_PERCENT = 10
"""Of the last auction's price (the base price before there was one); KRX rule since 2015-06-15."""
VI_CALL: Ns = 2 * MINUTE
"""Exactly: the random end within another 30 seconds is left out."""
STATIC_SINCE: dict[Venue, date] = {Venue.KRX: date(2015, 6, 15), Venue.NXT: REFORM}
"""Nextrade only stood still with KRX before the notice of 2026-09-09."""
DYNAMIC_SINCE: dict[Venue, date] = {Venue.KRX: date(2014, 9, 1), Venue.NXT: date.max}


class Bounds(NamedTuple):
    """Prices at which, and beyond which, nothing trades before a call."""

    lower: int
    upper: int


def static_bounds(venue: Venue, day: date, reference: int) -> Bounds | None:
    """None when the venue has no static VI on ``day``."""
    return _around(reference, STATIC_PERCENT) if day >= STATIC_SINCE[venue] else None


def dynamic_bounds(
    venue: Venue, day: date, when: When, reference: int, *, kospi200: bool
) -> Bounds | None:
    """None when the venue has no dynamic VI on ``day``."""
    if day < DYNAMIC_SINCE[venue]:
        return None
    row = next(row for row in DYNAMIC if row.when == when)
    return _around(reference, row.percent_kospi200 if kospi200 else row.percent)


def _around(reference: int, percent: int) -> Bounds:
    """The lowest fall and rise of ``percent``: both bounds themselves interrupt."""
    return Bounds(reference * (100 - percent) // 100, -(-reference * (100 + percent) // 100))


class ViWatch:
    """Knows at which prices one stock on one venue stops next."""

    def __init__(self, venue: Venue, day: date, base: int, *, kospi200: bool) -> None:
        self.reference = base
        """Of the static VI: the last auction's price."""
        self._venue = venue
        self._day = day
        self._kospi200 = kospi200
        self._interrupts = static_bounds(venue, day, base) is not None
        self._known: tuple[int, int] | None = None
        self._bounds: Bounds | None = None

    def worst(self, side: Side, price: int | None, last: int) -> int | None:
        """The worst price at which an order may trade without an interruption, after a trade at ``last`` (0: none)."""
        if not self._interrupts:
            return price
        if self._known != (last, self.reference):
            self._bounds, self._known = self.bounds("regular", last), (last, self.reference)
        bounds = self._bounds
        if bounds is None:
            return price
        if side is Side.BUY:
            return bounds.upper - 1 if price is None or price >= bounds.upper else price
        return bounds.lower + 1 if price is None or price <= bounds.lower else price

    def bounds(self, when: When | None, last: int) -> Bounds | None:
        """The narrower of both kinds; None as ``when`` asks for the static ones alone, as an opening auction does."""
        static = static_bounds(self._venue, self._day, self.reference)
        dynamic = self._dynamic(when, last)
        if static is None or dynamic is None:
            return static or dynamic
        return Bounds(max(static.lower, dynamic.lower), min(static.upper, dynamic.upper))

    def why(self, price: int, when: When | None, last: int) -> ViWhy:
        """Which kind stops a trade at ``price``."""
        static, dynamic = (
            static_bounds(self._venue, self._day, self.reference),
            self._dynamic(when, last),
        )
        if dynamic is None or dynamic.lower < price < dynamic.upper:
            return "static VI"
        within = static is None or static.lower < price < static.upper
        return "dynamic VI" if within else "static and dynamic VI"

    def _dynamic(self, when: When | None, last: int) -> Bounds | None:
        if not last or when is None:
            return None
        return dynamic_bounds(self._venue, self._day, when, last, kospi200=self._kospi200)
