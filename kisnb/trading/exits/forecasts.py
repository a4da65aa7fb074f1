"""The newest forecast of each stock, and whether the stock is traded less than usual.

The desk imports no model. A *provider* outside the desk sends dated numbers: an agent with
``Agent.forecast``, or other code with ``session.forecast``. Each forecast names its provider, and
the moment up to which the model knew the market.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from kisnb import values
from kisnb.clock import DAY, MINUTE, Ns, clock_text, kst_day
from kisnb.errors import BadInput
from kisnb.events import Tick
from kisnb.exits import WHOLE
from kisnb.market.bars import length_of
from kisnb.market.calendar import previous_trading_day
from kisnb.trading.ports.commands import PushForecast

LASTS = 2
"""A forecast counts for this number of its provider's bars. After that it counts as missing."""
WINDOW: Ns = 5 * MINUTE
QUIET = 60
"""A stock is quiet below this percentage of its usual traded value."""


class ModelView(NamedTuple):
    """A model's forecast of a stock as it counts at a moment."""

    falling: int | None
    """Probability that the price falls, basis points. None: no forecast counts."""
    source: str
    """Provider and time: ``"gbm of 10:02:00"``. Empty when no forecast counts."""
    text: str
    """A sentence: whether a forecast counts. It does not change from one forecast to the next."""


class Forecasts:
    """The newest forecast of each stock, and the traded value of the last five minutes."""

    def __init__(self) -> None:
        self._newest: dict[str, PushForecast] = {}
        self._trades: dict[str, deque[tuple[Ns, int]]] = {}
        """Moment and value in won of the trades in the window, by code."""

    def push(self, forecast: PushForecast) -> None:
        """Store a forecast, unless a newer one is known."""
        known = self._newest.get(forecast.code)
        if known is None or known.made_at <= forecast.made_at:
            self._newest[forecast.code] = forecast

    def add(self, tick: Tick) -> None:
        """Count a trade of a stock that has an exit."""
        trades = self._trades.setdefault(tick.code, deque())
        trades.append((tick.t, tick.price * tick.qty))
        while trades[0][0] <= tick.t - WINDOW:
            trades.popleft()

    def view(self, now: Ns, code: str) -> ModelView:
        """Return the newest forecast of a stock. It is empty if older than two of its bars."""
        newest = self._newest.get(code)
        if newest is None:
            return ModelView(None, "", "no model gives pred_down_prob, so none acts")
        made = f"{newest.provider} of {clock_text(newest.made_at)}"
        if newest.falling is None:
            return ModelView(None, "", f"{made} has no pred_down_prob, so no model acts")
        if _is_old(newest, now):
            text = f"pred_down_prob by {made} is older than two bars, so no model acts"
            return ModelView(None, "", text)
        return ModelView(newest.falling, made, f"{newest.provider} gives pred_down_prob")

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


def read_forecast(
    code: str,
    down: object,
    *,
    provider: str,
    made_at: Ns,
    every: str,
    usual_value: object = None,
    now: Ns,
) -> PushForecast:
    """Return a provider's forecast, read from its arguments. Raises BadInput.

    ``down`` is a probability from 0 to 1; None and NaN say that the model has no forecast.
    ``made_at`` is the moment up to which the model knew the market, ``every`` the length of its
    bars. ``usual_value`` is the usual traded value of five minutes at this time of the day, won.
    """
    name = values.text(provider, "the provider")
    if not name:
        raise BadInput("the forecast has no provider", "name who gives it: provider='gbm'")
    if made_at > now:
        raise BadInput(
            f"the forecast of {name} is of {clock_text(made_at)}, which is still to come",
            "give the moment up to which the model knew the market",
        )
    usual = None if usual_value is None else values.price(usual_value, "the usual value")
    return PushForecast(code, name, made_at, length_of(every), _points(down), usual)


def _points(down: object) -> int | None:
    if down is None:
        return None
    is_number = hasattr(down, "__float__") and not isinstance(down, bool | str)
    number = float(down) if is_number else -1.0  # type: ignore[arg-type]
    if math.isnan(number):
        return None
    if not 0 <= number <= 1:
        raise BadInput(
            f"{values.shown(down)} is not a probability",
            "give a number from 0 to 1, or None when the model has none",
        )
    return round(number * WHOLE)


def _is_old(forecast: PushForecast, now: Ns) -> bool:
    """Return whether a forecast is older than two bars. For daily bars, trading days count."""
    if forecast.bar < DAY:
        return now - forecast.made_at > LASTS * forecast.bar
    oldest = kst_day(now)
    for _ in range(LASTS):
        oldest = previous_trading_day(oldest)
    return kst_day(forecast.made_at) < oldest
