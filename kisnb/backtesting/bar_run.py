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
from itertools import repeat
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
from kisnb.trading.agents.agent_runner import AgentState
from kisnb.trading.state import State

if TYPE_CHECKING:
    import polars as pl

HANDLERS = ("on_start", "on_bar", "on_fill", "on_order", "on_phase")
"""The handlers that bars can call."""


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
        self.feed = feed
        self.runners = runners
        self.orders = orders
        self.rules = rules
        self.state = state
        self._out = out
        self._overnight: list[tuple[BarRunner, BarCommand]] = []
        self._agents = agents = RunAgents(runners, orders, out, latency, HANDLERS)
        self._is_plain = agents.is_plain
        self._of_code = agents.of_code
        self._longer = [r for r in runners if r.span and r.span != feed.span]
        self._given = {(r.id, code): 0 for r in self._longer for code in r.agent.stocks()}
        """By agent and stock: how many bars of the agent's own, longer length it has got."""
        self._equity: list[tuple[Ns, int, int]] = []
        self._single: list[tuple[BarRunner, Callable[[Bar], object]] | None] | None = None
        """The only agent of each stock and its ``on_bar``, by index of the stock.

        None: a stock has two agents, or an agent has coroutines, ``on_phase`` or longer bars.
        """
        if self._is_plain and not self._longer and all(len(r) == 1 for r in self._of_code.values()):
            at = (self._of_code.get(code) for code in feed.codes)
            self._single = [None if of is None else (of[0], of[0].agent.on_bar) for of in at]
        if agents.hears:
            orders.notify = agents.notify

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
                RunAgents.notify,
                BarRun._start,
            )
        )
        with stuck_handlers_end(patience, loops, self._agents.interrupted):
            self._run()

    def _run(self) -> None:
        one = len(self.feed.codes) == 1 and len(self.runners) == 1 and not self._longer
        day = self._day_of_one if one and self._is_plain else self._day_of_many
        # The loop makes no reference cycles. With all earlier objects frozen, each garbage
        # collection is short.
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
            self._agents.check(runner)
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
        """Set missing base prices, and carry out the commands that came after the last close."""
        bases = self.rules.bar_days.bases
        if len(bases) < len(self.feed.codes):
            for bar in bars:
                bases.setdefault(bar.code, bar.open)
        if self._overnight:
            wanted, self._overnight = self._overnight, []
            for _, command in wanted:
                # Orders that were decided after the last close are at the exchange when the day
                # opens.
                self.orders.take(command, opens, opens)

    def _end_day(self, closes: Ns, closes_of_day: Iterable[tuple[str, int]]) -> None:
        """End the day's orders, and set the day's closes as base prices of the next day."""
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
                    self._agents.take(end)
            last, end = bars[stop - 1], ends[stop - 1]
            if waiting:
                meet(last, opens if self.feed.span == DAY else last.t)
            runner.now = end
            self._end_day(end, ((last.code, last.close),))
            on_bar(last)
        except BaseException as e:
            self._agents.failed(runner, e)
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
                self._agents.pass_time(t)
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
        """Deliver each bar of a step to the agents of its stock."""
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
                        self._agents.check(runner)
        except BaseException as e:
            if runner is None or runner.state is not AgentState.RUNNING:
                raise
            self._agents.failed(runner, e)
        for longer in self._longer:
            self._deliver_longer(longer, end)

    def _deliver_single(self, step: list[Bar], codes: list[int], end: Ns) -> None:
        """Deliver each bar of a step to the only agent of its stock.

        ``codes`` has the index of each bar's stock in ``BarFeed.codes``.
        """
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
            self._agents.failed(runner, e)

    def _deliver_longer(self, runner: BarRunner, end: Ns) -> None:
        """Deliver to an agent the new bars of its own, longer length that are known at ``end``."""
        for code in dict.fromkeys(runner.agent.stocks()):
            window = self.feed.of(code, runner.span)
            for at in range(self._given[runner.id, code], window.known(end)):
                self._given[runner.id, code] = at + 1
                runner.deliver(window.bar(at), end)
                self._agents.check(runner)

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
