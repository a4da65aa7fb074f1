"""Plays trades: orders meet the next trade of their stock, agents decide on each trade.

    1. orders that wait for the stock meet the trade     BarOrders.meet_trade
    2. each agent of the stock gets it                   Agent.on_tick
    3. what the agents want is carried out               BarOrders.take

The short life of an order is that of bars (``bar_orders.py``): its facts are folded straight into
the state. A property test plays the whole core beside it and compares the rows. Agents without
coroutines, bars and ``on_phase`` are called directly. The others go through their runner.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kisnb.backtesting.bar_agents import BarClock, BarCommand
from kisnb.backtesting.bar_orders import BarOrders
from kisnb.backtesting.bar_rules import BarRules
from kisnb.backtesting.run_record import equity_frame
from kisnb.backtesting.stuck import AgentFailed, stuck_handlers_end
from kisnb.backtesting.ticks.tick_agents import TickRunner
from kisnb.backtesting.ticks.tick_feed import Part, TickFeed
from kisnb.backtesting.ticks.tick_prices import TickPrices
from kisnb.clock import DAY, MINUTE, Ns, kst_day
from kisnb.events import Bar, ClockMoved, Filled, OrderFact, PhaseChanged, Tick
from kisnb.market import sessions
from kisnb.orders import Order
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner, AgentState
from kisnb.trading.state import State

if TYPE_CHECKING:
    import polars as pl

HANDLERS = ("on_start", "on_tick", "on_bar", "on_fill", "on_order", "on_phase")
"""Handlers that trades can call."""


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
        """``out`` is the list into which the runners put what their agents want."""
        self.feed = feed
        self.runners = runners
        self.orders = orders
        self.rules = rules
        self.state = state
        self._out = out
        self._clock = clock
        self._latency = latency
        self._by_id = {runner.id: runner for runner in runners}
        self._of_code: dict[str, list[TickRunner]] = {}
        for runner in runners:
            self._of_code.setdefault(runner.agent.code, []).append(runner)
        self._has_phase = any(_overrides(r.agent, "on_phase") for r in runners)
        self._is_plain = not self._has_phase and not any(
            r.agent.every
            or any(inspect.iscoroutinefunction(getattr(r.agent, name)) for name in HANDLERS)
            for r in runners
        )
        self._prices = prices
        self._equity: list[tuple[Ns, int, int]] = []
        hears = any(_overrides(r.agent, name) for r in runners for name in ("on_fill", "on_order"))
        if hears or not self._is_plain:
            orders.notify = self.notify

    def run(self, patience: float = 60.0) -> None:
        """Play all trades. Raises what ended an agent, as ``BarRun.run`` does."""
        loops = frozenset(
            f.__code__
            for f in (TickRun._play_one, TickRun._play_many, TickRun.notify, AgentRunner.act)
        )
        with stuck_handlers_end(patience, loops, self._interrupted):
            self._run()

    def equity(self) -> pl.DataFrame:
        """Return cash, holdings and equity after each minute with a trade."""
        return equity_frame(self._equity)

    def _interrupted(self) -> str:
        return next((r.interrupted for r in self.runners if r.interrupted), "")

    def _run(self) -> None:
        # Guards ask for the day's highest price, which the shortest way does not keep.
        has_guards = any(runner.agent.guards is not None for runner in self.runners)
        one = self._is_plain and len(self.feed.codes) == len(self.runners) == 1 and not has_guards
        play: Callable[[Part], None] = self._play_one if one else self._play_many
        opens = {day: (begin, close) for day, begin, close in self.feed.hours}
        # The loop makes no circles; without the objects of before, each collection is short.
        gc.freeze()
        try:
            for runner in self.runners:
                runner.start(opens[self.feed.first][0])
                self._check(runner)
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
        # What was wanted before the first trade, such as in on_start, is at the exchange with it.
        self._take(part.ticks[0].t)

    def _end_day(self, closes: Ns) -> None:
        if self.orders.waiting:
            self.orders.end_day(closes)
        self.rules.bar_days.bases.update(self._prices.newest)
        self._take(closes)

    def _note_equity(self, part: Part) -> None:
        self._prices.add(part.ticks[-1])
        newest = self._prices.newest
        held = sum(qty * newest[code] for code, qty in self.orders.held.items())
        self._equity.append(((part.minute + 1) * MINUTE, self.state.cash or 0, held))

    def _play_one(self, part: Part) -> None:
        """Play trades of one stock to one agent: the shortest way."""
        (runner,) = self.runners
        out, clock, on_tick = self._out, self._clock, runner.agent.on_tick
        waiting, ticks = self.orders.waiting, iter(part.ticks)
        # The runner looks up the trade at hand by what the iterator has left.
        runner.play(part.ticks, part.start, ticks)
        try:
            for tick in ticks:
                if waiting:
                    self._meet(tick)
                clock.now = tick.t
                on_tick(tick)
                if out:
                    self._prices.add(tick)
                    self._take(tick.t)
        except BaseException as e:
            self._failed(runner, e)
        runner.end_part()

    def _play_many(self, part: Part) -> None:
        """Play trades of any stocks to any agents."""
        of_code, is_plain, add = self._of_code, self._is_plain, self._prices.add
        waiting, runner = self.orders.waiting, None
        try:
            for tick in part.ticks:
                t = tick.t
                if not is_plain:
                    self._pass_time(t)
                if tick.code in waiting:
                    self._meet(tick)
                add(tick)
                self._clock.now = t
                for runner in of_code.get(tick.code, ()):
                    if is_plain:
                        runner.agent.on_tick(tick)
                    else:
                        runner.deliver(tick, t)
                        self._check(runner)
                if self._out:
                    self._take(t)
        except BaseException as e:
            if runner is None or runner.state is not AgentState.RUNNING:
                raise
            self._failed(runner, e)

    def _meet(self, tick: Tick) -> None:
        price, t = tick.price, tick.t
        code, qty = tick.code, tick.qty
        self.orders.meet_trade(Bar(t, code, 0, price, price, price, price, qty, 1), t)

    def _take(self, now: Ns) -> None:
        """Carry out what the agents want, one after another: it may make them want more."""
        out = self._out
        while out:
            wanted, out[:] = list(out), []
            for _, command in wanted:
                # An order meets trades after the one that it was decided on, which has passed.
                self.orders.take(command, now, now + self._latency)

    def _pass_time(self, t: Ns) -> None:
        """Wake the handlers that wait for a moment up to ``t``, and report phases."""
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
        if self._has_phase and t > self._clock.now:
            self._report_phases(self._clock.now, t)

    def _report_phases(self, before: Ns, t: Ns) -> None:
        for moment in sessions.boundaries(kst_day(t)):
            if max(before, t - DAY) < moment <= t:
                phase = str(sessions.phase(Venue.KRX, moment))
                event = PhaseChanged(moment, str(sessions.session_id(moment)), Venue.KRX, phase)
                for runner in self.runners:
                    runner.deliver(event, moment)
                    self._check(runner)

    def notify(self, order: Order, fact: OrderFact) -> None:
        """Give a fact to the agent of its order."""
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

    def _failed(self, runner: TickRunner, error: BaseException) -> None:
        runner.failed(error)
        self._check(runner, error)

    def _check(self, runner: TickRunner, error: BaseException | None = None) -> None:
        """Raise what stopped an agent."""
        if runner.state is AgentState.FAILED:
            text = f"{runner.agent!r} failed: {runner.failed_line}\n{runner.error}"
            raise AgentFailed(text) from error
        if runner.state is AgentState.PAUSED:
            # Only a person who interrupts a handler pauses an agent here. They mean the run.
            raise KeyboardInterrupt(runner.agent.note)


def _overrides(agent: Agent, name: str) -> bool:
    return getattr(type(agent), name) is not getattr(Agent, name)


__all__ = ["TickRun"]
