"""Figures of earlier days for agents and exits: investor flows, and average true ranges."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING

from kisnb.clock import kst_day
from kisnb.errors import DeskLost, KisnbError
from kisnb.history.series import Basis, Series, SeriesKind
from kisnb.market.flows import FlowTable, read_flows
from kisnb.market.true_range import newest_atr
from kisnb.session.bars.agent_bars import bars_of_days, calls
from kisnb.session.feed.state import SessionState
from kisnb.session.history.past_days import PastDays
from kisnb.terms import Venue
from kisnb.trading.agents.agent import Agent

if TYPE_CHECKING:
    import polars as pl

FLOWS_BACK = timedelta(days=41)
"""How far back agents see flows: the days that one reply of KIS covers."""
RANGES_BACK = timedelta(days=42)
"""Days that are read for an average true range.

They hold 15 trading days, over the longest holidays.
"""


class PastFigures:
    """Gets figures of past days from the store, or from KIS. Each figure is fetched once a day."""

    def __init__(self, past: PastDays, state: SessionState) -> None:
        self.flows = FlowTable()
        """The flows that were fetched so far."""
        self._past = past
        self._state = state
        self._atr: dict[str, float | None] = {}
        self._with_flows: set[str] = set()
        """Stocks whose flows were fetched on ``_day``."""
        self._day: date | None = None
        """The day on which the figures were fetched. All figures are of earlier days.

        None: nothing was fetched.
        """

    def are_of(self, day: date) -> bool:
        """Return whether the figures were fetched for ``day``.

        True also when nothing was fetched yet.
        """
        return self._day is None or self._day == day

    def atr(self, code: str) -> float | None:
        """Return the average true range in won; None when it was not fetched on this day."""
        return self._atr.get(code) if self._day == kst_day(self._state.now) else None

    async def bring(self, agent: Agent) -> None:
        """Fetch the figures that an agent's methods read: its flows, and the range for its exits.

        A trouble says why a figure is missing. Raises DeskLost.
        """
        for code in agent.stocks():
            if calls(agent, "flows"):
                await self._bring_flows(code)
            if calls(agent, "protect"):
                await self.bring_atr(code)

    async def bring_anew(self, agents: Iterable[Agent]) -> None:
        """Fetch the figures of agents on a new day. Without a desk, nothing is fetched."""
        with suppress(DeskLost):
            for agent in agents:
                await self.bring(agent)

    async def bring_atr(self, code: str) -> float | None:
        """Return the average true range of KRX's 14 days before today, won.

        None when it cannot be computed; a trouble says why. Raises DeskLost.
        """
        today = self._begin_day()
        if code not in self._atr:
            series = Series(SeriesKind.DAY, Venue.KRX, Basis.ADJUSTED)
            since = today - RANGES_BACK
            rows = await self._rows(series, code, since, today, "average true range is not known")
            if rows is None:
                return None
            self._atr[code] = newest_atr(bars_of_days(code, rows, today))
        return self._atr[code]

    async def _bring_flows(self, code: str) -> None:
        today = self._begin_day()
        if code in self._with_flows:
            return
        yesterday = today - timedelta(days=1)
        series = Series(SeriesKind.FLOW, Venue.KRX, Basis.RAW)
        since = yesterday - FLOWS_BACK
        rows = await self._rows(series, code, since, yesterday, "flows are missing")
        if rows is None:
            return
        self._with_flows.add(code)
        for flow in read_flows(rows):
            self.flows.add(flow)

    async def _rows(
        self, series: Series, code: str, first: date, last: date, lacking: str
    ) -> pl.DataFrame | None:
        """Return rows of past days. When KIS does not give them, add a trouble and return None.

        ``lacking`` names the missing figure in the trouble.
        """
        try:
            found = await self._past.days(series, code, first, last)
        except DeskLost:
            raise
        except KisnbError as e:
            self._state.troubles.append(f"{code}: its {lacking}: {e}")
            return None
        return found.rows

    def _begin_day(self) -> date:
        """Return this day. On a new day, forget the figures, so that they are fetched again."""
        today = kst_day(self._state.now)
        if today != self._day:
            self._day = today
            self._atr.clear()
            self._with_flows.clear()
        return today
