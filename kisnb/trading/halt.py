"""The kill switch: block → cancel all that is open → ask KIS until nothing is → set the state → snapshot → notify.

| state    | lets pass                                             |
|----------|-------------------------------------------------------|
| active   | what the gate lets pass                               |
| reducing | cancels, and sells up to the position, exits included |
| halted   | cancels                                               |

Each step is a fact. A step that failed says so and the next ones are taken all the same: what can be made safe is. The
state outlives the desk; only a person lifts it, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from kisnb.clock import SECOND, Ns, kst_day
from kisnb.events import HaltSet, HaltStep
from kisnb.orders import Intent, Order, OrderState
from kisnb.terms import OrderKind, Side
from kisnb.trading import reservations
from kisnb.trading.commands import Ask, Effect, Halt, Question, WakeAt
from kisnb.trading.journal_rows import Row
from kisnb.trading.order_book import BY_HAND, NOBODY, UNASSIGNED
from kisnb.trading.state import State

QUERY = "kill switch"
"""Why the kill switch asks."""
PAUSES: tuple[Ns, ...] = (1 * SECOND, 2 * SECOND)
"""Between the queries; one more query than pauses."""
PATIENCE: Ns = 10 * SECOND
"""How long one query may take before it counts as not answered."""


class KillSwitch:
    """One run of the switch at a time; pulled again meanwhile, it begins anew. Pure: rows and effects go out."""

    def __init__(
        self,
        state: State,
        row: Callable[[Row], None],
        then: Callable[[Effect], None],
        cancel: Callable[[Ns, Order], None],
        submit: Callable[[Ns, Intent], None],
    ) -> None:
        self._state = state
        self._row = row
        self._then = then
        self._cancel = cancel
        self._submit = submit
        self._pulled: Halt | None = None
        self._runs = 0
        self._queries = 0
        self._answered = 0
        self._next: Ns = 0

    @property
    def busy(self) -> bool:
        return self._pulled is not None

    def pull(self, now: Ns, command: Halt) -> None:
        """Begin. The block is a row, and with it synced, before anything else is done."""
        self._pulled = command
        self._runs += 1
        self._queries = self._answered = 0
        self._row(HaltSet(now, "halted", command.reason))
        ends: Literal["reducing", "halted", "flatten"] = "flatten" if command.flatten else command.state
        self._row(HaltStep(now, "block", True, f"no new order passes: {command.reason}", ends))
        self._cancel_all(now)
        self._query(now)

    def go_on(self, now: Ns) -> None:
        """The desk died while the switch was at work: begin anew, for the same end."""
        ends = self._state.halting
        self.pull(now, Halt(self._state.halt_reason, "reducing" if ends == "reducing" else "halted", ends == "flatten"))

    def answered(self, now: Ns, question: Question, *, complete: bool) -> None:
        """KIS listed the orders, and the books have been brought to it; or it did not answer."""
        if self._pulled is None or question.why != self._why:
            return
        self._answered = self._queries
        if complete and not self._open:
            self._step(now, "query", f"KIS lists no open order (query {self._queries})")
            self._conclude(now, self._pulled)
            return
        self._cancel_all(now)
        self._again(now)

    def woke(self, now: Ns) -> None:
        if self._pulled is None or now < self._next:
            return
        if self._answered < self._queries:
            self._answered = self._queries
            self._again(now)
        else:
            self._query(now)

    @property
    def _why(self) -> str:
        return f"{QUERY} {self._runs}.{self._queries}"

    @property
    def _open(self) -> list[Order]:
        return list(self._state.books.live.values())

    def _cancel_all(self, now: Ns) -> None:
        """Ask for what has not been asked for; an order of unknown fate has no number to ask by, and comes up again."""
        orders = [order for order in self._open if not order.cancel_asked]
        for order in orders:
            self._cancel(now, order)
        missed = [order for order in orders if order.is_open and not order.cancel_asked]
        asked = [order for order in orders if order not in missed]
        if asked or not (self._queries or missed):
            self._step(now, "cancel", f"{len(asked)} orders: {_named(asked)}" if asked else "nothing is open")
        if missed and not self._queries:
            self._step(now, "cancel", f"without a number, not cancelled yet: {_named(missed)}", done=False)

    def _query(self, now: Ns) -> None:
        self._queries += 1
        self._next = now + PATIENCE
        self._then(Ask(Question(kst_day(now), self._why, True, now, self._state.fills)))
        self._then(WakeAt(self._next))

    def _again(self, now: Ns) -> None:
        if self._queries <= len(PAUSES):
            self._next = now + PAUSES[self._queries - 1]
            self._then(WakeAt(self._next))
            return
        assert self._pulled is not None
        left = self._open
        text = f"still open: {_named(left)}" if left else "KIS did not list the orders"
        self._step(now, "query", f"{text}, after {self._queries} queries", done=False)
        self._conclude(now, self._pulled)

    def _conclude(self, now: Ns, pulled: Halt) -> None:
        self._pulled = None
        state = "reducing" if pulled.flatten else pulled.state
        if state != self._state.halt:
            self._row(HaltSet(now, state, pulled.reason))
        self._step(now, "state", f"the desk is {state}")
        if pulled.flatten:
            self._flatten(now)
        self._snapshot(now)
        self._step(now, "notify", f"kill switch: {pulled.reason}; the desk is {state}")

    def _flatten(self, now: Ns) -> None:
        """Sell what each agent holds in its own name, so that it knows of it, and the rest in nobody's."""
        books = self._state.books
        told, done = [], True
        for code in sorted(books.account.positions):
            held, left = books.account.position(code).qty, self._sellable(code, BY_HAND)
            if held > left:
                told.append(f"{held - left:,} {code} are left to sells that have not ended")
                done = False
            for agent in [*sorted(books.agents.keys() - NOBODY), UNASSIGNED]:
                if (qty := min(left, self._sellable(code, agent))) > 0:
                    left -= qty
                    key = f"halt:{now}:{agent}:{code}"
                    self._submit(now, Intent(key, agent, code, Side.SELL, qty, OrderKind.MARKET, protective=True))
                    told.append(_way(books.orders[key]))
                    done = done and books.orders[key].is_open
        self._step(now, "flatten", "; ".join(told) or "nothing is held", done=done)

    def _sellable(self, code: str, agent: str) -> int:
        return reservations.sellable(self._state.books, Intent("", agent, code, Side.SELL, 0, OrderKind.MARKET))

    def _snapshot(self, now: Ns) -> None:
        state = self._state
        held = ", ".join(f"{p.qty:,} {code}" for code, p in sorted(state.books.account.positions.items()) if p.qty)
        cash = "not stated by KIS" if state.cash is None else f"{state.cash:,} won"
        self._step(now, "snapshot", f"cash {cash}; holds {held or 'nothing'}; open {_named(self._open)}")

    def _step(
        self,
        now: Ns,
        step: Literal["cancel", "query", "state", "flatten", "snapshot", "notify"],
        text: str,
        *,
        done: bool = True,
    ) -> None:
        self._row(HaltStep(now, step, done, text if done else f"FAILED: {text}"))


def _named(orders: list[Order]) -> str:
    return ", ".join(f"#{o.number}" if o.number else o.intent.text for o in orders) or "none"


def _way(sell: Order) -> str:
    """How far a sell has come: a POST has begun, or it waits, or it was refused."""
    if sell.state is OrderState.SENDING:
        return f"{sell.intent.text} is on its way"
    waits = "waits for the orders before it, or for KIS to confirm the shares"
    return f"{sell.intent.text} {'is refused' if sell.is_ended else 'waits'}: {sell.text or waits}"
