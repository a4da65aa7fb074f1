"""Sells that must find a buyer: tries the kinds of orders, the most aggressive first.

The flatten and the exits use it. They do not know beforehand which kinds a venue accepts at that
moment.
"""

from __future__ import annotations

from kisnb.backoff import Backoff
from kisnb.clock import SECOND, Ns
from kisnb.market import sessions
from kisnb.market.routing.router import NotRouted
from kisnb.orders import Intent
from kisnb.terms import OrderKind, Phase, Side, Venue
from kisnb.trading.gate.latest_depths import LatestDepths
from kisnb.trading.gate.risk import Gate, No
from kisnb.trading.order_books import reservations
from kisnb.trading.state import State

KINDS = (
    OrderKind.MARKET, OrderKind.MARKET_IOC, OrderKind.LIMIT_IOC, OrderKind.LIMIT,
    OrderKind.BEST_OPPOSITE_IOC, OrderKind.BEST_OPPOSITE,
    OrderKind.SINGLE_PRICE, OrderKind.POST_CLOSE, OrderKind.PRE_CLOSE,
)  # fmt: skip
"""Kinds of the sells, the most aggressive first.

Limit orders have the day's lower limit price, so they trade with every bid.
"""
PAUSES = Backoff((SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND, 15 * SECOND, 30 * SECOND))
"""Pauses after the 1st, 2nd … order in a row that sold nothing. The last pause is repeated."""


class UrgentSells:
    """Chooses the next sell of shares that must be sold now."""

    def __init__(self, gate: Gate, depths: LatestDepths, state: State) -> None:
        self._gate = gate
        self._depths = depths
        self._state = state

    def choose(
        self, now: Ns, prefix: str, agent: str, code: str, qty: int, failures: int
    ) -> Intent | str:
        """Return the sell to send, or a sentence that says why no kind passes.

        The first try is the most aggressive kind that passes now. After each failure the next kind
        is tried. ``failures`` is the number of orders in a row that sold nothing. The key of the
        sell begins with ``prefix``.
        """
        passing: list[Intent] = []
        refusals: dict[OrderKind, str] = {}
        for kind in KINDS:
            # A sell at the day's lower limit trades with every bid, at the bid's own price.
            # NXT and KRX's after-market take no market order (KIS document 주식주문(현금),
            # ORD_DVSN; KIS notice of 2026-09-09). While the limit is not known, the gate
            # refuses this kind, and another kind sells.
            price = self._gate.rules.days.lowest_price(now, code) if kind.priced else None
            intent = sell(now, prefix, agent, code, qty, kind, price)
            no = self.why_not(now, intent)
            if no is None:
                passing.append(intent)
            else:
                refusals[kind] = no.reason
        if passing:
            # The kinds are tried again and again, because a kind that found no buyer may find one
            # later.
            return passing[failures % len(passing)]
        return "; ".join(dict.fromkeys((refusals[OrderKind.MARKET], refusals[OrderKind.LIMIT])))

    def why_not(self, now: Ns, intent: Intent) -> No | None:
        """Return why a sell would not pass the gate or find a venue. None when it may be sent.

        Callers ask before they submit it, so that a kind that no venue accepts leaves no denied
        order.
        """
        if (no := self._gate.check(now, intent, self._state)) is not None:
            return no
        routed = self._gate.rules.preview(now, intent, self._depths.of(intent.code))
        if isinstance(routed, NotRouted):
            return No(routed.reason, routed.cure)
        return self._gate.connection(now, intent.code, routed.kind, routed.venue)

    def sellable(self, code: str, agent: str) -> int:
        """Return how many shares of ``agent`` are held and not reserved by an open sell.

        A name in NOBODY means the whole account.
        """
        nothing = Intent("", agent, code, Side.SELL, 0, OrderKind.MARKET)
        return reservations.sellable(self._state.books, nothing)


def sell(
    now: Ns, prefix: str, agent: str, code: str, qty: int, kind: OrderKind, price: int | None
) -> Intent:
    """Return a new protective sell.

    Its key contains the moment, so each try is a separate order.
    """
    # A sale has one order at a time, so two orders never have the same moment.
    key = f"{prefix}{now}:{agent}:{code}"
    return Intent(key, agent, code, Side.SELL, qty, kind, price, protective=True)


def is_any_open(now: Ns) -> bool:
    """Return whether a venue is in a market session."""
    return any(sessions.phase(venue, now) is not Phase.CLOSED for venue in (Venue.KRX, Venue.NXT))
