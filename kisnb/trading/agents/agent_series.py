"""The bars of one agent: those that ``on_bar`` gets, and those that it has asked for.

Bars are made of the trades that the agent gets, and continue bars of the day that others had
before. They also grow while the agent is paused or waits for its schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from kisnb.clock import DAY, Ns
from kisnb.events import Bar, Event, Tick
from kisnb.market.bars import BarSeries, length_of
from kisnb.trading.agents.agent import Agent

Earlier: TypeAlias = Callable[[str, Ns], tuple[Sequence[Bar], Bar | None]]
"""Returns the closed bars of a stock and length up to the current event, and the unfinished bar."""


def nothing_earlier(_code: str, _span: Ns) -> tuple[Sequence[Bar], Bar | None]:
    """Return no earlier bars, for a back-test over a tape.

    Its bars are made of the tape's trades, so there is no bar before the first trade.
    """
    return (), None


class AgentSeries:
    """The bars of one agent, by stock and length."""

    def __init__(self, agent: Agent, earlier: Earlier) -> None:
        """Begin without bars. ``earlier`` returns the bars of the day up to the current event."""
        self._agent = agent
        self._earlier = earlier
        self.by_length: dict[tuple[str, str], BarSeries] = {}
        """The bars by stock and length, such as ``("005930", "1m")``."""
        self.followed: set[str] = set()
        """The stocks whose trades it needs: for its handlers, or for bars that it reads."""
        self.missed: list[Bar] = []
        """Daily bars that closed while the agent waited for its schedule, or that KIS has given.
        ``on_bar`` gets them with the first trade of KRX's next regular session, when it can trade.
        """

    def of(self, code: str, every: str) -> BarSeries:
        """Return the bars of a stock and length. They begin with the first call.

        Raises BadInput when ``every`` is not a bar length.
        """
        series = self.by_length.get((code, every))
        if series is None:
            span = length_of(every)
            series = self.by_length[code, every] = BarSeries(code, span)
            series.begin(*self._earlier(code, span))
            self.followed.add(code)
        return series

    def forget(self) -> None:
        """Forget all bars, because an agent that is started again has missed trades."""
        self.by_length.clear()
        self.missed.clear()

    def follow(self, codes: Iterable[str]) -> None:
        """Follow these stocks, and no others, until the agent asks for bars of others."""
        self.followed.clear()
        self.followed.update(codes)

    def take_missed(self) -> list[Bar]:
        """Return the daily bars that ``on_bar`` has not got, and forget that they were missed."""
        missed, self.missed = self.missed, []
        return missed

    def keep(self, event: Event, *, waits: bool) -> None:
        """Add an event to the bars of an agent whose handlers are not called now.

        ``waits``: the agent waits for its schedule, so ``on_bar`` gets the daily bars later.
        """
        own_every = self._agent.every
        for (code, every), series in self.by_length.items():
            match event:
                case Tick() if event.code == code:
                    closed = series.add(event)
                    if closed and waits and series.span == DAY and every == own_every:
                        self.missed += closed
                case Bar() if event.code == code and event.span == series.span:
                    series.append(event)

    def rebuild(self, code: str) -> None:
        """Build the bars of a stock again, because bars that were missing have arrived."""
        for (known, every), series in self.by_length.items():
            if known != code:
                continue
            closed, running = self._earlier(code, series.span)
            if series.span == DAY:
                self._rebuild_days(series, every, closed, running)
                continue
            # ``on_bar`` has not got the bar that was being built, so it stays open until the
            # next trade.
            was = series.current
            if running is None and was is not None and closed and closed[-1].t == was.t:
                closed, running = closed[:-1], closed[-1]
            series.begin(closed, running)

    def _rebuild_days(
        self, series: BarSeries, every: str, given: Sequence[Bar], running: Bar | None
    ) -> None:
        """Replace daily bars by ``given``; newer ones that were built here stay.

        A day that is over and that ``on_bar`` has not got is kept for it.
        """
        end, was = given[-1].t if given else 0, series.current
        closed = [*given, *(bar for bar in series.bars if bar.t > end)]
        if was is not None and (running is None or was.t < running.t):
            if was.t > end and running is None:
                # Nobody has said that this day is over.
                running = was
            else:
                closed += [was] if was.t > end else []
                if every == self._agent.every:
                    self.missed += [bar for bar in closed if bar.t == was.t]
        series.begin(closed, running)
