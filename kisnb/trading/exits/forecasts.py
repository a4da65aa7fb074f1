"""A stock's newest forecast of a model, with its date, and how much of the stock is traded.

The desk imports no model. A provider outside pushes dated numbers.
"""

from __future__ import annotations

from collections import deque

from kisnb.clock import MINUTE, Ns
from kisnb.events import Tick
from kisnb.trading.ports.commands import PushForecast

LASTS = 2
"""A forecast counts for this many bars of its provider. Then it is missing."""
WINDOW: Ns = 5 * MINUTE
QUIET = 60
"""Percent of the usual traded value below which a stock is quiet."""


class Forecasts:
    """The newest forecast of each stock, and the traded value of the last five minutes."""

    def __init__(self) -> None:
        self._newest: dict[str, PushForecast] = {}
        self._trades: dict[str, deque[tuple[Ns, int]]] = {}
        """Moment and value in won of the trades in the window, by code."""

    def push(self, forecast: PushForecast) -> None:
        """Take in a forecast. An older one than the newest does not count."""
        known = self._newest.get(forecast.code)
        if known is None or known.made_at <= forecast.made_at:
            self._newest[forecast.code] = forecast

    def add(self, tick: Tick) -> None:
        """Count a trade of a stock with an exit."""
        trades = self._trades.setdefault(tick.code, deque())
        trades.append((tick.t, tick.price * tick.qty))
        while trades[0][0] <= tick.t - WINDOW:
            trades.popleft()

    def falling(self, now: Ns, code: str) -> int | None:
        """Return the probability that the price falls, basis points.

        None without a forecast, or when the forecast is older than two bars of its provider.
        """
        newest = self._newest.get(code)
        if newest is None or now - newest.made_at > LASTS * newest.bar:
            return None
        return newest.falling

    def is_quiet(self, now: Ns, code: str) -> bool:
        """Return whether less than 60 % of the usual value was traded in the last five minutes.

        False when the usual value is not known.
        """
        newest = self._newest.get(code)
        if newest is None or newest.usual_value is None:
            return False
        trades = self._trades.get(code, ())
        traded = sum(value for t, value in trades if t > now - WINDOW)
        return traded * 100 < newest.usual_value * QUIET
