"""Orders over bars: fills them in bars, and applies their facts directly to the state.

    take ─► IntentTaken ─► the gate ─► SendStarted ─► Sent ─► waits for bars ─► Filled | Expired
                              └─► Denied

The desk's own path of an order (``OrderPath``, notices, readings) leads to the same rows. It also
writes RouteDecided and Accepted, keeps evidence and costs four times as much. A property test plays
both and compares their rows.
"""

from __future__ import annotations

from collections.abc import Callable

from kisnb.backtesting.bar_agents import BarCommand, PlaceAtFill
from kisnb.backtesting.bar_rules import BarGate, BarRules
from kisnb.clock import DAY, Ns, day_number, kst, kst_day
from kisnb.events import (
    AccountOpened,
    Bar,
    Cancelled,
    CancelStarted,
    Denied,
    Expired,
    ExternalFound,
    Filled,
    IntentTaken,
    OrderFact,
    Revised,
    SendStarted,
    Sent,
)
from kisnb.exchange.bar_fills import bar_fill, is_reached, limit_price, locked
from kisnb.market.costs import added
from kisnb.market.instruments import Instrument
from kisnb.orders import Intent, Order, OrderRef, OrderState, Route
from kisnb.terms import Board, Kind, OrderKind, Side, Venue
from kisnb.trading.agents.sizing import Means, Wanted, change
from kisnb.trading.orders.revise import place_lost, why_not_revised
from kisnb.trading.ports.commands import CancelOrder, NoteDecision, ReviseOrder, Submit
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.state import State

ROUTE = "session_default"
"""The router's reason for an order whose stock trades at one venue."""


class Waiting:
    """An order that waits for a bar. It is at the exchange, or its fill will decide its shares."""

    __slots__ = ("arrives", "intent", "order", "reached", "traded", "wanted")

    def __init__(self, order: Order, intent: Intent, arrives: Ns, wanted: Wanted | None) -> None:
        self.order = order
        self.intent = intent
        self.arrives = arrives
        """The order meets bars that begin at this moment or later."""
        self.wanted = wanted
        """The amount that sizes the order at its fill. None: its shares are known."""
        self.reached = False
        """True for a stop-limit order whose stop was reached: it is now a limit order."""
        self.traded = 0
        """Value of its fills so far, won."""


