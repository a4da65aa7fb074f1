"""The bars of this day, from its beginning, whenever the session attached to the desk."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from kisnb.clock import MINUTE, Ns, clock_text, kst, kst_day
from kisnb.market.bars import span_of
from kisnb.market.calendar import is_trading_day
from kisnb.missing import with_reason
from kisnb.session.asking import Asking
from kisnb.session.bars.day_minutes import DayMinutes, is_regular, minutes_of_day
from kisnb.session.feed.market_data import Until, closed_bars, longer
from kisnb.session.feed.state import SessionState
from kisnb.terms import Venue
from kisnb.trading.gate.risk import Rules

if TYPE_CHECKING:
    import polars as pl


class DayBars:
    """Makes DataFrames of this day's bars. Prices in won, volumes in shares.

    Without a venue (None), bars use the price that kisnb follows. During KRX's regular session that
    is KRX's price. Before and after it, it is the price of both venues together
    (``market.sessions.gives_price``). So these bars begin at 08:00.
    """

    def __init__(self, state: SessionState, rules: Rules, minutes: DayMinutes) -> None:
        self._state = state
        self._rules = rules
        self.minutes = minutes

    async def frame(self, desk: Asking, code: str, every: str, venue: Venue | None) -> pl.DataFrame:
        """Fetch what is missing of this day, and return the bars that are closed now.

        ``every`` is a length such as 20s, 1m or 1h. Columns: t (start, KST), open, high, low,
        close, volume. A time without a trade has no bar. When the DataFrame is empty or lacks
        minutes, ``kisnb.why_missing(frame)`` says why. Raises BadInput, DeskLost.
        """
        now = self._state.now
        # KIS has no bars of seconds. They are made of the trades that were received.
        is_minutes = span_of(every) % MINUTE == 0
        trouble = await self.bring(desk, code, venue, now) if is_minutes else ""
        shown = self.here(code, every, venue, now)
        if not trouble and shown.is_empty():
            trouble = self._why_empty(code, every, venue, now)
        return with_reason(shown, trouble)

    def here(
        self,
        code: str,
        every: str,
        venue: Venue | None,
        now: Ns | None = None,
        *,
        running: bool = False,
    ) -> pl.DataFrame:
        """Return the closed bars of this day, made only of what this session already has.

        ``running`` adds the bar that is not closed yet.
        """
        now = self._state.now if now is None else now
        span, day = span_of(every), kst_day(now)
        is_minutes = span % MINUTE == 0
        bars = self.followed(code, venue, day, None if is_minutes else span)
        made = longer(bars, span) if is_minutes else bars
        return closed_bars(made, span, now + span if running else now)

    def followed(
        self, code: str, venue: Venue | None, day: date, span: Ns | None = None, until: Until = None
    ) -> pl.DataFrame:
        """Return the bars of a day from what this session has, the unfinished bar included.

        Without ``span`` they are minute bars. With ``span`` (ns) they have that length, and are
        made only of trades that were received. ``until`` leaves out the newest trades of a venue.
        Columns: those of ``MarketData.minutes``.
        """
        import polars as pl

        data = self._state.data
        parts = [
            _part(
                data.minutes(code, where, until)
                if span is None
                else data.received(code, where, span, until),
                day,
                regular,
            )
            for where, regular in self._parts(code, venue)
        ]
        return pl.concat(parts).sort("start")

    async def bring(self, desk: Asking, code: str, venue: Venue | None, now: Ns) -> str:
        """Fetch this day's missing minutes.

        Return why some stay missing; empty when all have come.
        """
        troubles = [
            await self.minutes.bring(desk, code, where, now, regular=regular)
            for where, regular in self._parts(code, venue)
        ]
        return " ".join(filter(None, troubles))

    def venues_at(self, code: str, minute: Ns) -> list[Venue]:
        """Return a list with the venue whose price kisnb follows in a minute.

        Empty when there is none.
        """
        day = kst_day(minute)
        return [
            where
            for where, regular in self._parts(code, None)
            if minute in minutes_of_day(where, day, regular)
        ]

    def _parts(self, code: str, venue: Venue | None) -> list[tuple[Venue, bool | None]]:
        """Return the venues from which the day's minutes come, each with its part of the day.

        Parts: True is KRX's regular session, False the time around it, None the whole day.
        """
        if venue is not None:
            return [(venue, None)]
        listed = {want.venue for want in self._rules.trade_channels(code)}
        if Venue.NXT not in listed or Venue.SOR not in self._rules.capabilities.priced:
            return [(Venue.KRX, None)]
        return [(Venue.SOR, False), (Venue.KRX, True)]

    def _why_empty(self, code: str, every: str, venue: Venue | None, now: Ns) -> str:
        """Return a sentence that says why there is no bar, and what to do."""
        day, item = kst_day(now), self._rules.instrument(code)
        name = "the market" if venue in (None, Venue.SOR) else str(venue)
        possible = [
            t
            for where, regular in self._parts(code, venue)
            for t in minutes_of_day(where, day, regular)
        ]
        if not is_trading_day(day):
            return (
                f"{day} is not a trading day. %kis history {code} --every 1m --from D shows"
                " another day."
            )
        if item is not None and item.listed_on is not None and item.listed_on > day:
            return f"{code} is not listed before {item.listed_on}."
        if venue is Venue.NXT and item is not None and item.nxt is False:
            return f"Nextrade does not trade {code}. Ask for KRX."
        if not possible or now < min(possible):
            opens = f"; its first minute is {clock_text(min(possible))}" if possible else ""
            return f"{name[:1].upper()}{name[1:]} has not opened yet{opens}."
        stated = self._state.stocks.of(now, code)
        if stated is not None and stated.halted:
            return f"{code} is halted today, and has not traded."
        if span_of(every) % MINUTE:
            return (
                f"Bars of {every} are made of trades that this session hears, and none has closed."
                f" Write await session.watch('{code}'), or ask for 1m, which KIS keeps."
            )
        end = min(possible) // span_of(every) * span_of(every) + span_of(every)
        if now < end:
            return f"The first bar of {every} closes at {clock_text(end)}."
        return f"{code} has not traded at {name} today."


def _part(bars: pl.DataFrame, day: date, regular: bool | None) -> pl.DataFrame:
    """Return the bars of a part of a day.

    ``regular`` True: KRX's regular session. False: the time around it. None: the whole day.
    """
    import polars as pl

    first, last = _ends(day)
    bars = bars.filter(pl.col("start").is_between(first, last))
    if regular is None or bars.is_empty():
        return bars
    return bars.filter([is_regular(t, day) is regular for t in bars["start"]])


def _ends(day: date) -> tuple[Ns, Ns]:
    """Return the first and the last minute of a Korean day."""
    return kst(day, 0), kst(day + timedelta(days=1), 0) - MINUTE
