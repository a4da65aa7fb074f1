"""Order events a second of the limit book and of the exchange, in one core, pure Python."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from random import Random

from kisnb.clock import kst
from kisnb.exchange.exchange import Exchange
from kisnb.exchange.limit_book import LimitBook
from kisnb.market.instruments import Instrument
from kisnb.market.universe import Universe
from kisnb.terms import Board, Kind, OrderKind, Side

EVENTS = 200_000
DAY = date(2026, 11, 20)
CODE, BASE = "005930", 71_000
Event = tuple[int, int, Side, int | None, int]
"""1 for a cancel, number, side, price (None: at the market), shares."""


def events(n: int = EVENTS, seed: int = 1) -> list[Event]:
    """55 % limit orders within ten ticks, one in three of them at the touch. 35 % cancels.

    10 % market orders.
    """
    rng, live, made = Random(seed), list[int](), list[Event]()
    for number in range(1, n + 1):
        draw, side = rng.random(), rng.choice((Side.BUY, Side.SELL))
        if draw < 0.55 or not live:
            away = rng.randrange(1, 11) + rng.randrange(-1, 2)
            price = BASE + 100 * (away if side is Side.SELL else -away)
            made.append((0, number, side, price, rng.randrange(1, 500)))
            live.append(number)
        elif draw < 0.9:
            at = rng.randrange(len(live))
            live[at], live[-1] = live[-1], live[at]
            made.append((1, live.pop(), side, None, 0))
        else:
            made.append((0, number, side, None, rng.randrange(1, 2_000)))
    return made


def on_the_book(script: list[Event]) -> None:
    book = LimitBook()
    add, cancel = book.add, book.cancel
    for cancels, number, side, price, qty in script:
        if cancels:
            cancel(number)
        else:
            add(number, side, price, qty)


def on_the_exchange(script: list[Event]) -> None:
    """The same with every check, both venues' clocks and all that the exchange says of it."""
    universe = Universe(
        [Instrument(CODE, "삼성전자", Board.KOSPI, Kind.STOCK, 1, BASE, 1, nxt=True)]
    )
    now = kst(DAY, 10 * 3_600)
    exchange = Exchange(universe, DAY, now)
    for cancels, number, side, price, qty in script:
        if cancels:
            exchange.cancel(now, number)
        else:
            kind = OrderKind.MARKET if price is None else OrderKind.LIMIT
            exchange.enter(now, CODE, number, side, kind, qty, price)


def as_background(script: list[Event]) -> None:
    """As the simulated market's own orders come in: unchecked, prints told."""
    universe = Universe([Instrument(CODE, "삼성전자", Board.KOSPI, Kind.STOCK, 1, BASE, 1)])
    now = kst(DAY, 10 * 3_600)
    exchange = Exchange(universe, DAY, now)
    listing = exchange.listing(CODE)
    for cancels, number, side, price, qty in script:
        if cancels:
            listing.current.book.cancel(-number)
        else:
            listing.provide(
                now,
                -number,
                side,
                price or (listing.upper if side is Side.BUY else listing.lower),
                qty,
            )
        if not number % 100:
            exchange.take_happenings()


def measure() -> dict[str, float]:
    """Events a second, the best of three runs."""
    script = events()
    works: dict[str, Callable[[list[Event]], None]] = {
        "limit_book": on_the_book,
        "exchange, background orders": as_background,
        "exchange, own orders": on_the_exchange,
    }
    return {
        name: EVENTS / min(_seconds(work, script) for _ in range(3)) for name, work in works.items()
    }


def _seconds(work: Callable[[list[Event]], None], script: list[Event]) -> float:
    began = time.process_time()
    work(script)
    return time.process_time() - began
