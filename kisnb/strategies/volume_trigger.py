"""Volume trigger: trade when a price move comes with volume, sell a little above break-even."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from kisnb.events import Bar, Tick
from kisnb.orders import Order
from kisnb.strategies.ranges import Count, NotNegative
from kisnb.trading.agents.agent import Agent

WINDOW = 100
"""Number of bars on which it decides."""


class VolumeTrigger(Agent):
    """Trades on the newest 100 bars of 20 seconds.

    The early mean is the mean close of the first 50 bars, the late mean is the mean close of the
    last 50.

    - Buy ``qty`` shares when three things are true. The newest close is ``rise`` above the mean
      close. The late mean is ``trend`` above the early mean. The newest volume is ``surge`` times
      the mean volume.
    - Sell ``qty`` shares, or all that it holds if that is less, when three things are true. The
      newest close is ``rise`` below the mean close. The late mean is ``trend`` below the early
      mean. The newest volume is ``surge`` times the mean volume.
    - Sell all that it holds when a trade reaches the break-even price (after fee and tax) plus
      ``profit``.

    It has at most one open order.
    """

    every: ClassVar[str] = "20s"
    code: str = ""
    """The stock that the agent trades."""
    qty: Count = 1
    """Shares per order."""
    rise: NotNegative = 0.005
    """It buys when the newest close is this part above the mean close: 0.005 is 0.5 %."""
    trend: NotNegative = 0.003
    """It buys when the late mean is above the early mean by this part of the early mean."""
    surge: NotNegative = 1.3
    """It trades when the newest volume is this multiple of the mean volume."""
    profit: NotNegative = 0.005
    """It sells all at this profit, as a part of the break-even price."""

    _pending: Order | None = None

    def on_bar(self, bar: Bar) -> None:  # noqa: ARG002 - looks at the window, not at one bar
        """Compare the newest bars, and buy or sell on a move."""
        bars = self.bars(self.every, WINDOW)
        # With fewer bars the means would be of few values, and it would trade on noise.
        if len(bars) < WINDOW:
            self.note = f"{len(bars)} of {WINDOW} bars"
            return
        price, trend, volume = ratios(bars)
        self.note = f"price {price:.4f} trend {trend:.4f} volume {volume:.2f}"
        if self._busy() or volume < self.surge:
            return
        if price >= 1 + self.rise and trend >= 1 + self.trend:
            self._pending = self.buy(self.qty)
        # It sells only shares that it holds. A sale of more is a short sale, which is another kind
        # of order at KIS (order-credit, KIS's workbook).
        elif price <= 1 - self.rise and trend <= 1 - self.trend and self.held():
            self._pending = self.sell(min(self.qty, self.held()))

    def on_tick(self, tick: Tick) -> None:
        """Sell all when a trade reaches the break-even price plus ``profit``."""
        # An open sell may fill at any moment, so a second sell could sell more than is held.
        if not self.held() or self._busy():
            return
        # Fee and tax are part of it, so a sale at the bare average price would lose money.
        even = self.host.means.break_even(self.code)
        if even is not None and tick.price >= even * (1 + self.profit):
            self._pending = self.sell(self.held())

    def _busy(self) -> bool:
        return self._pending is not None and self._pending.is_open


def ratios(bars: Sequence[Bar]) -> tuple[float, float, float]:
    """Return three ratios: newest to mean close, late to early mean close, newest to mean volume.

    The last ratio is 0 when nothing traded.
    """
    closes = [b.close for b in bars]
    half = len(closes) // 2
    mean_volume = fmean(b.volume for b in bars)
    volume = bars[-1].volume / mean_volume if mean_volume else 0.0
    return closes[-1] / fmean(closes), fmean(closes[half:]) / fmean(closes[:half]), volume
