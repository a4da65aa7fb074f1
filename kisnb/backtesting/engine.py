"""The back-tester: the desk's own core over a recorded day.

It runs the same DeskCore, agents and order books as a session; only the hosts differ. Persist
appends a row. Send enters the order at once (latency 0). An order fills at the price of the next
trade that its limit allows. An agent's orders go out after the frame whose trades it saw, as in a
session.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from kisnb.clock import Ns, day_number, kst_day
from kisnb.config import load_config
from kisnb.errors import BadInput
from kisnb.events import ClockMoved, Event, Notice, Tick, is_order_fact
from kisnb.history.tape.blocks import is_tape
from kisnb.history.tape.reader import TapeFile
from kisnb.kis.recording.recorded_tape import recorded_ticks
from kisnb.market.costs import BANKIS, CostModel, read_fees
from kisnb.market.instruments import is_code
from kisnb.market.universe import Universe
from kisnb.orders import Capabilities, Intent, OrderRef, Route, SendReply
from kisnb.paths import data_dir
from kisnb.terms import OrderKind, Side, Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner, AgentState
from kisnb.trading.desk_core import DeskCore
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBook, OrderBooks
from kisnb.trading.ports.commands import Command, FastForward, Idle, ReleaseAgent, WatchCodes
from kisnb.trading.ports.effects import (
    AskDepth,
    Cancel,
    CancelReply,
    DepthRead,
    Effect,
    Persist,
    Publish,
    Send,
    WakeAt,
    Woke,
)
from kisnb.trading.ports.journal_rows import Row
from kisnb.trading.ports.limits import Limits
from kisnb.trading.state import State

CAN = Capabilities(venues=(Venue.KRX,), kinds=(OrderKind.LIMIT, OrderKind.MARKET), can_order=True)
"""A back-test trades at KRX, with limit and market orders."""


class Result:
    """The outcome of a run: the agent's order book, the journal's rows, and the agent itself."""

    def __init__(self, book: OrderBook, rows: Sequence[Row], agent: Agent) -> None:
        self.book = book
        self.rows = rows
        self.agent = agent

    @property
    def intents(self) -> list[tuple[Ns, str, Side, int]]:
        """(time, code, side, quantity) of every order, in order."""
        return [(o.t, o.code, o.side, o.quantity) for o in self.book.orders.values()]

    def __repr__(self) -> str:
        return (
            f"<Result {self.agent!r}: {len(self.book.orders)} orders, "
            f"{sum(1 for _ in self.book.fills)} fills, "
            f"realised {self.book.realised_net:+,} won after cost>"
        )


class RestingOrders:
    """Orders that wait for the next trade of their stock, by number."""

    def __init__(self) -> None:
        self._orders: dict[int, tuple[Intent, int]] = {}
        """Intent and leaves."""
        self._last = 0

    def enter(self, intent: Intent) -> int:
        """Take an order; return its number."""
        number = self.next_number()
        self._orders[number] = (intent, intent.qty)
        return number

    def next_number(self) -> int:
        """Return a new number; orders and cancels are numbered together, as at KIS."""
        self._last += 1
        return self._last

    def cancel(self, number: int, qty: int | None) -> int:
        """Take out ``qty`` shares, None for all leaves; return how many came out.

        It is 0 when the order is no longer there.
        """
        if number not in self._orders:
            return 0
        intent, leaves = self._orders[number]
        out = min(qty or leaves, leaves)
        if leaves > out:
            # The order keeps its place: a smaller quantity does not lose priority.
            self._orders[number] = (intent, leaves - out)
        else:
            del self._orders[number]
        return out

    def filled_by(self, tick: Tick) -> list[tuple[int, Intent, int]]:
        """Take out and return (number, intent, shares) that this trade fills, oldest first."""
        hit = [
            (n, i, q)
            for n, (i, q) in self._orders.items()
            if i.code == tick.code and _takes(i, tick.price)
        ]
        for number, _, _ in hit:
            del self._orders[number]
        return hit


class Engine:
    """Runs one core and one agent over one tape; ``start`` is the moment of the first frame.

    Raises BadInput for an agent whose code is not written as a stock code.
    """

    def __init__(
        self,
        agent: Agent,
        universe: Universe,
        start: Ns,
        limits: Limits | None = None,
        costs: CostModel = BANKIS,
    ) -> None:
        # No trade of the tape has such a code, so the agent would see nothing without a word.
        code = str(agent.code)
        if not isinstance(agent.code, str) or not is_code(code):
            full = code.zfill(6) if code.isdecimal() else "005930"
            raise BadInput(
                f"{agent.code!r}, the stock of {type(agent).__name__}, is not a stock code",
                f"write it in full: code={full!r}",
            )
        rules = Rules(universe, CAN, costs)
        self.now = start
        """Simulated time, UTC nanoseconds."""
        self.rows: list[Row] = []
        """The journal's rows so far."""
        self.books = OrderBooks()
        self.core = DeskCore(rules, limits or Limits(), State())
        self.runner = AgentRunner(
            agent, agent.id or type(agent).__name__, "backtest", self.books, rules
        )
        self._resting = RestingOrders()
        self._wakes: list[Ns] = []
        self._out: list[Command] = []
        """Commands of the agent that have not reached the core yet."""
        # The core begins before the agent, as a desk runs before a session attaches.
        self._run(self.core.start(start))
        self._out += self.runner.start(start)
        self._drain()

    def frame(self, t: Ns, ticks: Sequence[Tick]) -> None:
        """Play the trades of one frame, sent at ``t``."""
        self._pass_time(t)
        # Orders fill before the core sees the trade: they were there when it happened.
        for tick in ticks:
            for number, intent, qty in self._resting.filled_by(tick):
                self._submit(self._notice("filled", number, intent, qty, tick.price))
            self._run(self.core.step(self.now, tick))
        self._drain()

    def _pass_time(self, t: Ns) -> None:
        """Move time to ``t``; wake core and agent, in order, at the moments that they asked for."""
        while True:
            asleep = self.runner.next_wake()
            due = [
                w
                for w in (self._wakes[0] if self._wakes else None, asleep)
                if w is not None and w <= t
            ]
            if not due:
                break
            # One moment at a time: what happens at it may ask for another one before ``t``.
            self.now = max(self.now, min(due))
            # At the same moment the core comes first, as at a desk: it publishes, and then the
            # agent decides.
            if self._wakes and self._wakes[0] <= self.now:
                heapq.heappop(self._wakes)
                self._run(self.core.step(self.now, Woke()))
            else:
                self._publish(ClockMoved(self.now))
            self._drain()
        self.now = t

    def _drain(self) -> None:
        """Hand the agent's commands to the core. Raises what stopped the agent."""
        while self._out:
            # One after another, because carrying one out may let the agent order more, which goes
            # behind the others.
            command = self._out.pop(0)
            # These are for a desk that serves sessions. A tape plays by itself and brings every
            # stock.
            if not isinstance(command, Idle | WatchCodes | FastForward | ReleaseAgent):
                self._run(self.core.step(self.now, command))
        if self.runner.state is AgentState.FAILED:
            raise RuntimeError(f"{self.runner.agent!r} failed:\n{self.runner.error}")
        if self.runner.state is AgentState.PAUSED:
            # Only a person who interrupts a handler pauses an agent here. They mean the run.
            raise KeyboardInterrupt(self.runner.agent.note)

    def _submit(self, event: Event) -> None:
        self._run(self.core.step(self.now, event))

    def _run(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            match effect:
                case Persist(rows=rows):
                    self.rows.extend(rows)
                case Publish(event=event):
                    self._publish(event)
                case Send(intent=intent, route=route):
                    self._enter(intent, route)
                case Cancel(key=key, ref=ref, qty=qty):
                    self._cancel(key, ref, qty)
                case WakeAt(t=t):
                    heapq.heappush(self._wakes, t)
                case AskDepth(code=code):
                    # No depth is recorded. The core gets the one that the last trade left.
                    self._run(self.core.step(self.now, DepthRead(code, self.core.depths.of(code))))
                case _:
                    raise AssertionError(f"the recorded day cannot play {effect}")

    def _publish(self, event: Event) -> None:
        """Apply an event to the order books and deliver it to the agent."""
        if is_order_fact(event):
            self.books.apply(event)
        self._out += self.runner.deliver(event, self.now)

    def _enter(self, intent: Intent, route: Route) -> None:
        number = self._resting.enter(intent)
        # The reply comes before the notice here. At KIS the two race, and the core takes either
        # order.
        ref = OrderRef(day_number(self.now), "", number, route.venue)
        self._run(self.core.step(self.now, SendReply(intent.key, "sent", ref)))
        self._submit(self._notice("accepted", number, intent, intent.qty, intent.price or 0))

    def _cancel(self, key: str, ref: OrderRef, qty: int | None) -> None:
        out = self._resting.cancel(ref.number, qty)
        reply = (
            SendReply(key, "sent", ref)
            if out
            else SendReply(key, "rejected", text="nothing left to cancel")
        )
        self._run(self.core.step(self.now, CancelReply(reply)))
        if out:
            intent = self.core.state.books.orders[key].intent
            self._submit(
                self._notice("cancelled", self._resting.next_number(), intent, out, 0, ref.number)
            )

    def _notice(
        self,
        kind: Literal["accepted", "filled", "cancelled"],
        number: int,
        intent: Intent,
        qty: int,
        price: int,
        original: int = 0,
    ) -> Notice:
        code, side = intent.code, intent.side
        return Notice(self.now, kind, number, original, code, side, qty, price, "", Venue.KRX)


def replay(
    agent: Agent,
    recording: str | Path,
    *,
    limits: Limits | None = None,
    costs: CostModel | None = None,
) -> Result:
    """Run an agent over a recorded day (``kisnb sim --record day.tape``) and return the result.

    ``recording`` is a tape of the simulator or of a desk, or a recording of the wire.

    Orders fill at the next trade's price, latency 0. The tax is that of the day. The commission is
    that of ``costs``; left out, that of the setting ``fees``. Raises ConfigError for a wrong
    setting, BadInput for a file without trades and for an agent without a stock code, and
    RuntimeError with the agent's traceback when the agent fails.
    """
    engine: Engine | None = None
    charged = read_fees(load_config().fees) if costs is None else costs
    for t, ticks in _frames(Path(recording)):
        if engine is None:
            # The day of the tape is known with its first frame, and the issues and limits are those
            # of that day.
            engine = Engine(agent, Universe.load(data_dir(), kst_day(t)), t, limits, charged)
        engine.frame(t, ticks)
    if engine is None:
        raise BadInput(
            f"{recording} holds no trades", "record the market with: kisnb sim --record day.tape"
        )
    return Result(engine.runner.book, engine.rows, agent)


def _frames(path: Path) -> Iterator[tuple[Ns, Sequence[Tick]]]:
    """Yield (moment, trades at KRX that were seen together). Raises BadInput."""
    if not is_tape(path):
        yield from recorded_ticks(path)
        return
    for t, events in TapeFile(path).batches(trades_only=True):
        ticks = [e for e in events if isinstance(e, Tick) and e.venue is Venue.KRX]
        if ticks:
            yield t, ticks


def _takes(intent: Intent, price: int) -> bool:
    """True when an order may fill at ``price``."""
    if intent.price is None:
        return True
    return price <= intent.price if intent.side is Side.BUY else price >= intent.price


__all__ = ["Engine", "Result", "replay"]