class BarOrders:
    """The orders of all agents over bars. Prices in won."""

    def __init__(
        self,
        state: State,
        rules: BarRules,
        gate: BarGate,
        now: Ns,
        cash: int,
        *,
        percent: int | None,
        own_cash: dict[str, int] | None,
    ) -> None:
        """Open the account with ``cash`` won at ``now``.

        ``percent``: the part of a bar's volume that orders may take, None for any quantity.
        ``own_cash`` has the won of each agent. None: all agents share the cash.
        """
        self.state = state
        self.waiting: dict[str, list[Waiting]] = {}
        """Orders that meet the next bar of their stock, by code, oldest first."""
        self.held: dict[str, int] = {}
        """Shares of each stock that the account holds."""
        self.rows: list[Row] | None = None
        """The rows in order. None: they are not kept. A caller that needs them sets a list."""
        self._rules = rules
        self._gate = gate
        self._percent = percent
        self.notify: Callable[[Order, OrderFact], None] | None = None
        """Called with each order and its fact. None: no agent has a handler for them."""
        self._own_cash = own_cash
        self._number = 0
        self._day_ends: Ns = 0
        self._day_number = 0
        self._taxes: dict[tuple[Kind, Board], int] = {}
        """Tax rates of the present day, parts per billion, by kind and board of an issue."""
        self._routes = {kind: Route(Venue.KRX, kind, ROUTE) for kind in rules.capabilities.kinds}
        self._items = {item.code: item for item in rules.universe}
        state.apply(AccountOpened(now, cash, ()))

    # what agents want

    def take(self, command: BarCommand, now: Ns, arrives: Ns) -> None:
        """Carry out an agent's command at ``now``. Its order meets bars from ``arrives`` on."""
        match command:
            case PlaceAtFill(intent=intent, wanted=wanted):
                order = self.state.books.orders[intent.key]
                waiting = Waiting(order, intent, arrives, wanted)
                self.waiting.setdefault(intent.code, []).append(waiting)
            case Submit(intent=intent):
                self._submit(now, intent, arrives)
            case ReviseOrder(intent=intent):
                self._revise(now, intent, arrives)
            case CancelOrder(key=key, qty=qty):
                self._cancel(now, key, qty)
            case NoteDecision(decision=decision):
                self.state.apply(decision)
                if self.rows is not None:
                    self.rows.append(decision)
            case _:
                # These are for a desk that serves sessions.
                pass

    def _submit(self, now: Ns, intent: Intent, arrives: Ns) -> None:
        self._record(IntentTaken(now, intent))
        no = self._gate.check(now, intent, self.state)
        if no is not None:
            self._record(Denied(now, intent.key, *no))
            return
        self._send(now, intent, self._routes[intent.kind])
        order = self.state.books.orders[intent.key]
        self.waiting.setdefault(intent.code, []).append(Waiting(order, intent, arrives, None))

    def _send(self, now: Ns, intent: Intent, route: Route) -> OrderRef:
        day = self._today(now)
        highest = self.state.highest.get(day, 0)
        self._record(SendStarted(now, intent.key, route, highest))
        self._number += 1
        ref = OrderRef(day, "", self._number, Venue.KRX)
        self._record(Sent(now, intent.key, ref))
        return ref

    def _revise(self, now: Ns, intent: Intent, arrives: Ns) -> None:
        self._record(IntentTaken(now, intent))
        item = self._rules.instrument(intent.code)
        no = self._gate.check(now, intent, self.state)
        if no is None and item is not None:
            no = why_not_revised(now, self.state.books, intent, item)
        if no is not None:
            self._record(Denied(now, intent.key, *no))
            return
        old = self.state.books.orders[intent.supersedes or ""]
        self._send(now, intent, Route(Venue.KRX, intent.kind, place_lost(old, intent)))
        self._record(Revised(now, old.key, intent.qty, intent.key, self._number))
        order = self.state.books.orders[intent.key]
        entries = self.waiting.setdefault(intent.code, [])
        moved = Waiting(order, intent, arrives, None)
        place = next(i for i, w in enumerate(entries) if w.order is old)
        if intent.price == old.intent.price:
            # At the same price the shares keep their place.
            entries.insert(place, moved)
        else:
            entries.append(moved)
        self._drop_ended(intent.code)

    def _cancel(self, now: Ns, key: str, qty: int | None) -> None:
        order = self.state.books.orders.get(key)
        if order is None or not order.is_open:
            return
        waiting = [w for w in self.waiting.get(order.code, ()) if w.order is order]
        if order.state is OrderState.NEW:
            why = "it was cancelled before it was sent"
            if waiting:
                self._record(IntentTaken(now, order.intent))
            self._record(Denied(now, key, why, "order again if it is still wanted"))
        else:
            self._record(CancelStarted(now, key, qty))
            self._number += 1
            gone = min(qty or order.leaves, order.leaves)
            self._record(Cancelled(now, key, gone, self._number))
        self._drop_ended(order.code)

    # the bars

    def meet(self, bar: Bar, t: Ns) -> None:
        """Fill the waiting orders of a stock in a bar that begins at ``t``.

        For a daily bar ``t`` is the day's opening.
        """
        entries = self.waiting.pop(bar.code)
        room = bar.volume if self._percent is None else bar.volume * self._percent // 100
        left = []
        for entry in entries:
            if entry.arrives > t or not bar.volume:
                left.append(entry)
                continue
            if entry.wanted is not None:
                traded = self._size(bar, t, entry, room)
                if traded is not None:
                    room -= traded
                    if entry.order.is_open:
                        left.append(entry)
                    continue
            room -= self._fill(bar, t, entry, room)
            if entry.order.is_open:
                left.append(entry)
        if left:
            # Handlers of the fills may have ordered more of this stock.
            self.waiting[bar.code] = left + self.waiting.get(bar.code, [])

    def _fill(self, bar: Bar, t: Ns, entry: Waiting, room: int) -> int:
        """Fill one order in a bar with at most ``room`` shares. Return the shares that traded."""
        intent, order = entry.intent, entry.order
        if self._percent is None:
            room = order.leaves
        buys = intent.side is Side.BUY
        limits = self._rules.bar_days.of(t, bar.code) if bar.high == bar.low else None
        lower, upper = limits.limits if limits is not None and limits.limits else (0, 0)
        if limits is not None and locked(buys, bar.high, bar.low, lower, upper):
            return 0
        if intent.stop is None or entry.reached:
            price = limit_price(buys, intent.price or 0, bar.open, bar.high, bar.low)
        else:
            found = bar_fill(intent.side, order.leaves, intent.price, bar, stop=intent.stop)
            price = found.price if found is not None else 0
            entry.reached = is_reached(buys, intent.stop, bar.high, bar.low)
        shares = min(order.leaves, room)
        if not price or shares < 1:
            return 0
        value = shares * price
        fee, tax = self._costs(t, intent, entry.traded, value)
        entry.traded += value
        self._note_fill(intent, shares, value, fee + tax)
        self._record(Filled(t, intent.key, shares, price, fee, tax, Venue.KRX, t))
        return shares

    def _costs(self, t: Ns, intent: Intent, before: int, value: int) -> tuple[int, int]:
        """Return the fee and the tax that a fill adds to its order, won.

        ``before`` is the value of the order's earlier fills, won.
        """
        item, costs = self._items[intent.code], self._rules.costs
        if not before:
            # The whole order trades in one fill, which is nearly every order.
            fee = costs.fee(value, Venue.KRX, item.kind)
            if intent.side is Side.BUY:
                return fee, 0
            return fee, value * self._tax_rate(t, item) // 1_000_000_000
        fee = added(lambda won: costs.fee(won, Venue.KRX, item.kind), before, value)
        if intent.side is Side.BUY:
            return fee, 0
        day = kst_day(t)
        return fee, added(lambda won: costs.tax(won, day, item.kind, item.board), before, value)

    def _tax_rate(self, t: Ns, item: Instrument) -> int:
        """Return the day's tax on sales of an issue, in parts per billion."""
        self._today(t)
        sort = item.kind, item.board
        rate = self._taxes.get(sort)
        if rate is None:
            rate = self._rules.costs.tax_rate(kst_day(t), item.kind, item.board)
            self._taxes[sort] = rate
        return rate

    def _size(self, bar: Bar, t: Ns, entry: Waiting, room: int) -> int | None:
        """Compute the shares of an order at the open of a bar, and fill it now if all can trade.

        Return the number of shares that traded. None: the order was sent and not filled yet.
        """
        intent, wanted = entry.intent, entry.wanted
        assert wanted is not None
        buys = intent.side is Side.BUY
        if bar.high == bar.low:
            limits = self._rules.bar_days.of(t, bar.code)
            lower, upper = limits.limits if limits is not None and limits.limits else (0, 0)
            if locked(buys, bar.high, bar.low, lower, upper):
                return 0
        shares = self._shares(bar, intent, wanted)
        qty = shares if buys else -shares
        if qty != intent.qty and qty > 0:
            intent = entry.intent = Intent(
                intent.key, intent.agent, intent.code, intent.side, qty, intent.kind
            )
        entry.wanted = None
        most = self._gate.limits.max_order_value
        if qty <= 0:
            self._record(IntentTaken(t, intent))
            why = f"at {bar.open:,} won there is nothing to {intent.side} any more"
            self._record(Denied(t, intent.key, why, "order less, or with more cash"))
            return 0
        if buys and qty * bar.open > most:
            self._record(IntentTaken(t, intent))
            why = f"an order of {qty * bar.open:,} won is above the limit of {most:,} won"
            self._record(Denied(t, intent.key, why, "order less, or raise max_order_value"))
            return 0
        if self.notify is None and (self._percent is None or qty <= room):
            self._trade_at_once(bar.open, t, intent)
            return qty
        self._record(IntentTaken(t, intent))
        self._send(t, intent, self._routes[OrderKind.MARKET])
        return None

    def _trade_at_once(self, price: int, t: Ns, intent: Intent) -> None:
        """Send an order and fill all of it at the open, without calling a handler of the agent."""
        day = self._today(t)
        started = SendStarted(
            t, intent.key, self._routes[OrderKind.MARKET], self.state.highest.get(day, 0)
        )
        self._number += 1
        value = intent.qty * price
        fee, tax = self._costs(t, intent, 0, value)
        taken = IntentTaken(t, intent)
        sent = Sent(t, intent.key, OrderRef(day, "", self._number, Venue.KRX))
        filled = Filled(t, intent.key, intent.qty, price, fee, tax, Venue.KRX, t)
        self._note_fill(intent, intent.qty, value, fee + tax)
        self.state.apply_at_once(taken, started, sent, filled)
        if self.rows is not None:
            self.rows += (taken, started, sent, filled)

    def _note_fill(self, intent: Intent, shares: int, value: int, costs: int) -> None:
        """Update the shares that are held, and the agent's own cash."""
        buys = intent.side is Side.BUY
        held = self.held.get(intent.code, 0) + (shares if buys else -shares)
        if held:
            self.held[intent.code] = held
        else:
            self.held.pop(intent.code, None)
        if self._own_cash is not None:
            self._own_cash[intent.agent] += (-value if buys else value) - costs

    def _shares(self, bar: Bar, intent: Intent, wanted: Wanted) -> int:
        """Return the shares that ``wanted`` means at the open of a bar, negative to sell."""
        agent, code, price = intent.agent, intent.code, bar.open
        books = self.state.books
        held = books.of(agent).position(code).qty
        for entry in self.waiting.get(code, ()):
            if entry.intent.agent == agent and entry.wanted is None:
                leaves = entry.order.leaves
                held += leaves if entry.intent.side is Side.BUY else -leaves
        if wanted.weight == 0:
            return -held
        if self._own_cash is not None:
            cash = self._own_cash[agent]
            equity = cash + books.of(agent).position(code).qty * price
        else:
            cash = self.state.cash or 0
            bases = self._rules.bar_days.bases
            equity = cash + sum(
                qty * (price if of == code else bases[of]) for of, qty in self.held.items()
            )
        free = cash - self._reserved()
        means = Means(price, price, free, equity, held)
        return change(wanted, means, self._rules.costs, self._items[code].kind)

    def _reserved(self) -> int:
        """Return the cash that limit buys at the exchange may need, won."""
        return sum(
            entry.order.leaves * (entry.intent.price or 0)
            for entries in self.waiting.values()
            for entry in entries
            if entry.wanted is None and entry.intent.side is Side.BUY
        )

    def end_day(self, now: Ns) -> None:
        """End the day's orders that were not filled: they expire, or are denied if never sent."""
        entries = {w.order.key: w for waiting in self.waiting.values() for w in waiting}
        # In the order in which they were given, as the desk books a list of KIS's.
        for key in [key for key in self.state.books.live if key in entries]:
            entry, order = entries[key], entries[key].order
            if entry.wanted is not None:
                self._record(IntentTaken(now, entry.intent))
                why = f"{order.code} did not trade until the end of the day"
                self._record(Denied(now, key, why, "order again"))
            elif order.is_open:
                self._record(Expired(now, key, order.leaves))
        self.waiting.clear()

    # inside

    def _drop_ended(self, code: str) -> None:
        left = [w for w in self.waiting.get(code, ()) if w.order.is_open]
        if left:
            self.waiting[code] = left
        else:
            self.waiting.pop(code, None)

    def _today(self, now: Ns) -> int:
        if now >= self._day_ends:
            day = kst_day(now)
            self._day_ends = kst(day, 0) + DAY
            # Numbers begin anew each day at KIS. Here they go on, so that none comes twice.
            self._day_number = day_number(now)
            self._taxes.clear()
        return self._day_number

    def _record(self, fact: OrderFact) -> None:
        self.state.apply(fact)
        if self.rows is not None:
            self.rows.append(fact)
        # An agent knows of its own intent: as live, it hears of what becomes of it.
        if self.notify is not None and not isinstance(fact, IntentTaken | ExternalFound):
            self.notify(self.state.books.orders[fact.key], fact)


__all__ = ["BarOrders", "Waiting"]
