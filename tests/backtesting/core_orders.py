"""The whole way of orders over bars: the desk's core, its notices and its readings.

It is the reference for ``BarOrders``, which folds the facts directly. Both stand behind the same
loop, and their rows are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kisnb.backtesting.bar_agents import BarClock, BarCommand, BarRunner, PlaceAtFill
from kisnb.backtesting.bar_feed import BarFeed
from kisnb.backtesting.bar_prices import BarPrices
from kisnb.backtesting.bar_rules import BarGate, BarRules
from kisnb.backtesting.bar_run import BarRun
from kisnb.clock import Ns, day_number, kst_day
from kisnb.events import AccountOpened, Bar, Event, Notice, OrderFact, is_order_fact
from kisnb.exchange.bar_fills import bar_fill, is_reached
from kisnb.market import sessions
from kisnb.orders import Intent, Order, OrderPage, OrderRef, OrderRow, SendReply
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.desk_core import CoreMessage, DeskCore
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.orders.buy_guards import BuyGuards
from kisnb.trading.ports.commands import CancelOrder, ReviseOrder, SetGuards, Submit
from kisnb.trading.ports.effects import (
    AskDepth,
    Cancel,
    CancelReply,
    DepthRead,
    Effect,
    OrdersQuery,
    OrdersRead,
    Persist,
    Publish,
    Revise,
    Send,
)
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State


class Entry:
    """An order at the exchange."""

    def __init__(self, number: int, intent: Intent, qty: int) -> None:
        self.number, self.intent, self.leaves = number, intent, qty
        self.reached = self.rests = False


class CoreOrders:
    """Stands where ``BarOrders`` stands, and hands everything to a DeskCore."""

    def __init__(
        self, rules: BarRules, limits: Limits, books: OrderBooks, now: Ns, cash: int, percent: int
    ) -> None:
        self.state = State()
        self.prices: BarPrices | None = None
        self.core = DeskCore(rules, limits, self.state)
        self.core.gate = self.core.orders.gate = BarGate(rules, limits)
        self.rows: list[Row] = []
        self.waiting: dict[str, list[Entry]] = {}
        self.notify: Callable[[Order, OrderFact], None] | None = None
        self._rules, self._books, self._percent, self._now = rules, books, percent, now
        self._number = 0
        opened = AccountOpened(now, cash, ())
        self.state.apply(opened)

    @property
    def held(self) -> dict[str, int]:
        positions = self.state.books.account.positions.values()
        return {p.code: p.qty for p in positions if p.qty}

    def take(self, command: BarCommand, now: Ns, arrives: Ns) -> None:
        assert isinstance(command, Submit | ReviseOrder | CancelOrder)
        assert not isinstance(command, PlaceAtFill)
        assert arrives == now
        self._step(now, command)

    def meet(self, bar: Bar, t: Ns) -> None:
        entries = self.waiting.pop(bar.code)
        room = bar.volume * self._percent // 100
        day = self._rules.bar_days.of(t, bar.code)
        lower, upper = day.limits if day is not None and day.limits is not None else (0, 0)
        for entry in entries:
            intent = entry.intent
            stop = None if entry.reached else intent.stop
            fill = bar_fill(
                intent.side, entry.leaves, intent.price, bar, stop=stop, lower=lower, upper=upper
            )
            if intent.stop is not None and bar.volume:
                reached = is_reached(intent.side.value == "buy", intent.stop, bar.high, bar.low)
                entry.reached = entry.reached or reached
            shares = min(fill.qty if fill is not None else 0, entry.leaves, room)
            if fill is not None and shares:
                entry.leaves -= shares
                room -= shares
                self._notice(t, "filled", entry, shares, fill.price)
        if left := [entry for entry in entries if entry.leaves]:
            self.waiting[bar.code] = left + self.waiting.get(bar.code, [])

    def meet_trade(self, bar: Bar, t: Ns) -> None:
        """Fill the orders of a stock by one trade. A limit that waits needs a trade through it."""
        entries, price = self.waiting.pop(bar.code), bar.open
        room = bar.volume * self._percent // 100
        for entry in entries:
            limit, buys = entry.intent.price, entry.intent.side.value == "buy"
            at = price
            if limit is not None and entry.rests:
                at = limit if (price < limit if buys else price > limit) else 0
            elif limit is not None:
                at = price if (price <= limit if buys else price >= limit) else 0
            entry.rests = True
            shares = min(entry.leaves, room)
            if at and shares:
                entry.leaves -= shares
                room -= shares
                self._notice(t, "filled", entry, shares, at)
        if left := [entry for entry in entries if entry.leaves]:
            self.waiting[bar.code] = left + self.waiting.get(bar.code, [])

    def end_day(self, now: Ns) -> None:
        """Show in KIS's list that nothing lives on. The core books it as expired."""
        day = kst_day(now)
        orders = self.state.books.orders.values()
        rows = [self._row(o) for o in orders if o.ref is not None and o.ref.day == day_number(day)]
        self.waiting.clear()
        # By the rule table an order ends with the close, also where the bars end earlier.
        closed = max(now, sessions.regular_close(day))
        query = OrdersQuery(day, "end of a session", False, closed, self.state.fills)
        self._step(closed, OrdersRead(query, OrderPage(tuple(rows), True)))

    def _row(self, order: Order) -> OrderRow:
        assert order.ref is not None
        old = self.state.books.orders.get(order.intent.supersedes or "")
        original = 0 if old is None or old.ref is None else old.ref.number
        return OrderRow(
            order.ref, original, order.code, order.side, order.intent.kind, order.quantity,
            order.intent.price or 0, order.filled, 0, 0, order.cancelled, 0, order.sent_at,
            sum(f.qty * f.price for f in order.fills),
        )  # fmt: skip

    def _step(self, now: Ns, message: CoreMessage) -> None:
        self._now = now
        if self.prices is not None:
            self.prices.now = now
        self._run(now, self.core.step(now, message))

    def _run(self, now: Ns, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Persist(rows=rows):
                    self.rows.extend(rows)
                case Publish(event=event):
                    self._publish(event)
                case Send(intent=intent, route=route):
                    assert route.venue is Venue.KRX
                    self._enter(now, intent)
                case Revise(intent=intent, ref=ref):
                    self._revise(now, intent, ref)
                case Cancel(key=key, ref=ref, qty=qty):
                    self._cancel(now, key, ref, qty)
                case AskDepth(code=code):
                    self._step(now, DepthRead(code, ()))

    def _publish(self, event: Event) -> None:
        if is_order_fact(event):
            order = self._books.apply(event)
            if self.notify is not None and hasattr(event, "key"):
                self.notify(order, event)

    def _sent(self, now: Ns, key: str) -> int:
        self._number += 1
        number = self._number
        ref = OrderRef(day_number(now), "", number, Venue.KRX)
        self._step(now, SendReply(key, "sent", ref))
        return number

    def _enter(self, now: Ns, intent: Intent) -> None:
        entry = Entry(self._sent(now, intent.key), intent, intent.qty)
        self.waiting.setdefault(intent.code, []).append(entry)
        self._notice(now, "accepted", entry, intent.qty, intent.price or 0)

    def _entry(self, number: int) -> Entry:
        return next(e for entries in self.waiting.values() for e in entries if e.number == number)

    def _revise(self, now: Ns, intent: Intent, ref: OrderRef) -> None:
        old, entries = self._entry(ref.number), self.waiting[intent.code]
        entry = Entry(self._sent(now, intent.key), intent, intent.qty)
        old.leaves -= intent.qty
        same = intent.price == old.intent.price
        entries.insert(entries.index(old) if same else len(entries), entry)
        self._notice(now, "revised", entry, intent.qty, intent.price or 0, ref.number)
        self._clean(intent.code)

    def _cancel(self, now: Ns, key: str, ref: OrderRef, qty: int | None) -> None:
        entry = self._entry(ref.number)
        gone = min(qty or entry.leaves, entry.leaves)
        assert gone
        entry.leaves -= gone
        self._number += 1
        self._step(now, CancelReply(SendReply(key, "sent", ref)))
        cancel = Entry(self._number, entry.intent, gone)
        self._notice(now, "cancelled", cancel, gone, 0, ref.number)
        self._clean(entry.intent.code)

    def _clean(self, code: str) -> None:
        self.waiting[code] = [e for e in self.waiting[code] if e.leaves]
        if not self.waiting[code]:
            del self.waiting[code]

    def _notice(
        self, now: Ns, kind: str, entry: Entry, qty: int, price: int, original: int = 0
    ) -> None:
        intent = entry.intent
        notice = Notice(
            now, kind, entry.number, original, intent.code, intent.side, qty, price, "", Venue.KRX
        )  # type: ignore[arg-type]
        self._step(now, notice)


def core_run(
    agents: dict[str, Agent],
    feed: BarFeed,
    rules: BarRules,
    limits: Limits,
    cash: int,
    percent: int,
) -> tuple[BarRun, CoreOrders]:
    """Return a run over the whole core, and its orders."""
    books, out, clock = OrderBooks(), list[tuple[BarRunner, BarCommand]](), BarClock()
    orders = CoreOrders(rules, limits, books, feed.hours[0][1], cash, percent)
    runners = [
        BarRunner(
            agent,
            name,
            books,
            rules,
            feed,
            out,
            clock,
            at_fill=False,
            cash=lambda: orders.state.cash,
        )
        for name, agent in agents.items()
    ]
    # Guards look at the prices of bars: the core has seen no trade.
    orders.prices = BarPrices(feed)
    orders.core.orders._guards = BuyGuards(rules, orders.state, orders.prices)
    for name, agent in agents.items():
        if agent.guards is not None:
            orders._step(feed.hours[0][1], SetGuards(name, agent.guards))
    orders.rows.clear()
    run = BarRun(feed, runners, orders, rules, orders.state, out)  # type: ignore[arg-type]
    return run, orders
