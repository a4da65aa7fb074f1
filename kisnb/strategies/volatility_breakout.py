"""Volatility breakout: buy a strong move out of a quiet time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from kisnb.clock import Ns
from kisnb.market.bars import Bars
from kisnb.strategies.daily_agent import DailyAgent

BUY, SELL, HOLD = "buy", "sell", "hold"


class ExitSignals(NamedTuple):
    """The rules by which a position is sold."""

    wide: float
    """It sells when a close falls while the range is above this multiple of its mean."""
    longest: int
    """The position is sold after this number of closed bars."""
    stop: float
    """The position is sold at this loss, as a part of the average price paid."""


class VolatilityBreakout(DailyAgent):
    """Buys when a close rises by ``move`` after the range of the bars has become smaller.

    - Idea: after quiet days, the first strong move often shows where the price goes.
    - Data: daily bars of one stock. The range is the mean of ``length`` true ranges, in won.
    - Decision: once for each closed bar (``decide``). The order trades at the next bar. In a
      session the first decision is at the first trade after the start, on the bars before.
    - Sells when the range is above ``wide`` times its mean and the close falls, after ``longest``
      bars, or when a close is ``stop`` below the average price paid.
    - Known weakness: it buys after the move, at the next open, which often has a gap. A single
      large bar raises the range for ``length`` bars, so it buys nothing for weeks afterwards.
    """

    keep: ClassVar[tuple[str, ...]] = ("held_since",)
    code: str = ""
    """The stock that the agent trades."""
    length: int = 10
    """Number of true ranges of the mean (ATR)."""
    window: int = 20
    """Number of bars over which the mean of the range is taken."""
    move: float = 0.03
    """It buys when the close rises by this part of the close before."""
    wide: float = 1.5
    """It sells when a close falls while the range is above this multiple of its mean."""
    longest: int = 10
    """The position is sold after this number of closed bars."""
    stop: float = 0.05
    """The position is sold at this loss, as a part of the average price paid."""
    weight: float = 1.0
    """Part of the account's equity that the holding has after a buy, 1 for all of it."""

    def on_start(self) -> None:
        """Begin without a decision. A restored agent remembers how long it has held its shares."""
        super().on_start()
        self._decided: Ns = 0
        self.held_since: Ns = getattr(self, "held_since", 0)

    def look(self) -> bool:
        """Decide on the ranges so far, and order for the next bar."""
        bars = self.bars(self.every, max(self.length + self.window + 1, self.longest))
        if not bars or bars[-1].t == self._decided:
            return bool(bars)
        self._decided = bars[-1].t
        held = self.held()
        # The begin of the first bar that has closed while shares were held.
        self.held_since = (self.held_since or bars[-1].t) if held else 0
        age = sum(bar.t >= self.held_since for bar in bars) if held else 0
        average = self.book.position(self.code).average if held else None
        exits = ExitSignals(self.wide, self.longest, self.stop)
        closes, ranges = bars.close[-2:], ranges_of(bars, self.length)
        wish = decide(closes, ranges, self.window, self.move, average, age, exits)
        if wish == BUY:
            self.target(self.weight)
        elif wish == SELL:
            self.target(0)
        return True


def ranges_of(bars: Bars, length: int) -> list[float]:
    """Return the mean of the newest ``length`` true ranges at each bar that has so many, won.

    Oldest first. The same bars give the same means, whatever came before them.
    """
    highs, lows, closes = bars.high, bars.low, bars.close
    true = [
        max(high, before) - min(low, before)
        for high, low, before in zip(highs[1:], lows[1:], closes[:-1], strict=True)
    ]
    return [sum(true[end - length : end]) / length for end in range(length, len(true) + 1)]


def decide(
    closes: Sequence[int],
    ranges: Sequence[float],
    window: int,
    move: float,
    average: float | None,
    bars: int,
    exits: ExitSignals,
) -> str:
    """Decide on closed bars. Return ``"buy"``, ``"sell"`` or ``"hold"``.

    ``closes`` are the last two closes in won. ``ranges`` are the newest ATR values in won, oldest
    first. ``average`` is the average price paid, None when nothing is held. ``bars`` is the number
    of bars since the buy. The market counts as quiet when the ATR *before* the newest bar was below
    its mean over ``window`` bars. The newest bar is left out, because the move itself raises the
    ATR.
    """
    if average is not None and (bars >= exits.longest or closes[-1] <= average * (1 - exits.stop)):
        return SELL
    if len(closes) < 2 or len(ranges) <= window:
        return HOLD
    before, close = closes[-2], closes[-1]
    if average is not None:
        mean = sum(ranges[-window:]) / window
        return SELL if ranges[-1] > mean * exits.wide and close < before else HOLD
    mean = sum(ranges[-window - 1 : -1]) / window
    quiet = ranges[-2] < mean
    return BUY if quiet and close >= before * (1 + move) else HOLD
