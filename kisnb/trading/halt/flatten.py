"""The flatten: sells all holdings, again and again, until nothing is held or a person ends it.

A person asks for it together with the kill switch. It has its own rows for its start and its end,
so neither a halt nor a restart of the desk ends it:

    FlattenSet(on) ──► sell each part ──► its order ended? ──► sold: look at the next part
                            ▲                   │
                            └── pause, next kind ┘ not sold
    nothing is held, and KIS says so ──► FlattenSet(off)

A part is the shares of one stock that one agent holds, or that no agent holds. A part has one order
at a time, so that no share is sold twice while the outcome of an order is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator

from kisnb.clock import SECOND, Ns
from kisnb.events import FlattenSet, HaltStep
from kisnb.orders import Account, Order, OrderState
from kisnb.terms import OrderKind, Side
from kisnb.trading.order_books.order_book import BY_HAND, FLATTEN, NOBODY, UNASSIGNED, is_of_flatten
from kisnb.trading.orders.cancels import Cancels
from kisnb.trading.orders.order_path import OrderPath
from kisnb.trading.orders.readings import Readings
from kisnb.trading.orders.urgent_sells import PAUSES, UrgentSells, is_any_open
from kisnb.trading.ports.effects import WakeAt
from kisnb.trading.state import State
from kisnb.trading.turn import Turn

# The kill switch waits for this report before its last steps, so that a person learns within
# seconds how far the sale is.
FIRST_REPORT: Ns = 10 * SECOND
"""After this time a flatten reports what is left to sell, although it goes on."""
STALE_LIMIT: Ns = 5 * SECOND
"""A best-opposite order is cancelled after this time.

