"""Plays trades: orders fill in the next trade of their stock, agents decide on each trade.

    1. orders that wait for the stock meet the trade     BarOrders.meet_trade
    2. each agent of the stock gets it                   Agent.on_tick
    3. the commands of the agents are carried out        BarOrders.take

Orders have the same short life as over bars (``bar_orders.py``): their facts are applied directly
to the state. A property test plays the whole core beside it and compares the rows. Agents without
coroutines, bars and ``on_phase`` are called directly. The others are called through their runner.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kisnb.backtesting.bar_agents import BarClock, BarCommand
from kisnb.backtesting.bar_orders import BarOrders
from kisnb.backtesting.bar_rules import BarRules
from kisnb.backtesting.run_agents import RunAgents
from kisnb.backtesting.run_record import equity_frame
from kisnb.backtesting.stuck import stuck_handlers_end
from kisnb.backtesting.ticks.tick_agents import TickRunner
from kisnb.backtesting.ticks.tick_feed import Part, TickFeed
from kisnb.backtesting.ticks.tick_prices import TickPrices
from kisnb.clock import MINUTE, Ns
from kisnb.events import Bar, Tick
from kisnb.trading.agents.agent_runner import AgentRunner, AgentState
from kisnb.trading.state import State

if TYPE_CHECKING:
    import polars as pl

HANDLERS = ("on_start", "on_tick", "on_bar", "on_fill", "on_order", "on_phase")
"""The handlers that trades can call."""


class TickRun:
    """One back-test over trades."""

    def __init__(
        self,
        feed: TickFeed,
        runners: Sequence[TickRunner],
        orders: BarOrders,
        rules: BarRules,
        state: State,
        out: list[tuple[TickRunner, BarCommand]],
        clock: BarClock,
        prices: TickPrices,
        latency: Ns = 0,
    ) -> None:
        """Prepare a run. ``out`` is the list to which the runners add their agents' commands."""
        self.feed = feed
        self.runners = runners
        self.orders = orders
        self.rules = rules
        self.state = state
        self._out = out
        self._clock = clock
        # An agent with bars gets them from its runner, so it is not called directly.
        has_bars = any(runner.agent.every for runner in runners)
        self._agents = agents = RunAgents(
            runners, orders, out, latency, HANDLERS, may_be_plain=not has_bars
        )
        self._of_code = agents.of_code
        self._is_plain = agents.is_plain
        self._prices = prices
        self._equity: list[tuple[Ns, int, int]] = []
        if agents.hears:
            orders.notify = agents.notify

    def run(self, patience: float = 60.0) -> None:
        """Play all trades. Raises the error that ended an agent, as ``BarRun.run`` does."""
        loops = frozenset(
            f.__code__
            for f in (TickRun._play_one, TickRun._play_many, RunAgents.notify, AgentRunner.act)
        )
        with stuck_handlers_end(patience, loops, self._agents.interrupted):
            self._run()

    def equity(self) -> pl.DataFrame:
        """Return cash, holdings and equity after each minute with a trade."""
        return equity_frame(self._equity)

    def _run(self) -> None:
        # Guards need the day's highest price, which the fastest loop does not keep.
        has_guards = any(runner.agent.guards is not None for runner in self.runners)
        one = self._is_plain and len(self.feed.codes) == len(self.runners) == 1 and not has_guards
        play: Callable[[Part], None] = self._play_one if one else self._play_many
        opens = {day: (begin, close) for day, begin, close in self.feed.hours}
        # The loop makes no reference cycles. With all earlier objects frozen, each garbage
        # collection is short.
        gc.freeze()
        try:
            for runner in self.runners:
                runner.start(opens[self.feed.first][0])
                self._agents.check(runner)
            for part in self.feed.parts():
                if part.begins_day:
                    self._begin_day(part)
                play(part)
                self._note_equity(part)
                if part.ends_day:
                    self._end_day(max(opens[part.day][1], part.ticks[-1].t))
        finally:
            gc.unfreeze()
            for runner in self.runners:
                runner.stop()

    def _begin_day(self, part: Part) -> None:
        bases = self.rules.bar_days.bases
        for tick in part.ticks if len(bases) < len(self.feed.codes) else ():
            bases.setdefault(tick.code, tick.price)
        self._prices.begin_day()
        # Orders from before the first trade, for example from on_start, are at the exchange when it
        # comes.
        self._agents.take(part.ticks[0].t)

    def _end_day(self, closes: Ns) -> None:
        if self.orders.waiting:
            self.orders.end_day(closes)
        self.rules.bar_days.bases.update(self._prices.newest)
        self._agents.take(closes)

    def _note_equity(self, part: Part) -> None:
        self._prices.add(part.ticks[-1])
        newest = self._prices.newest
        held = sum(qty * newest[code] for code, qty in self.orders.held.items())
        self._equity.append(((part.minute + 1) * MINUTE, self.state.cash or 0, held))

    def _play_one(self, part: Part) -> None:
        """Play trades of one stock to one agent. This is the fastest loop."""
        (runner,) = self.runners
        out, clock, on_tick = self._out, self._clock, runner.agent.on_tick
        waiting, ticks = self.orders.waiting, iter(part.ticks)
        # The runner finds the current trade by the number of trades that the iterator still has.
        runner.play(part.ticks, part.start, ticks)
        try:
            for tick in ticks:
                if waiting:
                    self._meet(tick)
                clock.now = tick.t
                on_tick(tick)
                if out:
                    self._prices.add(tick)
                    self._agents.take(tick.t)
        except BaseException as e:
            self._agents.failed(runner, e)
        runner.end_part()

    def _play_many(self, part: Part) -> None:
        """Play trades of any number of stocks to any number of agents."""
        of_code, is_plain, add = self._of_code, self._is_plain, self._prices.add
        waiting, runner = self.orders.waiting, None
        try:
            for tick in part.ticks:
                t = tick.t
                if not is_plain:
                    self._agents.pass_time(t)
                if tick.code in waiting:
                    self._meet(tick)
                add(tick)
                self._clock.now = t
                for runner in of_code.get(tick.code, ()):
                    if is_plain:
                        runner.agent.on_tick(tick)
                    else:
                        runner.deliver(tick, t)
                        self._agents.check(runner)
                if self._out:
                    self._agents.take(t)
        except BaseException as e:
            if runner is None or runner.state is not AgentState.RUNNING:
                raise
            self._agents.failed(runner, e)

    def _meet(self, tick: Tick) -> None:
        price, t = tick.price, tick.t
        code, qty = tick.code, tick.qty
        self.orders.meet_trade(Bar(t, code, 0, price, price, price, price, qty, 1), t)


__all__ = ["TickRun"]
