"""The expected cost of an order on each venue, and what the choice saved after the fill. Won.

Slippage is measured from the midpoint of the best bid and the best ask of all venues. Shares that
do not match at once count without slippage: they wait. Those of a market order count at the worst
price seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from kisnb.clock import Ns, kst_day
from kisnb.events import Depth
from kisnb.market import sessions
from kisnb.market.costs import CostModel
from kisnb.market.instruments import Instrument
from kisnb.market.order_rules import legal, taken_as
from kisnb.market.uncertain import Assumed
from kisnb.orders import Fill, Intent
from kisnb.terms import OrderKind, Phase, Side, Venue

DepthByVenue: TypeAlias = Mapping[Venue, Depth]

_K = OrderKind
_WALKS = frozenset({_K.MARKET, _K.MARKET_IOC, _K.MARKET_FOK})
# 최유리지정가 is a limit order at the best opposite price on arrival, so it takes that level alone.
_FIRST_LEVEL = frozenset({
    _K.BEST_OPPOSITE, _K.BEST_OPPOSITE_IOC, _K.BEST_OPPOSITE_FOK, _K.NXT_PRE_BEST_OPPOSITE,
    _K.AFTER_BEST_OPPOSITE, _K.AFTER_BEST_OPPOSITE_IOC, _K.AFTER_BEST_OPPOSITE_FOK,
})  # fmt: skip
# A stop-limit order waits for its stop price, and a single-price order for its auction.
_TO_LIMIT = frozenset(kind for kind in OrderKind if kind.priced) - {_K.STOP_LIMIT, _K.SINGLE_PRICE}
_FILL_OR_KILL = frozenset(kind for kind in OrderKind if kind.endswith("-fok"))


class WhatIf(msgspec.Struct, frozen=True, gc=False):
    """The expected cost of an order on one venue. Quantities in shares, costs in won."""

    venue: Venue
    kind: OrderKind
    """The kind under which the venue would accept the order."""
    phase: Phase
    """The venue's phase at the moment of the decision."""
    why_not: str = ""
    """Why the venue does not accept the order. Empty when the venue accepts it."""
    at_once: int | None = 0
    """Shares that match on arrival. None when the depth has a price and no size."""
    waiting: int | None = 0
    """Shares that do not match on arrival. None as for ``at_once``."""
    slippage: int | None = None
    """Slippage, won; None when it is not known.

    It is not known for a venue in an auction, a depth with one side only, and unknown sizes.
    """
    fee: int | None = 0
    """Commission, won; None when no price of the stock is known."""
    tax: int | None = 0
    """Transaction tax, won; None as for ``fee``."""

    @property
    def cost(self) -> int | None:
        """Slippage, fee and tax; None when one of them is not known."""
        if self.slippage is None or self.fee is None or self.tax is None:
            return None
        return self.slippage + self.fee + self.tax


class Score(msgspec.Struct, frozen=True, gc=False):
    """The real cost on the chosen venue against the expected cost on the best other venue.

    A venue on which fewer shares would have matched at once is not compared, because shares that
    wait cost nothing yet. Costs in won.
    """

    venue: Venue
    """The chosen venue."""
    filled: int
    """Shares."""
    paid: int
    """Slippage, fee and tax of the fills."""
    expected: int | None
    """Expected cost of the filled shares on the chosen venue; None when it was not known."""
    other: Venue | None
    """The best other venue; None when no other venue can be compared."""
    other_expected: int | None
    """Expected cost of the filled shares on the other venue; None when ``other`` is None."""

    @property
    def saved(self) -> int | None:
        """Won that the choice saved; negative when the other venue would have been better."""
        return None if self.other_expected is None else self.other_expected - self.paid

    def __repr__(self) -> str:
        expected = "" if self.expected is None else f", expected {self.expected:,}"
        paid = f"{self.venue}: {self.filled:,} shares cost {self.paid:,} won{expected}"
        if self.other_expected is None or self.saved is None:
            return f"<Score {paid}; no other venue would have filled as much at once>"
        verdict = f"saved {self.saved:,}" if self.saved >= 0 else f"lost {-self.saved:,}"
        return (
            f"<Score {paid}; {self.other} would have cost {self.other_expected:,}: {verdict} won>"
        )


class _Level(NamedTuple):
    price: int
    qty: int
    venue: Venue


def reference_price(now: Ns, depths: DepthByVenue, assumed: Assumed = None) -> float | None:
    """Return the midpoint of best bid and best ask of the venues that trade continuously, won.

    None when no such venue has a depth with two sides.
    """
    return _midpoint([depths[venue] for venue in _trading(now, depths, assumed)])


def what_if(
    now: Ns,
    intent: Intent,
    item: Instrument,
    depths: DepthByVenue,
    costs: CostModel,
    assumed: Assumed = None,
) -> tuple[WhatIf, ...]:
    """Return the expected cost of ``intent`` on KRX, on NXT and by the smart order router."""
    return tuple(_line(now, venue, intent, item, depths, costs, assumed) for venue in Venue)


