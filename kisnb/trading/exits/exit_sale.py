"""The sale of an exit: from its decision until none of the owner's shares is left.

    decided ──► cancel the owner's other orders ──► limit order below the best bid
                                                        │ not filled in two seconds: cancel
                      again below the next best bid ◄───┘ (twice in all)
                        │ not filled
                        ▼
                    the most aggressive kind that a venue takes, then the next, round and round
    nothing is held, and all orders have ended ──► ProtectionEnded

An exit has one order at a time. While the outcome of an order is unknown, its shares are not sold a
second time.
"""

from __future__ import annotations

from kisnb.clock import SECOND, Ns, kst_day
from kisnb.events import ProtectionEnded
from kisnb.exits import Protection
from kisnb.market import ticks
from kisnb.orders import Intent, Order, OrderState
from kisnb.terms import OrderKind
from kisnb.trading.exit_state import Watch
from kisnb.trading.exits.owned import live_orders, owned
from kisnb.trading.gate.latest_depths import LatestDepths
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import BY_HAND, EXIT, EXTERNAL, NOBODY
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.orders.urgent_sells import PAUSES, UrgentSells, is_any_open, sell
from kisnb.trading.ports.effects import WakeAt
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

THROUGH = 3
"""The first limit orders are this number of ticks below the best bid.

So they trade at the bid, also when the bid falls by a tick or two before they arrive.
"""
LIMITS = 2
"""Number of limit orders before the most aggressive kinds are tried."""
RESTS: Ns = 2 * SECOND
"""An order of an exit that has not ended after this time is cancelled."""
ASKS_AGAIN: Ns = 5 * SECOND
"""Pause between two cancels of one order. KIS may have refused the first one."""


class _Sale:
    """The progress of one exit's sale. After a restart of the desk the sale begins again."""

    def __init__(self) -> None:
        self.key = ""
        """Key of the newest order. Empty while there is no order."""
        self.failures = 0
        """Orders in a row that sold nothing."""
        self.again_at: Ns = 0
        self.is_blocked = False
        """True while the gate or the market accepts no order."""


class ExitSales:
    """Sells the shares of the exits whose condition was met."""

    def __init__(
        self,
        rules: Rules,
        state: State,
        depths: LatestDepths,
        sells: UrgentSells,
        orders: OrderPath,
        cancels: Cancels,
    ) -> None:
        self._rules = rules
        self._state = state
        self._depths = depths
        self._sells = sells
        self._path = orders
        self._cancels = cancels
        self._sales: dict[str, _Sale] = {}
        self._asked: dict[str, Ns] = {}
        """When the cancel of an order was requested, by the order's key."""
        self._wakes_at: Ns = 0

    def proceed(self, turn: Turn) -> None:
        """Sell as much as possible now, and end the exits whose shares are all sold."""
        for watch in self._state.exits.selling:
            self._sell(turn, watch)
        self._wake(turn)

    def cancel(self, turn: Turn, protection: Protection) -> None:
        """Cancel the exit's own open orders, because the exit was ended."""
        self._sales.pop(protection.key, None)
        for order in live_orders(self._state.books, protection.agent, protection.code):
            if _is_of_exit(order):
                self._request_cancel(turn, order)

    def _sell(self, turn: Turn, watch: Watch) -> None:
        protection = watch.protection
        agent, code = protection.agent, protection.code
        sale = self._sales.setdefault(protection.key, _Sale())
        live = live_orders(self._state.books, agent, code)
        for order in live:
            # An open buy would bring new shares, and an open sell has reserved shares that the exit
            # must sell.
            if not _is_of_exit(order) and order.intent.agent != EXTERNAL:
                self._request_cancel(turn, order)
        own = next((o for o in live if _is_of_exit(o)), None)
        if own is not None:
            # After a restart the order is known, but the sale is not.
            sale.key = own.key
            if turn.now >= (own.sent_at or own.t) + RESTS:
                self._request_cancel(turn, own)
            return
        self._note_end(turn.now, sale)
        held = owned(self._state.books, agent, code).qty
        if held <= 0 and not live:
            del self._sales[protection.key]
            turn.record(ProtectionEnded(turn.now, protection.key, "sold"))
            return
        free = self._sells.sellable(code, BY_HAND) - self._state.doubtful(code)
        qty = min(held, self._sells.sellable(code, agent), free)
        if qty <= 0 or turn.now < sale.again_at:
            return
        intent = self._intent(turn.now, protection, qty, sale.failures)
        sale.is_blocked = isinstance(intent, str)
        if isinstance(intent, str):
            return
        sale.key = intent.key
        self._path.submit(turn, intent)
        # The gate may have denied the order at once.
        self._note_end(turn.now, sale)

    def _intent(self, now: Ns, protection: Protection, qty: int, failures: int) -> Intent | str:
        """Return the next sell, or a sentence that says why no order would pass.

        ``failures`` is the number of orders in a row that sold nothing.
        """
        # Orders for shares that no agent holds belong to the person.
        agent = BY_HAND if protection.agent in NOBODY else protection.agent
        code = protection.code
        price = self._through_bid(now, code) if failures < LIMITS else None
        if price is not None:
            intent = sell(now, EXIT, agent, code, qty, OrderKind.LIMIT, price)
            if self._sells.why_not(now, intent) is None:
                return intent
        return self._sells.choose(now, EXIT, agent, code, qty, max(failures - LIMITS, 0))

    def _through_bid(self, now: Ns, code: str) -> int | None:
        """Return a price some ticks below the best bid of all venues. None without a bid."""
        item = self._rules.instrument(code)
        bids = [d.bids[0][0] for d in self._depths.of(code) if d.bids and d.bids[0][0] > 0]
        if item is None or not bids:
            return None
        price = ticks.step(max(bids), -THROUGH, item.kind, kst_day(now), item.board)
        lowest = self._rules.days.lowest_price(now, code)
        return max(price, lowest or 1)

    def _note_end(self, now: Ns, sale: _Sale) -> None:
        """Forget the newest order when it has ended. Count a failure if it did not fill."""
        order = self._state.books.orders.get(sale.key)
        if order is None or not order.is_ended:
            return
        sale.key = ""
        if order.filled < order.quantity:
            sale.failures += 1
            if sale.failures >= LIMITS:
                sale.again_at = now + PAUSES.pause(sale.failures - LIMITS)

    def _request_cancel(self, turn: Turn, order: Order) -> None:
        """Cancel an order, unless a cancel is under way or it cannot be cancelled."""
        # An order with unknown outcome has no number, so it cannot be cancelled.
        is_named = order.ref is not None or order.state is not OrderState.UNKNOWN
        if order.cancel_asked or not order.is_open or not is_named:
            return
        if turn.now < self._asked.get(order.key, 0) + ASKS_AGAIN:
            return
        self._asked[order.key] = turn.now
        self._cancels.request(turn, order.key, None, kill_switch=False)

    def _wake(self, turn: Turn) -> None:
        times: list[Ns] = []
        for watch in self._state.exits.selling:
            sale = self._sales.get(watch.protection.key, _Sale())
            times += [sale.again_at, turn.now + RESTS]
            if sale.is_blocked and is_any_open(turn.now):
                times.append(turn.now + PAUSES.longest)
        due = min((t for t in times if t > turn.now), default=None)
        if due is not None and not turn.now < self._wakes_at <= due:
            self._wakes_at = due
            turn.emit(WakeAt(due))


def _is_of_exit(order: Order) -> bool:
    return order.key.startswith(EXIT)
