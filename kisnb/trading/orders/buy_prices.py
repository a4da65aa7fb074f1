"""Checks whether the price of a buy is too old (``max_quote_age``, row A05).

Sells, exits and cancels never wait for a price.

    when it is taken       an agent decided on an old price, and the desk has a newer one: denied
    when its turn comes    the desk's newest price is old: the depth is read first
    at may_send            the desk's newest price is old: the buy goes back once, and the depth
                           is read; the second time it is denied
    then, and at may_send  a buy without a price of its own has waited ``PATIENCE`` times as long:
                           denied

A buy with a limit price spends at most that price. So at ``may_send`` the market's newest price may
be ``PATIENCE`` times as old for it. A basket of limit buys can then wait for half a minute in a
mode in which KIS takes one call a second.
"""

from __future__ import annotations

from kisnb.clock import SECOND, Ns
from kisnb.orders import Intent, Order
from kisnb.terms import Side
from kisnb.trading.gate.blackout import waits_for_window
from kisnb.trading.gate.latest_depths import LatestDepths
from kisnb.trading.gate.risk import Gate, No
from kisnb.trading.state import State

PATIENCE = 5
"""A multiple of ``max_quote_age``: the longest wait of a buy without a price.

It waits for its turn or in the rate limiter. For a buy with a limit price it is the greatest age of
the newest price, checked behind the rate limiter.
"""
AGAIN = "order again with the current price"


class BuyPrices:
    """Checks the age of the price of a buy. Sells need no fresh price."""

    def __init__(self, gate: Gate, state: State, market: LatestDepths) -> None:
        self._gate = gate
        self._state = state
        self._market = market

    def is_old(self, now: Ns, intent: Intent, times: int = 1) -> bool:
        """Return whether the order is a buy for which the newest known price is too old.

        That is the newer of two prices: the desk's, and the one that the agent has seen. Too old
        means older than ``times`` × ``max_quote_age``.
        """
        return intent.side is Side.BUY and self._gate.stale(now, self._newest(intent), times)

    def outdated(self, now: Ns, intent: Intent) -> No | None:
        """Return why a buy is denied because its agent has not seen the newest price.

        Otherwise None. A usual reason is a cell that blocked the agent. In three cases the buy is
        not denied, and the desk reads the depth: the desk has no newer price than the agent, the
        agent has seen no price of the stock, or a person gave the order.
        """
        # 0 means an agent that has seen no price, or a person. For these the desk reads the depth
        # itself. In KRX's regular session an agent does not get Nextrade's prices, so they do not
        # count here.
        unaware = 0 < intent.seen < self._market.received_by_agents(intent.code)
        if intent.side is not Side.BUY or not unaware or not self._gate.stale(now, intent.seen):
            return None
        age = (now - intent.seen) / SECOND
        old = f"the price that the buy was decided on is {age:.1f} s old"
        return No(f"{old}, and there is a newer one", AGAIN)

    def waited(self, now: Ns, order: Order) -> No | None:
        """Return why a buy without a price is denied because it waited too long. Otherwise None.

        After such a wait the market differs from the market in which the buy was decided.
        """
        # Behind the rate limiter the time counts from the start of the send. The wait for its turn
        # was checked before.
        intent, since = order.intent, order.sent_at or order.t
        if intent.side is not Side.BUY or intent.price is not None:
            return None
        # For an order that was held in a blackout, the move of the price is checked instead.
        held = waits_for_window(self._state.held.get(order.key))
        if held or not self._gate.stale(now, since, PATIENCE):
            return None
        long = f"a buy without a price has waited {(now - since) / SECOND:.1f} s"
        return No(f"{long}, and nothing was sent", f"{AGAIN}; a buy with a price may wait longer")

    def missing(self, now: Ns, intent: Intent) -> No | None:
        """Return why a buy may not be sent after its wait in the rate limiter. Otherwise None.

        The reason is that the newest known price is too old.
        """
        if not self.is_old(now, intent, 1 if intent.price is None else PATIENCE):
            return None
        newest = self._newest(intent)
        why = (
            f"the newest price is {(now - newest) / SECOND:.1f} s old"
            if newest
            else "no price has been received yet"
        )
        return No(why, "order again when the stock has a current price")

    def _newest(self, intent: Intent) -> Ns:
        """Return when the newest price of the stock was received. 0: no price was received."""
        return max(intent.seen, self._market.received(intent.code))
