"""Carries out requotes: an order that does not fill gets one better price, and then ends.

    at its own price ──after──► moved to the best price of the other side ──after──► cancelled
           │ a buy whose best ask is too far above the last price                       │
           └────────────────────────────────────────────────────────────────────────────┤
                                                      a buy: no other buy for 10 minutes ┤
                 a sell: what is left goes out as the most aggressive kind that passes ──┘

A move is a revise at KIS, so the shares are never in two orders. The last sell follows when KIS has
confirmed the cancel. Each step is a row, and the row comes before the bytes.

The time of a call auction does not count, because no order can fill in it. While the desk is
halted, no order is requoted: the requote ends, and the kill switch cancels the order.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kisnb.clock import MINUTE, SECOND, Ns, clock_text
from kisnb.events import Cancelled, CancelStarted, Reopened
from kisnb.events.requotes import Requoted, Step
from kisnb.exits import WHOLE, percent
from kisnb.market import sessions
from kisnb.orders import Order, OrderState
from kisnb.terms import Phase, Side, Venue
from kisnb.trading.gate.latest_depths import LatestDepths
from kisnb.trading.order_books.order_book import REQUOTE
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.orders.urgent_sells import UrgentSells
from kisnb.trading.ports.effects import WakeAt
from kisnb.trading.requote_state import Budget
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

ASKS_AGAIN: Ns = 5 * SECOND
"""Pause between two cancels of one order. KIS may have refused the first one."""
MOST_LAST = 3
"""Most tries of the last sell when the desk itself denies it."""


class Requotes:
    """Moves and ends orders that have waited as long as their requote allows."""

    def __init__(
        self,
        state: State,
        depths: LatestDepths,
        sells: UrgentSells,
        orders: OrderPath,
        cancels: Cancels,
    ) -> None:
        self._state = state
        self._depths = depths
        self._sells = sells
        self._path = orders
        self._cancels = cancels
        self._wakes_at: Ns = 0

    def proceed(self, turn: Turn) -> None:
        """Take all steps that are due."""
        for budget in list(self._state.requotes.budgets.values()):
            self._proceed(turn, budget)
        due = min(
            (
                t
                for budget in self._state.requotes.budgets.values()
                if (t := self._due(turn.now, budget)) > turn.now
            ),
            default=None,
        )
        if due is not None and not turn.now < self._wakes_at <= due:
            self._wakes_at = due
            turn.emit(WakeAt(due))

    def _proceed(self, turn: Turn, budget: Budget) -> None:
        order = self._working(budget)
        if order is None:
            return
        if why := self._why_over(order):
            self._record(turn, budget, order, "end", f"not requoted: {why}")
        elif budget.stage == "last":
            self._after_last(turn, budget, order)
        elif budget.stage == "ending" and order.is_ended:
            self._finish(turn, budget, order)
        elif order.is_ended:
            self._record(turn, budget, order, "end", f"the order is {order.state}")
        elif turn.now >= self._due(turn.now, budget) and _may_change(order):
            self._take_step(turn, budget, order)

    def _take_step(self, turn: Turn, budget: Budget, order: Order) -> None:
        if budget.stage == "first":
            self._move(turn, budget, order)
            return
        if budget.stage == "moved":
            self._cancel(turn, budget, order, "nobody filled it at the better price")
            return
        self._cancels.request(turn, order.key, None, kill_switch=False)

    def _move(self, turn: Turn, budget: Budget, order: Order) -> None:
        price, why_not = self._better_price(order, budget.spec.gap)
        if price is None:
            self._cancel(turn, budget, order, why_not)
            return
        side = "ask" if order.side is Side.BUY else "bid"
        if price == order.intent.price:
            text = f"it is at the best {side} {price:,} already"
            self._record(turn, budget, order, "move", text, by=order.key)
            return
        moved = msgspec.structs.replace(
            order.intent,
            key=f"{REQUOTE}{budget.made + 1}:{budget.root}",
            qty=order.leaves,
            price=price,
            supersedes=order.key,
            requote=None,
            # The desk decides on the newest price, and not on the price that the agent has seen.
            seen=0,
        )
        self._record(turn, budget, order, "move", f"to the best {side} {price:,}", by=moved.key)
        self._path.submit(turn, moved)

    def _better_price(self, order: Order, gap: int) -> tuple[int | None, str]:
        """Return the best price of the other side, or why the order does not move to it."""
        assert order.ref is not None
        depths = self._depths.of(order.code)
        own = [d for d in depths if order.ref.venue in (d.venue, Venue.SOR)]
        if order.side is Side.SELL:
            bids = [d.bids[0][0] for d in own if d.bids and d.bids[0][0] > 0]
            return (max(bids), "") if bids else (None, "there is no bid")
        if self._state.coming_halt != "active":
            return None, "the desk takes no buys"
        asks = [d.asks[0][0] for d in own if d.asks and d.asks[0][0] > 0]
        last = self._depths.last(order.code)
        if not asks or not last:
            return None, "there is no ask" if not asks else "no price is known"
        if min(asks) * WHOLE > last * (WHOLE + gap):
            why = f"the best ask {min(asks):,} is more than {percent(gap)} above the last price"
            return None, f"{why} {last:,}"
        return min(asks), ""

    def _cancel(self, turn: Turn, budget: Budget, order: Order, why: str) -> None:
        self._record(turn, budget, order, "cancel", f"cancelled: {why}")
        self._cancels.request(turn, order.key, None, kill_switch=False)

    def _finish(self, turn: Turn, budget: Budget, order: Order) -> None:
        """Take the step after KIS has confirmed the cancel of an order."""
        left = _given_up(order, self._state.books.orders)
        if left <= 0:
            self._record(turn, budget, order, "end", f"the order is {order.state}")
        elif order.side is Side.BUY:
            until = turn.now + budget.spec.cooldown * SECOND
            text = f"given up; the next buy of {order.code} from {clock_text(until)} on"
            self._record(turn, budget, order, "cool", text, until=until)
        else:
            self._sell_last(turn, budget, order, left)

    def _sell_last(self, turn: Turn, budget: Budget, order: Order, left: int) -> None:
        agent, code = order.intent.agent, order.code
        qty = min(left, self._sells.sellable(code, agent))
        if qty <= 0:
            self._record(turn, budget, order, "end", "nothing is left to sell")
            return
        chosen = self._sells.choose(turn.now, REQUOTE, agent, code, qty, 0)
        if isinstance(chosen, str):
            text = f"no kind of order passes now: {chosen}"
            self._record(turn, budget, order, "end", text)
            turn.report(f"{qty:,} {code} of {agent} are not sold: {text}")
            return
        last = msgspec.structs.replace(
            chosen, key=f"{REQUOTE}{budget.made + 1}:{budget.root}", protective=False
        )
        self._record(turn, budget, order, "last", f"{last.text} is the last try", by=last.key)
        self._path.submit(turn, last)

    def _after_last(self, turn: Turn, budget: Budget, order: Order) -> None:
        """Send the last sell again if this desk denied it, or died before it journaled it."""
        is_lost = budget.current not in self._state.books.orders
        if (is_lost or order.state is OrderState.DENIED) and budget.made <= MOST_LAST:
            if turn.now >= budget.since + ASKS_AGAIN:
                orders = self._state.books.orders
                left = _given_up(order, orders) if is_lost else order.quantity
                self._sell_last(turn, budget, order, left)
        elif is_lost or order.is_ended or order.ref is not None:
            self._record(turn, budget, order, "end", f"the last order is {order.state}")

    def _why_over(self, order: Order) -> str:
        """Return why the requote of an order is over. Empty while it goes on."""
        if self._state.coming_halt == "halted":
            return "the desk is halted"
        if self._state.flatten_reason is not None:
            return "a flatten sells"
        watch = self._state.exits.of_owner(order.intent.agent, order.code)
        if watch is not None and watch.fired is not None:
            return "an exit sells"
        return ""

    def _working(self, budget: Budget) -> Order | None:
        """Return the order that has a budget's shares now. None when the order is not known."""
        orders = self._state.books.orders
        order = orders.get(budget.current)
        if order is None:
            # The desk died after the row of the step, and before the row of its order.
            return orders.get(budget.before)
        # After a refused move, the shares are still in the old order.
        if order.is_dead and order.intent.supersedes:
            return orders.get(order.intent.supersedes)
        return order

    def _due(self, now: Ns, budget: Budget) -> Ns:
        """Return the moment of a budget's next step."""
        order = self._working(budget)
        if order is None:
            return 0
        if budget.stage in ("ending", "last"):
            started = [fact.t for fact in order.facts if isinstance(fact, CancelStarted)]
            return max([budget.since, *started]) + ASKS_AGAIN
        due = max(order.sent_at, budget.since) + budget.spec.after * SECOND
        if due > now or _is_matched(now, order):
            return due
        # After the auction, or when the venue opens again.
        return now - now % MINUTE + MINUTE

    def _record(
        self, turn: Turn, budget: Budget, order: Order, step: Step, text: str, by: str = "",
        until: Ns = 0,
    ) -> None:  # fmt: skip
        turn.record(Requoted(turn.now, order.key, budget.root, step, text, by, until))


def _may_change(order: Order) -> bool:
    """Return whether an order can be moved or cancelled now."""
    waits = order.state in (OrderState.NEW, OrderState.SENDING, OrderState.UNKNOWN)
    return order.ref is not None and not order.cancel_asked and not waits


def _is_matched(now: Ns, order: Order) -> bool:
    """Return whether the order can be filled now: its venue is not closed or in an auction."""
    venue = order.sent_venue
    return sessions.phase(venue, now) is Phase.CONTINUOUS


def _given_up(order: Order, orders: Mapping[str, Order]) -> int:
    """Return how many shares the cancel of a requote took out of the market.

    Shares that expired, and shares that a revise moved, do not count.
    """
    taken = 0
    for fact in order.facts:
        match fact:
            case Requoted(step="cancel"):
                taken = 0
            case Cancelled(qty=qty):
                taken += qty
            case Reopened(qty=qty):
                taken -= qty
    # KIS's list may show shares as cancelled that filled under the number of an earlier order. So
    # the result is never more than the order's quantity.
    filled, one = order.filled, order
    while (before := orders.get(one.intent.supersedes or "")) is not None:
        one = before
        filled += one.filled
    return min(taken, one.quantity - filled)
