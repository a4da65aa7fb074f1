"""The kill switch: a run of steps that stops all orders and reports what is left.

block → cancel all open orders → ask KIS until none is open → set the state → flatten, if a person
asked for it → snapshot → notify

| state    | lets pass                                             |
|----------|-------------------------------------------------------|
| active   | what the gate lets pass                               |
| reducing | cancels, and sells up to the position, exits included |
| halted   | cancels                                               |

A pull never makes the state less strict. While a flatten runs, cancels and its own sells pass, and
nothing else, in any state (flatten.py). Each step is a fact. A step that failed says so, and the
next steps are taken all the same, so that all that can be made safe is made safe. The state
outlives the desk. Only a person lifts it, with a reason.
"""

from __future__ import annotations

from typing import Literal

from kisnb.clock import SECOND, Ns, kst_day
from kisnb.events import HaltSet, HaltStep
from kisnb.orders import Order
from kisnb.trading.halt.flatten import Flatten
from kisnb.trading.order_books.order_book import is_of_flatten
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.ports.commands import Halt, stronger
from kisnb.trading.ports.effects import AskOrders, OrdersQuery, WakeAt
from kisnb.trading.ports.queries import LiftHalt
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

QUERY = "kill switch"
"""The first words of the reason for which the kill switch reads KIS's orders."""
PAUSES: tuple[Ns, ...] = (1 * SECOND, 2 * SECOND)
"""Pauses between the queries. There is one more query than pauses."""
PATIENCE: Ns = 10 * SECOND
"""The longest time for one query. After that KIS counts as not having answered."""