The bid that set its price is gone by then.
"""
CURE = "it is tried again until nothing is held; %kis halt off REASON ends it"


class _Part:
    """The sale of one part (one agent's shares of one stock), and its progress."""

    def __init__(self) -> None:
        self.key = ""
        """Key of the newest order. Empty while there is no order."""
        self.failures = 0
        """Orders in a row that sold nothing."""
        self.again_at: Ns = 0
        """Earliest moment of the next order."""
        self.why = ""
        """How far the sale is, in words, or the reason why no order could be sent."""
        self.failed = ""
        """The end of the newest order that did not sell all, in words."""
        self.is_blocked = False
        """True while the market or the gate accepts no order."""

    def show(self, order: Order) -> None:
        """Set ``order`` as the newest order of this part, and ``why`` to how far the order is."""
        self.key, self.is_blocked = order.key, False
        self.why = _standing(order) + (f" (before it: {self.failed})" if self.failed else "")


class Flatten:
    """Sells all holdings, part by part, until nothing is held or a person ends it."""

    def __init__(
        self,
        state: State,
        sells: UrgentSells,
        orders: OrderPath,
        cancels: Cancels,
        readings: Readings,
    ) -> None:
        self._state = state
        self._sells = sells
        self._path = orders
        self._cancels = cancels
        self._readings = readings
        self._parts: dict[tuple[str, str], _Part] = {}
        """Parts by agent and code."""
        self._since: Ns | None = None
        """When the sale, or the newest pull, began. None before the kill switch lets it sell."""
        self._reported = True
        """True once the flatten has reported after ``_since``: all is sold, or what is left."""
        self._asked: Ns | None = None
        """When the desk began to ask KIS whether nothing is held. None while something is held."""
        self._wakes_at: Ns = 0

    @property
    def is_on(self) -> bool:
        """True from the request of a flatten until its end."""
        return self._state.flatten_reason is not None

    @property
    def has_reported(self) -> bool:
        """True when the flatten has ended, or has reported what is left to sell."""
        return not self.is_on or self._reported

    def request(self, turn: Turn, reason: str) -> None:
        """Journal that a person wants a flatten. It sells only after ``begin_selling``."""
        turn.record(FlattenSet(turn.now, True, reason))

    def begin_selling(self, turn: Turn) -> None:
        """Sell from now on, and report soon that all is sold, or what is left."""
        self._since, self._reported, self._asked = turn.now, False, None
        # After a new pull, the person does not want to wait for the pause after a failure.
        for part in self._parts.values():
            part.again_at, part.failures = turn.now, 0
        self.proceed(turn)
        if self._orders:
            turn.record(
                HaltStep(turn.now, "flatten", True, "; ".join(_standing(o) for o in self._orders))
            )

    def end(self, turn: Turn, reason: str) -> None:
        """End the flatten because a person wants that, and cancel its open orders."""
        turn.record(FlattenSet(turn.now, False, reason))
        for order in self._orders:
            if not order.cancel_asked:
                self._cancels.request(turn, order.key, None, kill_switch=True)
        self._stop()

    def on_account_read(self, turn: Turn, asked: Ns, account: Account | None) -> None:
        """End the flatten if KIS states that nothing is held. Otherwise go on selling.

        ``asked`` is when the account was asked for. ``account`` None: KIS did not state it.
        """
        # A reading that began before all was sold may show an account that was empty at an earlier
        # moment.
        is_newer = self._asked is not None and asked >= self._asked
        is_empty = (
            account is not None and account.complete and not any(h.qty for h in account.holdings)
        )
        if self.is_on and is_newer and is_empty and not self._is_holding():
            turn.record(HaltStep(turn.now, "flatten", True, "nothing is held, as KIS confirms"))
            turn.record(FlattenSet(turn.now, False, "nothing is held any more"))
            self._stop()
        else:
            self.proceed(turn)

    def proceed(self, turn: Turn) -> None:
        """Sell as much as possible now. Report what is left if that has changed."""
        if not self.is_on or self._since is None:
            return
        for agent, code in self._all_parts():
            self._sell(turn, agent, code)
        if self._is_holding():
            self._asked = None
        # By the order books all is sold. KIS must confirm that before the flatten ends.
        elif self._asked is None:
            self._asked = turn.now
            self._readings.schedule(turn, turn.now, "flatten", account=True)
        self._report(turn)
        self._wake(turn)

    # the parts

    def _all_parts(self) -> list[tuple[str, str]]:
        """Return all parts (agent and code), stock by stock.

        For each stock the agents' parts come first, then the shares that no agent holds.
        """
        books = self._state.books
        agents = [*sorted(books.agents.keys() - NOBODY), UNASSIGNED]
        held = [code for code, p in sorted(books.account.positions.items()) if p.qty]
        return [(agent, code) for code in held for agent in agents]

    def _sell(self, turn: Turn, agent: str, code: str) -> None:
        part = self._parts.setdefault((agent, code), _Part())
        # One order at a time: an order with unknown outcome counts as live, so its shares are not
        # sold again.
        live = self._live(agent, code)
        if live is not None:
            part.show(live)
            self._cancel_stale(turn, live)
            return
        self._note_end(turn.now, part)
        # It is never more than the whole account can sell, whatever the agent's own order book
        # says.
        free = self._sells.sellable(code, BY_HAND) - self._state.doubtful(code)
        qty = min(self._sells.sellable(code, agent), free)
        if qty <= 0:
            part.why, part.is_blocked = "", False
            return
        if turn.now < part.again_at:
            return
        sale = self._sells.choose(turn.now, FLATTEN, agent, code, qty, part.failures)
        if isinstance(sale, str):
            part.why, part.is_blocked = sale, True
            return
        self._path.submit(turn, sale)
        part.show(self._state.books.orders[sale.key])
        # The gate may have denied the order at once. That counts as a failure of this part.
        self._note_end(turn.now, part)

    def _live(self, agent: str, code: str) -> Order | None:
        mine = (o for o in self._orders if (o.intent.agent, o.code) == (agent, code))
        return next(mine, None)

    def _note_end(self, now: Ns, part: _Part) -> None:
        """Forget the newest order of a part when it has ended.

        Set a pause if it did not sell all.
        """
        order = self._state.books.orders.get(part.key)
        if order is None or not order.is_ended:
            return
        part.key = ""
        # An order that sold something shows that this kind finds a buyer, so the next order is of
        # this kind again.
        part.failures = 0 if order.filled else part.failures + 1
        if order.filled < order.quantity:
            pause = PAUSES.pause(max(part.failures - 1, 0))
            part.again_at, part.why = now + pause, _standing(order)
            part.failed = part.why

    def _cancel_stale(self, turn: Turn, order: Order) -> None:
        rests = order.sent_kind in (OrderKind.BEST_OPPOSITE, OrderKind.AFTER_BEST_OPPOSITE)
        if (
            rests
            and order.ref is not None
            and not order.cancel_asked
            and turn.now >= order.sent_at + STALE_LIMIT
        ):
            self._cancels.request(turn, order.key, None, kill_switch=True)

    # what remains

    @property
    def _orders(self) -> list[Order]:
        """The flatten's sells that have not ended."""
        return [o for o in self._state.books.live.values() if is_of_flatten(o.intent)]

    def _is_holding(self) -> bool:
        """Return whether the order books have a position, or an order that has not ended.

        A buy with unknown outcome may still fill after all is sold, and so may a buy whose cancel
        failed.
        """
        books = self._state.books
        return any(p.qty for p in books.account.positions.values()) or bool(books.live)

    def _texts(self) -> Iterator[str]:
        state = self._state
        if state.opened is None:
            yield "KIS has not stated the account yet"
        for code, position in sorted(state.books.account.positions.items()):
            if position.qty:
                whys = [p.why for (_, of), p in self._parts.items() if of == code and p.why]
                others = position.qty - self._sells.sellable(code, BY_HAND) - self._on_order(code)
                if others > 0:
                    whys.append(f"{others:,} of them are in sells that have not ended")
                yield f"{position.qty:,} {code}: {'; '.join(dict.fromkeys(whys)) or 'not sold yet'}"
        for order in state.books.live.values():
            if order.side is Side.BUY:
                yield f"{order.intent.text} has not ended ({order.state}): it may still fill"
        for (subject, what), drift in sorted(state.drifts.items()):
            if what == "holding":
                yield f"KIS states {drift.theirs:,} {subject}, the order books {drift.ours:,}"

    def _on_order(self, code: str) -> int:
        """Return how many shares the flatten's own sells have reserved."""
        return sum(
            o.leaves for o in self._orders if o.code == code and o.state is not OrderState.NEW
        )

    def _report(self, turn: Turn) -> None:
        """Record what is left if it has changed, once nothing more can be sold at the moment."""
        assert self._since is not None
        selling = bool(self._orders)
        pausing = any(part.again_at > turn.now for part in self._parts.values())
        is_stuck = not selling and not pausing and any(p.is_blocked for p in self._parts.values())
        # A report while orders are under way would be out of date at once. It waits until nothing
        # changes, or for ten seconds.
        if not (is_stuck or turn.now >= self._since + FIRST_REPORT) or (self._reported and selling):
            return
        texts = list(self._texts()) or ["KIS has not confirmed yet that nothing is held"]
        text = f"FAILED: left are {', '.join(texts)}; {CURE}"
        # Only a changed sentence is reported, because this runs at every step of the core and each
        # report is a row.
        if not self._reported or text != self._state.flatten_left:
            turn.record(HaltStep(turn.now, "flatten", False, text))
        self._reported = True

    def _wake(self, turn: Turn) -> None:
        assert self._since is not None
        times = [part.again_at for part in self._parts.values()]
        times.append(self._since + FIRST_REPORT)
        if any(part.is_blocked for part in self._parts.values()) and is_any_open(turn.now):
            # A halt of the stock or an interruption may end at any moment. The core wakes by itself
            # at the beginning of each market session.
            times.append(turn.now + PAUSES.longest)
        times += [turn.now + STALE_LIMIT for _ in self._orders]
        due = min((t for t in times if t > turn.now), default=None)
        if due is not None and not turn.now < self._wakes_at <= due:
            self._wakes_at = due
            turn.emit(WakeAt(due))

    def _stop(self) -> None:
        self._parts.clear()
        self._since, self._reported, self._asked = None, True, None


def _standing(order: Order) -> str:
    """Return a sentence: how far a sell is, and why it does not fill."""
    sell = order.intent.text
    match order.state:
        case OrderState.NEW:
            usual = "for the orders before it, or for KIS to confirm the shares"
            return f"{sell} waits: {order.text or usual}"
        case OrderState.SENDING:
            return f"{sell} is on its way"
        case OrderState.UNKNOWN:
            return f"whether {sell} was sent is not known yet"
        case _ if order.is_open:
            return f"{sell} rests, {order.filled:,} filled"
        case OrderState.DENIED | OrderState.REJECTED:
            return f"{sell} was refused: {order.text}"
        case _:
            return f"of {sell} the market took {order.filled:,}"
