"""The depth of one stock at KRX and Nextrade side by side (호가창), as texts for the page.

Both venues share one column of prices, from high to low. The colour of a price shows whether it is
above or below the base price of the day. Beside the price are the shares that wait at each venue:
asks in the upper part, bids in the lower part.
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
"""Number of prices that each part shows."""
VENUES = (Venue.KRX, Venue.NXT)
EXPECTED_AGE = MINUTE
"""Longest time for which an expected match is shown after its receipt."""


class WaitingShares(NamedTuple):
    """The shares that wait at one price of one venue."""

    side: Side
    """SELL for an ask, BUY for a bid."""
    qty: int


class Rung(NamedTuple):
    """One price of the depth, with the shares that wait there at each venue. Won."""

    price: int
    levels: tuple[WaitingShares | None, ...]
    """The waiting shares at each of ``VENUES``, in that order. None: no shares wait there."""


def rungs(depths: Mapping[Venue, Depth]) -> tuple[list[Rung], list[Rung]]:
    """Merge the depths of the venues. Return the upper and the lower part, each from high to low.

    The upper part has the prices above the best bid of any venue, the lower part that bid and the
    prices below it. Each part has at most ``LEVELS`` prices: those nearest to the best bid.
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
    """Ask KIS once for those depths of a stock that no channel has brought yet.

    A channel brings a depth only when the depth changes, so a quiet venue would stay empty. Raises
    the errors of ``session.depth``.
    """
    known = session.data.depths_by_venue
    for venue in VENUES:
        is_open = sessions.phase(venue, session.now) is not Phase.CLOSED
        if is_open and venue in session.estimates.venues(code) and (code, venue) not in known:
            depth = await session.depth(code, venue)
            # A depth that has come over the channel meanwhile is newer, so it stays.
            known.setdefault((code, venue), depth)


def own_orders(orders: Sequence[Order], code: str) -> dict[int, str]:
    """Return the open orders of a stock by price, as texts such as ``"buy 10"``."""
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
    """Return the depth of a stock as values for the page. ``r0`` to ``r19`` are its rows."""
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
    """Return base price and newest price of a stock, won. None for a price that is not known."""
    day = session.stock_day(code)
    base = day.base if day is not None and day.base else None
    stated = day.price if day is not None and day.price else None
    return base, session.data.prices.get(code, stated)


def price_line(session: Session, code: str) -> list[str]:
    """Return the newest price, its change from the base price, and the name of their colour."""
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
    """Return the cells of one price.

    They are: price, tone, change in percent, whether it is the last price, own orders, levels.
    """
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
    """Return the waiting shares, their side, and the length of their bar in percent."""
    if level is None:
        return ["", "", 0]
    return [
        number(level.qty),
        "ask" if level.side is Side.SELL else "bid",
        level.qty * 100 // most if most else 0,
    ]


def _totals(depth: Depth | None) -> list[str]:
    """Return the sum of all asks and the sum of all bids that the venue shows, in shares."""
    if depth is None:
        return ["", ""]
    return [number(sum(q for _, q in side)) for side in (depth.asks, depth.bids)]


def _venue_text(session: Session, code: str, venue: Venue, depth: Depth | None) -> list[str]:
    """Return the heading of a venue's column, and the sentence that explains it."""
    if venue not in session.estimates.venues(code):
        return [str(venue), f"{venue} takes no orders for this stock from this desk"]
    phase = sessions.phase(venue, session.now)
    seen = f"its depth of {clock_text(depth.t)}" if depth is not None else "no depth yet"
    return [
        f"{venue}{'' if phase is Phase.CONTINUOUS else f' {phase}'}",
        f"{venue}: {phase}; {seen}",
    ]


def _line(session: Session, code: str) -> str:
    """Return the expected match of a call auction, or the reason why nothing trades.

    Empty otherwise.
    """
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
