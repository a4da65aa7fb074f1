"""Drives one agent without an event loop, a task or a queue.

The runner drives a handler's coroutine by ``send`` until it yields a Wait. The coroutine is then
*parked*: kept until the wait is over. An error that a handler raises stops only this agent, even
SystemExit and CancelledError, and its traceback is kept. A KeyboardInterrupt, which a person
causes, pauses the agent. So does a handler that took more than two seconds.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import types
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from enum import StrEnum
from functools import partial
from typing import Any, TypeAlias, TypeVar

from kisnb.clock import DAY, Ns
from kisnb.errors import BadInput
from kisnb.events import Bar, Depth, Event, Filled, GapFound, PhaseChanged, Tick
from kisnb.market.bars import Bars, BarSeries, is_of_day, length_of
from kisnb.market.flows import FlowTable
from kisnb.orders import Order
from kisnb.terms import Side, Venue
from kisnb.trading.agents.agent import Agent, Wait, checked_id
from kisnb.trading.agents.agent_figures import AgentFigures
from kisnb.trading.agents.decisions import Decisions
from kisnb.trading.agents.failed_line import last_line, own_line, traceback_of
from kisnb.trading.agents.handler_times import SLOW_SECONDS, HandlerTimes
from kisnb.trading.agents.handler_watch import interruptible, watch
from kisnb.trading.agents.order_flood import OrderFlood
from kisnb.trading.agents.sizing import Means, Wanted, change
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import AGENT, OrderBook, OrderBooks
from kisnb.trading.ports.commands import Command, NoteDecision, ReviseOrder, Submit


class AgentState(StrEnum):
    """The states of an agent."""

    READY = "ready"
    WAITING = "waiting"
    """Its schedule will start it. Until then no handler is called."""
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"
    ELSEWHERE = "elsewhere"
    """The agent runs in another session."""
    LOST = "lost"
    """The agent ran when its session ended, and was not started again."""


_Value = TypeVar("_Value")
_ENDED = (AgentState.STOPPED, AgentState.FAILED)
_STANDING = (AgentState.PAUSED, AgentState.WAITING)
"""States in which no handler is called, and after which the agent may go on."""
_acting: ContextVar[AgentRunner | None] = ContextVar("the agent whose code runs", default=None)
"""Set while a handler runs. Tasks and ``asyncio.to_thread`` threads of the handler inherit it."""

Part: TypeAlias = Coroutine[Any, Any, None]
"""The coroutine of a handler that has begun and not ended."""
Foreign = Callable[[Part, "AgentRunner"], None]


Earlier = Callable[[str, Ns], tuple[Sequence[Bar], Bar | None]]
"""Returns the closed bars of a stock and length up to the current event, and the unfinished bar."""


def nothing_earlier(_code: str, _span: Ns) -> tuple[Sequence[Bar], Bar | None]:
    """Return no earlier bars, for a back-test over a tape.

    Its bars are made of the tape's trades, so there is no bar before the first trade.
    """
    return (), None


def refuse_foreign(coroutine: Part, runner: AgentRunner) -> None:
    """Close the handler and raise TypeError: in a back-test a handler can only await a Wait."""
    coroutine.close()
    raise TypeError(
        f"{runner.agent!r} awaits what only runs live; "
        "await self.done(order) or self.sleep(seconds)"
    )


def acting_agent() -> str:
    """Return the id of the agent whose handler runs here. Empty outside handlers.

    Tasks and threads of a handler count as the handler.
    """
    runner = _acting.get()
    return "" if runner is None else runner.id


def agent_saw(code: str, received: Ns) -> None:
    """Note that the running handler's agent has seen a price of ``code``, received at ``received``.

    Outside a handler nothing happens.
    """
    if (runner := _acting.get()) is not None:
        runner.saw(code, received)


class AgentRunner:
    """Runs one agent and is its Host.

    Has its bars, its parked handlers, and its unsent commands.
    """

    def __init__(
        self,
        agent: Agent,
        agent_id: str,
        run: str,
        books: OrderBooks,
        rules: Rules,
        foreign: Foreign = refuse_foreign,
        cash: Callable[[], int | None] = lambda: None,
        earlier: Earlier = nothing_earlier,
        flows: FlowTable | None = None,
        atr: Callable[[str], float | None] = lambda _code: None,
        last: Callable[[str], int | None] = lambda _code: None,
        times: HandlerTimes | None = None,
    ) -> None:
        """Connect the agent to this runner.

        Raises BadInput for an id that the order books reserve, and for a handler that would never
        be called. ``cash`` returns the account's cash in won, None while it is not known.
        ``earlier`` returns the bars of the day up to the current event. ``flows`` and ``atr`` are
        figures of earlier days. ``last`` returns the newest price of a stock of which the agent has
        seen no price. ``times`` measures the time of handlers. None: it is not limited, as in a
        back-test.
        """
        # A handler with its name of an earlier version would never be called, and the person would
        # not notice.
        if hasattr(agent, "on_session"):
            raise BadInput(
                f"{type(agent).__name__}.on_session is never called", "rename it to on_phase"
            )
        self.agent = agent
        self.id = checked_id(agent_id)
        self.state = AgentState.READY
        self.error = ""
        """Traceback of the exception that stopped the agent."""
        self.failed_line = ""
        """The line of the agent's code that stopped it, and the error:

        ``Dip.on_tick, line 3: …``.
        """
        self.schedule = ""
        """The agent's schedule as JSON. Empty: a person starts and stops it."""
        self.waits_for = ""
        """The moment that a waiting agent waits for, in words."""
        self._has_begun = False
        """True once ``on_start`` was called in this life of the agent."""
        self.now: Ns = 0
        self._seen: dict[str, Ns] = {}
        """By stock: when the newest price that the agent has seen was received."""
        self._run = run
        self.decisions = Decisions(self.id, run)
        """The agent's decisions, with their reasons."""
        self._count = itertools.count(1)
        self._flattening = False
        self.interrupted = ""
        """The note that a person's interrupt, or a slow handler, left.

        Empty: the agent was not paused so.
        """
        self.has_acted = False
        """True if code of the agent has run since its session last checked."""
        self._flood: OrderFlood | None = None if times is None else OrderFlood()
        """Counts the orders of a session's agent; None in a back-test."""
        self._dropped: list[Submit | ReviseOrder] = []
        """Orders that are not sent, because there were too many."""
        self.times = times
        """Measures slow handlers. None when nothing is measured."""
        self._is_timed = times is None
        """True while code of the agent is being measured, and always when nothing is measured."""
        self._books = books
        self._rules = rules
        self._foreign = foreign
        self._cash = cash
        self._prices: dict[str, int] = {}
        """The newest price of each stock that the agent has seen, won."""
        self._earlier = earlier
        self.figures = AgentFigures(rules, lambda: self.now, flows, atr)
        self._last = last
        self._stocks: tuple[str, ...] = ()
        """The stocks whose events its handlers get. They are read once, at its start."""
        self._series: dict[tuple[str, str], BarSeries] = {}
        self._followed: frozenset[str] = frozenset()
        """The stocks whose trades it needs: for its handlers, or for bars that it reads."""
        self._missed: list[Bar] = []
        """Daily bars that closed while the agent waited for its schedule, or that KIS has given.
        ``on_bar`` gets them with the first trade of KRX's next regular session, when it can trade.
        """
        self._parked: list[tuple[Wait, Part]] = []
        self._outbox: list[Command] = []
        agent.id = agent_id
        agent.host = self

    # the calls of the agent's code

    @property
    def book(self) -> OrderBook:
        """The agent's order book."""
        return self._books.of(self.id)

    def emit(self, command: Command) -> Order | None:
        """Keep a command until the handler returns. Return the order that it makes, or None.

        Raises BadInput for an order outside the agent's handlers, or after the agent has ended.
        """
        if not isinstance(command, Submit | ReviseOrder):
            self._outbox.append(command)
            return None
        self._check_may_order()
        if self._flood is not None:
            self._flood.count(self.id, self.now, self.agent.most_orders)
        # The command is kept before the order book gets the order. If an interrupt comes in
        # between, the order is sent and shown later. In the other sequence it could be shown and
        # never sent.
        self._outbox.append(command)
        return self._books.add_pending(command.intent, self.now)

    def _check_may_order(self) -> None:
        if _acting.get() is not self:
            cure = "order by hand with session.buy or %kis buy CODE QTY"
            raise BadInput("an agent orders in its handlers", cure)
        # Nobody takes commands out of this agent's outbox any more, so this one would wait for
        # ever.
        if self.state in _ENDED and not self._flattening:
            cure = f"start it again with %kis agents start {self.id}"
            raise BadInput(f"agent {self.id} is {self.state} and orders nothing", cure)

    def decide(
        self, code: str, action: str, why: str, inputs: Mapping[str, object], order: str
    ) -> None:
        """Note a decision of the agent. Raises BadInput for an input that is no number or text."""
        for made in self.decisions.note(self.now, code, action, why, inputs, order):
            self.emit(NoteDecision(made))

    def mint(self) -> str:
        """Return a new idempotency key for an order of this agent."""
        # Threads of one handler may order at the same time. The counter never returns a number
        # twice.
        return f"{AGENT}{self.id}:{self._run}:{next(self._count)}"

    def bars(self, code: str, every: str, n: int) -> Bars:
        """Return the newest ``n`` bars of length ``every``, oldest first."""
        return self._series_of(code, every).newest(n)

    def break_even(self, code: str) -> int | None:
        """Return the lowest price at which selling all that the agent holds loses nothing, won."""
        position = self.book.position(code)
        return self._rules.break_even(self.now, code, position) if position.lots else None

    def equity(self) -> int | None:
        """Return the value of the account's cash and holdings at the newest prices, won.

        None: a part of it is not known.
        """
        cash = self._cash()
        if cash is None:
            return None
        try:
            return cash + self._holdings()
        except BadInput:
            return None

    def place(self, wanted: Wanted) -> Order | None:
        """Place and return the order that changes the position to ``wanted``.

        None: no order is needed.
        """
        code = wanted.code
        item = self._rules.instrument(code)
        if item is None:
            raise BadInput(f"{code} is not a listed issue", "look it up with %kis search NAME")
        shares = change(wanted, self._means(wanted), self._rules.costs, item.kind)
        if not shares:
            return None
        return (
            self.agent.buy(shares, code=code) if shares > 0 else self.agent.sell(-shares, code=code)
        )

    def _means(self, wanted: Wanted) -> Means:
        """Return the figures from which the shares of ``wanted`` are computed now.

        Raises BadInput if one of them is not known.
        """
        code, price = wanted.code, self.price(wanted.code)
        cash = self._cash()
        if cash is None:
            raise BadInput("the cash of the account is not known yet", "order in shares: self.buy")
        today = self._rules.stock_day(self.now, code)
        # Without limit prices (정리매매) a market buy has no highest cost, so the gate denies it.
        highest = today.limits[1] if today is not None and today.limits is not None else price
        mine = [
            o for o in self._books.live.values() if o.code == code and o.intent.agent == self.id
        ]
        coming = sum(o.leaves if o.side is Side.BUY else -o.leaves for o in mine)
        held = self.book.position(code).qty + coming
        equity = cash if wanted.weight is None else cash + self._holdings()
        return Means(price, highest, cash - self._reserved(), equity, held)

    def price(self, code: str) -> int:
        """Return the newest price of a stock that the agent has seen, won. Raises BadInput."""
        price = self._prices.get(code)
        if price is None:
            raise BadInput(
                f"no price of {code} has been seen yet", "order in shares, or wait for its prices"
            )
        return price

    def _holdings(self) -> int:
        held = ((code, p.qty) for code, p in self._books.account.positions.items() if p.qty)
        return sum(qty * self._value_price(code) for code, qty in held)

    def _value_price(self, code: str) -> int:
        """Return the price at which a holding of the account is valued, won. Raises BadInput.

        The account may hold stocks that this agent does not follow. For these the newest price that
        the session has counts, or else the price that KIS stated today, or else the day's base
        price.
        """
        try:
            return self.price(code)
        except BadInput:
            last, today = self._last(code), self._rules.stock_day(self.now, code)
            if last is None and today is not None:
                last = today.price or today.base or None
            if last is None:
                raise
            return last

    def _reserved(self) -> int:
        """Return the cash that open buys may need, won, their fees included."""
        reserved = 0
        for order in self._books.live.values():
            if order.side is Side.BUY:
                reserved += self._worth(order)
        return reserved

    def _worth(self, order: Order) -> int:
        """Return the largest amount that an open buy may cost with its fee, won.

        A buy without a price counts at the upper limit price, or else at the newest price.
        """
        price, item = order.intent.price, self._rules.instrument(order.code)
        if price is None:
            today = self._rules.stock_day(self.now, order.code)
            price = (
                today.limits[1]
                if today is not None and today.limits is not None
                else self._value_price(order.code)
            )
        value = order.leaves * price
        fee = 0 if item is None else self._rules.costs.fee(value, Venue.KRX, item.kind)
        return value + fee

    def seen(self, code: str) -> Ns:
        """Return when the newest price of ``code`` that the agent has seen was received.

        0: the agent has seen none.
        """
        return self._seen.get(code, 0)

    def saw(self, code: str, received: Ns) -> None:
        """Note that the agent has seen a price of ``code`` that was received at ``received``."""
        if received > self._seen.get(code, 0):
            self._seen[code] = received

    def _series_of(self, code: str, every: str) -> BarSeries:
        series = self._series.get((code, every))
        if series is None:
            span = length_of(every)
            series = self._series[code, every] = BarSeries(code, span)
            series.begin(*self._earlier(code, span))
            self._followed |= {code}
        return series

    def rebuild_bars(self, code: str) -> None:
        """Build the bars of a stock again, because bars that were missing have arrived."""
        for (known, every), series in self._series.items():
            if known != code:
                continue
            closed, running = self._earlier(code, series.span)
            if series.span == DAY:
                self._rebuild_days(series, every, closed, running)
                continue
            # ``on_bar`` has not got the bar that was being built, so it stays open until the
            # next trade.
            was = series.current
            if running is None and was is not None and closed and closed[-1].t == was.t:
                closed, running = closed[:-1], closed[-1]
            series.begin(closed, running)

    def _rebuild_days(
        self, series: BarSeries, every: str, given: Sequence[Bar], running: Bar | None
    ) -> None:
        """Replace daily bars by ``given``; newer ones that were built here stay.

        A day that is over and that ``on_bar`` has not got is kept for it.
        """
        end, was = given[-1].t if given else 0, series.current
        closed = [*given, *(bar for bar in series.bars if bar.t > end)]
        if was is not None and (running is None or was.t < running.t):
            if was.t > end and running is None:
                # Nobody has said that this day is over.
                running = was
            else:
                closed += [was] if was.t > end else []
                if every == self.agent.every:
                    self._missed += [bar for bar in closed if bar.t == was.t]
        series.begin(closed, running)

    # driving

    def start(self, now: Ns) -> list[Command]:
        """Start the agent, or let it go on after a pause or a wait of its schedule.

        When it goes on, parked handlers stay parked, and ``on_start`` is not called again.
        """
        self.now = now
        goes_on = self.state in _STANDING and self._has_begun
        if self.state is AgentState.PAUSED:
            # What closes while an agent is paused is not for its handlers.
            self._missed.clear()
        self.state, self._has_begun = AgentState.RUNNING, True
        self.error = self.failed_line = ""
        if self.interrupted and self.agent.note == self.interrupted:
            self.agent.note = self.interrupted = ""
        if not goes_on:
            if self.times is not None:
                self.times.forget()
                self._flood = OrderFlood()
            # An agent that is started again has missed trades, so its bars are made again.
            self._series.clear()
            self._missed.clear()
            try:
                self._stocks = tuple(self.agent.stocks())
                self._followed = frozenset(self._stocks)
            except BaseException as e:
                self.failed(e)
                return self._take_outbox()
            if self.agent.every:
                for code in self._stocks:
                    self._series_of(code, self.agent.every)
            self._call(self.agent.on_start)
        return self._take_outbox()

    def deliver(self, event: Event, now: Ns) -> list[Command]:
        """Deliver one event to the agent. Return the commands that it caused, in order.

        Errors of the agent's code are not raised here. They stop or pause the agent.
        """
        if self.state is not AgentState.RUNNING:
            # Handlers of a paused agent are not called, but its bars get the trades. Otherwise its
            # next bar would be made of half of the trades.
            self._keep_bars(event)
            return []
        self.now = now
        if type(event) is Tick and event.code not in self._followed and not self._parked:
            # Most trades are of stocks that this agent does not follow. It only knows their price.
            self._prices[event.code] = event.price
            self.saw(event.code, event.received or event.t)
            return []
        if isinstance(event, Tick | Depth):
            self.saw(event.code, event.received or event.t)
        if isinstance(event, Tick):
            self._prices[event.code] = event.price
        elif isinstance(event, Bar):
            self._prices[event.code] = event.close
        try:
            self._dispatch(event)
        except BaseException as e:
            # This error is not from a handler: the agent's ``code`` raised, or an interrupt came
            # between handlers.
            self.failed(e)
        return self._take_outbox()

    def _dispatch(self, event: Event) -> None:
        # Parked handlers go on first, because they began before this event.
        if self._parked:
            self._resume(event)
        match event:
            case Tick():
                self._tick(event)
            case Bar():
                self._bar(event)
            case Depth() if event.code in self._stocks:
                self._call(self.agent.on_depth, event)
            case PhaseChanged():
                self._call(self.agent.on_phase, event)
            case GapFound() if event.code in self._stocks:
                self._call(self.agent.on_gap, event)
            case _:
                self._own_order(event)

    def next_wake(self) -> Ns | None:
        """Return the earliest time at which a parked handler goes on.

        None when no handler waits for a set time, or when the agent does not run.
        """
        if self.state is not AgentState.RUNNING:
            return None
        return min((w.until for w, _ in self._parked if w.until is not None), default=None)

    def park(self, wait: Wait, coroutine: Part) -> None:
        """Keep a handler until ``wait`` is over, and then let it go on."""
        self._parked.append((wait, coroutine))

    def rest(self, waits_for: str) -> None:
        """Call no handler until ``start`` is called.

        ``waits_for`` says in words when that will be.
        """
        self.state, self.waits_for = AgentState.WAITING, waits_for

    def roll_day(self) -> None:
        """Forget the prices of the day that is over. No order of the new day may use them."""
        self._prices.clear()

    def stop(self, state: AgentState = AgentState.STOPPED) -> None:
        """End the agent: close its parked handlers, and call no handler any more.

        Open orders stay in the market. If a handler cannot be closed, the agent has failed. An
        agent that failed stays so until it is started again, because a stop must not hide the
        failure.
        """
        if self.state is not AgentState.FAILED:
            self.state = state
        self._has_begun = False
        # The handlers are taken out first. A handler's ``finally`` may stop the agent again, and no
        # handler may be closed twice.
        parked, self._parked = self._parked, []
        for _, coroutine in parked:
            self.close(coroutine)

    def close(self, coroutine: Part) -> None:
        """Close a parked handler. An error in its ``finally`` counts as the agent's failure."""
        try:
            self.act(coroutine.close)
        except BaseException as e:
            self._note_failure(e, coroutine)

    def flatten(self, now: Ns) -> list[Command]:
        """Sell at the market all shares that the agent holds and that no open order sells yet.

        Return the commands of these sells.
        """
        self.now = now
        self._flattening = True
        if self._flood is not None:
            # A person flattens an agent that gave too many orders: its sells must pass.
            self._flood = OrderFlood()
        try:
            self.act(self._sell_all)
        finally:
            self._flattening = False
        return self._take_outbox()

    def _sell_all(self) -> None:
        for code, position in list(self.book.positions.items()):
            qty = position.qty - self._books.selling(self.id, code)
            if qty > 0:
                self.agent.sell(qty, code=code)

    def act(self, part: Callable[..., _Value], *args: object) -> _Value:
        """Run a part of the agent's code and return its result.

        While it runs the agent may order, and the interrupt button can stop it.
        """
        # Code that runs inside measured code counts once, with the outer code.
        times = self.times if not self._is_timed else None
        self._is_timed = self.has_acted = True
        began = times.clock() if times is not None else 0.0
        token, before = _acting.set(self), watch.begin()
        try:
            return part(*args)
        finally:
            watch.end(before)
            _acting.reset(token)
            self._is_timed = times is None
            if times is not None and (took := times.clock() - began) > SLOW_SECONDS:
                self._pause(times.note(part, args, took))

    def _pause(self, why: str) -> None:
        """Pause the agent, because its handler kept all other agents waiting.

        Do nothing if ``why`` is empty.
        """
        if why and self.state is AgentState.RUNNING:
            self.state = AgentState.PAUSED
            self._note_interrupt(f"{why}. Start it again with %kis agents start {self.id}")

    def _note_interrupt(self, note: str) -> None:
        self.interrupted = note
        # ``note`` may be a property of the person's class, and the property may raise.
        with suppress(Exception):
            self.agent.note = note

    def _tick(self, tick: Tick) -> None:
        own = tick.code in self._stocks
        if own and self._missed and is_of_day(tick):
            self._deliver_missed()
        # A copy: ``on_bar`` may ask for bars of another length, and they hold this trade already.
        for (code, every), series in tuple(self._series.items()):
            if code == tick.code:
                for bar in series.add(tick):
                    if own and every == self.agent.every:
                        self._call(self.agent.on_bar, bar)
        if own:
            self._call(self.agent.on_tick, tick)

    def _deliver_missed(self) -> None:
        missed, self._missed = self._missed, []
        for bar in missed:
            self._call(self.agent.on_bar, bar)

    def _bar(self, bar: Bar) -> None:
        """Add a closed bar to the bars of its length.

        ``on_bar`` gets it if that length is ``every``.
        """
        agent = self.agent
        for (code, every), series in self._series.items():
            if code == bar.code and series.span == bar.span:
                series.append(bar)
                if code in self._stocks and every == agent.every:
                    self._call(agent.on_bar, bar)

    def _keep_bars(self, event: Event) -> None:
        if self.state not in _STANDING:
            return
        waits, own_every = self.state is AgentState.WAITING, self.agent.every
        for (code, every), series in self._series.items():
            match event:
                case Tick() if event.code == code:
                    closed = series.add(event)
                    if closed and waits and series.span == DAY and every == own_every:
                        self._missed += closed
                case Bar() if event.code == code and event.span == series.span:
                    series.append(event)

    def _own_order(self, event: Event) -> None:
        key = getattr(event, "key", None)
        if key is None or key not in self.book.orders:
            return
        order = self.book.orders[key]
        if isinstance(event, Filled):
            self._call(self.agent.on_fill, order, event)
        self._call(self.agent.on_order, order, event)

    def _call(self, handler: Callable[..., Any], *args: object) -> None:
        if self.state is not AgentState.RUNNING:
            return
        try:
            handled = self.act(handler, *args)
        except BaseException as e:
            self.failed(e)
            return
        if inspect.iscoroutine(handled):
            self._drive(handled, None)

    def _resume(self, event: Event) -> None:
        # A copy, and each handler is looked up again, because a handler that goes on may stop the
        # agent or park again.
        ready = [p for p in self._parked if p[0].over(self.now)]
        for parked in ready:
            if self.state is AgentState.RUNNING and parked in self._parked:
                self._parked.remove(parked)
                self._drive(parked[1], event)

    def _drive(self, coroutine: Part, value: Event | None) -> None:
        try:
            self.act(self._advance, coroutine, value)
        except BaseException as e:
            self.failed(e, coroutine)
            self.close(coroutine)

    def _advance(self, coroutine: Part, value: Event | None) -> None:
        """Run a handler until it ends or waits for something that has not happened yet."""
        try:
            waits = coroutine.send(value)
        except StopIteration:
            return
        self._wait(coroutine, waits, value)

    def _wait(self, coroutine: Part, waits: object, value: Event | None) -> None:
        """Park a handler that waits. If its wait is over already, continue the handler."""
        try:
            # A wait that is over already, such as ``sleep(0)``, goes on at once. If it were parked,
            # it would wait for the next event.
            while isinstance(waits, Wait) and waits.over(self.now):
                waits = coroutine.send(value)
        except StopIteration:
            return
        if isinstance(waits, Wait):
            self.park(waits, coroutine)
        else:
            self._foreign(_continued(self, coroutine, waits), self)

    def failed(self, error: BaseException, coroutine: Part | None = None) -> None:
        """Pause or stop the agent, because its code raised ``error``.

        ``coroutine`` is the handler that raised, if it is a coroutine. A person's interrupt pauses
        the agent, and parked handlers stay parked. Any other error stops the agent, and closes its
        parked handlers.
        """
        self.has_acted = True
        if isinstance(error, KeyboardInterrupt) and self.state not in _ENDED:
            self.state = AgentState.PAUSED
            where = own_line(error, self.agent, coroutine) or f"agent {self.id}"
            cure = f"start it again with %kis agents start {self.id}"
            self._note_interrupt(f"interrupted in {where}; {cure}")
            return
        self._note_failure(error, coroutine)
        self.stop(AgentState.FAILED)

    def _note_failure(self, error: BaseException, coroutine: Part | None = None) -> None:
        """Mark the agent as failed and keep the first error.

        Later errors, from closing, are dropped.
        """
        self.state = AgentState.FAILED
        if not self.error:
            where = own_line(error, self.agent, coroutine)
            self.failed_line = f"{where}; {last_line(error)}" if where else last_line(error)
            self.error = traceback_of(error)

    def take_commands(self) -> list[Command]:
        """Return the agent's commands since the last call, and empty the outbox."""
        return self._take_outbox()

    def _take_outbox(self) -> list[Command]:
        out, self._outbox = self._outbox, []
        if self._flood is not None and self._flood.error is not None:
            out, dropped = self._flood.split(out)
            self._dropped += dropped
            # The handler may have caught the error.
            if self.state not in _ENDED:
                self.failed(self._flood.error)
        return out

    def take_dropped(self) -> list[Submit | ReviseOrder]:
        """Return the orders that are not sent because there were too many, and forget them."""
        dropped, self._dropped = self._dropped, []
        return dropped


