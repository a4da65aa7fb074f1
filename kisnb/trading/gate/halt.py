"""The kill switch: block → cancel all that is open → ask KIS until nothing is → set the state →
flatten, when a person asked for it → snapshot → notify.

| state    | lets pass                                             |
|----------|-------------------------------------------------------|
| active   | what the gate lets pass                               |
| reducing | cancels, and sells up to the position, exits included |
| halted   | cancels                                               |

A pull never lowers the state. While a flatten runs, cancels and its own sells pass, and nothing
else, in any state (flatten.py). Each step is a fact. A step that failed says so, and the next steps
are taken all the same: what can be made safe is made safe. The state outlives the desk. Only a
person lifts it, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from kisnb.clock import SECOND, Ns, kst_day
from kisnb.events import HaltSet, HaltStep
from kisnb.orders import Order
from kisnb.trading.gate.flatten import Flatten
from kisnb.trading.order_books.order_book import is_of_flatten
from kisnb.trading.ports.commands import AskOrders, Effect, Halt, OrdersQuery, WakeAt, stronger
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.state import State

QUERY = "kill switch"
"""Why the kill switch asks."""
PAUSES: tuple[Ns, ...] = (1 * SECOND, 2 * SECOND)
"""Between the queries; one more query than pauses."""
PATIENCE: Ns = 10 * SECOND
"""How long one query may take before it counts as not answered."""


class KillSwitch:
    """One run of the switch at a time. Pulled again meanwhile, it begins anew, and the strongest wish
    counts. Pure: rows and effects go out.
    """

    def __init__(
        self,
        state: State,
        record: Callable[[Row], None],
        emit: Callable[[Effect], None],
        cancel: Callable[[Ns, Order], None],
        flatten: Flatten,
    ) -> None:
        self._state = state
        self._record = record
        self._emit = emit
        self._cancel = cancel
        self._flatten = flatten
        self._awaits_flatten = False
        """The run has set its state and waits for the flatten's first report."""
        self._runs = 0
        self._queries = 0
        self._queries_answered = 0
        self._next: Ns = 0

    @property
    def is_busy(self) -> bool:
        """A run has not come to its last step."""
        return bool(self._state.halting)

    @property
    def is_flattening(self) -> bool:
        """True while a flatten runs, and until the kill switch has recorded its end."""
        return self._flatten.is_on or self._awaits_flatten

    def pull(self, now: Ns, command: Halt) -> None:
        """Begin. The block is a row, and with it synced, before anything else is done."""
        end = stronger(self._state.coming_halt, command.state)
        is_weaker = end != command.state
        reason = f"{self._state.halt_reason}; {command.reason}" if is_weaker else command.reason
        self._awaits_flatten = False
        self._runs += 1
        self._queries = self._queries_answered = 0
        self._record(HaltSet(now, "halted", reason))
        text = f"no new order passes: {command.reason}"
        if is_weaker:
            text += "; the desk stays halted, for a pull never lowers the state"
        self._record(HaltStep(now, "block", True, text, end))
        if command.flatten:
            self._flatten.request(now, command.reason)
        self._cancel_all(now)
        self._query(now)

    def go_on(self, now: Ns) -> None:
        """Go on with what was at work when the desk died: the run anew, for the same end."""
        if self._state.halting:
            self.pull(now, Halt(self._state.halt_reason, self._state.halting))
        elif self._flatten.is_on:
            self._flatten.begin_selling(now)

    def end_flatten(self, now: Ns, reason: str) -> None:
        """A person ends the flatten; the state stays."""
        if self._flatten.is_on:
            self._flatten.end(now, reason)
        if self._awaits_flatten:
            self._finish(now)

    def on_orders_read(self, now: Ns, query: OrdersQuery, *, complete: bool) -> None:
        """KIS listed the orders, and the books have been brought to it; or it did not answer."""
        if not self.is_busy or self._awaits_flatten or query.why != self._why:
            return
        self._queries_answered = self._queries
        if complete and not self._open:
            self._step(now, "query", f"KIS lists no open order (query {self._queries})")
            self._conclude(now)
            return
        self._cancel_all(now)
        self._query_again(now)

    def on_wake(self, now: Ns) -> None:
        if not self.is_busy or self._awaits_flatten or now < self._next:
            return
        if self._queries_answered < self._queries:
            self._queries_answered = self._queries
            self._query_again(now)
        else:
            self._query(now)

    @property
    def _why(self) -> str:
        return f"{QUERY} {self._runs}.{self._queries}"

    @property
    def _open(self) -> list[Order]:
        """The orders that it cancels: all that live, but the flatten's own."""
        return [o for o in self._state.books.live.values() if not is_of_flatten(o.intent)]

    def _cancel_all(self, now: Ns) -> None:
        """Ask for what has not been asked for; an order of unknown fate has no number to ask by, and comes up again."""
        orders = [order for order in self._open if not order.cancel_asked]
        for order in orders:
            self._cancel(now, order)
        missed = [order for order in orders if order.is_open and not order.cancel_asked]
        asked = [order for order in orders if order not in missed]
        if asked or not (self._queries or missed):
            self._step(
                now,
                "cancel",
                f"{len(asked)} orders: {_named(asked)}" if asked else "nothing is open",
            )
        if missed and not self._queries:
            self._step(
                now, "cancel", f"without a number, not cancelled yet: {_named(missed)}", done=False
            )

    def _query(self, now: Ns) -> None:
        self._queries += 1
        self._next = now + PATIENCE
        self._emit(AskOrders(OrdersQuery(kst_day(now), self._why, True, now, self._state.fills)))
        self._emit(WakeAt(self._next))

    def _query_again(self, now: Ns) -> None:
        if self._queries <= len(PAUSES):
            self._next = now + PAUSES[self._queries - 1]
            self._emit(WakeAt(self._next))
            return
        left = self._open
        text = f"still open: {_named(left)}" if left else "KIS did not list the orders"
        self._step(now, "query", f"{text}, after {self._queries} queries", done=False)
        self._conclude(now)

    def _conclude(self, now: Ns) -> None:
        state = self._state
        if state.halting and state.halting != state.halt:
            self._record(HaltSet(now, state.halting, state.halt_reason))
        self._step(now, "state", f"the desk is {state.halt}")
        self._awaits_flatten = self._flatten.is_on
        if self._awaits_flatten:
            self._flatten.begin_selling(now)
        else:
            self._finish(now)

    def proceed(self, now: Ns) -> None:
        """Orders may have changed: let the flatten go on, and end the run when it has reported."""
        self._flatten.proceed(now)
        if self._awaits_flatten and self._flatten.has_reported:
            self._finish(now)

    def _finish(self, now: Ns) -> None:
        self._awaits_flatten = False
        self._snapshot(now)
        state = self._state
        self._step(now, "notify", f"kill switch: {state.halt_reason}; the desk is {state.halt}")

    def _snapshot(self, now: Ns) -> None:
        state = self._state
        held = ", ".join(
            f"{p.qty:,} {code}"
            for code, p in sorted(state.books.account.positions.items())
            if p.qty
        )
        cash = "not stated by KIS" if state.cash is None else f"{state.cash:,} won"
        self._step(
            now, "snapshot", f"cash {cash}; holds {held or 'nothing'}; open {_named(self._open)}"
        )

    def _step(
        self,
        now: Ns,
        step: Literal["cancel", "query", "state", "flatten", "snapshot", "notify"],
        text: str,
        *,
        done: bool = True,
    ) -> None:
        self._record(HaltStep(now, step, done, text if done else f"FAILED: {text}"))


def _named(orders: list[Order]) -> str:
    return ", ".join(f"#{o.number}" if o.number else o.intent.text for o in orders) or "none"
