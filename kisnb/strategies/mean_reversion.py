"""Mean reversion: buy when a close is far below the mean, sell when it is back at the mean."""

from __future__ import annotations

from collections.abc import Sequence

from kisnb.clock import Ns
from kisnb.strategies.daily_agent import DailyAgent

BUY, SELL, HOLD = "buy", "sell", "hold"


class MeanReversion(DailyAgent):
    """Buys when a close is ``dip`` below the mean of the last ``length`` closes.

    - Idea: the price often recovers within days from a short fall without news.
    - Data: daily bars of one stock.
    - Decision: once for each closed bar (``decide``). The order trades at the next bar. In a
      session the first decision is at the first trade after the start, on the bars before.
    - Sells when a close is back at the mean, or when a close is ``stop`` below the average price
      paid.
    - Known weakness: a fall with news goes on, and the stop then sells near the low. The newest
      close is part of the mean, so a single fall must be larger than ``dip`` to count.
    """

    code: str = ""
    """The stock that the agent trades."""
    length: int = 5
    """Number of bars of the mean."""
    dip: float = 0.03
    """How far the close must be below the mean, as a part of the mean."""
    stop: float = 0.05
    """Loss at which it sells, as a part of the average price paid."""
    weight: float = 1.0
    """Part of the account's equity that the holding has after a buy, 1 for all of it."""

    def on_start(self) -> None:
        """Begin without a decision."""
        super().on_start()
        self._decided: Ns = 0

    def look(self) -> bool:
        """Decide on the closes so far, and order for the next bar."""
        bars = self.bars(self.every, self.length)
        if not bars or bars[-1].t == self._decided:
            return bool(bars)
        self._decided = bars[-1].t
        closes = bars.close
        average = self.book.position(self.code).average if self.held() else None
        wish = decide(closes, self.length, self.dip, average, self.stop)
        if wish == BUY:
            self.target(self.weight)
        elif wish == SELL:
            self.target(0)
        return True


def decide(
    closes: Sequence[int], length: int, dip: float, average: float | None, stop: float
) -> str:
    """Decide on closed bars. Return ``"buy"``, ``"sell"`` or ``"hold"``.

    ``closes`` are the newest closes in won, oldest first. ``average`` is the average price paid,
    None when nothing is held.
    """
    if len(closes) < length:
        return HOLD
    close, mean = closes[-1], sum(closes[-length:]) / length
    if average is None:
        return BUY if close <= mean * (1 - dip) else HOLD
    return SELL if close >= mean or close <= average * (1 - stop) else HOLD