async def _continued(runner: AgentRunner, coroutine: Part, first: object) -> None:
    """Run the rest of a handler that awaits something of the event loop.

    It is the body of a task.
    """
    await _forwarded(runner, coroutine, first)


@types.coroutine
def _forwarded(runner: AgentRunner, coroutine: Part, first: object) -> Generator[object, Any, None]:
    """Pass a handler's awaitables to the event loop, until it ends, fails, or awaits a Wait.

    Raises CancelledError when its agent was stopped, and nothing else: asyncio would raise
    SystemExit and KeyboardInterrupt out of the loop, and so end the process.
    """
    waits = first
    while not isinstance(waits, Wait):
        try:
            step = partial(coroutine.send, (yield waits))
        except GeneratorExit:
            runner.close(coroutine)
            raise
        except BaseException as e:
            step = partial(coroutine.throw, e)
        else:
            if runner.state in _ENDED:
                runner.close(coroutine)
                return
            if runner.state in _STANDING:
                # The agent must not act now. The awaited thing is over, so the handler goes on when
                # the agent is started again.
                step = partial(Wait, until=runner.now)
        try:
            with interruptible():
                waits = runner.act(step)
        except StopIteration:
            return
        except BaseException as e:
            # The roster cancels the tasks of an agent that it stops: that is not a failure.
            if isinstance(e, asyncio.CancelledError) and runner.state in _ENDED:
                raise
            runner.failed(e, coroutine)
            return
    if runner.state in _ENDED:
        runner.close(coroutine)
    else:
        runner.park(waits, coroutine)
