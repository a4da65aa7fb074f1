"""One agent of a back-test over trades: its orders go to the run, its bars come from trades."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kisnb.backtesting.bar_agents import BarClock, BarCommand, ShortRunner
from kisnb.backtesting.ticks.tick_prices import TickPrices
from kisnb.errors import BadInput
from kisnb.events import Bar, Tick
from kisnb.market.bars import Bars, BarSeries
from kisnb.market.flows import FlowTable
from kisnb.trading.agents.agent import Agent
from kisnb.trading.gate.risk import Rules
from kisnb.trading.order_books.order_book import OrderBooks


class TickRunner(ShortRunner):
    """Runs an agent of a back-test over trades."""

    LACKING = ("trades", "them")

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
        flows: FlowTable | None = None,
    ) -> None:
        """Connect the agent to this runner.

        ``before(n)`` returns the first ``n`` trades of the data.
        """
        super().__init__(
            agent, agent_id, books, rules, codes, out, clock,
            cash=cash, price=self.price, flows=flows,
        )  # fmt: skip
        self._before = before
        self._newest = prices
        self._part: Sequence[Tick] = ()
        self._is_alone = False
        self._start = 0
        """Number of trades of the data before ``_part``."""
        self._left: Any = None
        """The iterator over ``_part``. It knows how many trades are still to come."""
        self._own: dict[str, BarSeries] | None = None
        """By stock: the bars that ``on_bar`` gets. The run adds each trade to them.

        None before the first part.
        """
        self._is_closing = False
        """True while ``on_bar`` runs: the trade that closed its bar is in no other bar yet."""
        self._added = 0
        """Number of trades of ``_part`` that are in the agent's bars."""

    def play(
        self, part: Sequence[Tick], start: int, left: Iterator[Tick], *, is_alone: bool
    ) -> None:
        """Begin a part: trades that the run takes from the iterator ``left``.

        ``start`` is the number of trades of the data before the part. ``is_alone``: all trades are
        of this agent's stock, and ``prices`` does not get each of them.
        """
        self._part, self._start, self._left, self._added = part, start, left, 0
        self._is_alone = is_alone
        if self._own is None:
            every, of = self.agent.every, self.series.by_length
            own = {code: of.get((code, every)) for code in self._events.stocks if every}
            self._own = {code: series for code, series in own.items() if series is not None}

    def closed_by(self, tick: Tick) -> Iterator[Bar]:
        """Add a trade to the agent's own bars. Yield those that it closes, for ``on_bar``."""
        series = self._own.get(tick.code) if self._own else None
        if series is None:
            return
        for bar in series.add(tick):
            self._is_closing = True
            yield bar
            self._is_closing = False

    def end_part(self) -> None:
        """End the part, and add its trades to the bars that the agent has asked for."""
        if self.series.by_length:
            self._catch_up()
        self._part, self._left = (), None

    def price(self, code: str) -> int:
        """Return the newest price of a stock that the agent has seen, won. Raises BadInput."""
        seen = self._seen_of_part() if self._is_alone and self._part else 0
        if seen and code == self._part[0].code:
            return self._part[seen - 1].price
        price = self._newest.price(code)
        if not price:
            raise BadInput(
                f"no price of {code} has been seen yet", "order in shares, or wait for its prices"
            )
        return price

    def bars(self, code: str, every: str, n: int) -> Bars:
        """Return the newest ``n`` bars of ``every``, oldest first.

        The first bar begins with the first trade of the data. In a session it begins with the day.
        """
        if self._part:
            self._begin_series(code, every)
            self._catch_up()
        return super().bars(code, every, n)

    def _begin_series(self, code: str, every: str) -> None:
        """Make the bars of this length from the trades up to now, when the agent has none yet."""
        if (code, every) in self.series.by_length:
            return
        series = self.series.of(code, every)
        for tick in (*self._before(self._start), *self._part[: self._added]):
            if tick.code == code:
                series.add(tick)

    def _catch_up(self) -> None:
        """Add to the agent's bars the trades that it has got since the last call."""
        seen = self._seen_of_part() - self._is_closing
        own = self._own or {}
        for tick in self._part[self._added : seen]:
            for (code, _), series in self.series.by_length.items():
                if code == tick.code and own.get(code) is not series:
                    series.add(tick)
        self._added = seen

    def _seen_of_part(self) -> int:
        """Return how many trades of the part have happened, the present trade included."""
        left: int = self._left.__length_hint__()
        return len(self._part) - left - self._newest.coming


__all__ = ["TickRunner"]
