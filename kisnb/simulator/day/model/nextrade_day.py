"""Nextrade's bar of a past day, made without its trades, and trades that are fitted to that bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from kisnb.clock import MINUTE
from kisnb.market import sessions, ticks
from kisnb.market.instruments import Instrument
from kisnb.market.price_files import DailyBar
from kisnb.simulator.day.market_day import PlannedTrade
from kisnb.simulator.day.model.character import Character
from kisnb.simulator.day.model.draws import stable_random
from kisnb.simulator.day.model.other_sessions import nextrade_shares
from kisnb.simulator.day.model.turnover import traded_for, value_of
from kisnb.terms import Side, Venue

FEWEST = 40
"""Fewest shares of a day. With fewer, Nextrade does not trade the stock on that day."""


def nextrade_bar(
    item: Instrument, day: date, seed: int, bar: DailyBar, traits: Character
) -> DailyBar | None:
    """Return Nextrade's bar of a day. None when the stock does not trade there.

    ``bar`` is KRX's bar of the day. ``item.base`` is the close of the day before. The morning
    begins between the base and KRX's open, and the evening ends near KRX's close.
    """
    volume = nextrade_shares(item, day, bar, traits)
    if volume < FEWEST:
        return None
    rng = stable_random(seed, "nextrade day", item.code, day)

    def near(price: float) -> int:
        return ticks.nearest(price, item.kind, day, item.board)

    first = near(item.base + (bar.open - item.base) * rng.uniform(0.1, 0.9))
    reach = 0.15 * (bar.high - bar.low)
    last = near(bar.close + rng.uniform(-reach, reach))
    high, low = near(bar.high - reach * rng.random()), near(bar.low + reach * rng.random())
    limits = ticks.limits_of(item, day)
    if limits is not None:
        first, last, high, low = (
            min(max(price, limits.lower), limits.upper) for price in (first, last, high, low)
        )
    return DailyBar(first, max(high, first, last), min(low, first, last), last, volume)


def bent_to(
    trades: Sequence[PlannedTrade],
    bar: DailyBar,
    day: date,
    step: Callable[[int, int], int],
) -> list[PlannedTrade]:
    """Return Nextrade's trades of a day, changed so that they make ``bar``.

    They have its four prices, its shares, and its won.
    """
    made = [trade._replace(price=min(max(trade.price, bar.low), bar.high)) for trade in trades]
    if len(made) < 4:
        # A bar has four prices, so it needs four trades.
        begin = sessions.regular_open(day) + MINUTE
        made = [
            PlannedTrade(begin + n * MINUTE, bar.open, 1, Side.BUY, Venue.NXT) for n in range(4)
        ]
    inner = made[1:-1]
    top = max(range(len(inner)), key=lambda i: inner[i].price)
    bottom = min((i for i in range(len(inner)) if i != top), key=lambda i: inner[i].price)
    prices = {0: bar.open, len(made) - 1: bar.close, top + 1: bar.high, bottom + 1: bar.low}
    made = [trade._replace(price=prices.get(i, trade.price)) for i, trade in enumerate(made)]
    spare = bar.volume - sum(trade.qty for trade in made)
    for i in sorted(range(len(made)), key=lambda i: made[i].qty, reverse=True):
        moved = max(spare, 1 - made[i].qty)
        made[i] = made[i]._replace(qty=made[i].qty + moved)
        spare -= moved
        if not spare:
            break
    return traded_for(made, value_of(bar), step, fixed=1)
