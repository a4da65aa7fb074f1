"""What a look at the market's rules costs: microseconds a call, the best of five rounds."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from datetime import date, time

from kisnb.clock import kst
from kisnb.events import Depth
from kisnb.market import calendar, order_rules, sessions
from kisnb.market.routing.router import MarketSnapshot, Router
from kisnb.market.universe import Universe
from kisnb.orders import Intent
from kisnb.terms import OrderKind, Side, Venue

DAY = date(2026, 11, 20)
NOON = kst(DAY, time(12))
CALLS = 20_000


def snapshot() -> MarketSnapshot:
    """Both venues' books of one stock at noon."""
    asks = tuple((71_100 + 100 * i, 500) for i in range(10))
    bids = tuple((71_000 - 100 * i, 500) for i in range(10))
    books = tuple(Depth(NOON, "005930", venue, asks, bids) for venue in (Venue.KRX, Venue.NXT))
    return MarketSnapshot(NOON, Universe.packaged().get("005930"), books)


def measure() -> dict[str, float]:
    """Microseconds by call."""
    view, router = snapshot(), Router()
    intent = Intent("k", "me", "005930", Side.BUY, 10, OrderKind.LIMIT, 71_200)
    calls: dict[str, Callable[[], object]] = {
        "calendar.is_trading_day": lambda: calendar.is_trading_day(DAY),
        "sessions.phase": lambda: sessions.phase(Venue.KRX, NOON),
        "order_rules.legal": lambda: order_rules.legal(
            NOON, Venue.KRX, OrderKind.LIMIT, view.instrument
        ),
        "Router.resolve_for_order": lambda: Router.resolve_for_order(
            stock_code="005930",
            session_id="KRX_REG",
            is_dual_listed=True,
            spread_krx=100,
            spread_nxt=50,
        ),
        "Router.route, with evidence": lambda: router.route(intent, view),
    }
    return {
        name: min(timeit.repeat(call, number=CALLS, repeat=5)) / CALLS * 1e6
        for name, call in calls.items()
    }
