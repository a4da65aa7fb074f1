"""Plays bars: orders meet the next bar, agents decide when a bar has closed.

One step is one begin of a bar, with the bars of all stocks that begin then:

    1. orders that wait for one of these stocks meet its bar       BarOrders.meet
    2. on the last step of a day the orders of the day end         BarOrders.end_day
    3. each agent gets its bar, at the moment at which it closed   Agent.on_bar
    4. what the agents want is carried out, in their order         BarOrders.take

Commands of the last step of a day wait until the first step of the next day. Nothing else
happens between the steps, so the boundaries of market sessions cost nothing unless an agent has
``on_phase``.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

from kisnb.backtesting.bar_agents import BarCommand, BarRunner
from kisnb.backtesting.bar_feed import BarFeed, Chunk
from kisnb.backtesting.bar_orders import BarOrders
from kisnb.backtesting.bar_rules import BarRules
from kisnb.backtesting.run_record import equity_frame
from kisnb.backtesting.stuck import AgentFailed, stuck_handlers_end
from kisnb.clock import DAY, Ns, kst_day
from kisnb.events import Bar, ClockMoved, Filled, OrderFact, PhaseChanged
from kisnb.market import sessions
from kisnb.orders import Order
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentState
from kisnb.trading.state import State

if TYPE_CHECKING:
    import polars as pl

HANDLERS = ("on_start", "on_bar", "on_fill", "on_order", "on_phase")
"""Handlers that bars can call."""


class BarRun:
    """One back-test over bars."""

    def __init__(
        self,
        feed: BarFeed,
        runners: Sequence[BarRunner],
        orders: BarOrders,
        rules: BarRules,
        state: State,
        out: list[tuple[BarRunner, BarCommand]],
        latency: Ns = 0,
    ) -> None:
        """Prepare a run. ``out`` is the list into which the runners put their agents' commands.

        ``latency`` is the time from a decision until the order is at the exchange, nanoseconds.
        """
        self._latency = latency
        self.feed = feed
        self.runners = runners
        self.orders = orders
        self.rules = rules
        self.state = state
        self._out = out
        self._overnight: list[tuple[BarRunner, BarCommand]] = []
        self._by_id = {runner.id: runner for runner in runners}
        self._has_phase = any(_overrides(r.agent, "on_phase") for r in runners)
        self._is_plain = not self._has_phase and not any(
            inspect.iscoroutinefunction(getattr(r.agent, name))
            for r in runners
            for name in HANDLERS
        )
        self._of_code: dict[str, list[BarRunner]] = {}
        for runner in runners:
            self._of_code.setdefault(runner.agent.code, []).append(runner)
        self._longer = [r for r in runners if r.span and r.span != feed.span]
        self._told = dict.fromkeys((r.id for r in self._longer), 0)
        """How many bars of its own, longer length an agent has got, by its id."""
        self._equity: list[tuple[Ns, int, int]] = []
        self._single: list[tuple[BarRunner, Callable[[Bar], object]] | None] | None = None
        """The agent of each stock and its ``on_bar``, by index of the stock. None: a stock has two
        agents, or an agent has coroutines, ``on_phase`` or longer bars."""
        if self._is_plain and not self._longer and all(len(r) == 1 for r in self._of_code.values()):
            at = (self._of_code.get(code) for code in feed.codes)
            self._single = [None if of is None else (of[0], of[0].agent.on_bar) for of in at]
        if self.hears:
            orders.notify = self.notify

    @property
    def hears(self) -> bool:
        """True if an agent must get facts of its orders: it has a handler or may await them."""
        return not self._is_plain or any(
            _overrides(r.agent, name) for r in self.runners for name in ("on_fill", "on_order")
        )

    # the loop

    def run(self, patience: float = 60.0) -> None:
        """Play all bars. Raises AgentFailed when an agent's code fails.

        A handler that does not return for ``patience`` seconds of wall time is interrupted. Then
        AgentFailed names its line.
        """
        loops = frozenset(
            f.__code__
            for f in (
                BarRun._day_of_one,
                BarRun._deliver,
                BarRun._deliver_single,
                BarRun.notify,
                BarRun._start,
            )
        )
        with stuck_handlers_end(patience, loops, self._interrupted):
            self._run()

    def _interrupted(self) -> str:
        return next((r.interrupted for r in self.runners if r.interrupted), "")

    def _run(self) -> None:
        one = len(self.feed.codes) == 1 and len(self.runners) == 1 and not self._longer
        day = self._day_of_one if one and self._is_plain else self._day_of_many
        # The loop makes no circles; without the objects of before, each collection is short.
        gc.freeze()
        try:
            self._start()
            for chunk in self.feed.chunks():
                bars = self._bars(chunk)
                for index in range(len(chunk.days)):
                    day(chunk, bars, index)
        finally:
            gc.unfreeze()
            for runner in self.runners:
                runner.stop()

    def _start(self) -> None:
        _, opens, _ = self.feed.hours[0]
        for runner in self.runners:
            runner.start(opens)
            self._check(runner)
        self._overnight, self._out[:] = list(self._out), []

    def _bars(self, chunk: Chunk) -> list[Bar]:
        codes: Any = (
            repeat(self.feed.codes[0])
            if len(self.feed.codes) == 1
            else map(self.feed.codes.__getitem__, chunk.codes)
        )
        span = repeat(self.feed.span)
        _, t, _, _, *columns = chunk
        return list(map(Bar, t, codes, span, *columns))

    def _begin_day(self, opens: Ns, bars: Sequence[Bar]) -> None:
        """Set missing base prices, and carry out the commands given after the last close."""
        bases = self.rules.bar_days.bases
        if len(bases) < len(self.feed.codes):
            for bar in bars:
                bases.setdefault(bar.code, bar.open)
        if self._overnight:
            wanted, self._overnight = self._overnight, []
            for _, command in wanted:
                # What was decided after the last close is at the exchange when the day opens.
                self.orders.take(command, opens, opens)

    def _end_day(self, closes: Ns, closes_of_day: Iterable[tuple[str, int]]) -> None:
        """End the day's orders, and set its closes as base prices of the next day."""
        if self.orders.waiting:
            self.orders.end_day(closes)
        self.rules.bar_days.bases.update(closes_of_day)
        self._note_equity(closes)

    def _note_equity(self, closes: Ns) -> None:
        bases = self.rules.bar_days.bases
        held = sum(qty * bases[code] for code, qty in self.orders.held.items())
        self.orders.held_value = held
        self._equity.append((closes, self.state.cash or 0, held))

    def _day_of_one(self, chunk: Chunk, bars: list[Bar], index: int) -> None:
        """Play a day of one stock for one agent without coroutines. This is the fastest loop."""
        _, opens, _, first, stop = chunk.days[index]
        ends, orders, out = chunk.ends, self.orders, self._out
        (runner,) = self.runners
        waiting, meet, clock = orders.waiting, orders.meet, runner.clock
        on_bar = runner.agent.on_bar
        self._begin_day(opens, bars[first : first + 1])
        try:
            for bar, end in zip(bars[first : stop - 1], ends[first : stop - 1], strict=True):
                if waiting:
                    meet(bar, bar.t)
                clock.now = end
                on_bar(bar)
                if out:
                    self._take(end)
            last, end = bars[stop - 1], ends[stop - 1]
            if waiting:
                meet(last, opens if self.feed.span == DAY else last.t)
            runner.now = end
            self._end_day(end, ((last.code, last.close),))
            on_bar(last)
        except BaseException as e:
            self._failed(runner, e)
        self._overnight, self._out[:] = list(out), []

    def _day_of_many(self, chunk: Chunk, bars: list[Bar], index: int) -> None:
        """Play a day of any number of stocks and agents."""
        _, opens, _, first, stop = chunk.days[index]
        self._begin_day(opens, bars[first:stop])
        for start, end_of_step in _steps(chunk.t, first, stop):
            step, end = bars[start:end_of_step], chunk.ends[start]
            is_last = end_of_step == stop
            t = opens if self.feed.span == DAY else chunk.t[start]
            if not self._is_plain:
                self._pass_time(t)
            if self.orders.waiting:
                self._meet(step, t)
            if is_last:
                codes = map(self.feed.codes.__getitem__, chunk.codes[first:stop])
                self._end_day(end, zip(codes, chunk.close[first:stop], strict=True))
            if self._single is None:
                self._deliver(step, end)
            else:
                self._deliver_single(step, chunk.codes[start:end_of_step], end)
            if is_last:
                self._overnight, self._out[:] = list(self._out), []
            elif self._out:
                self._take(end)

    def _meet(self, step: list[Bar], t: Ns) -> None:
        waiting = self.orders.waiting
        if len(waiting) * 8 < len(step):
            # A few orders, many stocks: each stock is looked up, and not each bar.
            by_code = {bar.code: bar for bar in step}
            for code in [code for code in waiting if code in by_code]:
                self.orders.meet(by_code[code], t)
            return
        for bar in step:
            if bar.code in waiting:
                self.orders.meet(bar, t)

    def _deliver(self, step: list[Bar], end: Ns) -> None:
        """Deliver each bar to the agents of its stock."""
        of_code, is_plain = self._of_code, self._is_plain
        runner: BarRunner | None = None
        try:
            for bar in step:
                for runner in of_code.get(bar.code, ()):
                    if runner.span != bar.span:
                        continue
                    if is_plain:
                        runner.now = end
                        runner.agent.on_bar(bar)
                    else:
                        runner.deliver(bar, end)
                        self._check(runner)
        except BaseException as e:
            if runner is None or runner.state is not AgentState.RUNNING:
                raise
            self._failed(runner, e)
        for longer in self._longer:
            self._deliver_longer(longer, end)

    def _deliver_single(self, step: list[Bar], codes: list[int], end: Ns) -> None:
        """Deliver each bar to the only agent of its stock. ``codes`` are the stocks' indices."""
        single, clock = self._single, self.runners[0].clock
        assert single is not None
        runner: BarRunner | None = None
        try:
            for bar, index in zip(step, codes, strict=True):
                found = single[index]
                if found is not None:
                    runner, on_bar = found
                    clock.now = end
                    on_bar(bar)
        except BaseException as e:
            if runner is None:
                raise
            self._failed(runner, e)

    def _deliver_longer(self, runner: BarRunner, end: Ns) -> None:
        """Deliver the new bars of an agent's own, longer length that are known at ``end``."""
        window = self.feed.of(runner.agent.code, runner.span)
        for at in range(self._told[runner.id], window.known(end)):
            self._told[runner.id] = at + 1
            runner.deliver(window.bar(at), end)
            self._check(runner)

    def _take(self, now: Ns) -> None:
        """Carry out the agents' commands one after another, also those that follow from them."""
        out = self._out
        while out:
            wanted, out[:] = list(out), []
            for _, command in wanted:
                self.orders.take(command, now, now + self._latency)

    # agents that wait, phases, facts

    def _pass_time(self, t: Ns) -> None:
        """Wake the handlers that wait for a moment up to ``t``, and deliver phase changes."""
        while True:
            due = min((w for r in self.runners if (w := r.next_wake()) is not None), default=None)
            if due is None or due > t:
                break
            for runner in self.runners:
                wake = runner.next_wake()
                if wake is not None and wake <= due:
                    runner.deliver(ClockMoved(due), max(due, runner.now))
                    self._check(runner)
            self._take(due)
        if self._has_phase:
            self._report_phases(t)

    def _report_phases(self, t: Ns) -> None:
        before = max(r.now for r in self.runners)
        for moment in sessions.boundaries(kst_day(t)):
            if before < moment <= t:
                phase = str(sessions.phase(Venue.KRX, moment))
                event = PhaseChanged(moment, str(sessions.session_id(moment)), Venue.KRX, phase)
                for runner in self.runners:
                    runner.deliver(event, moment)
                    self._check(runner)

    def notify(self, order: Order, fact: OrderFact) -> None:
        """Deliver a fact to the agent that placed the order."""
        runner = self._by_id.get(order.intent.agent)
        if runner is None:
            return
        if not self._is_plain:
            runner.deliver(fact, max(fact.t, runner.now))
            self._check(runner)
            return
        runner.now = max(fact.t, runner.now)
        try:
            if isinstance(fact, Filled):
                runner.agent.on_fill(order, fact)
            runner.agent.on_order(order, fact)
        except BaseException as e:
            self._failed(runner, e)

    def _failed(self, runner: BarRunner, error: BaseException) -> None:
        runner.failed(error)
        self._check(runner, error)

    def _check(self, runner: BarRunner, error: BaseException | None = None) -> None:
        """Raise AgentFailed if the agent failed, KeyboardInterrupt if a person interrupted it."""
        if runner.state is AgentState.FAILED:
            text = f"{runner.agent!r} failed: {runner.failed_line}\n{runner.error}"
            raise AgentFailed(text) from error
        if runner.state is AgentState.PAUSED:
            # Only a person who interrupts a handler pauses an agent here. They mean the run.
            raise KeyboardInterrupt(runner.agent.note)

    # results

    def equity(self) -> pl.DataFrame:
        """Return a DataFrame by day: time (KST, the close), cash, holdings, equity (won)."""
        return equity_frame(self._equity)


def _overrides(agent: Agent, name: str) -> bool:
    return getattr(type(agent), name) is not getattr(Agent, name)


def _steps(times: list[Ns], first: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the last row + 1 of each step of a day."""
    start = first
    # The bars of many stocks at one moment: the last row of a day of daily bars has its time too.
    if times[stop - 1] == times[first]:
        yield first, stop
        return
    t = times[first]
    for at in range(first, stop):
        if times[at] != t:
            yield start, at
            start, t = at, times[at]
    yield start, stop
