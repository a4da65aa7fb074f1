"""Volatility interruptions (VI, 변동성완화장치): the prices at which a call auction begins.

Prices in won. Each rule has its first day and its source.
"""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple, TypeAlias

from kisnb.clock import MINUTE, Ns
from kisnb.market.session_table import REFORM, Certainty
from kisnb.terms import Side, Venue

When: TypeAlias = Literal["regular", "closing auction", "after hours"]
ViWhy: TypeAlias = Literal["static VI", "dynamic VI", "static and dynamic VI"]


class DynamicVi(NamedTuple):
    """The distance from the last trade's price at which a dynamic VI begins."""

    when: When
    percent: int
    """For a stock outside KOSPI200."""
    percent_kospi200: int
    """For a stock of KOSPI200."""
    source: str
    certainty: Certainty = "B"


DYNAMIC: tuple[DynamicVi, ...] = (
    DynamicVi("regular", 6, 3, "KRX rule of 2014"),
    DynamicVi("closing auction", 4, 2, "KRX rule of 2014"),
    DynamicVi("after hours", 6, 3, "KRX rule of 2014"),
)
STATIC_PERCENT = 10
"""Distance in percent at which the static VI interrupts: from the last auction's price.

Before the day's first auction, from the base price. KRX rule since 2015-06-15.
"""
VI_CALL: Ns = 2 * MINUTE
"""Length of the call auction. KRX ends it at random within another 30 seconds; kisnb does not."""
STATIC_SINCE: dict[Venue, date] = {Venue.KRX: date(2015, 6, 15), Venue.NXT: REFORM}
"""First day of the static VI. Before, Nextrade only halted with KRX (notice of 2026-09-09)."""
DYNAMIC_SINCE: dict[Venue, date] = {Venue.KRX: date(2014, 9, 1), Venue.NXT: date.max}
"""First day of the dynamic VI. Nextrade has none."""


class Bounds(NamedTuple):
    """Two prices.

    A trade between them causes no VI; a trade at one of them or beyond causes one.
    """

    lower: int
    upper: int


def static_bounds(venue: Venue, day: date, reference: int) -> Bounds | None:
    """Return the bounds of the static VI; None when the venue has none on ``day``."""
    return _around(reference, STATIC_PERCENT) if day >= STATIC_SINCE[venue] else None


def dynamic_bounds(
    venue: Venue, day: date, when: When, reference: int, *, kospi200: bool
) -> Bounds | None:
    """Return the bounds of the dynamic VI; None when the venue has none on ``day``.

    ``kospi200`` True: the stock belongs to KOSPI200, whose bounds are narrower.
    """
    if day < DYNAMIC_SINCE[venue]:
        return None
    row = next(row for row in DYNAMIC if row.when == when)
    return _around(reference, row.percent_kospi200 if kospi200 else row.percent)


def _around(reference: int, percent: int) -> Bounds:
    """Return the bounds at ``percent`` around a price. A trade at a bound itself causes a VI."""
    # Rounded away from the reference: a price one won short of the percentage causes no VI.
    return Bounds(reference * (100 - percent) // 100, -(-reference * (100 + percent) // 100))


class ViWatch:
    """Computes the prices at which the next VI of one stock on one venue begins.

    In its methods, ``last`` is the last trade's price, 0 before the first trade.
    """

    def __init__(
        self, venue: Venue, day: date, base: int, *, kospi200: bool, exempt: bool = False
    ) -> None:
        self.reference = base
        """Reference price of the static VI: the last auction's price, else the base price."""
        self._venue = venue
        self._day = day
        self._kospi200 = kospi200
        self._exempt = exempt
        self._interrupts = not exempt and static_bounds(venue, day, base) is not None
        self._known: tuple[int, int] | None = None
        self._bounds: Bounds | None = None

    def worst(self, side: Side, price: int | None, last: int) -> int | None:
        """Return the worst price at which an order may trade without a VI.

        ``price`` is the order's limit, None for a market order. ``last`` is the last trade's price,
        0 before the first trade. The result None means any price.
        """
        if not self._interrupts:
            return price
        # Every order calls this, and the bounds change with the last price alone. So they are kept.
        if self._known != (last, self.reference):
            self._bounds, self._known = self.bounds("regular", last), (last, self.reference)
        bounds = self._bounds
        if bounds is None:
            return price
        if side is Side.BUY:
            # A trade at the bound causes a VI, so the worst price is one won inside it.
            return bounds.upper - 1 if price is None or price >= bounds.upper else price
        return bounds.lower + 1 if price is None or price <= bounds.lower else price

    def bounds(self, when: When | None, last: int) -> Bounds | None:
        """Return the narrower bounds of static and dynamic VI; None when neither interrupts.

        ``when`` None: only the static VI counts, as at the end of the opening auction.
        """
        # KRX rule: liquidation trading has no VI.
        if self._exempt:
            return None
        static = static_bounds(self._venue, self._day, self.reference)
        dynamic = self._dynamic(when, last)
        if static is None or dynamic is None:
            return static or dynamic
        return Bounds(max(static.lower, dynamic.lower), min(static.upper, dynamic.upper))

    def why(self, price: int, when: When | None, last: int) -> ViWhy:
        """Return the kind of VI that a trade at ``price`` causes."""
        static, dynamic = (
            static_bounds(self._venue, self._day, self.reference),
            self._dynamic(when, last),
        )
        if dynamic is None or dynamic.lower < price < dynamic.upper:
            return "static VI"
        within = static is None or static.lower < price < static.upper
        return "dynamic VI" if within else "static and dynamic VI"

    def _dynamic(self, when: When | None, last: int) -> Bounds | None:
        # The dynamic VI compares with the last trade. Before the first there is none.
        if not last or when is None:
            return None
        return dynamic_bounds(self._venue, self._day, when, last, kospi200=self._kospi200)
