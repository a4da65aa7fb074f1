"""The bars of agents: those of the whole day, also of the time before an agent started.

An agent gets trades one after another, and a batch may hold some that it has not got yet. Its bars
never hold those: they end with the event in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import isfunction

from kisnb.clock import MINUTE, Ns, kst_day
from kisnb.events import Bar, Tick
from kisnb.session.bars.day_bars import DayBars
from kisnb.session.feed.backfill import Backfill
from kisnb.session.feed.link import Link
from kisnb.session.feed.market_data import SETTLE, longer
from kisnb.session.feed.state import SessionState
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent
from kisnb.trading.gate.risk import Rules


class AgentBars:
    """Gives agents the bars of the day, of the price that kisnb follows."""

    def __init__(
        self, link: Link, state: SessionState, rules: Rules, day: DayBars, backfill: Backfill
    ) -> None:
        self.undelivered: Callable[[str], Sequence[Tick]] = lambda _code: ()
        """Gives the trades of a stock that agents have not got yet."""
        self._link = link
        self._state = state
        self._rules = rules
        self._day = day
        self._backfill = backfill

    async def bring(self, agent: Agent) -> None:
        """Fetch the day of an agent that looks at bars, up to now. Raises DeskLost."""
        if not looks_at_bars(agent):
            return
        now = self._state.now
        trouble = await self._day.bring(self._link, agent.code, None, now)
        if trouble:
            self._state.troubles.append(f"{agent.code}: {trouble}")
        self._mend(agent.code, now)

    def _mend(self, code: str, now: Ns) -> None:
        """Fetch the running minute once it is over, when it was heard from its middle on."""
        minute, data = now - now % MINUTE, self._state.data
        for venue in self._day.venues_at(code, minute):
            heard = [
                data.first_heard(code, want.venue or Venue.KRX, minute - MINUTE)
                for want in self._rules.trade_channels(code)
            ]
            # A trade of the minute before shows that this one was heard from its beginning.
            if not any(t is not None and t < minute for t in heard):
                self._backfill.mend(code, venue, now)

    def earlier(self, code: str, span: Ns) -> tuple[list[Bar], Bar | None]:
        """Return the bars of this day up to the event in hand, and the one that may still grow."""
        until = self._state.data.without_newest(code, self.undelivered(code))
        day = kst_day(self._state.now)
        if span % MINUTE:
            rows = self._day.followed(code, None, day, span, until)
        else:
            rows = longer(self._day.followed(code, None, day, None, until), span)
        bars = [
            Bar(t, code, span, opened, high, low, close, volume, None)
            for t, opened, high, low, close, volume in rows.iter_rows()
        ]
        # The newest one is closed when its time is over and KIS has all trades of it.
        if bars and bars[-1].end + SETTLE > self._state.now:
            return bars[:-1], bars[-1]
        return bars, None


def looks_at_bars(agent: Agent) -> bool:
    """Return whether an agent has bars of its own, or a method of it reads ``self.bars``."""
    own = type(agent).__mro__
    methods = [
        method
        for part in own[: own.index(Agent)]
        for method in vars(part).values()
        if isfunction(method)
    ]
    return bool(agent.every) or any("bars" in method.__code__.co_names for method in methods)