def score(
    table: Iterable[WhatIf],
    chosen: Venue,
    reference: float | None,
    intent: Intent,
    fills: Sequence[Fill],
) -> Score:
    """Return the score of the choice ``chosen``: its real cost against the expected costs.

    ``table`` has the expected costs at the moment of the choice. They are scaled to the shares that
    were filled. ``reference`` is the midpoint of that moment; None: slippage is left out of
    the real cost.
    """
    filled = sum(fill.qty for fill in fills)
    # A buy above the reference costs, a sell above it gains.
    sign = 1 if intent.side is Side.BUY else -1
    paid = sum(fill.fee + fill.tax for fill in fills)
    if reference is not None:
        paid += round(sum(sign * (fill.price - reference) * fill.qty for fill in fills))
    rows = {row.venue: row for row in table if row.cost is not None and not row.why_not}
    scaled = {
        venue: row.cost * filled // intent.qty
        for venue, row in rows.items()
        if row.cost is not None
    }
    # A venue on which fewer shares match at once seems cheaper than it is, because its other shares
    # only wait.
    least = (rows[chosen].at_once or 0) if chosen in rows else filled
    others = {
        v: cost for v, cost in scaled.items() if v is not chosen and (rows[v].at_once or 0) >= least
    }
    best = min(others, key=others.__getitem__, default=None)
    return Score(
        chosen, filled, paid, scaled.get(chosen), best, None if best is None else others[best]
    )


def _line(
    now: Ns,
    venue: Venue,
    intent: Intent,
    item: Instrument,
    depths: DepthByVenue,
    costs: CostModel,
    assumed: Assumed,
) -> WhatIf:
    kind, verdict = taken_as(now, venue, intent.kind, item, assumed)
    phase = sessions.phase(venue, now, assumed)
    if not verdict:
        return WhatIf(venue, kind, phase, verdict.why_not)
    parts = _executing(now, venue, kind, item, assumed)
    # SOR matches at both venues, so its order may take levels of both depths.
    own = [v for v in _trading(now, depths, assumed) if v in parts]
    middle = _midpoint([depths[v] for v in own])
    reach = _reached(
        kind,
        intent,
        [_Level(*level, v) for v in own for level in _opposite(depths[v], intent.side)],
    )
    found = _taken(kind, intent.qty, reach)
    # ``None`` means that a size is not known, an empty list that nothing matches.
    taken = found or []
    at_once = sum(level.qty for level in taken)
    # When it is not known which shares match, the fee counts on all of them.
    rest = 0 if kind.immediate and found is not None else intent.qty - at_once
    # A market order goes on beyond the levels that the depth shows. The worst of them is the best
    # guess for its other shares.
    paid = [*taken, taken[-1]._replace(qty=rest)] if rest and taken and kind in _WALKS else taken
    slippage = (
        None
        if middle is None or found is None
        else _slippage(paid, intent.side, reference_price(now, depths, assumed))
    )
    # Shares that wait pay their fee later: at the limit, else near the middle of the market.
    if rest and paid is taken:
        price = intent.price or (round(middle) if middle is not None else item.base)
        # SOR may take an order of a kind that no venue executes at this moment. Nothing says then
        # whose fee it pays.
        if not price or not parts:
            return WhatIf(venue, kind, phase, "", at_once, rest, None, None, None)
        paid = [*taken, _Level(price, rest, parts[0])]
    value = sum(level.price * level.qty for level in paid)
    fee = sum(costs.fee(level.price * level.qty, level.venue, item.kind) for level in paid)
    # The tax is the same at all venues, so it needs no split by level. Only a sale is taxed.
    tax = costs.tax(value, kst_day(now), item.kind, item.board) if intent.side is Side.SELL else 0
    if found is None:
        return WhatIf(venue, kind, phase, "", None, None, None, fee, tax)
    return WhatIf(venue, kind, phase, "", at_once, rest, slippage, fee, tax)


def _executing(
    now: Ns, venue: Venue, kind: OrderKind, item: Instrument, assumed: Assumed
) -> list[Venue]:
    """Return the venues where the order may match. SOR itself matches none: it uses KRX and NXT."""
    if venue is not Venue.SOR:
        return [venue]
    return [v for v in (Venue.KRX, Venue.NXT) if legal(now, v, kind, item, assumed)]


def _trading(now: Ns, depths: DepthByVenue, assumed: Assumed) -> list[Venue]:
    """Return the venues that trade continuously, so that their depth shows prices to trade at.

    In a call auction bids and asks cross, so the depth does not show the price.
    """
    return [venue for venue in depths if sessions.phase(venue, now, assumed) is Phase.CONTINUOUS]


def _midpoint(depths: list[Depth]) -> float | None:
    whole = [depth for depth in depths if depth.asks and depth.bids]
    if not whole:
        return None
    return (min(depth.asks[0][0] for depth in whole) + max(depth.bids[0][0] for depth in whole)) / 2


def _opposite(depth: Depth, side: Side) -> tuple[tuple[int, int], ...]:
    return depth.asks if side is Side.BUY else depth.bids


def _reached(kind: OrderKind, intent: Intent, levels: list[_Level]) -> list[_Level]:
    """Return the levels that the order may take, best first."""
    buys = intent.side is Side.BUY
    levels = sorted(levels, key=lambda level: level.price if buys else -level.price)
    if kind in _WALKS:
        return levels
    if kind in _FIRST_LEVEL:
        return [level for level in levels if level.price == levels[0].price]
    if kind in _TO_LIMIT and intent.price is not None:
        limit = intent.price
        return [
            level for level in levels if (level.price <= limit if buys else level.price >= limit)
        ]
    return []


def _taken(kind: OrderKind, qty: int, levels: list[_Level]) -> list[_Level] | None:
    """Return the shares of each level that the order takes; None when a size is not known."""
    taken: list[_Level] = []
    for level in levels:
        if not qty:
            break
        # A tick channel gives the best price without its size.
        if not level.qty:
            return None
        n = min(qty, level.qty)
        taken.append(level._replace(qty=n))
        qty -= n
    # FOK trades whole or not at all.
    return [] if qty and kind in _FILL_OR_KILL else taken


def _slippage(taken: list[_Level], side: Side, reference: float | None) -> int | None:
    if reference is None:
        return None
    sign = 1 if side is Side.BUY else -1
    return round(sum(sign * (level.price - reference) * level.qty for level in taken))
