"""The bars that agents read. They cover the whole day, also the time before an agent started.

Agents get the events of a batch one after another. While a handler runs, the session may already
have later trades of the same batch. The agent's bars leave these trades out: they end with the
event that the handler got.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from types import FunctionType
from typing import TYPE_CHECKING

from kisnb.clock import DAY, MINUTE, Ns, kst, kst_day
from kisnb.errors import KisnbError
from kisnb.events import Bar, Tick
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.market import sessions
from kisnb.session.bars.day_bars import DayBars
from kisnb.session.feed.backfill import Backfill
from kisnb.session.feed.link import Link
from kisnb.session.feed.market_data import SETTLE, Until, longer
from kisnb.session.feed.state import SessionState
from kisnb.session.history.past_days import PastDays
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.gate.risk import Rules

if TYPE_CHECKING:
    import polars as pl

DAYS_BACK = timedelta(days=730)
"""How far back agents see daily bars: a year of 252 trading days and more."""


class AgentBars:
    """Gives agents the bars of this day, at the price that kisnb follows (see ``DayBars``)."""

    def __init__(
        self,
        link: Link,
        state: SessionState,
        rules: Rules,
        day: DayBars,
        backfill: Backfill,
        past: PastDays,
    ) -> None:
        self.undelivered: Callable[[str], Sequence[Tick]] = lambda _code: ()
        """Gives the trades of a stock that agents have not got yet."""
        self._link = link
        self._state = state
        self._rules = rules
        self._day = day
        self._backfill = backfill
        self._past = past
        self._days: dict[str, list[Bar]] = {}
        """The daily bars before ``_today``, of stocks whose agents look at days."""
        self._today: date | None = None
        """The day on which daily bars were fetched last. None: never."""

    async def bring(self, agent: Agent) -> None:
        """Fetch the bars up to now for an agent that reads bars. Raises DeskLost."""
        if not looks_at_bars(agent):
            return
        for code in agent.stocks():
            now = self._state.now
            trouble = await self._day.bring(self._link, code, None, now)
            if trouble:
                self._state.troubles.append(f"{code}: {trouble}")
            self._mend(code, now)
            if looks_at_days(agent):
                await self._bring_days(code)

    def are_of(self, day: date) -> bool:
        """Return whether the daily bars are those before ``day``, or there are none."""
        return self._today is None or self._today == day

    async def bring_days_anew(self, agents: Iterable[Agent]) -> list[str]:
        """Fetch daily bars on a new day, with the day before. Return the codes of the stocks."""
        self._today = kst_day(self._state.now)
        codes = dict.fromkeys(c for a in agents if looks_at_days(a) for c in a.stocks())
        for code in codes:
            await self._bring_days(code)
        return list(codes)

    async def _bring_days(self, code: str) -> None:
        """Fetch the daily bars of the two years before this day. Note a trouble when that fails."""
        today = self._today = kst_day(self._state.now)
        series = Series(SeriesKind.DAY, Venue.KRX, Basis.ADJUSTED)
        try:
            found = await self._past.days(series, code, today - DAYS_BACK, today, self._link)
        except KisnbError as e:
            self._state.troubles.append(f"{code}: its daily bars are missing: {e}")
            return
        self._days[code] = bars_of_days(code, found.rows, today)

    def _mend(self, code: str, now: Ns) -> None:
        """Plan a fetch of the current minute if its first trades were not received."""
        minute, data = now - now % MINUTE, self._state.data
        for venue in self._day.venues_at(code, minute):
            heard = [
                data.first_heard(code, want.venue or Venue.KRX, minute - MINUTE)
                for want in self._rules.trade_channels(code)
            ]
            # If a trade of the minute before was received, this minute's first trades were received
            # too.
            if not any(t is not None and t < minute for t in heard):
                self._backfill.mend(code, venue, now)

    def earlier(self, code: str, span: Ns) -> tuple[list[Bar], Bar | None]:
        """Return the closed bars up to the agent's event, and the bar that may still change.

        ``span`` is the length of a bar in nanoseconds. Daily bars go two years back. Other bars
        begin this morning. The second value is None when the newest bar is closed.
        """
        until = self._state.data.without_newest(code, self.undelivered(code))
        day = kst_day(self._state.now)
        if span == DAY:
            return self._days.get(code, []), self._so_far(code, day, until)
        if span % MINUTE:
            rows = self._day.followed(code, None, day, span, until)
        else:
            rows = longer(self._day.followed(code, None, day, None, until), span)
        bars = [
            Bar(t, code, span, opened, high, low, close, volume, None)
            for t, opened, high, low, close, volume in rows.iter_rows()
        ]
        # The newest bar is closed when its time is over and KIS has all its trades.
        if bars and bars[-1].end + SETTLE > self._state.now:
            return bars[:-1], bars[-1]
        return bars, None

    def _so_far(self, code: str, day: date, until: Until) -> Bar | None:
        """Return KRX's daily bar of this day so far. None before the first trade of the day."""
        minutes = self._day.followed(code, Venue.KRX, day, None, until)
        # KRX's after-hours sessions are not in its daily bar. The closing auction trades at the
        # close.
        regular = sessions.regular_open(day), sessions.regular_close(day)
        rows = minutes.filter(minutes["start"].is_between(*regular))
        begin = kst(day, 0)
        for row in longer(rows.with_columns(start=rows["start"] * 0), DAY).iter_rows():
            _, opened, high, low, close, volume = row
            return Bar(begin, code, DAY, opened, high, low, close, volume, None)
        return None


def bars_of_days(code: str, rows: pl.DataFrame, today: date) -> list[Bar]:
    """Return the daily rows of a stock before ``today`` as bars, oldest first."""
    before = rows.filter(rows["date"] < today).sort("date")
    numbers = before.select("date", "open", "high", "low", "close", "volume").iter_rows()
    return [
        Bar(kst(day, 0), code, DAY, opened, high, low, close, volume, None)
        for day, opened, high, low, close, volume in numbers
    ]


def looks_at_days(agent: Agent) -> bool:
    """Return whether an agent has daily bars, or one of its methods contains the text ``"1d"``."""
    return agent.every == "1d" or any("1d" in m.__code__.co_consts for m in _methods(agent))


def looks_at_bars(agent: Agent) -> bool:
    """Return whether an agent has bars of its own, or one of its methods reads ``self.bars``."""
    return bool(agent.every) or calls(agent, "bars")


def calls(agent: Agent, name: str) -> bool:
    """Return whether one of an agent's methods reads an attribute of this name."""
    return any(name in m.__code__.co_names for m in _methods(agent))


def _methods(agent: Agent) -> list[FunctionType]:
    own = type(agent).__mro__
    return [
        method
        for part in own[: own.index(Agent)]
        for method in vars(part).values()
        if isinstance(method, FunctionType)
    ]
