"""The depth of one stock at KRX and Nextrade side by side (호가창), as texts for the page.

Both venues share one column of prices, from high to low. A price is coloured against the base price
of the day. Beside it stand the shares at each venue: asks above, bids below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kisnb.clock import MINUTE, clock_text
from kisnb.columns import number, signed, tone_of
from kisnb.drawing.tables import Cell
from kisnb.events import Depth
from kisnb.market import sessions
from kisnb.orders import Order
from kisnb.terms import Phase, Side, Venue

if TYPE_CHECKING:
    from kisnb.session.session import Session

LEVELS = 10
"""Prices on each side."""
VENUES = (Venue.KRX, Venue.NXT)
EXPECTED_AGE = MINUTE
"""An expected match that was received longer ago is not shown."""


class WaitingShares(NamedTuple):
    """The shares at one price of one venue."""

    side: Side
    """The side that waits there: SELL for an ask."""
    qty: int


class Rung(NamedTuple):
    """One price of the depth. Won."""

    price: int
    levels: tuple[WaitingShares | None, ...]
    """One for each of ``VENUES``. None: nothing waits there."""


def rungs(depths: Mapping[Venue, Depth]) -> tuple[list[Rung], list[Rung]]:
    """Return the prices above the best bid of all venues and the others, each from high to low.

    At most ``LEVELS`` of each are returned, those nearest to the market.
    """
    at: dict[int, list[WaitingShares | None]] = {}
    for i, venue in enumerate(VENUES):
        depth = depths.get(venue)
        if depth is None:
            continue
        for side, levels in ((Side.SELL, depth.asks), (Side.BUY, depth.bids)):
            for price, qty in levels:
                at.setdefault(price, [None] * len(VENUES))[i] = WaitingShares(side, qty)
    best = max((d.bids[0][0] for d in depths.values() if d.bids), default=0)
    rows = [Rung(price, tuple(at[price])) for price in sorted(at, reverse=True)]
    above = [rung for rung in rows if rung.price > best]
    return above[-LEVELS:], [rung for rung in rows if rung.price <= best][:LEVELS]


async def read_depths(session: Session, code: str) -> None:
    """Ask KIS once for the depths of a stock that no channel has brought yet.

    A venue whose depth does not change sends none. Raises what ``session.depth`` raises.
    """
    known = session.data.depths_by_venue
    for venue in VENUES:
        is_open = sessions.phase(venue, session.now) is not Phase.CLOSED
        if is_open and venue in session.estimates.venues(code) and (code, venue) not in known:
            depth = await session.depth(code, venue)
            # One that came over the channel meanwhile is newer.
            known.setdefault((code, venue), depth)


def own_orders(orders: Sequence[Order], code: str) -> dict[int, str]:
    """Return the open orders of a stock by their price, in words: ``"buy 10"``."""
    sums: dict[int, dict[Side, int]] = {}
    for order in orders:
        if order.code == code and order.intent.price is not None:
            by_side = sums.setdefault(order.intent.price, {})
            by_side[order.side] = by_side.get(order.side, 0) + order.leaves
    return {
        price: ", ".join(f"{side} {qty:,}" for side, qty in by_side.items())
        for price, by_side in sums.items()
    }


def depth_view(session: Session, code: str) -> dict[str, object]:
    """Return the depth of a stock as the page draws it. ``r0`` to ``r19`` are the rows."""
    if not code:
        return {"code": "", "title": "No stock is chosen", "line": "Choose one in the ticket."}
    found = _depths(session, code)
    base, last = base_and_last(session, code)
    above, below = rungs(found)
    padded = [*[None] * (LEVELS - len(above)), *above, *below, *[None] * (LEVELS - len(below))]
    own = own_orders(session.book.open_orders, code)
    most = max((lv.qty for r in (*above, *below) for lv in r.levels if lv), default=0)
    return {
        "code": code,
        "title": f"{code} {session.universe.name(code)}",
        "price": price_line(session, code),
        "line": _line(session, code),
        "venues": [_venue_text(session, code, venue, found.get(venue)) for venue in VENUES],
        "totals": [_totals(found.get(venue)) for venue in VENUES],
        **{f"r{i}": _row(rung, base, last, own, most) for i, rung in enumerate(padded)},
    }


def base_and_last(session: Session, code: str) -> tuple[int | None, int | None]:
    """Return base price and newest price of a stock, won; None for what is not known."""
    day = session.stock_day(code)
    base = day.base if day is not None and day.base else None
    stated = day.price if day is not None and day.price else None
    return base, session.data.prices.get(code, stated)


def price_line(session: Session, code: str) -> list[str]:
    """Return the newest price, its change from the base, and the tone of both."""
    base, last = base_and_last(session, code)
    change = _change(last, base)
    if last is None or change is None or not base:
        return [number(last) or "no price yet", "", ""]
    arrow = "▲" if change > 0 else "▼" if change < 0 else "–"
    percent = signed(change * 100 / base, 2)
    return [number(last), f"{arrow} {number(abs(change))} ({percent} %)", tone_of(change)]


def depth_cells(session: Session, code: str) -> list[list[Cell]]:
    """Return the depth as the rows of a static table: KRX, price, NXT."""
    base, _ = base_and_last(session, code)
    found = _depths(session, code)
    return [
        [
            Cell(_shares(rung.levels[0])),
            Cell(number(rung.price), tone_of(_change(rung.price, base))),
            Cell(_shares(rung.levels[1])),
        ]
        for side in rungs(found)
        for rung in side
    ]


def _shares(level: WaitingShares | None) -> str:
    return "" if level is None else number(level.qty)


def _depths(session: Session, code: str) -> dict[Venue, Depth]:
    by_venue = session.data.depths_by_venue
    return {venue: by_venue[code, venue] for venue in VENUES if (code, venue) in by_venue}


def _row(
    rung: Rung | None, base: int | None, last: int | None, own: Mapping[int, str], most: int
) -> list[object]:
    """Return price, tone, change in percent, whether it is the last price, own orders, levels."""
    if rung is None:
        return []
    change = _change(rung.price, base)
    percent = signed(change * 100 / base, 2) if change is not None and base else ""
    return [
        number(rung.price),
        tone_of(change),
        percent,
        rung.price == last,
        own.get(rung.price, ""),
        *(_level(level, most) for level in rung.levels),
    ]


def _level(level: WaitingShares | None, most: int) -> list[object]:
    """Return the shares, the side that waits, and the length of the bar in percent."""
    if level is None:
        return ["", "", 0]
    return [
        number(level.qty),
        "ask" if level.side is Side.SELL else "bid",
        level.qty * 100 // most if most else 0,
    ]


def _totals(depth: Depth | None) -> list[str]:
    """Return the shares of all asks and of all bids that the venue shows."""
    if depth is None:
        return ["", ""]
    return [number(sum(q for _, q in side)) for side in (depth.asks, depth.bids)]


def _venue_text(session: Session, code: str, venue: Venue, depth: Depth | None) -> list[str]:
    """Return the heading of a venue's column, and what it means."""
    if venue not in session.estimates.venues(code):
        return [str(venue), f"{venue} takes no orders for this stock from this desk"]
    phase = sessions.phase(venue, session.now)
    seen = f"its depth of {clock_text(depth.t)}" if depth is not None else "no depth yet"
    return [
        f"{venue}{'' if phase is Phase.CONTINUOUS else f' {phase}'}",
        f"{venue}: {phase}; {seen}",
    ]


def _line(session: Session, code: str) -> str:
    """Return the expected match of a call auction, and why nothing is traded; empty else."""
    operation = session.data.operations.get(code)
    if operation is not None and operation.halted:
        return f"halted: {operation.reason}"
    expected = session.data.expected.get(code)
    in_auction = sessions.phase(Venue.KRX, session.now) is Phase.AUCTION
    interrupted = operation is not None and operation.vi
    if expected is None or session.now - expected.t > EXPECTED_AGE:
        return "call auction: no match is expected yet" if in_auction else ""
    if not (in_auction or interrupted) or not expected.price:
        return ""
    return f"expected {expected.price:,} × {expected.qty:,} at {expected.venue}"


def _change(price: int | None, base: int | None) -> int | None:
    return None if price is None or base is None else price - base
