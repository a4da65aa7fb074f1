"""Exits over bars: the desk's own exit watch gets the prices of a bar, in the worst order.

    the open ─► down to the low ─► up to the high

On this way the price passes the price of each stop and of each target. At each of them the desk's
exit watch (``ExitWatch``) decides. An exit sells at that price, or at the open when the bar opened
beyond it. So when a bar reaches a stop and a target, the stop counts. A target is a limit order: a
bar that only touches its price does not fill it (``BAR_FILLS.md``, rules 3 and 6). Shares that the
volume of the bar does not fill are sold at the open of the next bar, until nothing is held.
"""

from __future__ import annotations

from typing import Protocol

from kisnb.backtesting.bar_prices import Prices
from kisnb.backtesting.bar_rules import BarRules
from kisnb.backtesting.bar_waiting import Leg, Waiting, Way
from kisnb.clock import Ns
from kisnb.events import Bar, Event, ProtectionEnded, ProtectionRefused, Tick
from kisnb.exits import Protection
from kisnb.orders import Intent
from kisnb.terms import OrderKind, Venue
from kisnb.trading.exit_state import Watch
from kisnb.trading.exits.exit_watch import ExitWatch
from kisnb.trading.exits.owned import live_orders, owned
from kisnb.trading.order_books.order_book import BY_HAND, EXIT, NOBODY
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.readings import Readings
from kisnb.trading.orders.urgent_sells import sell
from kisnb.trading.ports.commands import EndProtection, Protect
from kisnb.trading.ports.effects import Effect
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.state import State
from kisnb.trading.turn import Turn


class WaitingOrders(Protocol):
    """The methods of ``BarOrders`` that exits call."""

    rows: list[Row] | None
    waiting: dict[str, list[Waiting]]

    def meet_part(self, bar: Bar, t: Ns, leg: Leg) -> None:
        """Fill the orders of a stock in a part of a bar."""

    def sell_at(self, bar: Bar, t: Ns, intent: Intent, price: int) -> None:
        """Send a sell in the middle of a bar."""

    def cancel(self, now: Ns, key: str, qty: int | None = None) -> None:
        """Cancel an order, or a part of it."""


class BarTurn(Turn):
    """One step of the exit watch over bars.

    It applies the rows of the step at once, and keeps them.
    """

    __slots__ = ("_exits",)

    def __init__(self, now: Ns, state: State, exits: BarExits) -> None:
        super().__init__(now, state)
        self._exits = exits

    def record(self, row: Row) -> None:
        """Apply a row to the state, and keep it."""
        self._exits.record(row)

    def emit(self, effect: Effect) -> None:
        """Ignore the effect.

        The watch asks to be woken at a moment, for a time stop. Bars do not need that, because each
        bar checks the time stops.
        """

    def publish(self, event: Event) -> None:
        """Keep a refusal, which a session would show among its troubles. Ignore other events."""
        if isinstance(event, ProtectionRefused):
            self._exits.refused.append(event)


