"""One agent of a back-test over trades: its orders go to the run, its bars come from the trades."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kisnb.backtesting.bar_agents import BarClock, BarCommand
from kisnb.backtesting.ticks.tick_prices import TickPrices
from kisnb.clock import Ns
from kisnb.errors import BadInput
from kisnb.events import Bar, Tick
from kisnb.market.bars import BarSeries
from kisnb.orders import Order
from kisnb.trading.agents.agent import Agent
from kisnb.trading.agents.agent_runner import AgentRunner, AgentState
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks
from kisnb.trading.ports.commands import Command, Protect, ReviseOrder, Submit


class TickRunner(AgentRunner):
    """Drives an agent of a back-test over trades, and is its host."""

    def __init__(
        self,
        agent: Agent,
        agent_id: str,
        books: OrderBooks,
        rules: Rules,
        codes: Sequence[str],
        out: list[tuple[TickRunner, BarCommand]],
        clock: BarClock,
        *,
        cash: Callable[[], int | None],
        prices: TickPrices,
        before: Callable[[int], Sequence[Tick]],
    ) -> None:
        """``out`` takes the commands of all agents in their order. ``clock`` is theirs, too.

        ``before`` gives the first trades of the data, as many as it is asked for.
        """
        self.clock = clock
        super().__init__(agent, agent_id, "backtest", books, rules, cash=cash)
        self._codes = frozenset(codes)
        self._out = out
        self._before = before
        self._newest = prices
        self._part: Sequence[Tick] = ()
        self._start = 0
        """Trades of the data before ``_part``."""
        self._left: Any = None
        """The iterator over ``_part``; it knows how many trades are left."""
        self._added = 0
        """Trades of ``_part`` that the series of bars have."""

    @property
    def now(self) -> Ns:
        """The moment at which all agents of the run are."""
        return self.clock.now

    @now.setter
    def now(self, t: Ns) -> None:
        self.clock.now = t

    def play(self, part: Sequence[Tick], start: int, left: Iterator[Tick]) -> None:
        """Begin trades that the run hands to the agent directly, through the iterator ``left``.

        ``start`` trades of the data came before them.
        """
        self._part, self._start, self._left, self._added = part, start, left, 0

    def end_part(self) -> None:
        """End them: bars that the agent has asked for go on with all of them."""
        if self._series:
            self._catch_up()
        self._part, self._left = (), None

    def emit(self, command: Command) -> Order | None:
        """Keep a command until the handler returns. Raises BadInput for a stock without trades."""
        if isinstance(command, Protect):
            self._check_code(command.protection.code)
        if not isinstance(command, Submit | ReviseOrder):
            self._out.append((self, command))
            return None
        self._check_code(command.intent.code)
        if self.state is not AgentState.RUNNING:
            raise BadInput("the back-test of this agent is over", "order in its handlers")
        self._out.append((self, command))
        return self._books.add_pending(command.intent, self.now)

    def price(self, code: str) -> int:
        """Return the newest price of a stock that the agent has seen, won. Raises BadInput."""
        if self._part and code == self._part[0].code:
            return self._part[self._seen_of_part() - 1].price
        price = self._newest.price(code)
        if not price:
            raise BadInput(
                f"no price of {code} has been seen yet", "order in shares, or wait for its prices"
            )
        return price

    def bars(self, code: str, every: str, n: int) -> Sequence[Bar]:
        """Return the newest ``n`` bars of ``every``, oldest first.

        They begin with the first trade of the data, as a session's begin with the day.
        """
        if self._part:
            self._series_of(code, every)
            self._catch_up()
        return super().bars(code, every, n)

    def _series_of(self, code: str, every: str) -> BarSeries:
        is_new = (code, every) not in self._series
        series = super()._series_of(code, every)
        if is_new and self._part:
            for tick in self._before(self._start):
                series.add(tick)
            for tick in self._part[: self._added]:
                series.add(tick)
        return series

    def _catch_up(self) -> None:
        """Add the trades that the agent has got since to its bars."""
        seen = self._seen_of_part()
        for tick in self._part[self._added : seen]:
            for (code, _), series in self._series.items():
                if code == tick.code:
                    series.add(tick)
        self._added = seen

    def _seen_of_part(self) -> int:
        """Return how many trades of the part the agent has got, the one at hand included."""
        left: int = self._left.__length_hint__()
        return len(self._part) - left

    def _check_code(self, code: str) -> None:
        if code not in self._codes:
            raise BadInput(
                f"{self.agent!r} orders {code}, of which the back-test has no trades",
                f"add them to the data, which has {', '.join(sorted(self._codes)[:5])}",
            )


__all__ = ["TickRunner"]
