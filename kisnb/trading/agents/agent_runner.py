"""Drives one agent without an event loop, a task or a queue.

The runner drives a handler's coroutine by ``send`` until it yields a Wait. The coroutine is then
*parked*: kept until the wait is over. An error that a handler raises stops only this agent, even
SystemExit and CancelledError, and its traceback is kept. A KeyboardInterrupt, which a person
causes, pauses the agent. So does a handler that took more than two seconds.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, TypeVar

from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.events import Bar, Depth, Event, Tick
from kisnb.market.bars import Bars
from kisnb.market.flows import FlowTable
from kisnb.orders import Order
from kisnb.trading.agents.agent import Agent, Wait, checked_id
from kisnb.trading.agents.agent_commands import AgentCommands
from kisnb.trading.agents.agent_figures import AgentFigures
from kisnb.trading.agents.agent_means import AgentMeans
from kisnb.trading.agents.agent_series import AgentSeries, Earlier, nothing_earlier
from kisnb.trading.agents.agent_state import ENDED, STANDING, AgentState
from kisnb.trading.agents.decisions import Decisions
from kisnb.trading.agents.event_dispatch import EventDispatch
from kisnb.trading.agents.failed_line import last_line, own_line, traceback_of
from kisnb.trading.agents.foreign_awaits import Part, continued
from kisnb.trading.agents.handler_times import SLOW_SECONDS, HandlerTimes
from kisnb.trading.agents.handler_watch import watch
from kisnb.trading.agents.seen_prices import SeenPrices
from kisnb.trading.agents.sizing import Wanted
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import AGENT, OrderBook, OrderBooks
from kisnb.trading.ports.commands import Command, ReviseOrder, Submit

_Value = TypeVar("_Value")
_acting: ContextVar[AgentRunner | None] = ContextVar("the agent whose code runs", default=None)
"""Set while a handler runs. Tasks and ``asyncio.to_thread`` threads of the handler inherit it."""

Foreign = Callable[[Part, "AgentRunner"], None]


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
        runner.prices.saw(code, received)


class AgentRunner:
    """Runs one agent and is its Host.

    Has its parked handlers, its prices and bars, and its unsent commands.
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
        price: Callable[[str], int] | None = None,
    ) -> None:
        """Connect the agent to this runner.

        Raises BadInput for an id that the order books reserve, and for a handler that would never
        be called. ``cash`` returns the account's cash in won, None while it is not known.
        ``earlier`` returns the bars of the day up to the current event. ``flows`` and ``atr`` are
        figures of earlier days. ``last`` returns the newest price of a stock of which the agent has
        seen no price. ``times`` measures the time of handlers. None: it is not limited, as in a
        back-test. ``price`` returns the price of a stock from which the shares of an order are
        computed, won, and raises BadInput when there is none. None: the newest price of the events.
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
        self.commands = AgentCommands(self.id, self._on_flood, is_limited=times is not None)
        """The agent's commands that have not been handed out. A back-test counts no orders."""
        self.times = times
        """Measures slow handlers. None when nothing is measured."""
        self._is_timed = times is None
        """True while code of the agent is being measured, and always when nothing is measured."""
        self._books = books
        self._foreign = foreign
        self.prices = SeenPrices()
        """The newest prices that the agent has seen."""
        self.figures = AgentFigures(rules, lambda: self.now, flows, atr)
        self.means = AgentMeans(
            self.id, books, rules, lambda: self.now, cash, price or self.prices.price, last
        )
        """The account's values, and the sizes of the agent's orders."""
        self.series = AgentSeries(agent, earlier)
        """The agent's bars."""
        self._events = EventDispatch(agent, self.id, books, self.series, self._call)
        self._parked: list[tuple[Wait, Part]] = []
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
            self.commands.add(command)
            return None
        self._check_may_order()
        self.commands.count_order(self.now, self.agent.most_orders)
        # The command is kept before the order book gets the order. If an interrupt comes in
        # between, the order is sent and shown later. In the other sequence it could be shown and
        # never sent.
        self.commands.add(command)
        return self._books.add_pending(command.intent, self.now)

    def _check_may_order(self) -> None:
        if _acting.get() is not self:
            cure = "order by hand with session.buy or %kis buy CODE QTY"
            raise BadInput("an agent orders in its handlers", cure)
        # Nobody takes the commands of this agent any more, so this one would wait for ever.
        if self.state in ENDED and not self._flattening:
            cure = f"start it again with %kis agents start {self.id}"
            raise BadInput(f"agent {self.id} is {self.state} and orders nothing", cure)

    def mint(self) -> str:
        """Return a new idempotency key for an order of this agent."""
        # Threads of one handler may order at the same time. The counter never returns a number
        # twice.
        return f"{AGENT}{self.id}:{self._run}:{next(self._count)}"

    def bars(self, code: str, every: str, n: int) -> Bars:
        """Return the newest ``n`` bars of length ``every``, oldest first."""
        return self.series.of(code, every).newest(n)

    def place(self, wanted: Wanted) -> Order | None:
        """Place and return the order that changes the position to ``wanted``.

        None: no order is needed.
        """
        code, shares = wanted.code, self.means.shares(wanted)
        if not shares:
            return None
        return (
            self.agent.buy(shares, code=code) if shares > 0 else self.agent.sell(-shares, code=code)
        )

    # driving

    def start(self, now: Ns) -> list[Command]:
        """Start the agent, or let it go on after a pause or a wait of its schedule.

        When it goes on, parked handlers stay parked, and ``on_start`` is not called again.
        """
        self.now = now
        goes_on = self.state in STANDING and self._has_begun
        if self.state is AgentState.PAUSED:
            # What closes while an agent is paused is not for its handlers.
            self.series.missed.clear()
        self.state, self._has_begun = AgentState.RUNNING, True
        self.error = self.failed_line = ""
        if self.interrupted and self.agent.note == self.interrupted:
            self.agent.note = self.interrupted = ""
        if not goes_on:
            if self.times is not None:
                self.times.forget()
            self.commands.count_anew()
            self.series.forget()
            try:
                self._events.stocks = tuple(self.agent.stocks())
                self.series.follow(self._events.stocks)
            except BaseException as e:
                self.failed(e)
                return self.commands.take()
            if self.agent.every:
                for code in self._events.stocks:
                    self.series.of(code, self.agent.every)
            self._call(self.agent.on_start)
        return self.commands.take()

    def deliver(self, event: Event, now: Ns) -> list[Command]:
        """Deliver one event to the agent. Return the commands that it caused, in order.

        Errors of the agent's code are not raised here. They stop or pause the agent.
        """
        if self.state is not AgentState.RUNNING:
            # Handlers of a paused agent are not called, but its bars get the trades. Otherwise its
            # next bar would be made of half of the trades.
            if self.state in STANDING:
                self.series.keep(event, waits=self.state is AgentState.WAITING)
            return []
        self.now = now
        if type(event) is Tick and event.code not in self.series.followed and not self._parked:
            # Most trades are of stocks that this agent does not follow. It only knows their price.
            self.prices.newest[event.code] = event.price
            self.prices.saw(event.code, event.received or event.t)
            return []
        if isinstance(event, Tick | Depth):
            self.prices.saw(event.code, event.received or event.t)
        if isinstance(event, Tick):
            self.prices.newest[event.code] = event.price
        elif isinstance(event, Bar):
            self.prices.newest[event.code] = event.close
        try:
            # Parked handlers go on first, because they began before this event.
            if self._parked:
                self._resume(event)
            self._events.dispatch(event)
        except BaseException as e:
            # This error is not from a handler: the agent's ``code`` raised, or an interrupt came
            # between handlers.
            self.failed(e)
        return self.commands.take()

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
        # A person may flatten an agent that gave too many orders: its sells must pass.
        self.commands.count_anew()
        try:
            self.act(_sell_all, self.agent, self.id, self._books)
        finally:
            self._flattening = False
        return self.commands.take()

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
                why = times.note(part, args, took)
                if why and self.state is AgentState.RUNNING:
                    # Its handler kept all other agents waiting.
                    self.state = AgentState.PAUSED
                    self._note_interrupt(f"{why}. Start it again with %kis agents start {self.id}")

    def _note_interrupt(self, note: str) -> None:
        self.interrupted = note
        # ``note`` may be a property of the person's class, and the property may raise.
        with suppress(Exception):
            self.agent.note = note

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
            self._foreign(continued(self, coroutine, waits), self)

    def failed(self, error: BaseException, coroutine: Part | None = None) -> None:
        """Pause or stop the agent, because its code raised ``error``.

        ``coroutine`` is the handler that raised, if it is a coroutine. A person's interrupt pauses
        the agent, and parked handlers stay parked. Any other error stops the agent, and closes its
        parked handlers.
        """
        self.has_acted = True
        if isinstance(error, KeyboardInterrupt) and self.state not in ENDED:
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

    def _on_flood(self, error: BadInput) -> None:
        """Stop the agent, because it gave too many orders."""
        if self.state not in ENDED:
            self.failed(error)


def _sell_all(agent: Agent, agent_id: str, books: OrderBooks) -> None:
    """Sell all shares that an agent holds and that no open order sells yet."""
    for code, position in list(books.of(agent_id).positions.items()):
        qty = position.qty - books.selling(agent_id, code)
        if qty > 0:
            agent.sell(qty, code=code)