class BarExits:
    """Plays bars to the exits of all agents, and sells when an exit decides to sell."""

    def __init__(
        self, orders: WaitingOrders, rules: BarRules, state: State, prices: Prices
    ) -> None:
        self._orders = orders
        self._state = state
        self._prices = prices
        # Only a lost agent asks the watch to cancel its orders. No agent is lost in a back-test.
        self._watch = ExitWatch(rules, state, self, Cancels(state, Readings(state)))
        self._bar: Bar | None = None
        """The bar that is played now. None between the bars."""
        self._price = 0
        """The price at this point of the bar, won."""
        self.refused: list[ProtectionRefused] = []
        """Exits that were not set, each with the reason."""

    def record(self, row: Row) -> None:
        """Apply a row of the watch to the state, and add it to the rows of the run."""
        self._state.apply(row)
        if self._orders.rows is not None:
            self._orders.rows.append(row)

    def execute(self, now: Ns, command: Protect | EndProtection) -> None:
        """Carry out an agent's command about an exit at the close of a bar."""
        turn = BarTurn(now, self._state, self)
        if isinstance(command, Protect):
            protection = command.protection
            code, key = protection.code, protection.key
            if not self._is_there(protection):
                why = f"{protection.agent} holds no {code}, and no order of it is under way"
                cure = "protect a stock that is held, or order it first"
                self.refused.append(ProtectionRefused(now, key, why, cure))
                return
            close = self._prices.close(now, code)
            if close and not self._watch.watches(code):
                # The watch does not see the prices of a stock without an exit.
                self._watch.on_tick(turn, _trade(now, code, close))
            self._watch.execute(turn, command)
            self._orders.waiting.setdefault(code, [])
        else:
            self._watch.execute(turn, command)

    def end_idle(self, now: Ns) -> None:
        """End the exits whose owner has no shares of the stock and no order that could buy some."""
        self._watch.proceed(BarTurn(now, self._state, self))

    def play(self, bar: Bar, t: Ns) -> None:
        """Play a bar that begins at ``t``, of a stock that has an exit."""
        if not bar.volume:
            return
        self._bar = bar
        self._orders.meet_part(bar, t, Leg(Way.OPEN, bar.open, bar.open, bar.open))
        self._pass(t, bar.open)
        if bar.low < bar.high:
            self._fall(bar, t)
            self._rise(bar, t)
        self._bar = None
        self.end_idle(t)

    def play_trade(self, bar: Bar, t: Ns) -> None:
        """Play one trade of a stock that has an exit."""
        if not bar.volume:
            return
        self._bar = bar
        self._orders.meet_part(bar, t, Leg(Way.TRADE, bar.open, bar.open, bar.open))
        self._pass(t, bar.open)
        self._bar = None
        self.end_idle(t)

    def _fall(self, bar: Bar, t: Ns) -> None:
        """Move the price from the open down to the low.

        On the way the exits sell, each at its own price.
        """
        at = bar.open
        while at > bar.low:
            level = self._watch.next_below(t, bar.code)
            end = bar.low if level is None or level >= at else max(level, bar.low)
            fills = self._state.fills
            self._orders.meet_part(bar, t, Leg(Way.FALL, at, at, end))
            # A buy changes the average price, and with it the price of the stop.
            if self._state.fills == fills or end == at:
                self._pass(t, end)
                at = end

    def _rise(self, bar: Bar, t: Ns) -> None:
        """Move the price from the low up to the high.

        On the way the exits sell, each at its own price.
        """
        at = bar.low
        while at < bar.high:
            level = self._watch.next_above(t, bar.code)
            takes = level is not None and at < level < bar.high
            end = level if level is not None and takes else bar.high
            self._orders.meet_part(bar, t, Leg(Way.RISE, at, end, at))
            # A target that the bar only touches does not sell, so the price just below the high
            # counts.
            self._pass(t, end - 1 if level == bar.high else end)
            at = end

    def _pass(self, t: Ns, price: int) -> None:
        """Give a price to the watch. If an exit decides to sell, sell at this price."""
        assert self._bar is not None
        self._price = price
        turn = BarTurn(t, self._state, self)
        self._watch.on_tick(turn, _trade(t, self._bar.code, price))
        self.proceed(turn)

    # the methods that ``ExitWatch`` calls to sell

    def proceed(self, turn: Turn) -> None:
        """Sell for the exits that have decided to sell, at the current price of the bar."""
        bar = self._bar
        if bar is None:
            return
        for watch in self._state.exits.selling:
            if watch.protection.code == bar.code:
                self._sell(turn, watch, bar)

    def cancel(self, turn: Turn, protection: Protection) -> None:
        """Cancel the open orders of an exit."""
        for order in live_orders(self._state.books, protection.agent, protection.code):
            if order.key.startswith(EXIT):
                self._orders.cancel(turn.now, order.key)

    def _sell(self, turn: Turn, watch: Watch, bar: Bar) -> None:
        protection, now, books = watch.protection, turn.now, self._state.books
        agent, code = protection.agent, protection.code
        for order in live_orders(books, agent, code):
            # An open buy would bring new shares, and an open sell has reserved shares that the exit
            # must sell.
            if not order.key.startswith(EXIT):
                self._orders.cancel(now, order.key)
        if live_orders(books, agent, code):
            return
        held = owned(books, agent, code).qty
        owner = BY_HAND if agent in NOBODY else agent
        intent = sell(now, EXIT, owner, code, held, OrderKind.MARKET, None)
        # The exit tries once in a bar: an order that was denied would be denied at each of its
        # prices.
        if held > 0 and intent.key not in books.orders:
            self._orders.sell_at(bar, now, intent, self._price)
            held = owned(books, agent, code).qty
        if held <= 0:
            turn.record(ProtectionEnded(now, protection.key, "sold"))

    def _is_there(self, protection: Protection) -> bool:
        """Return whether the owner holds the stock or has an order of it that reached the desk."""
        agent, code, books = protection.agent, protection.code, self._state.books
        waiting = {entry.order.key for entry in self._orders.waiting.get(code, ())}
        return owned(books, agent, code).qty > 0 or any(
            order.facts or order.key in waiting for order in live_orders(books, agent, code)
        )


def _trade(t: Ns, code: str, price: int) -> Tick:
    """Return a price of a bar as a trade. It has no shares."""
    return Tick(t, code, Venue.KRX, price, 0, None, 0, 0, 0, 0)


__all__ = ["BarExits"]