# One run. Each step is a row, so that a person can follow it, and a restart begins the run again.
#
#     pull ─► block ─► cancel ─► query ─► nothing is open ──────────────────► conclude
#                                  ▲         │                                    ▲
#                                  │         ├─ still open: cancel again          │
#                                  │         └─ or no reply                       │
#                                  │               │                              │
#                                  └──── pause ◄───┴──► after the 3rd: FAILED ────┘
#
#     conclude ─► state ─► (flatten, up to its first report) ─► snapshot ─► notify
class KillSwitch:
    """One run of the kill switch at a time.

    A pull during a run starts the run again. The strongest state that was asked for counts.
    """

    def __init__(
        self,
        state: State,
        cancels: Cancels,
        flatten: Flatten,
    ) -> None:
        self._state = state
        self._cancels = cancels
        self._flatten = flatten
        self._awaits_flatten = False
        """True while the run has set its state and waits for the flatten's first report."""
        self._runs = 0
        self._queries = 0
        self._queries_ended = 0
        self._next: Ns = 0

    @property
    def is_busy(self) -> bool:
        """True from a pull until the last step of its run."""
        return bool(self._state.halting)

    @property
    def is_flattening(self) -> bool:
        """True while a flatten runs, and until the kill switch has recorded its end."""
        return self._flatten.is_on or self._awaits_flatten

    def pull(self, turn: Turn, command: Halt) -> None:
        """Begin a run: block new orders, cancel the open ones, and ask KIS for its list.

        The block is a row, and is synced before anything else is done.
        """
        end = stronger(self._state.coming_halt, command.state)
        is_weaker = end != command.state
        reason = f"{self._state.halt_reason}; {command.reason}" if is_weaker else command.reason
        self._awaits_flatten = False
        # The number is in the reason of each query (``_why``). So a reading of an earlier run is
        # not taken for one of this run.
        self._runs += 1
        self._queries = self._queries_ended = 0
        # The desk is halted during the run, whatever its final state: nothing may pass while it
        # cancels.
        turn.record(HaltSet(turn.now, "halted", reason))
        text = f"no new order passes: {command.reason}"
        if is_weaker:
            text += "; the desk stays halted, for a pull never lowers the state"
        turn.record(HaltStep(turn.now, "block", True, text, end))
        if command.flatten:
            self._flatten.request(turn, command.reason)
        # The cancels come before the first query, because the orders must be cancelled even if KIS
        # lists nothing.
        self._cancel_all(turn)
        self._query(turn)

    def go_on(self, turn: Turn) -> None:
        """Begin the run again that was under way when the desk died, with the same final state.

        If only its flatten was under way, the flatten goes on selling.
        """
        if self._state.halting:
            self.pull(turn, Halt(self._state.halt_reason, self._state.halting))
        # The kill switch had ended, but its flatten had not. Without this the sale would not go on.
        elif self._flatten.is_on:
            self._flatten.begin_selling(turn)

    def lift(self, turn: Turn, command: LiftHalt) -> None:
        """End the running flatten. If no flatten runs, let orders pass again.

        The end of a flatten does not change the trading state, because letting orders pass is a
        separate decision. The desk has checked the request before.
        """
        if self.is_flattening:
            self._end_flatten(turn, command.reason)
        elif self.is_busy:
            turn.report(
                "the kill switch is still running: wait until its last step (notify) is shown"
            )
        else:
            turn.record(HaltSet(turn.now, command.to, command.reason))

    def _end_flatten(self, turn: Turn, reason: str) -> None:
        if self._flatten.is_on:
            self._flatten.end(turn, reason)
        if self._awaits_flatten:
            self._finish(turn)

    def on_orders_read(self, turn: Turn, query: OrdersQuery, *, complete: bool) -> None:
        """Continue the run after a query has ended: conclude it, or cancel and ask again.

        ``complete`` True: KIS listed all orders, and the order books agree with the list. False:
        KIS did not list all orders.
        """
        # A reading of an earlier run, or a late answer to a query that was given up, does not
        # count.
        if not self.is_busy or self._awaits_flatten or query.why != self._why:
            return
        self._queries_ended = self._queries
        # Only a complete list can show that nothing is open.
        if complete and not self._open:
            self._step(turn, "query", f"KIS lists no open order (query {self._queries})")
            self._conclude(turn)
            return
        # The list may have shown orders with unknown outcome, and orders from the phone.
        self._cancel_all(turn)
        self._query_again(turn)

    def on_wake(self, turn: Turn) -> None:
        """Query again if the pause is over, or if the last query was not answered in time."""
        if not self.is_busy or self._awaits_flatten or turn.now < self._next:
            return
        if self._queries_ended < self._queries:
            self._queries_ended = self._queries
            self._query_again(turn)
        else:
            self._query(turn)

    @property
    def _why(self) -> str:
        return f"{QUERY} {self._runs}.{self._queries}"

    @property
    def _open(self) -> list[Order]:
        """The orders that the kill switch cancels: all live orders except sells of the flatten."""
        return [o for o in self._state.books.live.values() if not is_of_flatten(o.intent)]

    def _cancel_all(self, turn: Turn) -> None:
        """Cancel each open order whose cancel was not requested yet, and record the step.

        An order with unknown outcome has no number, so it cannot be cancelled now. The next query
        may find it.
        """
        orders = [order for order in self._open if not order.cancel_asked]
        for order in orders:
            self._cancels.request(turn, order.key, None, kill_switch=True)
        missed = [order for order in orders if order.is_open and not order.cancel_asked]
        asked = [order for order in orders if order not in missed]
        if asked or not (self._queries or missed):
            self._step(
                turn,
                "cancel",
                f"{len(asked)} orders: {_named(asked)}" if asked else "nothing is open",
            )
        if missed and not self._queries:
            self._step(
                turn, "cancel", f"without a number, not cancelled yet: {_named(missed)}", done=False
            )

    def _query(self, turn: Turn) -> None:
        self._queries += 1
        self._next = turn.now + PATIENCE
        turn.emit(
            # This does not use ``Readings``: its readings wait for one another, and a query must
            # not wait for a slow one.
            AskOrders(OrdersQuery(kst_day(turn.now), self._why, True, turn.now, self._state.fills))
        )
        turn.emit(WakeAt(self._next))

    def _query_again(self, turn: Turn) -> None:
        if self._queries <= len(PAUSES):
            self._next = turn.now + PAUSES[self._queries - 1]
            turn.emit(WakeAt(self._next))
            return
        left = self._open
        text = f"still open: {_named(left)}" if left else "KIS did not list the orders"
        self._step(turn, "query", f"{text}, after {self._queries} queries", done=False)
        self._conclude(turn)

    def _conclude(self, turn: Turn) -> None:
        state = self._state
        # The final state of the run, for example reducing, is set after the cancels.
        if state.halting and state.halting != state.halt:
            turn.record(HaltSet(turn.now, state.halting, state.halt_reason))
        self._step(turn, "state", f"the desk is {state.halt}")
        self._awaits_flatten = self._flatten.is_on
        if self._awaits_flatten:
            self._flatten.begin_selling(turn)
        else:
            self._finish(turn)

    def proceed(self, turn: Turn) -> None:
        """Let the flatten go on after orders may have changed. End the run once it has reported."""
        self._flatten.proceed(turn)
        if self._awaits_flatten and self._flatten.has_reported:
            self._finish(turn)

    def _finish(self, turn: Turn) -> None:
        self._awaits_flatten = False
        self._snapshot(turn)
        state = self._state
        self._step(turn, "notify", f"kill switch: {state.halt_reason}; the desk is {state.halt}")

    def _snapshot(self, turn: Turn) -> None:
        state = self._state
        held = ", ".join(
            f"{p.qty:,} {code}"
            for code, p in sorted(state.books.account.positions.items())
            if p.qty
        )
        cash = "not stated by KIS" if state.cash is None else f"{state.cash:,} won"
        self._step(
            turn, "snapshot", f"cash {cash}; holds {held or 'nothing'}; open {_named(self._open)}"
        )

    def _step(
        self,
        turn: Turn,
        step: Literal["cancel", "query", "state", "flatten", "snapshot", "notify"],
        text: str,
        *,
        done: bool = True,
    ) -> None:
        turn.record(HaltStep(turn.now, step, done, text if done else f"FAILED: {text}"))


def _named(orders: list[Order]) -> str:
    return ", ".join(f"#{o.number}" if o.number else o.intent.text for o in orders) or "none"
