"""Plays bars: orders fill in the next bar, agents decide when a bar has closed.

One step has the bars of all stocks that begin at one moment:

    1. orders that wait for one of these stocks meet its bar       BarOrders.meet
    2. on the last step of a day the orders of the day end         BarOrders.end_day
    3. each agent gets its bar, at the moment at which it closed   Agent.on_bar
    4. the commands of the agents are carried out, in order        BarOrders.take

Commands of the last step of a day wait until the first step of the next day. Nothing else happens
between the steps. So the boundaries of market sessions cost no time unless an agent has
``on_phase``.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat, starmap
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from kisnb.backtesting.bar_agents import BarCommand, BarRunner
from kisnb.backtesting.bar_feed import BarFeed, Chunk
from kisnb.backtesting.bar_orders import BarOrders
from kisnb.backtesting.bar_rules import BarRules
from kisnb.backtesting.run_agents import RunAgents
from kisnb.backtesting.run_record import equity_frame
from kisnb.backtesting.stuck import stuck_handlers_end
from kisnb.clock import DAY, Ns
from kisnb.events import Bar
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.agents.handlers import Handled
from kisnb.trading.state import State

if TYPE_CHECKING:
    import polars as pl

HANDLERS = ("on_start", "on_bar", "on_fill", "on_order", "on_phase")
"""The handlers that bars can call."""


class BarRun:
    """Plays the bars of one back-test to its orders and agents."""

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
        self.feed = feed
        self.runners = runners
        self.orders = orders
        self.rules = rules
        self.state = state
        self._out = out
        self._agents = agents = RunAgents(runners, orders, out, latency, HANDLERS)
        self._of_code = agents.of_code
        self._longer = [r for r in runners if r.span and r.span != feed.span]
        self._given = {(r.id, code): 0 for r in self._longer for code in r.agent.stocks()}
        """By agent and stock: how many bars of the agent's own, longer length it has got."""
        self._equity: list[tuple[Ns, int, int]] = []
        self._single: list[tuple[BarRunner, Callable[[Bar], Handled]] | None] | None = None
        """The only agent of each stock and its ``on_bar``, by index of the stock.

        None: a stock has two agents, or an agent has coroutines, ``on_phase`` or longer bars.
        """
        if (
            agents.is_plain
            and not self._longer
            and all(len(r) == 1 for r in self._of_code.values())
        ):
            at = (self._of_code.get(code) for code in feed.codes)
            self._single = [None if of is None else (of[0], of[0].agent.on_bar) for of in at]

    # the loop

    def run(self, patience: float = 60.0) -> None:
        """Play all bars. Raises AgentFailed when an agent's code fails.

        A handler that does not return for ``patience`` seconds of wall time is interrupted. Then
        AgentFailed names its line.
        """
        loops = frozenset(
            f.__code__
            for f in (
                BarRun._call_one,
                BarRun._driver,
                BarRun._finish_day,
                BarRun._deliver,
                BarRun._deliver_single,
                RunAgents.notify,
                RunAgents.finish,
                AgentRunner.act,
            )
        )
        with stuck_handlers_end(patience, loops, self._agents.interrupted):
            self._run()

    def _run(self) -> None:
        one = len(self.feed.codes) == 1 and len(self.runners) == 1 and not self._longer
        day = self._day_of_one if one and self._agents.is_direct else self._day_of_many
        # The loop makes no reference cycles. With all earlier objects frozen, each garbage
        # collection is short.
        gc.freeze()
        try:
            self._start()
            for chunk in self.feed.chunks():
                bars = self._bars(chunk)
                for index, (_, _, _, first, stop) in enumerate(chunk.days):
                    # A day at a time, so that objects of short life stay in the processor's cache.
                    day(chunk, list(islice(bars, stop - first)), index)
        finally:
            gc.unfreeze()
            for runner in self.runners:
                runner.stop()

    def _start(self) -> None:
        _, opens, _ = self.feed.hours[0]
        for runner in self.runners:
            self._agents.start(runner, opens)
        self._agents.take(opens)

    def _bars(self, chunk: Chunk) -> Iterator[Bar]:
        codes: Any = (
            repeat(self.feed.codes[0])
            if len(self.feed.codes) == 1
            else map(self.feed.codes.__getitem__, chunk.codes)
        )
        span = repeat(self.feed.span)
        _, t, _, *columns = chunk
        # ``map`` would allocate the arguments of each call. ``zip`` fills one tuple anew.
        return starmap(Bar, zip(t, codes, span, *columns, strict=False))

    def _begin_day(self, opens: Ns, bars: Sequence[Bar]) -> None:
        """Set missing base prices, and carry out the commands that came after the last close."""
        bases = self.rules.bar_days.bases
        if len(bases) < len(self.feed.codes):
            for bar in bars:
                bases.setdefault(bar.code, bar.open)
        self._agents.open_day(opens)

    def _end_day(self, closes: Ns, closes_of_day: Iterable[tuple[str, int]]) -> None:
        """End the day's orders, and set the day's closes as base prices of the next day."""
        if self.orders.waiting:
            self.orders.end_day(closes)
        self.rules.bar_days.bases.update(closes_of_day)
        self._note_equity(closes)
        self._agents.close_day()

    def _note_equity(self, closes: Ns) -> None:
        bases = self.rules.bar_days.bases
        held = sum(qty * bases[code] for code, qty in self.orders.held.items())
        self.orders.held_value = held
        self._equity.append((closes, self.state.cash or 0, held))

    def _day_of_one(self, chunk: Chunk, bars: list[Bar], index: int) -> None:
        """Play a day of one stock for one agent. This is the fastest loop."""
        _, opens, closes, _, _ = chunk.days[index]
        (runner,) = self.runners
        self._begin_day(opens, bars[:1])
        *others, last = bars
        left = iter(others)
        try:
            if self._agents.is_plain:
                self._call_one(runner, left)
            # This also plays the rest of a day in which a handler has returned its first coroutine.
            if not self._agents.is_plain:
                self._await_one(runner, left)
            self._finish_day(runner, last, opens, closes)
        except BaseException as e:
            self._agents.failed(runner, e)
        self._agents.take(runner.now)

    def _call_one(self, runner: BarRunner, bars: Iterator[Bar]) -> None:
        """Call the handlers of one agent, until the bars end or a handler is a coroutine."""
        orders, out, clock, agents = self.orders, self._out, runner.clock, self._agents
        waiting, meet, on_bar = orders.waiting, orders.meet, runner.agent.on_bar
        while agents.is_plain:
            if waiting:
                bar = next(bars, None)
                if bar is None:
                    return
                meet(bar, bar.t)
                clock.event = bar
                handled = on_bar(bar)
            else:
                # An order can begin to wait only after a command, so this loop does not ask for it.
                for bar in bars:
                    clock.event = bar
                    handled = on_bar(bar)
                    if handled is not None or out:
                        break
                else:
                    return
            if handled is not None:
                agents.finish(runner, handled)
            if out:
                agents.take(bar.end)

    def _await_one(self, runner: BarRunner, bars: Iterator[Bar]) -> None:
        """Await the handlers of one agent, one call after another."""
        agents = self._agents
        while agents.drive(runner, self._driver(runner, bars, agents.turn)):
            agents.take(runner.now)

    async def _driver(self, runner: BarRunner, bars: Iterator[Bar], turn: int) -> None:
        """Await the handlers of the next bars. End when a new driver has taken over."""
        orders, out, clock, agents = self.orders, self._out, runner.clock, self._agents
        waiting, meet, on_bar, parked = (
            orders.waiting,
            orders.meet,
            runner.agent.on_bar,
            runner.parked,
        )
        for bar in bars:
            if parked:
                agents.pass_time(bar.t)
            if waiting:
                meet(bar, bar.t)
            clock.event = bar
            if parked:
                agents.resume(runner, bar)
            handled = on_bar(bar)
            if type(handled) is CoroutineType:
                await handled
                if agents.turn != turn:
                    return
            if out:
                agents.take(bar.end)

    def _finish_day(self, runner: BarRunner, last: Bar, opens: Ns, closes: Ns) -> None:
        """Play the last bar of a day, which ends the day's orders before the agent decides."""
        begin, end = (opens, closes) if self.feed.span == DAY else (last.t, last.end)
        if runner.parked:
            self._agents.pass_time(begin)
        if self.orders.waiting:
            self.orders.meet(last, begin)
        runner.now = end
        self._end_day(end, ((last.code, last.close),))
        if runner.parked:
            self._agents.resume(runner, last)
        handled = runner.agent.on_bar(last)
        if handled is not None:
            self._agents.finish(runner, handled)

    def _day_of_many(self, chunk: Chunk, bars: list[Bar], index: int) -> None:
        """Play a day of any number of stocks and agents."""
        _, opens, closes, first, stop = chunk.days[index]
        self._begin_day(opens, bars)
        is_daily = self.feed.span == DAY
        for start, end_of_step in _steps(chunk.t, first, stop):
            step = bars[start - first : end_of_step - first]
            t, end = (opens, closes) if is_daily else (step[0].t, step[0].end)
            if self._agents.may_wait:
                self._agents.pass_time(t)
            if self.orders.waiting:
                self._meet(step, t)
            if end_of_step == stop:
                codes = map(self.feed.codes.__getitem__, chunk.codes[first:stop])
                self._end_day(end, zip(codes, chunk.close[first:stop], strict=True))
            if self._single is None or self._agents.may_wait:
                self._deliver(step, end)
            else:
                self._deliver_single(step, chunk.codes[start:end_of_step], end)
            if self._out:
                self._agents.take(end)

    def _meet(self, step: list[Bar], t: Ns) -> None:
        waiting = self.orders.waiting
        if len(waiting) * 8 < len(step):
            # With few orders and many stocks, looking up each order's stock is faster than looking
            # at each bar.
            by_code = {bar.code: bar for bar in step}
            for code in [code for code in waiting if code in by_code]:
                self.orders.meet(by_code[code], t)
            return
        for bar in step:
            if bar.code in waiting:
                self.orders.meet(bar, t)

    def _deliver(self, step: list[Bar], end: Ns) -> None:
        """Deliver each bar to the agents of its stock."""
        of_code, agents = self._of_code, self._agents
        runner: BarRunner | None = None
        try:
            for bar in step:
                for runner in of_code.get(bar.code, ()):
                    if runner.span != bar.span:
                        continue
                    if not agents.is_direct:
                        agents.deliver(runner, bar, end)
                        continue
                    runner.now = end
                    if agents.may_wait and runner.parked:
                        agents.resume(runner, bar)
                    handled = runner.agent.on_bar(bar)
                    if handled is not None:
                        agents.finish(runner, handled)
        except BaseException as e:
            if runner is None:
                raise
            agents.failed(runner, e)
        for longer in self._longer:
            self._deliver_longer(longer, end)

    def _deliver_single(self, step: list[Bar], codes: list[int], end: Ns) -> None:
        """Deliver each bar of a step to the only agent of its stock.

        ``codes`` has the index of each bar's stock in ``BarFeed.codes``.
        """
        single, clock = self._single, self.runners[0].clock
        assert single is not None
        clock.now = end
        runner: BarRunner | None = None
        try:
            for bar, index in zip(step, codes, strict=True):
                found = single[index]
                if found is not None:
                    runner, on_bar = found
                    handled = on_bar(bar)
                    if handled is not None:
                        self._agents.finish(runner, handled)
        except BaseException as e:
            if runner is None:
                raise
            self._agents.failed(runner, e)

    def _deliver_longer(self, runner: BarRunner, end: Ns) -> None:
        """Deliver to an agent the new bars of its own, longer length that are known at ``end``."""
        for code in dict.fromkeys(runner.agent.stocks()):
            window = self.feed.of(code, runner.span)
            for at in range(self._given[runner.id, code], window.known(end)):
                self._given[runner.id, code] = at + 1
                self._agents.deliver(runner, window.bar(at), end)

    # results

    def equity(self) -> pl.DataFrame:
        """Return a DataFrame by day: time (KST, the close), cash, holdings, equity (won)."""
        return equity_frame(self._equity)


def _steps(times: list[Ns], first: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield for each step of a day its first row and the row after its last one."""
    start = first
    # All rows have one time, as a day of daily bars does. Then they are one step.
    if times[stop - 1] == times[first]:
        yield first, stop
        return
    t = times[first]
    for at in range(first, stop):
        if times[at] != t:
            yield start, at
            start, t = at, times[at]
    yield start, stop
