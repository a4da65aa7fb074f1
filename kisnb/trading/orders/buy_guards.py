"""Checks the guards of an agent's buys (row A11).

    guard         denies a buy                                                    until
    ───────────   ─────────────────────────────────────────────────────────────   ─────────────────
    re-entry      of a stock that a stop of an exit has sold                      30 min later
    recent sell   above the price of the agent's last sale and its fee            30 min later
    chase         of a stock that is up 4 % or more and within 0.5 % of its high  it is not any more
    cash          of any stock, after one that was denied for want of cash        10 min later
    requote       of a stock whose buy was given up unfilled                      10 min later

A price that is not known denies nothing here. The gate asks for prices elsewhere.
"""

from __future__ import annotations

from typing import Protocol

from kisnb.clock import SECOND, Ns, clock_text
from kisnb.exits import WHOLE, percent
from kisnb.guards import Guards
from kisnb.orders import Fill, Intent
from kisnb.terms import Side, Venue
from kisnb.trading.gate.risk import No, Rules
from kisnb.trading.order_books.order_book import NOBODY
from kisnb.trading.state import State


class KnownPrices(Protocol):
    """The interface to the prices that guards use, won. At a desk it is ``LatestDepths``.

    0: the price is not known.
    """

    def price(self, code: str) -> int:
        """Return the price at which a buy would trade now."""

    def high(self, now: Ns, code: str) -> int:
        """Return the highest price of the day."""


class BuyGuards:
    """Checks an agent's buys by the guards of that agent."""

    def __init__(self, rules: Rules, state: State, prices: KnownPrices) -> None:
        self._rules = rules
        self._state = state
        self._prices = prices

    def why_not(self, now: Ns, intent: Intent) -> No | None:
        """Return why a guard denies the order. None: no guard denies it."""
        if intent.side is not Side.BUY:
            return None
        guards = self._state.guards.get(intent.agent)
        if (no := self._given_up(now, intent)) is not None or guards is None:
            return no
        price = intent.price or self._prices.price(intent.code) or None
        return (
            self._reentry(now, intent, guards)
            or self._short_of_cash(now, intent, guards)
            or (self._recent_sell(now, intent, guards, price) if price else None)
            or (self._chase(now, intent, guards, price) if price else None)
        )

    def _given_up(self, now: Ns, intent: Intent) -> No | None:
        given_up, end = self._state.requotes.cooled.get((intent.agent, intent.code), (0, 0))
        # A person decides each time again, so this pause does not apply to orders by hand.
        if now >= end or intent.agent in NOBODY:
            return None
        why = f"a buy of {intent.code} was given up unfilled at {clock_text(given_up)}"
        return No(f"requote guard: {why}", f"buy again from {clock_text(end)} on")

    def _reentry(self, now: Ns, intent: Intent, guards: Guards) -> No | None:
        stopped = self._state.exits.stopped.get((intent.agent, intent.code))
        end = 0 if stopped is None else stopped + guards.reentry * SECOND
        if stopped is None or now >= end:
            return None
        why = f"a stop sold {intent.code} at {clock_text(stopped)}"
        return No(f"re-entry guard: {why}", f"buy again from {clock_text(end)} on")

    def _short_of_cash(self, now: Ns, intent: Intent, guards: Guards) -> No | None:
        denied = self._state.short_of_cash.get(intent.agent)
        end = 0 if denied is None else denied + guards.cash_retry * SECOND
        if denied is None or now >= end:
            return None
        why = f"a buy was denied for want of cash at {clock_text(denied)}"
        return No(f"cash guard: {why}", f"buy again from {clock_text(end)} on")

    def _recent_sell(self, now: Ns, intent: Intent, guards: Guards, price: int) -> No | None:
        sold = self._last_sale(intent)
        if sold is None or now >= sold.t + guards.recent_sell * SECOND:
            return None
        item = self._rules.instrument(intent.code)
        value = sold.qty * sold.price
        fee = 0 if item is None else self._rules.costs.fee(value, Venue.KRX, item.kind)
        # Whole won without a division, so that a fee of less than a won per share counts too.
        if price * sold.qty <= value + fee:
            return None
        end = clock_text(sold.t + guards.recent_sell * SECOND)
        why = f"{intent.code} was sold at {sold.price:,} at {clock_text(sold.t)}"
        return No(
            f"recent-sell guard: {why}, and {price:,} is above that and its fee",
            f"buy at {sold.price:,} or below, or from {end} on",
        )

    def _chase(self, now: Ns, intent: Intent, guards: Guards, price: int) -> No | None:
        if not guards.chase_change:
            return None
        base, high = self._rules.days.base(now, intent.code), self._prices.high(now, intent.code)
        if base is None or not high:
            return None
        is_up = price * WHOLE >= base * (WHOLE + guards.chase_change)
        is_near = price * WHOLE >= high * (WHOLE - guards.chase_near)
        if not (is_up and is_near):
            return None
        up = percent((price - base) * WHOLE // base)
        why = f"{price:,} is {up} up on the day and near the high {high:,}"
        return No(f"chase guard: {why}", "wait for a lower price")

    def _last_sale(self, intent: Intent) -> Fill | None:
        book = self._state.books.agents.get(intent.agent)
        if book is None:
            return None
        sold = (
            order.fills[-1]
            for order in reversed(book.orders.values())
            if order.side is Side.SELL and order.code == intent.code and order.fills
        )
        return max(sold, key=lambda fill: fill.t, default=None)
