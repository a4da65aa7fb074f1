"""Golden cross: hold while the short mean of closes is above the long one."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.clock import Ns
from kisnb.strategies.daily_agent import DailyAgent

BUY, SELL, HOLD = "buy", "sell", "hold"


class GoldenCross(DailyAgent):
    """Buys when the mean of ``short`` closes crosses above the mean of ``long`` closes.

    - Idea: a trend that has begun goes on for a while.
    - Data: daily bars of one stock. Any length of bars works: set ``every`` in a subclass.
    - Decision: once for each closed bar (``decide``). The order trades at the next bar. In a
      session the first decision is at the first trade after the start, on the bars before.
    - Sells when the short mean is below the long mean, or when a close is ``stop`` below the
      average price paid.
    - Known weakness: in a market without a trend it buys high and sells low again and again, and
      each turn costs fee and tax. The stop is checked at closes only, so a price gap may lose more.
    """

    code: str = ""
    """The stock that the agent trades."""
    short: int = 5
    """Number of bars of the short mean."""
    long: int = 20
    """Number of bars of the long mean."""
    stop: float = 0.05
    """Loss at which it sells, as a part of the average price paid, such as 0.05 for 5 %."""
    weight: float = 1.0
    """Part of the account's equity that the holding has after a buy, 1 for all of it."""

    def on_start(self) -> None:
        """Begin without a decision."""
        super().on_start()
        self._decided: Ns = 0

    def look(self) -> bool:
        """Decide on the closes so far, and order for the next bar."""
        bars = self.bars(self.every, self.long + 1)
        if not bars or bars[-1].t == self._decided:
            return bool(bars)
        self._decided = bars[-1].t
        closes = bars.close
        average = self.book.position(self.code).average if self.held() else None
        wish = decide(closes, self.short, self.long, average, self.stop)
        if wish == BUY and not self.held():
            self.target(self.weight)
        elif wish == SELL and self.held():
            self.target(0)
        return True


def decide(closes: Sequence[int], short: int, long: int, average: float | None, stop: float) -> str:
    """Decide on closed bars. Return ``"buy"``, ``"sell"`` or ``"hold"``.

    ``closes`` are the newest closes in won, oldest first. ``average`` is the average price paid,
    None when nothing is held. It buys only on the bar at which the short mean crosses above the
    long mean.
    """
    if average is not None and closes[-1] <= average * (1 - stop):
        return SELL
    if len(closes) <= long:
        return HOLD
    # Sums are multiplied crosswise instead of divided, so that rounding cannot make equal means
    # differ.
    now = sum(closes[-short:]) * long - sum(closes[-long:]) * short
    before = sum(closes[-short - 1 : -1]) * long - sum(closes[-long - 1 : -1]) * short
    if average is None:
        return BUY if now > 0 >= before else HOLD
    return SELL if now < 0 else HOLD
