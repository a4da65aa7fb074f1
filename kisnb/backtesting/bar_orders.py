"""The orders of a run over bars: fills them in bars, and applies their facts directly to the state.

    take ─► IntentTaken ─► the gate ─► SendStarted ─► Sent ─► waits for bars ─► Filled | Expired
                              └─► Denied

These are all steps of an order in such a run. At a desk the path of an order (``OrderPath``,
notices, readings) leads to the same rows. That path also writes RouteDecided and Accepted, keeps
evidence, and takes four times as long. A property test plays both and compares their rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kisnb.backtesting.bar_agents import BarCommand, PlaceAtFill
from kisnb.backtesting.bar_costs import BarCosts
from kisnb.backtesting.bar_exits import BarExits
from kisnb.backtesting.bar_prices import Prices
from kisnb.backtesting.bar_rules import BarGate, BarRules
from kisnb.backtesting.bar_waiting import Leg, Waiting, Way, whole
from kisnb.clock import Ns
from kisnb.events import (
    AccountOpened,
    Bar,
    Cancelled,
    CancelStarted,
    Denied,
    Expired,
    ExternalFound,
    Filled,
    GuardsSet,
    IntentTaken,
    OrderFact,
    Revised,
    SendStarted,
    Sent,
)
from kisnb.exchange.bar_fills import locked
from kisnb.guards import Guards
from kisnb.orders import Intent, Order, OrderRef, OrderState, Route
from kisnb.terms import BUY, KRX, MARKET
from kisnb.trading.agents.sizing import Means, Wanted, change
from kisnb.trading.gate.risk import No
from kisnb.trading.orders.buy_guards import BuyGuards
from kisnb.trading.orders.revise import place_lost, why_not_revised
from kisnb.trading.ports.commands import (
    CancelOrder,
    EndProtection,
    NoteDecision,
    Protect,
    ReviseOrder,
    Submit,
)
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.state import State

ROUTE = "session_default"
"""The reason that the router gives for an order whose stock trades at one venue only."""


class BarOrders:
    """Fills the orders of all agents over bars, and keeps those that wait. Prices in won."""

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
        prices: Prices,
        guards: Mapping[str, Guards],
    ) -> None:
        """Open the account with ``cash`` won at ``now``.

        ``percent`` is the largest part of a bar's volume that orders may take; None: no limit.
        ``own_cash`` has the won of each agent. None: all agents share the cash. ``guards`` has the
        guards of each agent that has guards, by the agent's id.
        """
        self.state = state
        self.waiting: dict[str, list[Waiting]] = {}
        """The orders that wait for the next bar of their stock, by code, oldest first."""
        self.held: dict[str, int] = {}
        """Shares of each stock that the account holds."""
        self.held_value = 0
        """The value of the held shares at the base prices of the day, won."""
        self.rows: list[Row] | None = None
        """The rows in order. None: they are not kept. A caller that needs them sets a list."""
        self._rules = rules
        self._gate = gate
        self._percent = percent
        self.notify: Callable[[Order, OrderFact], None] | None = None
        """Called with each order and its fact. None: nobody gets facts."""
        self.hears: Callable[[str], bool] = lambda _agent: True
        """Returns True when the agent with this id needs to get facts by ``notify`` now."""
        self._own_cash = own_cash
        self._limit_buys: dict[str, Order] = {}
        """Limit buys that were sent, by key.

        Those that have ended are removed when they are counted.
        """
        self._number = 0
        self._room = 0
        """Shares of the current bar that orders may still take."""
        self._routes = {kind: Route(KRX, kind, ROUTE) for kind in rules.capabilities.kinds}
        self._costs = BarCosts(rules)
        state.apply(AccountOpened(now, cash, ()))
        self._prices = prices
        self.exits = BarExits(self, rules, state, prices)
        self._guards = BuyGuards(rules, state, prices) if guards else None
        for agent, own in guards.items():
            state.apply(GuardsSet(now, agent, own))

    # the commands of agents

    def take(self, command: BarCommand, now: Ns, arrives: Ns) -> None:
        """Carry out an agent's command at ``now``.

        Its order can fill in bars from ``arrives`` on.
        """
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
                self.cancel(now, key, qty)
            case Protect() | EndProtection():
                self.exits.execute(now, command)
            case NoteDecision(decision=decision):
                self.state.apply(decision)
                if self.rows is not None:
                    self.rows.append(decision)
            case _:
                # The other commands are for a desk that serves sessions.
                pass
        if self.state.exits.watches:
            self.exits.end_idle(now)

    def _submit(self, now: Ns, intent: Intent, arrives: Ns) -> None:
        taken = IntentTaken(now, intent)
        no = self._gate.check(now, intent, self.state) or self._guarded(now, intent)
        if no is not None:
            self._record(taken)
            self._record(Denied(now, intent.key, *no))
            return
        if self._is_quiet(intent.agent):
            order = self._send_at_once(taken)
        else:
            self._record(taken)
            self._send(now, intent, self._routes[intent.kind])
            order = self.state.books.orders[intent.key]
        self.waiting.setdefault(intent.code, []).append(Waiting(order, intent, arrives, None))

    def _is_quiet(self, agent: str) -> bool:
        """Return whether no listener needs the facts of the agent's orders one by one."""
        return self.notify is None or not self.hears(agent)

    def _send_at_once(self, taken: IntentTaken) -> Order:
        """Accept an order and send it. No handler of the agent is called. Return the order."""
        t, intent = taken.t, taken.intent
        started, sent = self._sending(t, intent)
        order = self.state.apply_sent(taken, started, sent)
        if self.rows is not None:
            self.rows += (taken, started, sent)
        if intent.price is not None and intent.side is BUY:
            self._limit_buys[intent.key] = order
        return order

    def _sending(self, t: Ns, intent: Intent) -> tuple[SendStarted, Sent]:
        """Return the facts of an order that is sent at ``t``, with the next order number."""
        day = self._costs.day_number(t)
        highest = self.state.highest.get(day, 0)
        self._number += 1
        return (
            SendStarted(t, intent.key, self._routes[intent.kind], highest),
            Sent(t, intent.key, OrderRef(day, "", self._number, KRX)),
        )

    def _guarded(self, now: Ns, intent: Intent) -> No | None:
        """Return the reason why a guard of the agent denies a buy. None: no guard denies it."""
        if self._guards is None:
            return None
        self._prices.now = now
        return self._guards.why_not(now, intent)

    def _send(self, now: Ns, intent: Intent, route: Route) -> OrderRef:
        day = self._costs.day_number(now)
        highest = self.state.highest.get(day, 0)
        self._record(SendStarted(now, intent.key, route, highest))
        self._number += 1
        ref = OrderRef(day, "", self._number, KRX)
        self._record(Sent(now, intent.key, ref))
        if intent.price is not None and intent.side is BUY:
            self._limit_buys[intent.key] = self.state.books.orders[intent.key]
        return ref

    def _revise(self, now: Ns, intent: Intent, arrives: Ns) -> None:
        self._record(IntentTaken(now, intent))
        item = self._rules.instrument(intent.code)
        no = self._gate.check(now, intent, self.state)
        if no is None and item is not None:
            no = why_not_revised(now, self.state.books, intent, item) or self._guarded(now, intent)
        if no is not None:
            self._record(Denied(now, intent.key, *no))
            return
        old = self.state.books.orders[intent.supersedes or ""]
        self._send(now, intent, Route(KRX, intent.kind, place_lost(old, intent)))
        self._record(Revised(now, old.key, intent.qty, intent.key, self._number))
        order = self.state.books.orders[intent.key]
        entries = self.waiting.setdefault(intent.code, [])
        moved = Waiting(order, intent, arrives, None)
        place = next(i for i, w in enumerate(entries) if w.order is old)
        if intent.price == old.intent.price:
            # At the same price the shares keep their place in the queue.
            entries.insert(place, moved)
        else:
            entries.append(moved)
        self._drop_ended(intent.code)

    def cancel(self, now: Ns, key: str, qty: int | None = None) -> None:
        """Cancel ``qty`` shares of an order. None: all of its leaves."""
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
        self._room = bar.volume if self._percent is None else bar.volume * self._percent // 100
        if bar.code in self.state.exits.codes:
            self.exits.play(bar, t)
        elif not self._sizes_alone(bar, t):
            self.meet_part(bar, t, whole(bar))

    def _sizes_alone(self, bar: Bar, t: Ns) -> bool:
        """Fill the only waiting order, if its fill decides its shares.

        Return True when that is done. ``meet_part`` would do the same, more slowly. Research on
        bars has many such orders.
        """
        entries = self.waiting[bar.code]
        entry = entries[0] if len(entries) == 1 else None
        if entry is None or entry.wanted is None or entry.arrives > t or not bar.volume:
            return False
        del self.waiting[bar.code]
        is_done = self._size(bar, t, entry) is not None
        if not is_done or entry.order.is_open:
            self.waiting[bar.code] = [entry, *self.waiting.get(bar.code, [])]
        return is_done

    def meet_trade(self, bar: Bar, t: Ns) -> None:
        """Fill the orders of a stock by one trade, which ``bar`` contains."""
        self._room = bar.volume if self._percent is None else bar.volume * self._percent // 100
        if bar.code in self.state.exits.codes:
            self.exits.play_trade(bar, t)
        else:
            self.meet_part(bar, t, Leg(Way.TRADE, bar.open, bar.open, bar.open))

    def meet_part(self, bar: Bar, t: Ns, leg: Leg) -> None:
        """Fill the orders of a stock in a part of a bar that begins at ``t``."""
        entries = self.waiting.pop(bar.code, ())
        left = []
        for entry in entries:
            if entry.arrives > t or not bar.volume:
                left.append(entry)
                continue
            if entry.wanted is not None:
                if leg.way is Way.FALL or leg.way is Way.RISE:
                    left.append(entry)
                    continue
                traded = self._size(bar, t, entry)
                if traded is not None:
                    self._room -= traded
                    if entry.order.is_open:
                        left.append(entry)
                    continue
            self._fill(bar, t, entry, leg)
            if entry.order.is_open:
                left.append(entry)
        # Handlers of these fills may have given new orders of this stock.
        self._keep(bar.code, left + self.waiting.get(bar.code, []))

    def sell_at(self, bar: Bar, t: Ns, intent: Intent, price: int) -> None:
        """Send a sell in the middle of a bar, and fill it at ``price``.

        It fills only as many shares as orders may still take of the bar's volume.
        """
        self._record(IntentTaken(t, intent))
        no = self._gate.check(t, intent, self.state)
        if no is not None:
            self._record(Denied(t, intent.key, *no))
            return
        self._send(t, intent, self._routes[intent.kind])
        entry = Waiting(self.state.books.orders[intent.key], intent, t, None)
        if not self._is_locked(bar, t, buys=False):
            self._trade(t, entry, price)
        if entry.order.is_open:
            self.waiting.setdefault(intent.code, []).append(entry)

    def _fill(self, bar: Bar, t: Ns, entry: Waiting, leg: Leg) -> None:
        """Fill one order in a part of a bar."""
        if self._is_locked(bar, t, buys=entry.intent.side is BUY):
            return
        price = entry.price_in(leg, t)
        if price:
            self._trade(t, entry, price)

    def _trade(self, t: Ns, entry: Waiting, price: int) -> None:
        """Fill an order at ``price``.

        It fills only as many shares as orders may still take of the bar's volume.
        """
        intent, leaves = entry.intent, entry.order.leaves
        shares = leaves if self._percent is None else min(leaves, self._room)
        if shares < 1:
            return
        self._room -= shares
        value = shares * price
        fee, tax = self._costs.of_fill(t, intent, entry.traded, value)
        entry.traded += value
        self._note_fill(intent, shares, value, fee + tax)
        filled = Filled(t, intent.key, shares, price, fee, tax, KRX, t)
        if shares != intent.qty or intent.requote is not None or not self._is_quiet(intent.agent):
            self._record(filled)
            return
        self.state.apply_whole_fill(filled)
        if self.rows is not None:
            self.rows.append(filled)

    def _is_locked(self, bar: Bar, t: Ns, *, buys: bool) -> bool:
        """Return whether a bar stays at a limit price at which orders of this side cannot trade."""
        limits = self._rules.bar_days.of(t, bar.code) if bar.high == bar.low else None
        lower, upper = limits.limits if limits is not None and limits.limits else (0, 0)
        return limits is not None and locked(buys, bar.high, bar.low, lower, upper)

    def _size(self, bar: Bar, t: Ns, entry: Waiting) -> int | None:
        """Compute the shares of an order at the open of a bar, and fill it now if all can trade.

        Return the number of shares that traded. None: the order was sent and not filled yet.
        """
        intent, wanted = entry.intent, entry.wanted
        assert wanted is not None
        buys = intent.side is BUY
        if bar.high == bar.low and self._is_locked(bar, t, buys=buys):
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
        if buys and (no := self._guarded(t, intent)) is not None:
            self._record(IntentTaken(t, intent))
            self._record(Denied(t, intent.key, *no))
            return 0
        if self._is_quiet(intent.agent) and (self._percent is None or qty <= self._room):
            self._trade_at_once(bar.open, t, intent)
            return qty
        self._record(IntentTaken(t, intent))
        self._send(t, intent, self._routes[MARKET])
        return None

    def _trade_at_once(self, price: int, t: Ns, intent: Intent) -> None:
        """Send an order and fill it whole at the open. No handler of the agent is called."""
        started, sent = self._sending(t, intent)
        value = intent.qty * price
        fee, tax = self._costs.of_fill(t, intent, 0, value)
        taken = IntentTaken(t, intent)
        filled = Filled(t, intent.key, intent.qty, price, fee, tax, KRX, t)
        self._note_fill(intent, intent.qty, value, fee + tax)
        self.state.apply_at_once(taken, started, sent, filled)
        if self.rows is not None:
            self.rows += (taken, started, sent, filled)

    def _note_fill(self, intent: Intent, shares: int, value: int, costs: int) -> None:
        """Update the held shares, and the agent's own cash."""
        buys = intent.side is BUY
        held = self.held.get(intent.code, 0) + (shares if buys else -shares)
        if held:
            self.held[intent.code] = held
        else:
            self.held.pop(intent.code, None)
        base = self._rules.bar_days.bases.get(intent.code, 0)
        self.held_value += base * (shares if buys else -shares)
        if self._own_cash is not None:
            self._own_cash[intent.agent] += (-value if buys else value) - costs

    def _shares(self, bar: Bar, intent: Intent, wanted: Wanted) -> int:
        """Return the shares that ``wanted`` means at the open of a bar.

        Negative: shares to sell.
        """
        agent, code, price = intent.agent, intent.code, bar.open
        books = self.state.books
        held = books.of(agent).position(code).qty
        for entry in self.waiting.get(code, ()):
            if entry.intent.agent == agent and entry.wanted is None:
                leaves = entry.order.leaves
                held += leaves if entry.intent.side is BUY else -leaves
        if wanted.weight == 0:
            return -held
        if self._own_cash is not None:
            cash = self._own_cash[agent]
            equity = cash + books.of(agent).position(code).qty * price
        else:
            cash = self.state.cash or 0
            change_of_price = price - self._rules.bar_days.bases[code]
            equity = cash + self.held_value + self.held.get(code, 0) * change_of_price
        free = cash - self._reserved(agent if self._own_cash is not None else "")
        means = Means(price, price, free, equity, held)
        return change(wanted, means, self._rules.costs, self._costs.kind(code))

    def _reserved(self, agent: str) -> int:
        """Return the cash that open limit buys may need, won.

        ``agent`` counts only the buys of this agent. Empty: those of all agents.
        """
        buys = self._limit_buys
        if not buys:
            return 0
        for key in [key for key, order in buys.items() if not order.is_open]:
            del buys[key]
        return sum(
            order.leaves * (order.intent.price or 0)
            for order in buys.values()
            if not agent or order.intent.agent == agent
        )

    def end_day(self, now: Ns) -> None:
        """End the day's orders that are not filled.

        Unsent orders are denied, sent orders expire.
        """
        entries = {w.order.key: w for waiting in self.waiting.values() for w in waiting}
        # The orders end in the order in which they were given, as a desk books KIS's list.
        for key in [key for key in self.state.books.live if key in entries]:
            entry, order = entries[key], entries[key].order
            if entry.wanted is not None:
                self._record(IntentTaken(now, entry.intent))
                why = f"{order.code} did not trade until the end of the day"
                self._record(Denied(now, key, why, "order again"))
            elif order.is_open:
                self._record(Expired(now, key, order.leaves))
        self.waiting.clear()
        # A stock with an exit keeps an entry, because the exit watches each bar.
        self.waiting.update((code, []) for code in self.state.exits.codes)

    # inside

    def _drop_ended(self, code: str) -> None:
        self._keep(code, [w for w in self.waiting.get(code, ()) if w.order.is_open])

    def _keep(self, code: str, left: list[Waiting]) -> None:
        """Store the waiting orders ``left`` of a stock in ``waiting``.

        A stock without waiting orders is removed from ``waiting``, unless it has an exit.
        """
        if left or code in self.state.exits.codes:
            self.waiting[code] = left
        else:
            self.waiting.pop(code, None)

    def _record(self, fact: OrderFact) -> None:
        self.state.apply(fact)
        if self.rows is not None:
            self.rows.append(fact)
        # An agent knows its own intent. As live, it gets only the later facts.
        if self.notify is not None and not isinstance(fact, IntentTaken | ExternalFound):
            self.notify(self.state.books.orders[fact.key], fact)


__all__ = ["BarOrders"]
