"""Plays trades: orders fill in the next trade of their stock, agents decide on each trade.

    1. orders that wait for the stock meet the trade     BarOrders.meet_trade
    2. each agent of the stock gets the bars that it
       closes, then the trade itself                     Agent.on_bar, Agent.on_tick
    3. the commands of the agents are carried out        BarOrders.take

Orders go through the same few steps as over bars (``bar_orders.py``): their facts are applied
directly to the state. A property test plays the whole core beside it and compares the rows. Agents
are called directly, also when their handlers are coroutines. Only agents with ``on_phase`` are
called through their runner.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from types import CoroutineType
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
from kisnb.trading.agents.agent_runner import AgentRunner
from kisnb.trading.state import State

if TYPE_CHECKING:
    import polars as pl

HANDLERS = ("on_start", "on_tick", "on_bar", "on_fill", "on_order", "on_phase")
"""The handlers that trades can call."""


class TickRun:
    """Plays the trades of one back-test to its orders and agents."""

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
        self._agents = agents = RunAgents(runners, orders, out, latency, HANDLERS)
        self._of_code = agents.of_code
        self._waiting = orders.waiting
        self._prices = prices
        self._equity: list[tuple[Ns, int, int]] = []

    def run(self, patience: float = 60.0) -> None:
        """Play all trades. Raises the error that ended an agent, as ``BarRun.run`` does."""
        loops = frozenset(
            f.__code__
            for f in (
                TickRun._call_one,
                TickRun._driver,
                TickRun._deliver,
                RunAgents.notify,
                RunAgents.finish,
                AgentRunner.act,
            )
        )
        with stuck_handlers_end(patience, loops, self._agents.interrupted):
            self._run()

    def equity(self) -> pl.DataFrame:
        """Return cash, holdings and equity after each minute with a trade."""
        return equity_frame(self._equity)

    def _run(self) -> None:
        # Guards need the day's highest price, and ``on_bar`` needs bars. The fastest loop has none.
        is_simple = not any(r.agent.guards is not None or r.agent.every for r in self.runners)
        is_alone = len(self.feed.codes) == len(self.runners) == 1
        one = self._agents.is_direct and is_alone and is_simple
        play: Callable[[Part], None] = self._play_one if one else self._play_many
        opens = {day: (begin, close) for day, begin, close in self.feed.hours}
        # The loop makes no reference cycles. With all earlier objects frozen, each garbage
        # collection is short.
        gc.freeze()
        try:
            for runner in self.runners:
                self._agents.start(runner, opens[self.feed.first][0])
            self._agents.take(opens[self.feed.first][0])
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
        self._agents.open_day(part.ticks[0].t)

    def _end_day(self, closes: Ns) -> None:
        if self.orders.waiting:
            self.orders.end_day(closes)
        self.rules.bar_days.bases.update(self._prices.newest)
        self._agents.close_day()

    def _note_equity(self, part: Part) -> None:
        self._prices.add(part.ticks[-1])
        newest = self._prices.newest
        held = sum(qty * newest[code] for code, qty in self.orders.held.items())
        self._equity.append(((part.minute + 1) * MINUTE, self.state.cash or 0, held))

    def _play_one(self, part: Part) -> None:
        """Play trades of one stock to one agent. This is the fastest loop."""
        (runner,) = self.runners
        # The runner finds the current trade by the number of trades that the iterator still has.
        ticks = iter(part.ticks)
        runner.play(part.ticks, part.start, ticks, is_alone=True)
        try:
            if self._agents.is_plain:
                self._call_one(runner, ticks)
            # This also plays the rest of a part in which a handler has returned its first
            # coroutine.
            if not self._agents.is_plain:
                self._await_one(runner, part.ticks, ticks)
        except BaseException as e:
            self._agents.failed(runner, e)
        runner.end_part()

    def _call_one(self, runner: TickRunner, ticks: Iterator[Tick]) -> None:
        """Call the handlers of one agent, until the trades end or a handler is a coroutine."""
        out, clock, on_tick, waiting = self._out, self._clock, runner.agent.on_tick, self._waiting
        agents = self._agents
        while agents.is_plain:
            if waiting:
                tick = next(ticks, None)
                if tick is None:
                    return
                self._meet(tick)
                clock.event = tick
                handled = on_tick(tick)
            else:
                # An order can begin to wait only after a command, so this loop does not ask for it.
                for tick in ticks:
                    clock.event = tick
                    handled = on_tick(tick)
                    if handled is not None or out:
                        break
                else:
                    return
            if handled is not None:
                agents.finish(runner, handled)
            if out:
                self._prices.add(tick)
                agents.take(tick.t)

    def _await_one(self, runner: TickRunner, part: Sequence[Tick], ticks: Iterator[Tick]) -> None:
        """Await the handlers of one agent, one call after another."""
        agents = self._agents
        while agents.drive(runner, self._driver(runner, ticks, agents.turn)):
            if self._out:
                tick = part[len(part) - length_hint(ticks) - 1]
                self._prices.add(tick)
                agents.take(tick.t)

    async def _driver(self, runner: TickRunner, ticks: Iterator[Tick], turn: int) -> None:
        """Await the handlers of the next trades. End when a new driver has taken over."""
        out, clock, on_tick, waiting = self._out, self._clock, runner.agent.on_tick, self._waiting
        agents, parked = self._agents, runner.parked
        for tick in ticks:
            if parked:
                self._let_pass(tick.t)
            if waiting:
                self._meet(tick)
            clock.event = tick
            if parked:
                self._resume(runner, tick)
            handled = on_tick(tick)
            if type(handled) is CoroutineType:
                await handled
                if agents.turn != turn:
                    return
            if out:
                self._prices.add(tick)
                agents.take(tick.t)

    def _play_many(self, part: Part) -> None:
        """Play trades of any number of stocks to any number of agents."""
        agents, waiting, ticks = self._agents, self._waiting, iter(part.ticks)
        for runner in self.runners if agents.is_direct else ():
            runner.play(part.ticks, part.start, ticks, is_alone=False)
        for tick in ticks:
            if agents.may_wait:
                self._let_pass(tick.t)
            if tick.code in waiting:
                self._meet(tick)
            self._prices.add(tick)
            self._clock.event = tick
            self._deliver(tick)
            if self._out:
                agents.take(tick.t)
        for runner in self.runners if agents.is_direct else ():
            runner.end_part()

    def _deliver(self, tick: Tick) -> None:
        """Deliver a trade to each agent that follows its stock."""
        agents = self._agents
        for runner in self._of_code.get(tick.code, ()):
            if not agents.is_direct:
                agents.deliver(runner, tick, tick.t)
                continue
            try:
                if agents.may_wait and runner.parked:
                    self._resume(runner, tick)
                for bar in runner.closed_by(tick) if runner.agent.every else ():
                    handled = runner.agent.on_bar(bar)
                    if handled is not None:
                        agents.finish(runner, handled)
                handled = runner.agent.on_tick(tick)
                if handled is not None:
                    agents.finish(runner, handled)
            except BaseException as e:
                agents.failed(runner, e)

    def _let_pass(self, t: Ns) -> None:
        """Wake the handlers that wait for a moment up to ``t``, the moment of the current trade."""
        self._prices.coming = 1
        self._agents.pass_time(t)
        self._prices.coming = 0

    def _resume(self, runner: TickRunner, tick: Tick) -> None:
        """Continue the handlers whose wait is over, before the agent gets the trade."""
        self._prices.coming = 1
        self._agents.resume(runner, tick)
        self._prices.coming = 0

    def _meet(self, tick: Tick) -> None:
        """Fill orders by a trade that the agents have not got yet."""
        price, t = tick.price, tick.t
        code, qty = tick.code, tick.qty
        self._prices.coming = 1
        self.orders.meet_trade(Bar(t, code, 0, price, price, price, price, qty, 1), t)
        self._prices.coming = 0


__all__ = ["TickRun"]
