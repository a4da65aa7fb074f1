"""Volatility breakout: buy a strong move out of a quiet time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from kisnb.events import Bar
from kisnb.market.indicators import Atr
from kisnb.trading.agents.agent import Agent

BUY, SELL, HOLD = "buy", "sell", "hold"


class ExitSignals(NamedTuple):
    """The rules by which a position is sold."""

    wide: float
    """It sells when a close falls while the range is above this multiple of its mean."""
    longest: int
    """The position is sold after this number of closed bars."""
    stop: float
    """The position is sold at this loss, as a part of the average price paid."""


class VolatilityBreakout(Agent):
    """Buys when a close rises by ``move`` after the range of the bars has become smaller.

    - Idea: after quiet days, the first strong move often shows where the price goes.
    - Data: daily bars of one stock. The range is ATR over ``length`` bars, in won.
    - Decision: on a closed bar (``decide``). The order trades at the next bar.
    - Sells in three cases: the range is above ``wide`` times its mean and the close falls; after
      ``longest`` bars; when a close is ``stop`` below the average price paid.
    - Known weakness: it buys after the move, at the next open, which often has a gap. A single
      large bar raises the range for ``length`` bars, so it buys nothing for weeks afterwards.
    """

    every: ClassVar[str] = "1d"
    code: str = ""
    """The stock that the agent trades."""
    length: int = 10
    """Number of bars of the range (ATR)."""
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
        """Begin with no bars."""
        self._atr = Atr(self.length)
        self._ranges: deque[float] = deque(maxlen=self.window + 1)
        self._closes: deque[int] = deque(maxlen=2)
        self._bars = 0

    def on_bar(self, bar: Bar) -> None:
        """Decide on the ranges so far, and order for the next bar."""
        held = self.held()
        self._bars = self._bars + 1 if held else 0
        self._closes.append(bar.close)
        atr = self._atr.update(bar.high, bar.low, bar.close)
        if atr is not None:
            self._ranges.append(atr)
        average = self.book.position(self.code).average if held else None
        exits = ExitSignals(self.wide, self.longest, self.stop)
        wish = decide(
            list(self._closes), list(self._ranges), self.window, self.move, average, self._bars,
            exits,
        )  # fmt: skip
        if wish == BUY:
            self.target(self.weight)
        elif wish == SELL:
            self.target(0)


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
